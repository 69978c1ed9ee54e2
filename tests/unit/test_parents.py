# SPDX-License-Identifier: Apache-2.0
"""An inventory that moves from one Secret to another: the exact writes, and what goes wrong in between."""

from collections.abc import Callable, Iterator

import pytest

from kubeoci.cluster import inventory
from kubeoci.cluster.inventory import Entry, Parent, ParentRef
from kubeoci.cluster.target import Outcome
from kubeoci.errors import ClusterError
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import FLAGS, FLAGS_PATH, NAMESPACE, PARENT_PATH, load, target

SECRETS = PARENT_PATH.rpartition("/")[0]
NEW_PATH = f"{SECRETS}/new"
OLD, NEW = ParentRef("default", "app"), ParentRef("default", "new")
CLAIM = [f"PATCH {PARENT_PATH}?force=true", f"POST {SECRETS}"]
FINAL = [f"PATCH {path}?force=true" for path in (PARENT_PATH, NEW_PATH)]
FLAGS_MOVED = [f"PATCH {FLAGS_PATH}"] * 2  # the ownership of its fields, its label


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster whose namespace `shop` exists, and one object in it."""
    with ClusterSimulator() as simulator:
        simulator.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        target(simulator).apply(load(FLAGS), (), revision="r1")
        simulator.requests.clear()
        yield simulator


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubeoci.cluster.rest.LONGEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("kubeoci.cluster.parent._AGAIN_SECONDS", 0.01)


def recorded(cluster: ClusterSimulator) -> tuple[Entry, ...]:
    """What the state has."""
    return target(cluster).inventory() or ()


def move(cluster: ClusterSimulator, *documents: str, former: ParentRef | None = OLD) -> Outcome:
    """Apply at the new place."""
    engine = target(cluster, inventory_name="new", former=former)
    return engine.apply(load(*documents or (FLAGS,)), recorded(cluster), revision="r1")


def parent(cluster: ClusterSimulator, path: str) -> Parent:
    """A parent as it is."""
    return inventory.read_parent(cluster.at(path) or {})


def test_writes_of_a_move(cluster: ClusterSimulator) -> None:
    """Both are claimed before the first object, and name each other until the state is known to follow."""
    known = recorded(cluster)
    cluster.requests.clear()
    engine = target(cluster, inventory_name="new", former=OLD)
    assert () == engine.apply(load(FLAGS), known, revision="r1").reasons
    assert [*CLAIM, *FLAGS_MOVED, *FINAL] == cluster.writes()
    old, new = parent(cluster, PARENT_PATH), parent(cluster, NEW_PATH)
    assert ((), NEW, None) == (old.entries, old.twin, old.claim)
    assert ({OLD}, None, known) == ({new.twin}, new.claim, new.entries)


def test_writes_of_the_next_run(cluster: ClusterSimulator) -> None:
    """The old Secret goes, the link to it after that; then there is nothing to do."""
    move(cluster)
    for writes in ([f"DELETE {PARENT_PATH}", FINAL[1]], []):
        cluster.requests.clear()
        assert () == move(cluster, former=None).reasons
        assert writes == cluster.writes()


def foreign(cluster: ClusterSimulator) -> None:
    """Somebody's Secret has the old name."""
    cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app", "namespace": "default"}})


@pytest.mark.parametrize("lose", [foreign, lambda cluster: cluster.remove(PARENT_PATH)])
def test_old_inventory_that_is_lost(cluster: ClusterSimulator, lose: Callable[[ClusterSimulator], None]) -> None:
    """The state knows the objects, and the label tells that they are ours; what has the name now is left alone."""
    known = recorded(cluster)
    lose(cluster)
    before = cluster.at(PARENT_PATH)
    engine = target(cluster, inventory_name="new", former=OLD)
    assert () == engine.apply(load(FLAGS), known, revision="r1").reasons
    assert (before, known) == (cluster.at(PARENT_PATH), parent(cluster, NEW_PATH).entries)


def test_new_inventory_that_cannot_be_written(cluster: ClusterSimulator) -> None:
    """Nothing else is, and the old one is free again."""
    cluster.fail(CLAIM[1], Fault(status=403, body=b'{"kind":"Status","message":"forbidden"}'))
    with pytest.raises(ClusterError, match=r"cluster\.forbidden"):
        move(cluster)
    assert [*CLAIM, CLAIM[0]] == cluster.writes()
    assert parent(cluster, PARENT_PATH).claim is None


def test_failed_move(cluster: ClusterSimulator) -> None:
    """An object that is refused leaves both as they were, without a claim; what was written is known to both."""
    refusal = b'{"kind":"Status","message":"no","reason":"Invalid"}'
    cluster.fail(FLAGS_MOVED[0], Fault(status=422, body=refusal))
    outcome = move(cluster, FLAGS)
    assert ("cluster.invalid", 1) == (outcome.code, len(outcome.inventory))
    for path in (PARENT_PATH, NEW_PATH):
        found = parent(cluster, path)
        assert (1, None) == (len(found.entries), found.claim)
    assert () == move(cluster, former=None).reasons
    assert cluster.at(PARENT_PATH) is None


def test_old_inventory_that_somebody_writes(cluster: ClusterSimulator) -> None:
    """That is told; the new one is written all the same, so that nothing is lost and nobody held up."""
    known = recorded(cluster)
    theirs = inventory.parent_body(OLD, (), [{"revision": "x"}])
    cluster.then(FLAGS_MOVED[0], lambda: cluster.put(theirs))
    engine = target(cluster, inventory_name="new", former=OLD)
    outcome = engine.apply(load(FLAGS), known, revision="r1")
    assert ("cluster.busy", known) == (outcome.code, outcome.inventory)
    assert (known, None) == (parent(cluster, NEW_PATH).entries, parent(cluster, NEW_PATH).claim)


def test_name_that_became_free(cluster: ClusterSimulator) -> None:
    """Who has no state and another owner gets nothing by the link; whoever moved away leaves the new one alone."""
    move(cluster)
    other = target(cluster, owner="shop/dev/other").apply(load(NAMESPACE), (), revision="r1")
    assert ["configured"] == [str(change.action) for change in other.changes]
    assert () == move(cluster, former=None).reasons
    found = parent(cluster, PARENT_PATH)
    assert (other.inventory, None, "shop/dev/other") == (found.entries, found.twin, found.owner)
