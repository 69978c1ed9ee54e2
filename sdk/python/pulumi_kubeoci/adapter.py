# SPDX-License-Identifier: Apache-2.0
"""From the calls of a dynamic provider to the lifecycle functions and back.

Pulumi hands over plain data: secrets in clear, its own objects for unknown values, its pickled provider among the
properties. Whatever fails ends in one text; Pulumi puts a traceback before it, which holds no values.
"""

import json
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pulumi
from kubeoci.errors import KubeociError
from kubeoci.lifecycle.contract import Call, Resource, Severity, Stored, Unfinished
from kubeoci.lifecycle.resources import RESOURCES
from kubeoci.lifecycle.session import CONFIG, Session
from kubeoci.lifecycle.values import Value, Values, reveal
from kubeoci.plugin import configuration
from kubeoci.plugin.engine import Engine
from kubeoci.plugin.failure import told
from kubeoci.plugin.values import decode, encode
from pulumi import dynamic

GIVEN_KEY = "__given"
"""Where an output hides which parts of the input of its name were given; Pulumi shows no key that begins like this."""

Result = TypeVar("Result")

_ADDRESS = re.compile(r"\S+:\d+")

_LOGS = {Severity.DEBUG: pulumi.log.debug, Severity.INFO: pulumi.log.info, Severity.WARNING: pulumi.log.warn}


class KubeociFailure(Exception):  # noqa: N818 - its name stands before the text that a user reads
    """An operation failed; the text says what, where and what to do."""


class Config(Protocol):
    """The configuration of a stack."""

    def get(self, key: str) -> Any:  # noqa: ANN401 - as Pulumi has it
        """The value of `project:key`, None when there is none."""
        ...


class Process:
    """What the resources of this process share. The first `configure` decides: the configuration is the stack's."""

    lock = threading.Lock()
    session: Session | None = None
    # Pulumi's host of dynamic providers gets the engine's address as its argument
    engine = Engine(sys.argv[-1] if _ADDRESS.fullmatch(sys.argv[-1]) else "")


