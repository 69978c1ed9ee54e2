# SPDX-License-Identifier: Apache-2.0
"""Nothing that is not ours is deleted or overwritten: whatever others do with our objects, or beside them."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.recorder import Recorder
from e2e.stack import Stack, config_map, namespace
from kubeoci.changes import Action
from kubeoci.cluster.inventory import PART_OF, applyset_id
from kubeoci.errors import KubeociError, flatten
from rig import Rig

Body = dict[str, Any]
Change = Callable[[Rig, str], object]
FLUX = "kustomize.toolkit.fluxcd.io"


@pytest.fixture
def home(rig: Rig) -> Iterator[str]:
    """A namespace of its own."""
    with namespace(rig, "foreign") as name:
        yield name


def path(home: str, name: str = "a") -> str:
    """Where a ConfigMap is."""
    return f"/api/v1/namespaces/{home}/configmaps/{name}"


def marked(where: str, key: str, value: str | None) -> Change:
    """Somebody sets a label or an annotation."""
    return lambda rig, home: rig.api.request("PATCH", path(home), {"metadata": {where: {key: value}}})


def made_anew(rig: Rig, home: str) -> None:
    """Somebody deletes the object and makes one of the same name, with our label copied."""
    rig.api.request("DELETE", path(home))
    body = config_map(home, "a", theirs="1")
    body["metadata"]["labels"] = {PART_OF: applyset_id("app", home)}
    rig.api.request("POST", f"/api/v1/namespaces/{home}/configmaps", body)


STAYING: dict[str, tuple[Change, str]] = {
    "made anew": (made_anew, "somebody else made it anew since we applied it"),
    "other owner": (marked("labels", PART_OF, "applyset-x-v1"), "it belongs to the ApplySet applyset-x-v1 now"),
    "label taken off": (marked("labels", PART_OF, None), "our label was taken off it"),
    "prune label": (marked("labels", f"{FLUX}/prune", "disabled"), f"it is marked {FLUX}/prune: disabled"),
    "prune annotation": (marked("annotations", f"{FLUX}/prune", "Disabled"), f"it is marked {FLUX}/prune: disabled"),
    "reconcile": (marked("annotations", f"{FLUX}/reconcile", "disabled"), f"it is marked {FLUX}/reconcile: disabled"),
    "ssa": (marked("annotations", f"{FLUX}/ssa", "Ignore"), f"it is marked {FLUX}/ssa: ignore"),
    "detach": (
        marked("annotations", "client.lifecycle.config.k8s.io/deletion", "detach"),
        "it is marked client.lifecycle.config.k8s.io/deletion: detach",
    ),
    "on-remove": (
        marked("annotations", "cli-utils.sigs.k8s.io/on-remove", "keep"),
        "it is marked cli-utils.sigs.k8s.io/on-remove: keep",
    ),
    "helm": (marked("annotations", "helm.sh/resource-policy", "keep"), "it is marked helm.sh/resource-policy: keep"),
}


@pytest.mark.parametrize("case", STAYING)
@pytest.mark.parametrize("verb", ["prune", pytest.param("destroy", marks=pytest.mark.long)])
def test_what_stays(rig: Rig, home: str, case: str, verb: str) -> None:
    """With the reason in a warning; the preview says the same, and the object is the same afterwards."""
    change, reason = STAYING[case]
    stack = Stack(rig.kubeconfig, home)
    stack.up(config_map(home, "a", a="1"), config_map(home, "b", a="1"))
    change(rig, home)
    before = rig.api.get(path(home))
    if verb == "prune":
        planned = {each.subject.name: each for each in stack.plan(config_map(home, "b", a="1")).changes}
        assert (Action.SKIPPED, reason) == (planned["a"].action, planned["a"].note)
    outcome = stack.up(config_map(home, "b", a="1")) if verb == "prune" else stack.destroy()
    assert ((), (f"ConfigMap/{home}/a is not deleted: {reason}",)) == (outcome.reasons, outcome.warnings)
    assert before == rig.api.get(path(home))


OWNERS: dict[str, tuple[str, str, str, str]] = {
    "Flux": ("labels", f"{FLUX}/name", "apps", "the Flux Kustomization apps"),
    "Flux Helm": ("labels", "helm.toolkit.fluxcd.io/name", "apps", "the Flux HelmRelease apps"),
    "kapp": ("labels", "kapp.k14s.io/app", "7", "the kapp app 7"),
    "cli-utils": ("annotations", "config.k8s.io/owning-inventory", "x", "the cli-utils inventory x"),
    "Argo CD": ("annotations", "argocd.argoproj.io/tracking-id", "x", "the Argo CD application x"),
    "Helm": ("annotations", "meta.helm.sh/release-name", "shop", "the Helm release shop"),
    "ApplySet": ("labels", PART_OF, "applyset-x-v1", "the ApplySet applyset-x-v1"),
}


@pytest.mark.parametrize("case", OWNERS)
@pytest.mark.parametrize("conflicts", [pytest.param("smart", marks=pytest.mark.long), "force"])
def test_objects_of_others_are_refused(
    rig: Rig, cluster_recorder: Recorder, home: str, case: str, conflicts: str
) -> None:  # fmt: skip
    """Before any write, with the name of the holder, also for who forces conflicts."""
    where, key, value, holder = OWNERS[case]
    body = config_map(home, "a", theirs="1")
    body["metadata"][where] = {key: value}
    rig.api.request("POST", f"/api/v1/namespaces/{home}/configmaps", body)
    stack = Stack(cluster_recorder.kubeconfig, home, conflicts=conflicts)
    with pytest.raises((KubeociError, ExceptionGroup)) as caught:
        stack.up(config_map(home, "a", theirs="2"), config_map(home, "b", a="1"))
    (fault,) = flatten(caught.value)
    assert ("cluster.owned", f"it belongs to {holder}") == (fault.code, fault.what)
    assert [] == cluster_recorder.writes()


def test_handed_over_object_is_not_taken_back(rig: Rig, home: str) -> None:
    """Once it carries the label of another inventory it is refused, though our inventory still has it."""
    stack = Stack(rig.kubeconfig, home)
    stack.up(config_map(home, "a", a="1"))
    marked("labels", PART_OF, "applyset-x-v1")(rig, home)
    with pytest.raises((KubeociError, ExceptionGroup)) as caught:
        stack.up(config_map(home, "a", a="2"))
    (fault,) = flatten(caught.value)
    assert "it belongs to the ApplySet applyset-x-v1" == fault.what


def test_inventory_name_that_two_stacks_chose(rig: Rig, cluster_recorder: Recorder, home: str) -> None:
    """The second is refused with the first one's name, before any write: nothing of the first is pruned."""
    first = Stack(rig.kubeconfig, home, owner="shop/dev/app")
    first.up(config_map(home, "a", a="1"))
    second = Stack(cluster_recorder.kubeconfig, home, owner="shop/prod/app")
    for verb in (second.plan, second.up):
        with pytest.raises(KubeociError, match="the inventory belongs to the resource shop/dev/app"):
            verb(config_map(home, "b", a="1"))
    assert [] == cluster_recorder.writes()
    other = Stack(cluster_recorder.kubeconfig, home, "other", owner="shop/prod/other")
    with pytest.raises(KubeociError, match=f"it belongs to the ApplySet {home}/app of shop/dev/app;"):
        other.up(config_map(home, "a", a="2"))
    assert [] == cluster_recorder.writes()


