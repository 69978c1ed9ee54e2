# SPDX-License-Identifier: Apache-2.0
"""Writing the inventory where answers are lost, and where others write: who is suspected, and who is not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kubeoci.cluster import inventory
from kubeoci.cluster.claim import Claim
from kubeoci.cluster.target import Outcome
from kubeoci.errors import ClusterError
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import FLAGS, FLAGS_PATH, NAMESPACE, PARENT_PATH, SECRET, load, target

CREATE = f"POST {PARENT_PATH.rpartition('/')[0]}"
READ, WRITE = f"GET {PARENT_PATH}", f"PATCH {PARENT_PATH}?force=true"
MODIFIED = Fault(status=409, body=b'{"kind":"Status","message":"modified"}')


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster whose namespace `shop` exists."""
    with ClusterSimulator() as simulator:
        simulator.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield simulator


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubeoci.cluster.rest.LONGEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("kubeoci.cluster.parent._AGAIN_SECONDS", 0.01)


def up(cluster: ClusterSimulator, *documents: str) -> Outcome:
    """Apply objects."""
    return target(cluster).apply(load(*documents), (), revision="r1")


def again(cluster: ClusterSimulator) -> Outcome:
    """Apply the flags and one object more."""
    cluster.requests.clear()
    return up(cluster, FLAGS, SECRET)


def about_parent(cluster: ClusterSimulator) -> list[str]:
    """What was asked about the inventory."""
    return [text for text in cluster.requests if text in {CREATE, READ, WRITE}]


def touched(cluster: ClusterSimulator) -> Callable[[], None]:
    """Somebody labels the Secret."""
    return lambda: cluster.edit(PARENT_PATH, "policy", lambda body: body["metadata"]["labels"].update(team="a"))


@pytest.mark.parametrize("fault", [Fault(lost=True), Fault(drop=True), Fault(status=502), MODIFIED])
def test_creation_that_was_not_heard_of(cluster: ClusterSimulator, fault: Fault) -> None:
    """It is looked at: done, or to be done again."""
    cluster.fail(CREATE, fault)
    assert () == up(cluster, FLAGS).reasons
    created = [CREATE] if fault.lost else [CREATE] * 2
    assert [READ, CREATE, READ, *created[1:], WRITE] == about_parent(cluster)


@pytest.mark.parametrize("number", [1, 2])
def test_write_that_was_not_heard_of(cluster: ClusterSimulator, number: int) -> None:
    """The repetition meets a newer version: our own. Neither the claim nor the last write is somebody else's."""
    up(cluster, FLAGS)
    if number == 1:
        cluster.fail(WRITE, Fault(lost=True))
    else:
        cluster.then(WRITE, lambda: cluster.fail(WRITE, Fault(lost=True)))
    outcome = again(cluster)
    assert ((), 2) == (outcome.reasons, len(outcome.inventory))
    doubt = [WRITE, WRITE, READ]
    assert [READ, *doubt, WRITE] == about_parent(cluster) or [READ, WRITE, *doubt] == about_parent(cluster)


def test_refusal_without_a_reason_is_tried_again(cluster: ClusterSimulator) -> None:
    """Nobody touched the Secret that is said to be newer."""
    up(cluster, FLAGS)
    cluster.fail(WRITE, MODIFIED)
    assert () == again(cluster).reasons
    assert [READ, WRITE, READ, WRITE, WRITE] == about_parent(cluster)


def test_refusal_without_end_is_told(cluster: ClusterSimulator) -> None:
    """After some tries; no object is written."""
    up(cluster, FLAGS)
    cluster.fail(WRITE, MODIFIED, times=99)
    with pytest.raises(ClusterError, match="somebody else changed the inventory during this run"):
        again(cluster)
    assert [WRITE] * 4 == cluster.writes()


def test_others_may_label_it_while_we_work(cluster: ClusterSimulator) -> None:
    """Our claim is in it: no other run can have written."""
    up(cluster, FLAGS)
    cluster.then("PATCH /api/v1/namespaces/shop/secrets", touched(cluster))
    assert () == again(cluster).reasons
    found = inventory.read_parent(cluster.at(PARENT_PATH) or {})
    assert (2, None) == (len(found.entries), found.claim)


def test_before_our_claim_every_change_counts(cluster: ClusterSimulator) -> None:
    """What was read may be what another run left, and the objects newer than what we saw of them."""
    up(cluster, FLAGS)
    cluster.then(READ, touched(cluster))
    with pytest.raises(ClusterError, match="somebody else changed the inventory"):
        again(cluster)
    assert [WRITE] == cluster.writes()


def test_claim_of_another_run_counts(cluster: ClusterSimulator) -> None:
    """Who wrote between our reading and our claim has the inventory."""
    up(cluster, FLAGS)
    entries = inventory.read_parent(cluster.at(PARENT_PATH) or {}).entries
    theirs = inventory.parent_body(inventory.ParentRef("default", "app"), entries, [], Claim.make(60.0))
    cluster.then(READ, lambda: cluster.put(theirs))
    with pytest.raises(ClusterError, match="somebody else changed the inventory"):
        again(cluster)
    assert [WRITE] == cluster.writes()


def test_inventory_that_goes_while_we_work(cluster: ClusterSimulator) -> None:
    """Somebody deletes it: that is told, and what was applied stays known to the caller."""
    up(cluster, FLAGS)
    cluster.then("PATCH /api/v1/namespaces/shop/secrets", lambda: cluster.remove(PARENT_PATH))
    outcome = again(cluster)
    assert ("cluster.busy", 2) == (outcome.code, len(outcome.inventory))


def test_lost_deletion_of_the_inventory(cluster: ClusterSimulator) -> None:
    """It is gone, and that is all that was wanted."""
    up(cluster, FLAGS)
    cluster.fail(f"DELETE {PARENT_PATH}", Fault(lost=True))
    assert () == target(cluster).destroy(()).reasons
    assert cluster.at(PARENT_PATH) is None


def test_lost_release_of_an_object(cluster: ClusterSimulator) -> None:
    """A label that is off already cannot be taken off again, and need not."""
    up(cluster, NAMESPACE, FLAGS)
    cluster.fail(f"PATCH {FLAGS_PATH}", Fault(lost=True))
    assert () == target(cluster, deletion_policy="Orphan").destroy(()).reasons
    body: dict[str, Any] = cluster.at(FLAGS_PATH) or {}
    assert {} == body["metadata"]["labels"]
