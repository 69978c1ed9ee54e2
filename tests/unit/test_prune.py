# SPDX-License-Identifier: Apache-2.0
"""Deleting: only what is ours, in the right order, and nothing by mistake."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from kubeoci.cluster.inventory import PART_OF, Entry
from kubeoci.cluster.target import Outcome
from kubeoci.errors import ClusterError
from kubeoci.identity import ObjectId
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import (
    CART,
    DEFINITION,
    FLAGS,
    FLAGS_PATH,
    NAMESPACE,
    PARENT_PATH,
    WEB,
    WEB_PATH,
    load,
    target,
)

FLAGS_ID = ObjectId("", "ConfigMap", "shop", "flags")


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster where the shop is applied."""
    with ClusterSimulator() as simulator:
        target(simulator).apply(load(NAMESPACE, FLAGS, WEB), (), revision="r1")
        simulator.requests.clear()
        yield simulator


def without_flags(cluster: ClusterSimulator, recorded: tuple[Entry, ...] = (), **settings: Any) -> Outcome:  # noqa: ANN401
    """Apply the shop, its flags taken out of the artifact."""
    return target(cluster, **settings).apply(load(NAMESPACE, WEB), recorded, revision="r1")


def test_removed_object_is_deleted(cluster: ClusterSimulator) -> None:
    """The claim, one DELETE, then the inventory without it."""
    outcome = without_flags(cluster)
    assert [
        f"PATCH {PARENT_PATH}?force=true",
        f"DELETE {FLAGS_PATH}",
        f"PATCH {PARENT_PATH}?force=true",
    ] == cluster.writes()
    assert "ConfigMap/shop/flags deleted" == str(outcome.changes[-1])
    assert FLAGS_ID not in {entry.id for entry in outcome.inventory}


def test_more_than_allowed_is_refused_before_any_write(cluster: ClusterSimulator) -> None:
    """By the plan as well; what is kept by a mark does not count."""
    told = "2 objects would be deleted, maxPrune is 1: Deployment/shop/web, ConfigMap/shop/flags"
    with pytest.raises(ClusterError, match=told):
        target(cluster, max_prune=1).plan(load(NAMESPACE), ())
    with pytest.raises(ClusterError, match=told):
        target(cluster, max_prune=1).apply(load(NAMESPACE), (), revision="r2")
    assert [] == cluster.writes()
    keep = {"helm.sh/resource-policy": "keep"}
    cluster.edit(FLAGS_PATH, "them", lambda body: body["metadata"].update(annotations=keep))
    assert "" == target(cluster, max_prune=1).apply(load(NAMESPACE), (), revision="r2").code


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": {}}, "our label was taken off it"),
        ({"labels": {PART_OF: "applyset-x-v1"}}, "it belongs to the ApplySet applyset-x-v1 now"),
        ({"annotations": {"helm.sh/resource-policy": "Keep"}}, "it is marked helm.sh/resource-policy: keep"),
        ({"uid": "another"}, "somebody else made it anew since we applied it"),
    ],
)
def test_what_is_not_ours_any_more_stays(cluster: ClusterSimulator, change: dict[str, Any], reason: str) -> None:
    """It is skipped with a warning, and leaves the inventory."""
    cluster.edit(FLAGS_PATH, "them", lambda body: body["metadata"].update(change))
    outcome = without_flags(cluster)
    assert (f"ConfigMap/shop/flags is not deleted: {reason}",) == outcome.warnings
    assert cluster.at(FLAGS_PATH) is not None
    assert FLAGS_ID not in {entry.id for entry in outcome.inventory}


def test_vanished_object_is_no_failure(cluster: ClusterSimulator) -> None:
    """What is gone already needs no DELETE."""
    cluster.remove(FLAGS_PATH)
    assert () == without_flags(cluster).reasons
    assert [f"PATCH {PARENT_PATH}?force=true"] == cluster.writes()


def test_refused_deletion_stays_in_the_inventory(cluster: ClusterSimulator) -> None:
    """The next run tries again."""
    cluster.fail("DELETE ", Fault(status=403, body=b'{"kind":"Status","message":"no"}'))
    outcome = without_flags(cluster)
    assert ("ConfigMap/shop/flags: no; ask for a role that allows this (cluster.forbidden)",) == outcome.reasons
    assert FLAGS_ID in {entry.id for entry in outcome.inventory}
    assert "ConfigMap/shop/flags deleted" == str(without_flags(cluster).changes[-1])


def test_namespace_in_use_stays(cluster: ClusterSimulator) -> None:
    """A namespace that still holds objects of ours is not deleted under them."""
    outcome = target(cluster).apply(load(FLAGS, WEB), (), revision="r1")
    assert ("Namespace/shop is not deleted: other objects of this resource are in it",) == outcome.warnings
    assert ObjectId("", "Namespace", "", "shop") in {entry.id for entry in outcome.inventory}


