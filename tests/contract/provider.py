# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ANN401 - generated messages and stubs have no type in common
"""A provider process as the engine sees it: spawned, asked over gRPC, each answer held against the protocol's rules.

Both front ends speak the same protocol. A dynamic one gets secrets in clear and its pickled class among the properties;
the engine never asks it to create or update in a preview.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import empty_pb2

from contract.services import Services
from kubeoci.lifecycle.values import Secret, Values, has_unknown, reveal
from kubeoci.plugin.engine import OPTIONS
from kubeoci.plugin.stubs import provider_pb2, provider_pb2_grpc
from kubeoci.plugin.values import decode, encode, from_struct, to_struct

KEY = "__provider"
PATH = re.compile(r'[A-Za-z_]\w*(\.[A-Za-z_]\w*|\[\d+\]|\["([^"\\]|\\")*"\])*')
MAX_STATUS_BYTES = 1024 * 1024


@dataclass
class State:
    """A resource in the state of a stack."""

    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    reasons: list[str] = field(default_factory=list)
    refresh: bool = False


class RefusedError(Exception):
    """A call that was aborted. `left` is what the engine stores all the same."""

    def __init__(self, code: grpc.StatusCode, text: str, left: State | None) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.text = text
        self.left = left


class Provider:
    """One spawned front end, `plugin` or `dynamic`. `secrets` must never appear in what it tells a person."""

    def __init__(self, command: list[str], *, dynamic: bool, services: Services, **environment: str) -> None:
        self.dynamic = dynamic
        self.services = services
        self.secrets: set[str] = set()
        self.pickled = {"OCIArtifact": _pickled("ArtifactProvider"), "OCIRepository": _pickled("RepositoryProvider")}
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PULUMI_PROJECT": "shop", **environment}
        self.process = subprocess.Popen([*command, services.address], stdout=subprocess.PIPE, env=variables)
        assert self.process.stdout is not None
        port = int(self.process.stdout.readline())
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS)
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def start(self, config: Values) -> list[str]:
        """The calls before any resource. Returns what is wrong with the configuration."""
        if self.dynamic:
            args = {f"kubeoci:{key}": reveal(value) for key, value in config.items()}
            self.stub.Configure(provider_pb2.ConfigureRequest(args=_struct(args)))
            return []
        self.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=self.services.address))
        self.stub.GetPluginInfo(empty_pb2.Empty())
        checked = self.stub.CheckConfig(provider_pb2.CheckRequest(news=_struct(config)))
        if not checked.failures:
            self.stub.DiffConfig(provider_pb2.DiffRequest(news=checked.inputs))
            self.stub.Configure(provider_pb2.ConfigureRequest(args=checked.inputs, acceptSecrets=True))
        return self._reasons(checked.failures)

    def check(self, urn: str, olds: Values, news: Values, *, preview: bool) -> tuple[dict[str, Any], list[str]]:
        """(checked inputs, failures)."""
        self._note(news)
        request = provider_pb2.CheckRequest(urn=urn, olds=self._sent(urn, olds), news=self._sent(urn, news))
        response = self._call(self.stub.Check, request)
        inputs = self._received(response.inputs)
        assert response.failures or preview or not has_unknown(inputs)
        return _marked(inputs, news), self._reasons(response.failures)

    def diff(self, urn: str, state: State, news: Values, ignore: list[str]) -> "provider_pb2.DiffResponse":
        """The answer; a plugin's keeps the invariants of a detailed diff."""
        response: provider_pb2.DiffResponse = self._call(
            self.stub.Diff,
            provider_pb2.DiffRequest(
                id=state.id,
                urn=urn,
                olds=self._sent(urn, state.outputs),
                old_inputs=self._sent(urn, state.inputs),
                news=self._sent(urn, news),
                ignoreChanges=ignore,
            ),
        )
        if not self.dynamic:
            assert response.changes != provider_pb2.DiffResponse.DIFF_UNKNOWN
            assert bool(response.detailedDiff) == (response.changes == provider_pb2.DiffResponse.DIFF_SOME)
            assert all(PATH.fullmatch(path) for path in response.detailedDiff)
            assert {re.split(r"[.\[]", path)[0] for path in response.detailedDiff} == set(response.diffs)
            assert all(entry.inputDiff for entry in response.detailedDiff.values())
        assert response.changes != provider_pb2.DiffResponse.DIFF_SOME or not self.dynamic
        return response

    def create(self, urn: str, news: dict[str, Any], *, preview: bool) -> State:
        """The new resource. Raises `RefusedError`."""
        self._open(preview=preview)
        request = provider_pb2.CreateRequest(
            urn=urn,
            properties=self._sent(urn, news),
            preview=preview,
            resource_status_address=self.services.address,
            resource_status_token=self.services.token,
        )
        response = self._call(self.stub.Create, request)
        assert preview or response.id
        return self._state(response.id, news, response, news, preview=preview)

    def update(self, urn: str, state: State, news: dict[str, Any], *, preview: bool) -> State:
        """The changed resource. Raises `RefusedError`."""
        self._open(preview=preview)
        request = provider_pb2.UpdateRequest(
            id=state.id,
            urn=urn,
            olds=self._sent(urn, state.outputs),
            old_inputs=self._sent(urn, state.inputs),
            news=self._sent(urn, news),
            preview=preview,
            resource_status_address=self.services.address,
            resource_status_token=self.services.token,
        )
        return self._state(state.id, news, self._call(self.stub.Update, request), news, preview=preview)

    def read(self, urn: str, state: State) -> State | None:
        """What is live. Raises `RefusedError`."""
        self._open(preview=False)
        request = provider_pb2.ReadRequest(
            id=state.id, urn=urn, properties=self._sent(urn, state.outputs), inputs=self._sent(urn, state.inputs)
        )
        response = self._call(self.stub.Read, request)
        if not response.id:
            return None
        inputs = _marked(self._received(response.inputs), state.inputs)
        return self._state(response.id, inputs, response, state.inputs, preview=False)

    def delete(self, urn: str, state: State) -> None:
        """Remove it. Raises `RefusedError`."""
        self._open(preview=False)
        properties, inputs = self._sent(urn, state.outputs), self._sent(urn, state.inputs)
        self._call(
            self.stub.Delete, provider_pb2.DeleteRequest(id=state.id, urn=urn, properties=properties, old_inputs=inputs)
        )

    def cancel(self) -> None:
        """As at the end of each command and on Ctrl-C."""
        self.stub.Cancel(empty_pb2.Empty(), timeout=5)

    def stop(self) -> None:
        """Cancel and end the process, as at the end of each command."""
        if self.process.poll() is None:
            self.cancel()
            self.process.terminate()
        self.process.wait(10)
        self.channel.close()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def heard(self, texts: list[str]) -> list[str]:
        """`texts`, none of which may hold a secret."""
        assert [] == [secret for secret in self.secrets for text in texts if secret in text]
        return texts

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=30)
        except grpc.RpcError as error:
            code, text = error.code(), error.details() or ""
            forbidden = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS)
            assert self.dynamic or code not in forbidden, text
            self.heard([text])
            trailing = dict(error.trailing_metadata() or ())
            left = self._left(code, trailing.get("grpc-status-details-bin", b""))
            raise RefusedError(code, text, left) from None

    def _left(self, code: grpc.StatusCode, status: bytes) -> State | None:
        if not status:
            return None
        assert len(status) <= MAX_STATUS_BYTES + 1024
        fields = _fields(status)
        assert fields[1] == code.value[0]  # the engine drops the resource otherwise
        detail = _fields(fields[3])
        assert detail[1] == b"type.googleapis.com/pulumirpc.ErrorResourceInitFailed"
        failed = provider_pb2.ErrorResourceInitFailed.FromString(detail[2])
        assert failed.id
        reasons = self.heard(list(failed.reasons))
        outputs = self._received(failed.properties)
        return State(failed.id, self._received(failed.inputs), outputs, reasons, failed.refresh_before_update)

    def _state(self, ident: str, inputs: dict[str, Any], response: Any, marks: Values, *, preview: bool) -> State:
        outputs = _marked(self._received(response.properties), marks)
        assert preview or not has_unknown(outputs)
        return State(ident, inputs, outputs, refresh=response.refresh_before_update)

    def _open(self, *, preview: bool) -> None:
        assert not (self.dynamic and preview)
        self.services.token = "token" if preview else ""

    def _sent(self, urn: str, values: Values) -> Any:
        if not self.dynamic:
            return _struct(values)
        kind = urn.split("::")[2].rpartition(":")[2]
        return _struct({**{key: reveal(value) for key, value in values.items()}, KEY: self.pickled[kind]})

    def _received(self, struct: Any) -> dict[str, Any]:
        values = decode(from_struct(struct), [])
        return {key: value for key, value in values.items() if key != KEY}

    def _reasons(self, failures: Any) -> list[str]:
        assert all(not failure.property for failure in failures)  # the CLI prints the value of a named property
        return self.heard([failure.reason for failure in failures])

    def _note(self, value: Any) -> None:
        """Remember each secret text in `value`."""
        if isinstance(value, Secret):
            self.secrets |= set(_texts(reveal(value)))
        elif isinstance(value, dict):
            for item in value.values():
                self._note(item)


