# SPDX-License-Identifier: Apache-2.0
"""What serves the dynamic resources, in a process of its own that the engine starts.

Every state refers to these classes by module and name, so both stay for ever. They have no attributes of an instance:
those would be pickled into the state. Whatever fails ends in one text; Pulumi adds a traceback, but no values.
"""

import json
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import pulumi
from pulumi import dynamic

if TYPE_CHECKING:
    from kubeoci.lifecycle.contract import Call, Resource, Severity, Stored
    from kubeoci.lifecycle.session import Session

GIVEN_KEY = "__given"
"""Where an output hides which parts of the input of its name were given; Pulumi shows no key that begins like this."""

Result = TypeVar("Result")


class KubeociFailure(Exception):  # noqa: N818 - its name is the last line that a user reads
    """An operation failed; the text says what, where and what to do."""


class _Process:
    """What the resources of this process share. The first `configure` decides: the configuration is the stack's."""

    lock = threading.Lock()
    session: "Session | None" = None


class _Provider(dynamic.ResourceProvider):
    """The calls of a dynamic provider on the lifecycle functions of `token`."""

    serialize_as_secret_always = False
    token = ""

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        """Keep `kubeoci:cluster` and `kubeoci:namespace` of the stack's configuration."""
        config = {key: req.config.get(f"kubeoci:{key}") for key in ("cluster", "namespace")}
        _told(lambda: _configure({key: value for key, value in config.items() if value is not None}))

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        """Inputs with facts, or all failures. Each names no property: the CLI would print that property's value."""
        from kubeoci.plugin.failure import told  # noqa: PLC0415 - the program itself does without the core

        try:
            faults: list[Any] = []
            values = _decoded(news, faults)
            if faults:
                return _failures(news, map(str, faults))
            checked = self._resource().check(_call(), _decoded(_olds, []), values)
            inputs = _encoded(checked.inputs, faults)
            return _failures(inputs, [*checked.failures, *map(str, faults)])
        except Exception as error:  # noqa: BLE001 - a failure is one clean line, an exception a page of traceback
            return _failures(news, told(error))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """`changes=False`, or None: then the engine compares the inputs and shows each path that differs."""
        difference = _told(lambda: self._resource().diff(_decoded(_olds, []), _decoded(_news, [])))
        if not difference.entries:
            return dynamic.DiffResult(changes=False)
        return dynamic.DiffResult(changes=None, replaces=list(difference.replaces))

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make the resource; safe to repeat, since Pulumi forgets a resource whose creation failed half-way."""
        stored = _told(lambda: self._resource().create(_call(), _decoded(props, [])))
        return dynamic.CreateResult(stored.id, _outputs(stored, self._names()))

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """The live world, as inputs too: Pulumi compares inputs with inputs. No id means proven gone."""
        outputs = _decoded(props, [])
        inputs = _told(lambda: _inputs(outputs, self._names(), props.get(GIVEN_KEY)))
        stored = _told(lambda: self._resource().read(_call(), id_, outputs, inputs))
        if stored is None:
            return dynamic.ReadResult("", {})
        return dynamic.ReadResult(stored.id, _outputs(stored, self._names()), _clear(stored.inputs))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Bring the resource to its inputs."""
        stored = _told(lambda: self._resource().update(_call(), _id, _decoded(_olds, []), _decoded(_news, [])))
        return dynamic.UpdateResult(_outputs(stored, self._names()))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove what is ours."""
        _told(lambda: self._resource().delete(_call(), _id, _decoded(_props, [])))

    def _resource(self) -> "Resource":
        from kubeoci.lifecycle.resources import RESOURCES  # noqa: PLC0415 - the program itself does without the core

        return RESOURCES[self.token]

    def _names(self) -> frozenset[str]:
        resource = self._resource()
        return resource.INPUTS | resource.FACTS


class ArtifactProvider(_Provider):
    """Serves `OCIArtifact`."""

    token = "kubeoci:index:OCIArtifact"  # noqa: S105 - a type token


class RepositoryProvider(_Provider):
    """Serves `OCIRepository`."""

    token = "kubeoci:index:OCIRepository"  # noqa: S105 - a type token


def _configure(config: Mapping[str, Any]) -> None:
    from kubeoci.lifecycle.session import Session  # noqa: PLC0415 - the program itself does without the core
    from kubeoci.plugin import configuration  # noqa: PLC0415

    with _Process.lock:
        if _Process.session is None:
            values, faults = configuration.checked(_decoded(config, []))
            if faults:
                raise ExceptionGroup("the configuration of the stack", faults)
            _Process.session = Session(values)


def _call() -> "Call":
    from kubeoci.lifecycle.contract import Call  # noqa: PLC0415 - the program itself does without the core
    from kubeoci.lifecycle.session import Session  # noqa: PLC0415

    return Call(session=_Process.session or Session(), log=_log)


def _log(severity: "Severity", text: str) -> None:
    """A line below the stack in Pulumi's output."""
    {"debug": pulumi.log.debug, "info": pulumi.log.info, "warning": pulumi.log.warn}[severity](text)


