# SPDX-License-Identifier: Apache-2.0
"""An inventory that gets another name or namespace: all its objects go along, and no kill in between loses one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.holding import Holding, holding
from e2e.recorder import Recorder
from e2e.stack import Child, Stack, config_map, deployment, namespace
from kubeoci.changes import Action
from kubeoci.cluster.inventory import PART_OF, ParentRef
from kubeoci.errors import KubeociError
from rig import Rig

Body = dict[str, Any]
SECONDS = 30.0
MAPS, SECRETS = "/api/v1/namespaces/{home}/configmaps", "/api/v1/namespaces/{home}/secrets"


@pytest.fixture
def home(rig: Rig) -> Iterator[str]:
    """A namespace of its own, with an object of somebody else in it."""
    with namespace(rig, "moving") as name:
        rig.api.request("POST", MAPS.format(home=name), config_map(name, "foreign", a="1"))
        yield name


@pytest.fixture
def proxy(rig: Rig, tmp_path: Path) -> Iterator[Holding]:
    """A proxy that holds a request."""
    with holding(rig, tmp_path) as found:
        yield found


def moving(stack: Stack, name: str = "new", place: str = "", **settings: Any) -> Stack:  # noqa: ANN401 - any setting
    """The stack with another name, or in another namespace, while its state has the old one."""
    old = stack.settings
    found = Stack(stack.config, place or old.namespace)
    wanted = {"namespace": place or old.namespace, "inventory_name": name, **settings}
    found.settings, found.recorded = replace(old, **wanted, former=old.ref), stack.recorded
    return found


def settled(stack: Stack) -> Stack:
    """The stack when the state has its new name."""
    stack.settings = replace(stack.settings, former=None)
    return stack


def before(home: str) -> list[Body]:
    """What is applied under the old name."""
    maps = [config_map(home, "kept", a="1", b="1"), config_map(home, "old", a="1"), config_map(home, "same", a="1")]
    return [*maps, deployment(home)]


def after(home: str) -> list[Body]:
    """What is applied under the new one."""
    maps = [config_map(home, "kept", a="2"), config_map(home, "new", a="1"), config_map(home, "same", a="1")]
    return [*maps, deployment(home)]


def holders(rig: Rig, home: str) -> dict[str, set[str]]:
    """Each object of ours in the namespace: the ApplySet it is in, and who applied fields of it."""
    found = {}
    for path in (MAPS.format(home=home), f"/apis/apps/v1/namespaces/{home}/deployments"):
        for item in (rig.api.get(path) or {})["items"]:
            meta = item["metadata"]
            if label := (meta.get("labels") or {}).get(PART_OF):
                managers = {entry["manager"] for entry in meta["managedFields"] if entry["operation"] == "Apply"}
                found[meta["name"]] = {label, *managers}
    return found


def parents(rig: Rig, home: str) -> set[str]:
    """The inventories that there are."""
    return {item["metadata"]["name"] for item in (rig.api.get(SECRETS.format(home=home)) or {})["items"]}


def under(home: str, name: str, bodies: list[Body]) -> dict[str, set[str]]:
    """`holders` when all is at one place."""
    ref = ParentRef(home, name)
    return {body["metadata"]["name"]: {ref.applyset, ref.manager} for body in bodies}


def foreign(rig: Rig, home: str) -> Any:  # noqa: ANN401 - any JSON
    """What is not ours."""
    return rig.api.get(f"{MAPS.format(home=home)}/foreign")


def test_objects_go_along(rig: Rig, cluster_recorder: Recorder, home: str) -> None:
    """Each in its own update, told in the plan; the next run takes the old Secret away, and one more does nothing."""
    stack = Stack(cluster_recorder.kubeconfig, home)
    stack.up(*before(home))
    moved = moving(stack)
    cluster_recorder.requests.clear()
    planned = {change.subject.name: change for change in moved.plan(*after(home)).changes}
    assert [] == cluster_recorder.writes()
    assert (Action.CONFIGURED, f"moved from {home}/app") == (planned["same"].action, planned["same"].note)
    assert ["data.a", "data.b", f'metadata.labels["{PART_OF}"]'] == [str(each.path) for each in planned["kept"].fields]
    outcome = moved.up(*after(home))
    assert ((), tuple(planned.values())) == (outcome.reasons, outcome.changes)
    assert under(home, "new", after(home)) == holders(rig, home)
    kept = rig.api.get(f"{MAPS.format(home=home)}/kept")
    assert kept
    assert {"a": "2"} == kept["data"]
    assert () == settled(moved).up(*after(home)).reasons
    assert {"new"} == parents(rig, home)
    cluster_recorder.requests.clear()
    assert () == moved.up(*after(home)).reasons
    assert [] == cluster_recorder.writes()


def test_fields_of_others_stay(rig: Rig, home: str) -> None:
    """What a controller owns is left to it, also under `conflicts: fail`; nobody's ownership but ours is taken."""
    stack = Stack(rig.kubeconfig, home, conflicts="fail")
    stack.up(config_map(home, "a", ours="1"))
    theirs = {**config_map(home, "a", theirs="1"), "metadata": {"name": "a"}}
    rig.api.request("PATCH", f"{MAPS.format(home=home)}/a?fieldManager=kubectl-theirs", theirs)
    moved = moving(stack)
    assert () == moved.up(config_map(home, "a", ours="2")).reasons
    live = rig.api.get(f"{MAPS.format(home=home)}/a")
    assert live
    assert {"ours": "2", "theirs": "1"} == live["data"]


