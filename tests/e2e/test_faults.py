# SPDX-License-Identifier: Apache-2.0
"""An API server in trouble, and whatever stands before it: each trouble in each phase of an update."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.stack import Body, Stack, config_map, namespace
from e2e.troubles import Trouble, Troubled, troubled
from kubeoci.cluster.answers import Refused
from kubeoci.errors import ClusterError
from rig import Rig

HTML = "<html><h1>Bad Gateway</h1></html>"
TYPED = "failed to create typed patch object (x; v1, Kind=ConfigMap): .dta: field not declared in schema"

PHASES = {
    "discovery": ("GET /apis", ""),
    "list": ("GET /api/v1/namespaces/{home}/configmaps", "labelSelector"),
    "dry-run": ("PATCH /api/v1/namespaces/{home}/configmaps/b", "dryRun=All"),
    "write": ("PATCH /api/v1/namespaces/{home}/configmaps/b", "!dryRun"),
    "create": ("PATCH /api/v1/namespaces/{home}/configmaps/c", "!dryRun"),
    "delete": ("DELETE /api/v1/namespaces/{home}/configmaps/a", ""),
    "read-inventory": ("GET /api/v1/namespaces/{home}/secrets/app", ""),
    "inventory": ("PATCH /api/v1/namespaces/{home}/secrets/app", ""),
}

PASSING = {
    "429-retry-after": (Trouble(429, "busy", retry_after="1"), 2),
    "429-storm": (Trouble(429, "busy"), 7),
    "500-etcd": (Trouble(500, "etcdserver: leader changed"), 2),
    "500-timeout": (Trouble(500, "etcdserver: request timed out"), 2),
    "502-text": (Trouble(502, text=HTML), 2),
    "503-text": (Trouble(503, text="no endpoints available for service"), 2),
    "503-status": (Trouble(503, "apiserver is shutting down", retry_after="1"), 1),
    "504": (Trouble(504, text="upstream request timeout"), 2),
    "reset": (Trouble(reset=True), 2),
    "lost-answer": (Trouble(lost=True), 1),
    "cut-json": (Trouble(halved=True), 1),
    "slow": (Trouble(seconds=0.7), 1),
}
ONCE = ("429-storm", "502-text", "500-etcd", "reset", "lost-answer", "cut-json", "slow", "503-text", "504")
"""What is tried in every run, each in one phase; the others are in the long matrix."""


@pytest.fixture
def home(rig: Rig) -> Iterator[str]:
    """A namespace of its own."""
    with namespace(rig, "faults") as name:
        yield name


@pytest.fixture
def proxy(rig: Rig, tmp_path: Path) -> Iterator[Troubled]:
    """A proxy that makes trouble."""
    with troubled(rig, tmp_path) as found:
        yield found


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that nobody asked for are short."""
    monkeypatch.setattr("kubeoci.cluster.rest.LONGEST_PAUSE_SECONDS", 0.05)


def second(home: str) -> list[Body]:
    """What an update brings to the ConfigMaps `a` and `b`: one goes, one changes, one comes."""
    return [config_map(home, "b", a="2"), config_map(home, "c", a="1")]


def started(proxy: Troubled, home: str, **settings: float) -> Stack:
    """An inventory with two ConfigMaps."""
    stack = Stack(proxy.kubeconfig, home, **settings)
    assert () == stack.up(config_map(home, "a", a="1"), config_map(home, "b", a="1")).reasons
    proxy.requests.clear()
    return stack


def contents(rig: Rig, home: str) -> dict[str, Body]:
    """What the cluster has of ours."""
    found = rig.api.get(f"/api/v1/namespaces/{home}/configmaps?labelSelector=applyset.kubernetes.io/part-of") or {}
    return {item["metadata"]["name"]: item["data"] for item in found["items"]}