def _struct(values: Values) -> Any:
    faults: list[Any] = []
    struct = to_struct(encode(values, faults))
    assert not faults
    return struct


def _pickled(name: str) -> str:
    from pulumi.dynamic.dynamic import serialize_provider  # noqa: PLC0415 - slow, and only here

    from pulumi_kubeoci import providers  # noqa: PLC0415

    return str(serialize_provider(getattr(providers, name)()))


def _marked(values: dict[str, Any], by: Values) -> dict[str, Any]:
    """`values` with those as secrets that are secrets in `by`: the engine does so for what comes in clear."""
    return {
        key: Secret(value) if isinstance(by.get(key), Secret) and not isinstance(value, Secret) else value
        for key, value in values.items()
    }


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    return [value] if isinstance(value, str) and len(value) > 2 else []


def _fields(message: bytes) -> dict[int, Any]:
    """The fields of a protobuf message without its description: numbers and bytes, the last of each number."""
    found: dict[int, Any] = {}
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        value, position = _varint(message, position)
        if tag & 7 == 2:
            found[tag >> 3], position = message[position : position + value], position + value
        else:
            found[tag >> 3] = value
    return found


def _varint(message: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while message[position] & 128:
        number |= (message[position] & 127) << shift
        position, shift = position + 1, shift + 7
    return number | message[position] << shift, position + 1
