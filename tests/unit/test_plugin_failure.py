# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ANN401 - these stand for what grpc leaves untyped
"""How failures reach the user, and what of a half-made resource reaches the state."""

from typing import Any

import pytest

from kubeoci import archive
from kubeoci.errors import CODES, InputError, RegistryError
from kubeoci.lifecycle.contract import Stored, Unfinished
from kubeoci.plugin.failure import MAX_STATUS_BYTES, abort, code_name, init_failed, told
from kubeoci.plugin.stubs import provider_pb2

ALLOWED = {
    "INVALID_ARGUMENT",
    "FAILED_PRECONDITION",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
}


class Aborted(Exception):  # noqa: N818 - stands for what grpc raises
    """A call was aborted."""


class Context:
    """Remembers how a call ended."""

    def __init__(self) -> None:
        self.metadata: Any = ()

    def set_trailing_metadata(self, metadata: Any) -> None:
        """As grpc's."""
        self.metadata = metadata

    def abort(self, code: Any, text: str) -> None:
        """As grpc's."""
        raise Aborted(code.name, text)


def aborted(error: BaseException) -> tuple[tuple[str, str], Any]:
    """((code, text), trailing metadata) of an abort."""
    context = Context()
    with pytest.raises(Aborted) as caught:
        abort(context, error)  # type: ignore[arg-type]
    return caught.value.args, context.metadata


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_harmless_grpc_code(code: str) -> None:
    """Some gRPC codes would tell the engine that its state is broken."""
    assert code_name(code) in ALLOWED


NAMES = {
    "input.invalid": "INVALID_ARGUMENT",
    "manifest.duplicate": "INVALID_ARGUMENT",
    "registry.denied": "PERMISSION_DENIED",
    "registry.not_found": "NOT_FOUND",
    "cluster.conflict": "FAILED_PRECONDITION",
    "cluster.unreachable": "UNAVAILABLE",
    "trust.unsupported": "FAILED_PRECONDITION",
    "stopped.cancelled": "CANCELLED",
    "stopped.deadline": "DEADLINE_EXCEEDED",
}


@pytest.mark.parametrize("code", NAMES)
def test_grpc_code_says_who_has_to_act(code: str) -> None:
    """By area, with exceptions."""
    assert NAMES[code] == code_name(code)


def test_abort_has_the_text_of_each_fault() -> None:
    """One line per fault; the first decides the code."""
    faults = [RegistryError("registry.denied", "no", where="host"), InputError("input.invalid", "odd", where="url")]
    (code, text), metadata = aborted(ExceptionGroup("several", [ExceptionGroup("inner", faults)]))
    assert ("PERMISSION_DENIED", "host: no (registry.denied)\nurl: odd (input.invalid)", ()) == (code, text, metadata)


def test_foreign_exception_tells_type_and_place_only() -> None:
    """Its text may hold a secret, its traceback paths of the machine."""
    try:
        archive.unpack(object())  # type: ignore[arg-type,attr-defined,unused-ignore]
    except Exception as error:  # noqa: BLE001 - whatever our code raises for nonsense
        (code, text), _ = aborted(error)
    assert "FAILED_PRECONDITION" == code
    assert text.startswith("kubeoci itself failed: ")
    assert "object" not in text


def test_foreign_exception_from_elsewhere_has_no_place() -> None:
    """Nothing of the machine is told."""
    assert ["kubeoci itself failed: KeyError outside its own code; please report it"] == told(KeyError("password"))


def unfinished(**outputs: Any) -> Unfinished:
    """A half-made resource."""
    stored = Stored("default/app", outputs, {"url": "oci://host/app"})
    return Unfinished("cluster.not_ready", ["web is not ready"], stored=stored)


def test_unfinished_leaves_its_resource_in_the_metadata() -> None:
    """The code in the status equals that of the abort, or the engine drops the resource."""
    (code, _), ((key, status),) = aborted(unfinished(inventory=["x"]))
    assert ("FAILED_PRECONDITION", "grpc-status-details-bin", b"\x08\x09\x12") == (code, key, status[:3])
    assert b"type.googleapis.com/pulumirpc.ErrorResourceInitFailed" in status


def test_unfinished_without_id_is_a_plain_failure() -> None:
    """The engine refuses a resource without an id."""
    nothing = Unfinished("cluster.failed", ["it failed"], stored=Stored("", {}))
    assert (("UNAVAILABLE", "it failed"), ()) == aborted(nothing)


def detail(status: bytes) -> provider_pb2.ErrorResourceInitFailed:
    """The resource in a status: it follows the type's URL and its own length."""
    url = b"pulumirpc.ErrorResourceInitFailed\x12"
    rest = status[status.index(url) + len(url) :]
    while rest[0] & 128:
        rest = rest[1:]
    return provider_pb2.ErrorResourceInitFailed.FromString(rest[1:])


def test_state_of_usual_size_is_whole() -> None:
    """Outputs, inputs, reasons and the wish to be refreshed."""
    failed = detail(init_failed(unfinished(objects={"a": "b"}), 9, "m", refresh=True))
    assert ("default/app", ["web is not ready"], True) == (failed.id, failed.reasons, failed.refresh_before_update)
    assert {"objects": {"a": "b"}} == dict(failed.properties)
    assert {"url": "oci://host/app"} == dict(failed.inputs)


@pytest.mark.parametrize(
    ("large", "left"),
    [
        (("objects",), ["digest", "files", "inventory"]),
        (("objects", "files"), ["digest", "inventory"]),
    ],
)
def test_large_state_loses_what_check_makes_again(large: tuple[str, ...], left: list[str]) -> None:
    """The inventory and digests always stay: what was applied must be found again."""
    outputs: dict[str, Any] = {"digest": "sha256:1", "files": {"a": "b"}, "inventory": ["x"], "objects": {"a": "b"}}
    outputs |= {key: {str(index): "x" * 100 for index in range(20_000)} for key in large}
    status = init_failed(unfinished(**outputs), 9, "m", refresh=False)
    assert left == sorted(detail(status).properties)
    assert len(status) <= MAX_STATUS_BYTES