def matrix() -> Iterator[object]:
    """Each trouble in each phase; all but some are long."""
    phases = list(PHASES)
    for trouble in PASSING:
        for column, phase in enumerate(phases):
            is_short = trouble in ONCE and ONCE.index(trouble) == column
            marks = () if is_short or (phase, trouble) == ("inventory", "lost-answer") else pytest.mark.long
            yield pytest.param(phase, trouble, marks=marks, id=f"{phase}-{trouble}")


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(("phase", "name"), list(matrix()))
def test_passing_trouble_costs_only_time(rig: Rig, proxy: Troubled, home: str, phase: str, name: str) -> None:
    """The update does all that it should, and the inventory knows it."""
    stack = started(proxy, home)
    prefix, inside = PHASES[phase]
    trouble, times = PASSING[name]
    proxy.trouble(prefix.format(home=home), trouble, times, inside=inside)
    assert () == stack.up(*second(home)).reasons
    assert [] == proxy.ordered
    assert {"b": {"a": "2"}, "c": {"a": "1"}} == contents(rig, home)
    assert ["b", "c"] == [entry.id.name for entry in stack.recorded]


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("trouble", [Trouble(lost=True), Trouble(502, text=HTML), Trouble(reset=True)])
def test_new_inventory_in_trouble(rig: Rig, proxy: Troubled, home: str, trouble: Trouble) -> None:
    """Its creation may have been carried out or not: it is looked at before anybody is suspected."""
    proxy.trouble(f"POST /api/v1/namespaces/{home}/secrets", trouble)
    stack = Stack(proxy.kubeconfig, home)
    assert () == stack.up(config_map(home, "a", a="1")).reasons
    assert [] == proxy.ordered
    assert () == stack.up(config_map(home, "a", a="1")).reasons
    assert {"a": {"a": "1"}} == contents(rig, home)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("trouble", [Trouble(lost=True), Trouble(429, "busy"), Trouble(500, "etcdserver: no leader")])
def test_destroy_in_trouble(rig: Rig, proxy: Troubled, home: str, trouble: Trouble) -> None:
    """Objects and inventory go, whichever answer is lost."""
    stack = started(proxy, home)
    proxy.trouble("DELETE ", trouble, 3)
    assert () == stack.destroy().reasons
    assert {} == contents(rig, home)
    assert rig.api.get(f"/api/v1/namespaces/{home}/secrets/app") is None


@pytest.mark.usefixtures("_impatient")
def test_orphaned_objects_in_trouble(rig: Rig, proxy: Troubled, home: str) -> None:
    """A label that is off already is no failure."""
    stack = started(proxy, home, deletion_policy="Orphan")
    proxy.trouble(f"PATCH /api/v1/namespaces/{home}/configmaps", Trouble(lost=True), 2)
    assert () == stack.destroy().reasons
    assert {} == contents(rig, home)
    assert rig.api.get(f"/api/v1/namespaces/{home}/configmaps/a")


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("phase", ["write", "create", "inventory"])
def test_somebody_was_quicker(rig: Rig, proxy: Troubled, home: str, phase: str) -> None:
    """409 without a conflict of fields: the same write is right a moment later, as nobody took the inventory."""
    stack = started(proxy, home)
    prefix, inside = PHASES[phase]
    proxy.trouble(prefix.format(home=home), Trouble(409, "the object has been modified"), inside=inside)
    assert () == stack.up(*second(home)).reasons
    assert {"b": {"a": "2"}, "c": {"a": "1"}} == contents(rig, home)


def test_typed_patch_is_asked_once(proxy: Troubled, home: str) -> None:
    """The 500 of a fault in the manifest is no trouble that passes."""
    stack = started(proxy, home)
    proxy.trouble(f"PATCH /api/v1/namespaces/{home}/configmaps/c", Trouble(500, TYPED), 9)
    outcome = stack.up(*second(home))
    assert "ConfigMap/" in outcome.reasons[0]
    assert "field not declared in schema" in outcome.reasons[0]
    assert "cluster.invalid" == outcome.code
    assert 1 == sum("configmaps/c?" in request and request.startswith("PATCH") for request in proxy.requests)


LASTING = {
    "409": (Trouble(409, "the object has been modified"), "the object has been modified"),
    "429": (Trouble(429, "too busy"), "too busy"),
    "500": (Trouble(500, "nil pointer"), "nil pointer"),
    "etcd": (Trouble(500, "etcdserver: no leader"), "etcdserver: no leader"),
    "502": (Trouble(502, text=HTML), "Bad Gateway"),
    "504": (Trouble(504, text="upstream timeout"), "upstream timeout"),
    "reset": (Trouble(reset=True), "no connection"),
    "cut": (Trouble(halved=True), "its answer is no JSON"),
    "slow": (Trouble(seconds=20.0), "it took too long to answer"),
}