def test_object_that_moved_to_another_api_group_is_not_pruned(rig: Rig, home: str) -> None:
    """It is one object under two names: what was applied in this run is not deleted by its old name."""
    event = {"metadata": {"name": "e", "namespace": home}, "reason": "Test", "type": "Normal"}
    old = {
        "apiVersion": "v1",
        "kind": "Event",
        "involvedObject": {"kind": "Pod", "name": "x", "namespace": home},
        **event,
    }
    new = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "regarding": {"kind": "Pod", "name": "x", "namespace": home},
        **event,
    }
    stack = Stack(rig.kubeconfig, home)
    assert () == stack.up(old).reasons
    before = rig.api.get(f"/api/v1/namespaces/{home}/events/e")
    assert before
    assert () == stack.up(new).reasons
    after = rig.api.get(f"/api/v1/namespaces/{home}/events/e")
    assert after
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert ["events.k8s.io"] == [entry.id.group for entry in stack.recorded]


def test_empty_artifact_deletes_nothing(rig: Rig, cluster_recorder: Recorder, home: str) -> None:
    """Unless it is meant."""
    stack = Stack(cluster_recorder.kubeconfig, home)
    stack.up(config_map(home, "a", a="1"))
    cluster_recorder.requests.clear()
    with pytest.raises(KubeociError, match=r"nothing is left to apply, so all 1 objects would be deleted"):
        stack.up()
    assert [] == cluster_recorder.writes()
    stack.settings = Stack(rig.kubeconfig, home, allow_empty=True).settings
    assert () == stack.up().reasons
    assert rig.api.get(path(home)) is None


