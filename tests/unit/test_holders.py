# SPDX-License-Identifier: Apache-2.0
"""Whose an inventory and an object are: nobody takes them over by a name that was chosen twice."""

from collections.abc import Iterator

import pytest

from kubeoci.cluster.inventory import ID, OWNER, applyset_id
from kubeoci.cluster.target import Outcome
from kubeoci.errors import ClusterError, flatten
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import FLAGS, NAMESPACE, PARENT_PATH, WEB, load, target

HOLDER = applyset_id("app", "default")


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster where one stack applied two objects."""
    with ClusterSimulator() as simulator:
        up(simulator, NAMESPACE, FLAGS, owner="shop/dev/app")
        simulator.requests.clear()
        yield simulator


def up(cluster: ClusterSimulator, *documents: str, **settings: object) -> Outcome:
    """Apply, without a state."""
    return target(cluster, **settings).apply(load(*documents), (), revision="r1")


def owner(cluster: ClusterSimulator) -> str:
    """What the parent says."""
    parent = cluster.at(PARENT_PATH)
    assert parent
    return str(parent["metadata"]["annotations"].get(OWNER))


def test_an_inventory_name_that_is_in_use(cluster: ClusterSimulator) -> None:
    """Preview and update of the other stack are refused before any write: its first prune would delete all."""
    other = target(cluster, owner="shop/prod/app")
    for verb in (lambda: other.plan(load(WEB), ()), lambda: other.apply(load(WEB), (), revision="r1")):
        with pytest.raises(ClusterError) as caught:
            verb()
        assert (
            "Secret/default/app: the inventory belongs to the resource shop/dev/app; set another inventoryName; "
            "if that resource is this one, import default/app (cluster.owned)"
        ) == str(caught.value)
    assert [] == cluster.writes()


def test_a_killed_first_run_goes_on(cluster: ClusterSimulator) -> None:
    """The same resource without a state finds what it made."""
    outcome = up(cluster, NAMESPACE, WEB, owner="shop/dev/app")
    assert ["unchanged", "created", "deleted"] == [str(change.action) for change in outcome.changes]


def test_a_resource_may_be_renamed(cluster: ClusterSimulator) -> None:
    """Its state says that the inventory is its own; the new name is written down once."""
    recorded = target(cluster).inventory() or ()
    for writes in (1, 0):
        cluster.requests.clear()
        renamed = target(cluster, owner="shop/dev/web")
        assert () == renamed.apply(load(NAMESPACE, FLAGS), recorded, revision="r1").reasons
        assert ("shop/dev/web", writes) == (owner(cluster), len(cluster.writes()))


def test_who_does_not_say_changes_nothing(cluster: ClusterSimulator) -> None:
    """An import knows no name, and leaves the one that is there."""
    up(cluster, NAMESPACE, FLAGS, WEB)
    assert "shop/dev/app" == owner(cluster)


def test_an_emptied_inventory_is_free(cluster: ClusterSimulator) -> None:
    """Nothing could be lost in it."""
    recorded = target(cluster).inventory() or ()
    target(cluster, allow_empty=True).apply((), recorded, revision="r2")
    assert () == up(cluster, NAMESPACE, FLAGS, owner="shop/prod/app").reasons


def told(cluster: ClusterSimulator) -> list[str]:
    """What another inventory with the same objects is told of each."""
    with pytest.raises(ExceptionGroup) as caught:
        target(cluster, inventory_name="other").plan(load(NAMESPACE, FLAGS), ())
    assert [] == cluster.writes()
    return [error.what for error in flatten(caught.value)]


def test_holder_is_named(cluster: ClusterSimulator) -> None:
    """By the parent's name and its resource, found with one request for all objects."""
    assert ["it belongs to the ApplySet default/app of shop/dev/app"] * 2 == told(cluster)
    assert 1 == sum(request.startswith("GET /api/v1/secrets") for request in cluster.requests)


def test_a_copy_of_the_parent_is_not_named(cluster: ClusterSimulator) -> None:
    """The id in the label says which Secret it was made for."""
    meta = {"name": "aaa", "namespace": "default", "labels": {ID: HOLDER}, "annotations": {OWNER: "evil/evil/evil"}}
    cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": meta})
    assert ["it belongs to the ApplySet default/app of shop/dev/app"] * 2 == told(cluster)


def test_holder_that_may_not_be_looked_for(cluster: ClusterSimulator) -> None:
    """Its id is told; the refusal stays."""
    cluster.fail("GET /api/v1/secrets", Fault(status=403))
    assert [f"it belongs to the ApplySet {HOLDER}"] * 2 == told(cluster)