def test_another_namespace(rig: Rig, home: str) -> None:
    """The inventory goes to it; the namespace that it was in is not pruned under it before the state knows."""
    inner = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{home}-inner"}}
    stack = Stack(rig.kubeconfig, f"{home}-inner")
    assert () == stack.up(inner, config_map(home, "a", a="1")).reasons
    moved = moving(stack, place=home)
    outcome = moved.up(config_map(home, "a", a="1"))
    assert ((), {"new"}) == (outcome.reasons, parents(rig, home))
    assert {"app"} == parents(rig, f"{home}-inner")
    assert () == settled(moved).up(config_map(home, "a", a="1")).reasons
    assert rig.api.get(f"/api/v1/namespaces/{home}-inner") is None
    assert () == moved.destroy().reasons
    assert ({}, set()) == (holders(rig, home), parents(rig, home))


def test_place_that_is_taken(rig: Rig, cluster_recorder: Recorder, home: str) -> None:
    """Nothing moves into the inventory of another resource; its own objects and the others stay as they are."""
    Stack(rig.kubeconfig, home, "new", owner="shop/dev/new").up(config_map(home, "a", a="1"))
    stack = Stack(cluster_recorder.kubeconfig, home, owner="shop/dev/app")
    stack.up(config_map(home, "b", a="1"))
    cluster_recorder.requests.clear()
    moved = moving(stack)
    for verb in (moved.plan, moved.up):
        with pytest.raises(KubeociError, match=r"the inventory belongs to the resource shop/dev/new.*cluster\.owned"):
            verb(config_map(home, "b", a="1"))
    assert [] == cluster_recorder.writes()
    Stack(rig.kubeconfig, home, "nobodys").up(config_map(home, "c", a="1"))
    with pytest.raises(KubeociError, match=r"the inventory has objects already.*cluster\.owned"):
        moving(stack, "nobodys").up(config_map(home, "b", a="1"))
    assert [] == cluster_recorder.writes()


def test_name_that_became_free(rig: Rig, home: str) -> None:
    """Another resource may take it at once: neither of both counts the other's objects as its own."""
    stack = Stack(rig.kubeconfig, home, owner="shop/dev/app")
    stack.up(config_map(home, "a", a="1"))
    moved = moving(stack, owner="shop/dev/new")
    assert () == moved.up(config_map(home, "a", a="1")).reasons
    other = Stack(rig.kubeconfig, home, owner="shop/dev/app")
    assert () == other.up(config_map(home, "b", a="1")).reasons
    assert () == settled(moved).up(config_map(home, "a", a="2")).reasons
    assert () == other.destroy().reasons
    assert under(home, "new", [config_map(home, "a")]) == holders(rig, home)
    assert {"new"} == parents(rig, home)


def test_one_move_after_the_other(rig: Rig, home: str) -> None:
    """Without a run in between: no Secret is left behind, and the way back is a move like any other."""
    stack = Stack(rig.kubeconfig, home)
    stack.up(config_map(home, "a", a="1"))
    for name in ("new", "third", "app"):
        stack = moving(settled(stack), name)
        assert () == stack.up(config_map(home, "a", a="1")).reasons
        assert under(home, name, [config_map(home, "a")]) == holders(rig, home)
    assert {"app", "third"} == parents(rig, home)
    assert () == settled(stack).destroy().reasons
    assert ({}, set()) == (holders(rig, home), parents(rig, home))