def test_nothing_is_pruned_until_all_is_ready(cluster: ClusterSimulator) -> None:
    """While the new version does not work, the old objects stay, and stay known."""
    cluster.unready.add("web")
    edited = WEB.replace("web:1", "web:2")
    outcome = target(cluster, timeout_seconds=0.5).apply(load(NAMESPACE, edited), (), revision="r2")
    assert "cluster.not_ready" == outcome.code
    assert cluster.at(FLAGS_PATH) is not None
    assert FLAGS_ID in {entry.id for entry in outcome.inventory}


def test_prune_off_keeps_objects(cluster: ClusterSimulator) -> None:
    """Without `prune` they are only forgotten."""
    outcome = without_flags(cluster, prune=False)
    assert cluster.at(FLAGS_PATH) is not None
    assert FLAGS_ID not in {entry.id for entry in outcome.inventory}


def test_down_api_service_is_unknown_not_gone(cluster: ClusterSimulator) -> None:
    """Entries of its group stay in the inventory."""
    node = Entry(ObjectId("metrics.k8s.io", "NodeMetrics", "", "n"), "v1", "uid-x")
    cluster.stale.add("metrics.k8s.io")
    outcome = target(cluster).apply(load(NAMESPACE, FLAGS, WEB), [node], revision="r1")
    assert ("NodeMetrics/n is not deleted: the API service of its group is down",) == outcome.warnings
    assert node in outcome.inventory


def test_destroy_leaves_nothing(cluster: ClusterSimulator) -> None:
    """The claim, objects in reverse order, then the inventory."""
    outcome = target(cluster).destroy(())
    assert [
        f"PATCH {PARENT_PATH}?force=true",
        f"DELETE {WEB_PATH}",
        f"DELETE {FLAGS_PATH}",
        "DELETE /api/v1/namespaces/shop",
        f"DELETE {PARENT_PATH}",
    ] == cluster.writes()
    assert ((), (), True) == (outcome.reasons, outcome.inventory, outcome.written)


def test_destroy_again_writes_nothing(cluster: ClusterSimulator) -> None:
    """What is gone is no failure."""
    target(cluster).destroy(())
    cluster.requests.clear()
    outcome = target(cluster).destroy([Entry(FLAGS_ID, "v1", "uid-9")])
    assert ([], (), False) == (cluster.writes(), outcome.reasons, outcome.written)


def test_destroy_keeps_what_it_could_not_delete(cluster: ClusterSimulator) -> None:
    """The inventory stays as long as an object does."""
    cluster.fail(f"DELETE {WEB_PATH}", Fault(status=403, body=b'{"kind":"Status","message":"no"}'))
    outcome = target(cluster).destroy(())
    assert ["Deployment/shop/web: no; ask for a role that allows this (cluster.forbidden)"] == list(outcome.reasons)
    assert "Deployment/shop/web" in {entry.id.short for entry in outcome.inventory}
    assert cluster.at(PARENT_PATH) is not None


def test_destroy_spares_objects_of_another_uid(cluster: ClusterSimulator) -> None:
    """An object that was made anew by somebody else is not ours."""
    entries = target(cluster).inventory() or ()
    wrong = [replace(entry, uid="uid-0") if entry.id == FLAGS_ID else entry for entry in entries]
    outcome = target(cluster).destroy(wrong)
    assert "ConfigMap/shop/flags is not deleted: somebody else made it anew" in outcome.warnings[0]


@pytest.mark.parametrize("settings", [{"deletion_policy": "Orphan"}, {"prune": False}])
def test_orphaned_objects_lose_only_our_label(cluster: ClusterSimulator, settings: dict[str, Any]) -> None:
    """They stay as they are; the inventory goes."""
    assert () == target(cluster, **settings).destroy(()).reasons
    flags = cluster.at(FLAGS_PATH)
    assert flags is not None
    assert {} == flags["metadata"]["labels"]
    assert cluster.at(PARENT_PATH) is None


def test_definitions_go_after_their_objects(cluster: ClusterSimulator) -> None:
    """A custom resource is deleted while its definition still exists."""
    outcome = target(cluster).apply(load(NAMESPACE, FLAGS, WEB, CART, DEFINITION), (), revision="r1")
    cluster.requests.clear()
    assert () == target(cluster).destroy(outcome.inventory).reasons
    deleted = [text.rsplit("/", 1)[1] for text in cluster.writes()]
    assert deleted.index("blue") < deleted.index("carts.shop.dev")
