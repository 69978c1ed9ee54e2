# SPDX-License-Identifier: Apache-2.0
"""A small engine: the order of calls of `pulumi preview`, `up`, `refresh` and `destroy` over one resource at a time.

It behaves as the real one does where a provider can tell: old inputs are never null, an answer DIFF_UNKNOWN makes it
compare the inputs itself, a resource with reasons is updated even without a difference, a failed update keeps the old
inputs, and a dynamic resource is not created in a preview.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from contract.provider import Provider, RefusedError, State
from kubeoci.lifecycle.contract import Difference, Kind
from kubeoci.lifecycle.difference import compare
from kubeoci.plugin import paths
from kubeoci.plugin.stubs import engine_pb2, provider_pb2, resource_status_pb2

_KINDS = {0: "add", 1: "add", 2: "delete", 3: "delete", 4: "update", 5: "update"}
_ROWS = {
    resource_status_pb2.ViewStep.CREATE: "+",
    resource_status_pb2.ViewStep.UPDATE: "~",
    resource_status_pb2.ViewStep.DELETE: "-",
}


@dataclass
class Result:
    """What a person sees of one step. `op` is create, update, replace, same, delete, gone or failed."""

    op: str
    failures: list[str] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    rows: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    error: str = ""


class Engine:
    """One stack `dev` of a project `shop` over the provider that `spawn` starts.

    The process serves one command after the other, as an attached one does; `close` ends it, and the next command
    starts another.
    """

    def __init__(self, spawn: Callable[[], Provider], config: dict[str, Any] | None = None) -> None:
        self.spawn = spawn
        self.config = dict(config or {})
        self.states: dict[str, State] = {}
        self.provider: Provider | None = None

    def preview(
        self, inputs: dict[str, Any], kind: str = "OCIArtifact", name: str = "app", ignore: Sequence[str] = ()
    ) -> Result:
        """`pulumi preview` of one resource."""
        return self._command(lambda provider: self._step(provider, inputs, kind, name, preview=True, ignore=ignore))

    def up(
        self, inputs: dict[str, Any], kind: str = "OCIArtifact", name: str = "app", ignore: Sequence[str] = ()
    ) -> Result:
        """`pulumi up --skip-preview` of one resource."""
        return self._command(lambda provider: self._step(provider, inputs, kind, name, preview=False, ignore=ignore))

    def refresh(self, kind: str = "OCIArtifact", name: str = "app") -> Result:
        """`pulumi refresh` of one resource."""
        return self._command(lambda provider: self._refresh(provider, urn(kind, name)))

    def destroy(self, kind: str = "OCIArtifact", name: str = "app") -> Result:
        """`pulumi destroy` of one resource."""
        return self._command(lambda provider: self._destroy(provider, urn(kind, name)))

    def close(self) -> None:
        """End the provider process."""
        provider, self.provider = self.provider, None
        if provider:
            provider.stop()

    def state(self, kind: str = "OCIArtifact", name: str = "app") -> State:
        """The resource in the state."""
        return self.states[urn(kind, name)]

    def _command(self, action: Callable[[Provider], Result]) -> Result:
        self.provider = provider = self.provider or self.spawn()
        services = provider.services
        services.logs.clear()
        services.rows.clear()
        try:
            failures = provider.start(self.config)
            result = Result("failed", failures) if failures else action(provider)
        except RefusedError as refused:
            result = Result("failed", error=refused.text)
        provider.cancel()
        result.rows = _rows(provider)
        result.lines = provider.heard([f"{_word(log)}: {log.message}" for log in services.logs if not log.ephemeral])
        return result

    def _step(
        self, provider: Provider, inputs: dict[str, Any], kind: str, name: str, *, preview: bool, ignore: Sequence[str]
    ) -> Result:
        place = urn(kind, name)
        old = self.states.get(place)
        if old and old.refresh:
            self._refresh(provider, place)
            old = self.states.get(place)
        news, failures = provider.check(place, old.inputs if old else {}, inputs, preview=preview)
        if failures:
            return Result("failed", failures)
        if old is None:
            return Result("create", outputs=self._create(provider, place, news, preview=preview))
        found, replaces = _differences(provider, place, old, news, list(ignore))
        if replaces:
            return self._replace(provider, place, inputs, found, preview=preview)
        if not found and not old.reasons:
            return Result("same", outputs=old.outputs)
        outputs = self._update(provider, place, old, news, preview=preview)
        return Result("update", paths=found, outputs=outputs)

    def _create(self, provider: Provider, place: str, news: dict[str, Any], *, preview: bool) -> dict[str, Any]:
        if preview and provider.dynamic:
            return news
        try:
            state = provider.create(place, news, preview=preview)
        except RefusedError as refused:
            if refused.left:
                self.states[place] = State(refused.left.id, news, refused.left.outputs, refused.left.reasons)
            raise
        if not preview:
            self.states[place] = state
        return state.outputs

    def _update(
        self, provider: Provider, place: str, old: State, news: dict[str, Any], *, preview: bool
    ) -> dict[str, Any]:
        if preview and provider.dynamic:
            return news
        try:
            state = provider.update(place, old, news, preview=preview)
        except RefusedError as refused:
            if refused.left:
                self.states[place] = State(old.id, old.inputs, refused.left.outputs, refused.left.reasons)
            raise
        if not preview:
            self.states[place] = state
        return state.outputs

    def _replace(
        self, provider: Provider, place: str, inputs: dict[str, Any], found: dict[str, str], *, preview: bool
    ) -> Result:
        """The new one first, checked without old inputs; then the old one goes."""
        old = self.states[place]
        news, failures = provider.check(place, {}, inputs, preview=preview)
        if failures:
            return Result("failed", failures)
        outputs = self._create(provider, place, news, preview=preview)
        if not preview:
            provider.delete(place, old)
        return Result("replace", paths=found, outputs=outputs)

    def _refresh(self, provider: Provider, place: str) -> Result:
        old = self.states[place]
        live = provider.read(place, old)
        if live is None:
            del self.states[place]
            return Result("gone")
        found, _ = _differences(provider, place, live, old.inputs, [])  # as the engine asks, then turned round
        self.states[place] = live
        turned = {"add": "delete", "delete": "add", "update": "update"}
        return Result("update" if found else "same", paths={path: turned[kind] for path, kind in found.items()})

    def _destroy(self, provider: Provider, place: str) -> Result:
        if place in self.states:
            provider.delete(place, self.states[place])
            del self.states[place]
        return Result("delete")


def urn(kind: str, name: str) -> str:
    """The URN of a resource, by the plugin's type for both front ends."""
    return f"urn:pulumi:dev::shop::kubeoci:index:{kind}::{name}"