def test_third_name_while_a_move_has_not_ended(proxy: Holding, home: str) -> None:
    """It is refused before any write, with the names that work."""
    stack = Stack(proxy.kubeconfig, home)
    stack.up(*before(home))
    proxy.hold(f"PATCH {MAPS.format(home=home)}/kept", is_carried_out=True)
    child = Child(moving(stack), "up", *after(home))
    assert proxy.reached.wait(SECONDS), child.wait()
    child.kill()
    proxy.requests.clear()
    with pytest.raises(KubeociError, match=rf"a move between {home}/app and {home}/new has not ended"):
        moving(stack, "third").up(*after(home))
    assert [] == proxy.writes()


def test_object_that_is_left_alone(rig: Rig, home: str) -> None:
    """While its mark forbids to write it, it stays where it was, and so does the old Secret; later it follows."""
    stack = Stack(rig.kubeconfig, home)
    stack.up(config_map(home, "a", a="1"), config_map(home, "b", a="1"))
    mark, path = "kustomize.toolkit.fluxcd.io/reconcile", f"{MAPS.format(home=home)}/a"
    rig.api.request("PATCH", path, {"metadata": {"annotations": {mark: "disabled"}}})
    moved = moving(stack)
    for _ in range(2):
        assert () == moved.up(config_map(home, "a", a="1"), config_map(home, "b", a="1")).reasons
        assert {"app", "new"} == parents(rig, home)
        settled(moved)
    rig.api.request("PATCH", path, {"metadata": {"annotations": {mark: None}}})
    assert () == moved.up(config_map(home, "a", a="1"), config_map(home, "b", a="1")).reasons
    assert under(home, "new", [config_map(home, "a"), config_map(home, "b")]) == holders(rig, home)
    assert {"new"} == parents(rig, home)


def test_run_at_the_old_place(proxy: Holding, cluster_recorder: Recorder, home: str) -> None:
    """Who knows only the old name stops before it writes, as long as the move goes on; and the other way round."""
    stack = Stack(proxy.kubeconfig, home)
    stack.up(*before(home))
    proxy.hold(f"PATCH {MAPS.format(home=home)}/kept", is_carried_out=False)
    child = Child(moving(stack), "up", *after(home))
    assert proxy.reached.wait(SECONDS), child.wait()
    late = Stack(cluster_recorder.kubeconfig, home)
    late.recorded = stack.recorded
    for verb in (late.up, moving(late, "third").up):
        with pytest.raises(KubeociError, match=r"another run is at work.*cluster\.busy"):
            verb(*before(home))
    assert [] == cluster_recorder.writes()
    child.kill()


STEPS = {
    "old inventory": (f"PATCH {SECRETS}/app", 0),
    "new inventory": (f"POST {SECRETS}", 0),
    "fields taken over": (f"PATCH {MAPS}/kept", 0),
    "object applied": (f"PATCH {MAPS}/kept", 1),
    "new object": (f"PATCH {MAPS}/new", 0),
    "unchanged object": (f"PATCH {MAPS}/same", 1),
    "prune": (f"DELETE {MAPS}/old", 0),
    "old inventory emptied": (f"PATCH {SECRETS}/app", 1),
    "final": (f"PATCH {SECRETS}/new", 0),
}
CASES = [
    pytest.param(step, is_carried_out, following, marks=() if is_short else pytest.mark.long)
    for step in STEPS
    for is_carried_out in (False, True)
    for following in ("again", "back", "destroy")
    for is_short in [(step, is_carried_out) == ("object applied", True)]
]


@pytest.mark.parametrize(("step", "is_carried_out", "following"), CASES)
def test_killed(rig: Rig, proxy: Holding, home: str, step: str, is_carried_out: bool, following: str) -> None:
    """The state knows only the old name: going on, turning back and destroying all find every object."""
    theirs = foreign(rig, home)
    stack = Stack(proxy.kubeconfig, home)
    assert () == stack.up(*before(home)).reasons
    moved = moving(stack)
    request, others = STEPS[step]
    proxy.hold(request.format(home=home), is_carried_out=is_carried_out, after=others)
    child = Child(moved, "up", *after(home))
    assert proxy.reached.wait(SECONDS), child.wait()
    child.kill()
    if following == "again":
        assert () == moved.up(*after(home)).reasons
        assert under(home, "new", after(home)) == holders(rig, home)
        stack = settled(moved)
    elif following == "back":
        assert () == stack.up(*before(home)).reasons
        assert (under(home, "app", before(home)), {"app"}) == (holders(rig, home), parents(rig, home))
    assert () == stack.destroy().reasons
    assert ({}, set(), theirs) == (holders(rig, home), parents(rig, home), foreign(rig, home))