def lasting() -> Iterator[object]:
    """Each trouble in each phase; a few are short. What was carried out is found out, and 409 is tested below."""
    short = {("write", "409"), ("list", "502"), ("delete", "reset"), ("discovery", "cut"), ("dry-run", "429")}
    for phase in PHASES:
        for name in LASTING:
            if (phase, name) not in {("inventory", "409"), ("inventory", "cut"), ("delete", "409"), ("delete", "cut")}:
                yield pytest.param(phase, name, marks=() if (phase, name) in short else pytest.mark.long)


@pytest.mark.parametrize(("phase", "name"), list(lasting()))
def test_lasting_trouble_is_told(
    proxy: Troubled, home: str, monkeypatch: pytest.MonkeyPatch, phase: str, name: str
) -> None:
    """In the server's words, where it is about an object with its name; the next update finishes."""
    monkeypatch.setattr("kubeoci.cluster.site.GRACE_SECONDS", 1.0)
    monkeypatch.setattr("kubeoci.cluster.rest.LONGEST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr("kubeoci.cluster.rest.READ_SECONDS", 1.0)
    stack = started(proxy, home, timeout_seconds=3.0)
    prefix, inside = PHASES[phase]
    trouble, words = LASTING[name]
    proxy.trouble(prefix.format(home=home), trouble, 500, inside=inside)
    assert words in told(stack, home)
    proxy.ordered.clear()
    assert () == stack.up(*second(home)).reasons


def told(stack: Stack, home: str) -> str:
    """What an update says that does not succeed, all of it."""
    try:
        outcome = stack.up(*second(home))
    except (ClusterError, ExceptionGroup) as error:
        found = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
        return " ".join(map(str, found))
    assert outcome.reasons
    return " ".join(outcome.reasons)


def test_inventory_that_is_always_newer(proxy: Troubled, home: str) -> None:
    """409 again and again: then somebody else is at work, and no object is written."""
    stack = started(proxy, home)
    proxy.trouble(f"PATCH /api/v1/namespaces/{home}/secrets/app", Trouble(409, "the object has been modified"), 99)
    assert "somebody else changed the inventory during this run" in told(stack, home)
    assert {f"PATCH /api/v1/namespaces/{home}/secrets/app"} == {text.partition("?")[0] for text in proxy.writes()}


def test_deletion_of_what_changed(proxy: Troubled, home: str) -> None:
    """409 to a DELETE is another uid: it is skipped with a warning, stays known, and goes with the next update."""
    stack = started(proxy, home)
    proxy.trouble("DELETE ", Trouble(409, "the UID in the precondition does not match"))
    outcome = stack.up(*second(home))
    assert (f"ConfigMap/{home}/a is not deleted: it changed while we deleted it",) == outcome.warnings
    assert ["a", "b", "c"] == sorted(entry.id.name for entry in stack.recorded)
    assert () == stack.up(*second(home)).reasons
    assert ["b", "c"] == [entry.id.name for entry in stack.recorded]


def test_html_instead_of_discovery(proxy: Troubled, home: str) -> None:
    """A page of a proxy, with status 200, is no server without kinds: nothing is forgotten."""
    stack = started(proxy, home)
    proxy.trouble("GET /apis", Trouble(200, text="<html>Sign in</html>"))
    with pytest.raises(ClusterError, match="no JSON object but text/html"):
        stack.up(*second(home))
    assert ["a", "b"] == [entry.id.name for entry in stack.recorded]


def test_plan_in_trouble(proxy: Troubled, home: str) -> None:
    """A preview survives as much, and writes as little."""
    stack = started(proxy, home)
    for prefix, inside in PHASES.values():
        proxy.trouble(prefix.format(home=home), Trouble(429, "busy"), inside=inside)
    assert ["b", "c", "a"] == list(stack.actions(*second(home)))
    assert [] == proxy.writes()


def test_credentials_that_expire(proxy: Troubled, home: str) -> None:
    """A 401 is asked again once, with new credentials; one that stays is told."""
    stack = started(proxy, home)
    proxy.trouble("PATCH ", Trouble(401, "Unauthorized"))
    assert () == stack.up(*second(home)).reasons
    proxy.trouble("GET ", Trouble(401, "Unauthorized"), 2)
    with pytest.raises(Refused, match="renew the credentials"):
        stack.up(*second(home))