def test_more_than_max_prune_deletes_nothing(cluster_recorder: Recorder, home: str) -> None:
    """The objects are named before anything is written."""
    stack = Stack(cluster_recorder.kubeconfig, home, max_prune=1)
    stack.up(*(config_map(home, name, a="1") for name in "abc"))
    cluster_recorder.requests.clear()
    with pytest.raises(KubeociError, match=rf"2 objects would be deleted, maxPrune is 1: ConfigMap/{home}/"):
        stack.up(config_map(home, "a", a="1"))
    assert [] == cluster_recorder.writes()


def test_namespace_with_objects_of_ours_stays(rig: Rig, home: str) -> None:
    """A Namespace that left the artifact is not deleted under what is still applied."""
    name = f"{home}-inner"
    inner = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    stack = Stack(rig.kubeconfig, home)
    stack.up(inner, config_map(name, "a", a="1"))
    outcome = stack.up(config_map(name, "a", a="1"))
    assert (f"Namespace/{name} is not deleted: other objects of this resource are in it",) == outcome.warnings
    assert () == stack.destroy().reasons
    assert rig.api.get(f"/api/v1/namespaces/{name}") is None


POLICIES = {
    "MirrorPrune": (True, True),
    "Delete": (False, True),
    "WaitForTermination": (False, True),
    "Orphan": (True, False),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_deletion_policy(rig: Rig, home: str, policy: str) -> None:
    """What a destroy does with the objects; what is kept loses our label and nothing else."""
    prune, is_deleted = POLICIES[policy]
    stack = Stack(rig.kubeconfig, home, prune=prune, deletion_policy=policy)
    stack.up(config_map(home, "a", a="1"))
    assert () == stack.destroy().reasons
    live = rig.api.get(path(home))
    assert is_deleted == (live is None)
    assert live is None or ({"a": "1"}, None) == (live["data"], live["metadata"].get("labels"))
    assert rig.api.get(f"/api/v1/namespaces/{home}/secrets/app") is None


def test_mirror_prune_without_prune_keeps_objects(rig: Rig, home: str) -> None:
    """Who prunes nothing deletes nothing."""
    stack = Stack(rig.kubeconfig, home, prune=False)
    stack.up(config_map(home, "a", a="1"))
    assert () == stack.destroy().reasons
    assert rig.api.get(path(home))


def test_deletion_waits_for_finalizers(rig: Rig, home: str) -> None:
    """Until somebody removes them; the inventory goes only then."""
    stack = Stack(rig.kubeconfig, home)
    stack.up(config_map(home, "a", a="1"))
    rig.api.request("PATCH", path(home), {"metadata": {"finalizers": ["example.com/slow"]}})
    release = threading.Timer(0.5, rig.api.request, ("PATCH", path(home), {"metadata": {"finalizers": None}}))
    release.start()
    assert () == stack.destroy().reasons
    release.join()
    assert rig.api.get(path(home)) is None


def test_stuck_finalizers_are_told_and_nothing_is_forgotten(rig: Rig, home: str) -> None:
    """The inventory stays, so that the next destroy goes on."""
    stack = Stack(rig.kubeconfig, home, timeout_seconds=1.0)
    stack.up(config_map(home, "a", a="1"), config_map(home, "b", a="1"))
    rig.api.request("PATCH", path(home), {"metadata": {"finalizers": ["example.com/stuck"]}})
    outcome = stack.destroy()
    assert f"ConfigMap/{home}/a: it is still being deleted, finalizers left: example.com/stuck" in outcome.reasons[0]
    assert ["a"] == [entry.id.name for entry in stack.recorded]
    rig.api.request("PATCH", path(home), {"metadata": {"finalizers": None}})
    assert () == stack.destroy().reasons
    assert rig.api.get(f"/api/v1/namespaces/{home}/secrets/app") is None


def test_what_goes_with_a_namespace_is_told(rig: Rig, home: str) -> None:
    """What others made in a Namespace that leaves the artifact is named in the plan."""
    name = f"{home}-inner"
    inner = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    stack = Stack(rig.kubeconfig, home)
    stack.up(inner, config_map(name, "a", a="1"), config_map(home, "a", a="1"))
    rig.api.request("POST", f"/api/v1/namespaces/{name}/configmaps", config_map(name, "theirs", a="1"))
    planned = {each.subject.kind: each for each in stack.plan(config_map(home, "a", a="1")).changes}
    told = f"with it goes 1 object that is not of this inventory: ConfigMap/{name}/theirs"
    assert (Action.DELETED, told) == (planned["Namespace"].action, planned["Namespace"].note)
    stack.destroy()