def _told(action: Callable[[], Result]) -> Result:
    """The result of `action`. Raises `KubeociFailure` with one text for everything that goes wrong in it."""
    from kubeoci.plugin.failure import told  # noqa: PLC0415 - the program itself does without the core

    try:
        return action()
    except Exception as error:  # noqa: BLE001 - no other exception may reach the user
        text = "\n".join(told(error))
    raise KubeociFailure(text)  # outside the handler: the cause would be printed too, with its own traceback


def _failures(inputs: dict[str, Any], reasons: Any) -> dynamic.CheckResult:  # noqa: ANN401 - texts
    return dynamic.CheckResult(dict(inputs), [dynamic.CheckFailure("", reason) for reason in reasons])


def _decoded(properties: Mapping[str, Any], faults: list[Any]) -> dict[str, Any]:
    """Values of the core for what Pulumi hands to a dynamic provider, without keys that are Pulumi's own or hidden."""
    from kubeoci.plugin.values import decode  # noqa: PLC0415 - the program itself does without the core

    return decode({key: _known(value) for key, value in properties.items() if not key.startswith("__")}, faults)


def _known(value: Any) -> Any:  # noqa: ANN401 - any value
    """`value` with Pulumi's objects for unknown values as the text that the wire has for them."""
    if isinstance(value, pulumi.output.Unknown):
        return pulumi.runtime.rpc.UNKNOWN
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
    return value


def _inputs(outputs: dict[str, Any], names: frozenset[str], given: str | None) -> dict[str, Any]:
    """The checked inputs that `outputs` were made from. Pulumi does not hand them to a dynamic read.

    An output may say more than the input of its name: `annotations` has those of kubeoci too.
    """
    inputs = {key: value for key, value in outputs.items() if key in names}
    for key, parts in json.loads(given or "{}").items():
        if parts is None:
            inputs.pop(key, None)
        elif isinstance(inputs.get(key), dict):
            inputs[key] = {part: value for part, value in inputs[key].items() if part in parts}
    return inputs


def _outputs(stored: "Stored", names: frozenset[str]) -> dict[str, Any]:
    """The outputs of `stored` for Pulumi, and in a hidden one what `_inputs` needs: names only, never a value."""
    given: dict[str, list[str] | None] = {}
    for key, value in stored.outputs.items():
        if key not in names:
            continue
        before = stored.inputs.get(key)
        if before is None:
            given[key] = None
        elif isinstance(before, dict) and isinstance(value, dict) and before.keys() != value.keys():
            given[key] = sorted(before)
    return _clear({**stored.outputs, GIVEN_KEY: json.dumps(given, sort_keys=True)})


def _clear(values: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs for Pulumi. Raises the faults of what it cannot carry."""
    faults: list[Any] = []
    plain = _encoded(values, faults)
    if faults:
        raise KubeociFailure("\n".join(map(str, faults)))
    return plain


def _encoded(values: Mapping[str, Any], faults: list[Any]) -> dict[str, Any]:
    """Plain data for Pulumi, secrets in clear: the engine marks them again by the inputs that they came from."""
    from kubeoci.lifecycle.values import reveal  # noqa: PLC0415 - the program itself does without the core
    from kubeoci.plugin.values import encode  # noqa: PLC0415

    return encode({key: reveal(value) for key, value in values.items()}, faults)
