# SPDX-License-Identifier: Apache-2.0
"""Waiting: streams instead of polling, messages in words, and an early end."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from kubeoci.cluster.target import Outcome
from simulator.cluster import Body, ClusterSimulator, Fault
from simulator.shop import NAMESPACE, WEB, WEB_PATH, load, target

WATCH = "GET /apis/apps/v1/namespaces/shop/deployments?watch=1"


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster whose Deployment `web` never becomes ready by itself."""
    with ClusterSimulator() as simulator:
        simulator.unready.add("web")
        yield simulator


def later(cluster: ClusterSimulator, change: Callable[[Body], object], seconds: float = 0.3) -> None:
    """Change the Deployment while somebody waits for it."""
    threading.Timer(seconds, cluster.edit, [WEB_PATH, "controller", change]).start()


def up(cluster: ClusterSimulator, **settings: object) -> Outcome:
    """Apply the namespace and the Deployment."""
    return target(cluster, **settings).apply(load(NAMESPACE, WEB), (), revision="r1")


def heal(cluster: ClusterSimulator) -> Callable[[Body], object]:
    """Let the controllers do their work from now on."""
    return lambda body: (cluster.unready.clear(), body["metadata"].update(annotations={"touched": "yes"}))


def test_change_arrives_by_watch(cluster: ClusterSimulator) -> None:
    """One list and one stream for the kind, however long it takes."""
    later(cluster, heal(cluster))
    assert () == up(cluster).reasons
    assert 1 == cluster.requests.count(WATCH)
    assert 1 == cluster.requests.count("GET /apis/apps/v1/namespaces/shop/deployments")


def test_deadline_says_what_is_missing(cluster: ClusterSimulator) -> None:
    """Each unready object is named with its progress; the inventory is complete."""
    outcome = up(cluster, timeout_seconds=0.6)
    assert ("Deployment/shop/web: not ready in time: 1 of 2 replicas created (cluster.not_ready)",) == outcome.reasons
    assert ("cluster.not_ready", 2) == (outcome.code, len(outcome.inventory))


def test_failed_object_ends_the_wait_early(cluster: ClusterSimulator) -> None:
    """Nobody waits until the deadline for what has failed."""
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}
    later(cluster, lambda body: body["status"].update(conditions=[condition]))
    before = time.monotonic()
    outcome = up(cluster, timeout_seconds=20.0)
    assert "too slow" in outcome.reasons[0]
    assert time.monotonic() - before < 10


def test_wait_can_be_switched_off(cluster: ClusterSimulator) -> None:
    """Without `wait` only definitions and namespaces are waited for."""
    assert () == up(cluster, wait=False).reasons
    assert WATCH not in cluster.requests


def test_forbidden_watch_becomes_polling(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may read but not watch is served too."""
    monkeypatch.setattr("kubeoci.cluster.wait._POLL_SECONDS", 0.1)
    cluster.fail(WATCH, Fault(status=403, body=b'{"kind":"Status","message":"no watch"}'), times=99)
    later(cluster, heal(cluster))
    assert () == up(cluster).reasons
    assert cluster.requests.count(f"GET {WEB_PATH}") > 1


def test_cut_watch_lists_again(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that breaks costs a list, not the wait."""
    monkeypatch.setattr("kubeoci.cluster.wait._POLL_SECONDS", 0.1)
    cluster.fail(WATCH, Fault(status=410, body=b'{"kind":"Status","message":"too old"}'))
    later(cluster, heal(cluster))
    assert () == up(cluster, timeout_seconds=10.0).reasons
    assert 2 == cluster.requests.count(WATCH)


def test_deleted_object_is_told(cluster: ClusterSimulator) -> None:
    """Somebody deletes what we wait for."""
    threading.Timer(0.3, cluster.remove, [WEB_PATH]).start()
    told = "Deployment/shop/web: somebody deleted it meanwhile (cluster.not_ready)"
    assert (told,) == up(cluster, timeout_seconds=1.0).reasons