def _differences(
    provider: Provider, place: str, old: State, news: dict[str, Any], ignore: list[str]
) -> tuple[dict[str, str], list[str]]:
    """(path -> add, delete or update; properties that replace)."""
    response = provider.diff(place, old, news, ignore)
    if response.changes == provider_pb2.DiffResponse.DIFF_UNKNOWN:
        differing = Difference(compare(old.inputs, news, {*old.inputs, *news}))
        entries = paths.remaining(differing, ignore).entries
        return {path: str(kind) for path, kind in paths.rendered(entries).items()}, list(response.replaces)
    if response.changes == provider_pb2.DiffResponse.DIFF_NONE:
        return {}, []
    found = {path: str(Kind(_KINDS[entry.kind])) for path, entry in sorted(response.detailedDiff.items())}
    return found, list(response.replaces)


def _rows(provider: Provider) -> list[str]:
    """`+ kubernetes:apps/v1:Deployment app/shop/web`, each unique and with a new side only."""
    steps = provider.services.rows
    assert len({(step.type, step.name) for step in steps}) == len(steps)
    assert all(step.HasField("new") and not step.HasField("old") and not step.has_detailed_diff for step in steps)
    provider.heard([str(step) for step in steps])
    return [f"{_ROWS[step.op]} {step.type} {step.name}" for step in steps]


def _word(log: engine_pb2.LogRequest) -> str:
    return engine_pb2.LogSeverity.Name(log.severity).lower()