@dataclass(frozen=True, slots=True)
class Adapter:
    """The methods of a dynamic provider for the resource type `token`. Raise `KubeociFailure`, but for `check`."""

    token: str

    def configure(self, config: Config) -> None:
        """Keep `kubeoci:cluster`, `kubeoci:namespace` and `kubeoci:registries`."""
        values = {key: config.get(f"kubeoci:{key}") for key in sorted(CONFIG)}
        _one_text(lambda: _configure({key: value for key, value in values.items() if value is not None}))

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        """Inputs with facts, or all failures: they print as one line each, where an exception is a page."""
        try:
            faults: list[KubeociError] = []
            values = decoded(news, faults)
            if faults:
                return _failures(news, map(str, faults))
            checked = self._resource.check(_call(), decoded(olds, []), values)
            inputs = encode(_clear(checked.inputs), faults)
            return _failures(inputs, [*checked.failures, *map(str, faults)])
        except Exception as error:  # noqa: BLE001 - also what nobody foresaw is told as a failure
            return _failures(news, told(error))

    def diff(self, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """`changes=False`, or None: then the engine compares the inputs and shows each path that differs."""
        difference = _one_text(lambda: self._resource.diff(decoded(olds, []), decoded(news, [])))
        if not difference.entries:
            return dynamic.DiffResult(changes=False)
        return dynamic.DiffResult(changes=None, replaces=list(difference.replaces))

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make the resource; safe to repeat. Pulumi forgets one whose creation failed, so it is abandoned in order."""
        ident, outs = _one_text(lambda: self._sent(self._create(decoded(props, []))))
        return dynamic.CreateResult(ident, outs)

    def read(self, ident: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """The live world, as inputs too: Pulumi compares inputs with inputs. No id means proven gone."""
        return _one_text(lambda: self._read(ident, props))

    def update(self, ident: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Bring the resource to its inputs."""
        before, after = decoded(olds, []), decoded(news, [])
        _, outs = _one_text(lambda: self._sent(self._resource.update(_call(), ident, before, after)))
        return dynamic.UpdateResult(outs)

    def delete(self, ident: str, props: dict[str, Any]) -> None:
        """Remove what is ours."""
        _one_text(lambda: self._resource.delete(_call(), ident, decoded(props, [])))

    @property
    def _resource(self) -> Resource:
        return RESOURCES[self.token]

    @property
    def _names(self) -> frozenset[str]:
        return self._resource.INPUTS | self._resource.FACTS

    def _create(self, props: Values) -> Stored:
        call = _call()
        try:
            return self._resource.create(call, props)
        except Unfinished as failure:
            reasons = self._resource.abandon(call, failure)
            raise Unfinished(failure.code, reasons, stored=failure.stored) from failure

    def _read(self, ident: str, props: dict[str, Any]) -> dynamic.ReadResult:
        outputs = decoded(props, [])
        inputs = inputs_behind(outputs, self._names, props.get(GIVEN_KEY))
        stored = self._resource.read(_call(), ident, outputs, inputs)
        if stored is None:
            return dynamic.ReadResult("", {})
        return dynamic.ReadResult(*self._sent(stored), _sent(stored.inputs))

    def _sent(self, stored: Stored) -> tuple[str, dict[str, Any]]:
        """Id and outputs for Pulumi."""
        return stored.id, _sent({**stored.outputs, GIVEN_KEY: given(stored, self._names)})


def decoded(properties: Mapping[str, Any], faults: list[KubeociError]) -> dict[str, Value]:
    """Values of the core for what Pulumi hands over, without keys that are Pulumi's own or hidden."""
    return decode({key: _known(value) for key, value in properties.items() if not key.startswith("__")}, faults)


def inputs_behind(outputs: Values, names: frozenset[str], hidden: str | None) -> dict[str, Any]:
    """The checked inputs that `outputs` were made from: Pulumi does not hand them to a dynamic read.

    An output may say more than the input of its name, as `annotations` does; `hidden` is what `given` told of it.
    """
    inputs: dict[str, Any] = {key: value for key, value in outputs.items() if key in names}
    for key, parts in json.loads(hidden or "{}").items():
        if parts is None:
            inputs.pop(key, None)
        elif isinstance(inputs.get(key), dict):
            inputs[key] = {part: value for part, value in inputs[key].items() if part in parts}
    return inputs


def given(stored: Stored, names: frozenset[str]) -> str:
    """Which parts of the outputs `names` the inputs gave, where that differs. Keys only: a value may be secret."""
    parts: dict[str, list[str] | None] = {}
    for key, value in stored.outputs.items():
        before = stored.inputs.get(key)
        if key in names and before is None:
            parts[key] = None
        elif key in names and isinstance(before, dict) and isinstance(value, dict) and before.keys() != value.keys():
            parts[key] = sorted(before)
    return json.dumps(parts, sort_keys=True)


def _configure(config: Mapping[str, Any]) -> None:
    with Process.lock:
        if Process.session is None:
            values, faults = configuration.checked(decoded(config, []))
            if faults:
                raise ExceptionGroup("the configuration of the stack", faults)
            Process.session = Session(values)


def _call() -> Call:
    return Call(
        session=Process.session or Session(),
        log=lambda severity, text: _LOGS[severity](text),
        progress=lambda text: Process.engine.progress("", text),  # in the row of the stack: ours is not told to us
    )


def _one_text(action: Callable[[], Result]) -> Result:
    """The result of `action`. Raises `KubeociFailure` with one text for everything that goes wrong in it."""
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - no other exception may reach the user
        text = "\n".join(told(error))
    raise KubeociFailure(text)  # outside the handler: the cause would be printed too, with its own traceback


def _failures(inputs: dict[str, Any], reasons: Iterable[str]) -> dynamic.CheckResult:
    """No failure names a property: the CLI would print that property's value."""
    return dynamic.CheckResult(dict(inputs), [dynamic.CheckFailure("", reason) for reason in reasons])


def _known(value: Any) -> Any:  # noqa: ANN401 - any value
    """`value` with Pulumi's objects for unknown values as the text that the wire has for them."""
    if isinstance(value, pulumi.output.Unknown):
        return pulumi.runtime.rpc.UNKNOWN
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
    return value


def _sent(values: Values) -> dict[str, Any]:
    """Plain data for Pulumi. Raises a group of faults for what it cannot carry."""
    faults: list[KubeociError] = []
    plain = encode(_clear(values), faults)
    if faults:
        raise ExceptionGroup("outputs", faults)
    return plain


def _clear(values: Values) -> dict[str, Value]:
    """Secrets in clear: the engine marks them again by the inputs that they came from."""
    return {key: reveal(value) for key, value in values.items()}
