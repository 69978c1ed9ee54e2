# SPDX-License-Identifier: Apache-2.0
"""Waiting for deletions: streams instead of polling, and what ends it."""

import threading
from collections.abc import Callable, Iterator

import pytest

from kubeoci.cluster.target import Outcome
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import CART, DEFINITION, FLAGS, FLAGS_PATH, NAMESPACE, PARENT_PATH, load, target

MORE = FLAGS.replace("flags", "more")
MORE_PATH = FLAGS_PATH.replace("flags", "more")
CART_PATH = "/apis/shop.dev/v1/namespaces/shop/carts/blue"
WATCH = "GET /api/v1/namespaces/shop/configmaps?watch=1"
CLAIM = f"PATCH {PARENT_PATH}?force=true"


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster with two ConfigMaps of ours, which finalizers hold."""
    with ClusterSimulator() as simulator:
        target(simulator).apply(load(NAMESPACE, FLAGS, MORE), (), revision="r1")
        hold(simulator, FLAGS_PATH)
        hold(simulator, MORE_PATH)
        yield simulator


def hold(cluster: ClusterSimulator, path: str) -> None:
    """Put a finalizer on an object."""
    cluster.edit(path, "them", lambda body: body["metadata"].update(finalizers=["a/b"]))


def remove(cluster: ClusterSimulator, *paths: str) -> Callable[[], None]:
    """Let the finalizers of these objects do their work."""

    def work() -> None:
        for path in paths:
            cluster.remove(path)

    return work


def prune(cluster: ClusterSimulator, *documents: str, **settings: object) -> Outcome:
    """Take the ConfigMaps but these out of the artifact."""
    cluster.requests.clear()
    return target(cluster, **settings).apply(load(NAMESPACE, *documents), (), revision="r1")


def ending(cluster: ClusterSimulator) -> list[str]:
    """All requests from the first DELETE on."""
    first = next(number for number, text in enumerate(cluster.requests) if text.startswith("DELETE"))
    return cluster.requests[first:]


def test_one_object_is_watched_by_name(cluster: ClusterSimulator) -> None:
    """One stream for it alone, however long it takes, and nothing afterwards but the inventory."""
    cluster.then(WATCH, remove(cluster, FLAGS_PATH))
    assert () == prune(cluster, MORE).reasons
    assert [f"DELETE {FLAGS_PATH}", WATCH, CLAIM] == ending(cluster)
    assert [("metadata.name=flags", None)] == [
        (query["fieldSelector"], query.get("labelSelector")) for query in cluster.watches
    ]


def test_objects_of_a_kind_are_one_stream(cluster: ClusterSimulator) -> None:
    """By our label; the stream begins with what is there."""
    cluster.then(WATCH, remove(cluster, FLAGS_PATH, MORE_PATH))
    assert () == prune(cluster).reasons
    assert {f"DELETE {FLAGS_PATH}", f"DELETE {MORE_PATH}"} == set(ending(cluster)[:2])
    assert [WATCH, CLAIM] == ending(cluster)[2:]
    assert cluster.watches[0]["labelSelector"].startswith("applyset.kubernetes.io/part-of=applyset-")


def test_gone_before_the_stream_begins(cluster: ClusterSimulator) -> None:
    """What its first events do not name is gone."""
    cluster.then(f"DELETE {FLAGS_PATH}", remove(cluster, FLAGS_PATH))
    assert () == prune(cluster, MORE).reasons
    assert [f"DELETE {FLAGS_PATH}", WATCH, CLAIM] == ending(cluster)


def test_nothing_is_watched_that_went_at_once(cluster: ClusterSimulator) -> None:
    """The answer to the DELETE says that it is gone."""
    cluster.edit(FLAGS_PATH, "them", lambda body: body["metadata"].update(finalizers=[]))
    assert () == prune(cluster, MORE).reasons
    assert [f"DELETE {FLAGS_PATH}", CLAIM] == ending(cluster)


def test_made_anew_by_somebody_else(cluster: ClusterSimulator) -> None:
    """An object with another uid is another object: ours is gone, and theirs stays."""

    def replace() -> None:
        cluster.remove(FLAGS_PATH)
        cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "flags", "namespace": "shop"}})

    cluster.then(f"DELETE {FLAGS_PATH}", replace)
    assert () == prune(cluster, MORE).reasons
    assert [f"DELETE {FLAGS_PATH}", WATCH, CLAIM] == ending(cluster)
    assert cluster.at(FLAGS_PATH) is not None


def test_expired_stream_begins_anew(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """410 costs one more stream."""
    monkeypatch.setattr("kubeoci.cluster.streams._POLL_SECONDS", 0.05)
    cluster.fail(WATCH, Fault(status=410, body=b'{"kind":"Status","reason":"Expired","details":{"name":"a"}}'))
    cluster.then(WATCH, lambda: cluster.then(WATCH, remove(cluster, FLAGS_PATH)))
    assert () == prune(cluster, MORE, timeout_seconds=30.0).reasons
    assert [f"DELETE {FLAGS_PATH}", WATCH, WATCH, CLAIM] == ending(cluster)


def test_older_servers_list_first(cluster: ClusterSimulator) -> None:
    """A server without initial events is asked for a list, and followed from there."""
    cluster.initial_events = False
    cluster.then(WATCH, lambda: cluster.then(WATCH, remove(cluster, FLAGS_PATH)))
    assert () == prune(cluster, MORE).reasons
    assert [f"DELETE {FLAGS_PATH}", WATCH, WATCH.partition("?")[0], WATCH, CLAIM] == ending(cluster)


def test_forbidden_watch_becomes_polling(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may delete and read, but not watch, is served too."""
    monkeypatch.setattr("kubeoci.cluster.streams._POLL_SECONDS", 0.05)
    ask = f"GET {FLAGS_PATH}"
    cluster.fail(WATCH, Fault(status=403, body=b'{"kind":"Status","message":"no watch"}'))
    cluster.then(WATCH, lambda: cluster.then(ask, remove(cluster, FLAGS_PATH)))
    assert () == prune(cluster, MORE).reasons
    assert [f"DELETE {FLAGS_PATH}", WATCH, ask, ask, CLAIM] == ending(cluster)


def test_kind_that_goes_meanwhile(cluster: ClusterSimulator) -> None:
    """Somebody deletes the definition: all objects of it go, and are waited for no longer."""
    target(cluster).apply(load(NAMESPACE, FLAGS, MORE, DEFINITION, CART), (), revision="r1")
    hold(cluster, CART_PATH)
    definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/carts.shop.dev"
    cluster.then(f"DELETE {CART_PATH}", remove(cluster, definition))
    assert () == prune(cluster, FLAGS, MORE, DEFINITION, timeout_seconds=30.0).reasons
    assert [f"DELETE {CART_PATH}", "GET /apis/shop.dev/v1/namespaces/shop/carts?watch=1"] == ending(cluster)[:2]


def test_stop_ends_the_wait(cluster: ClusterSimulator) -> None:
    """An object whose finalizer nobody removes holds nobody who wants to stop."""
    stop = threading.Event()
    cluster.then(WATCH, stop.set)
    engine = target(cluster, stop, timeout_seconds=60.0)
    outcome = engine.apply(load(NAMESPACE, MORE), (), revision="r2")
    assert "stopped.cancelled" == outcome.code
    assert "ConfigMap/shop/flags" in [entry.id.short for entry in outcome.inventory]


def test_stuck_finalizers_are_named(cluster: ClusterSimulator) -> None:
    """When time runs out the message says who holds the object, and the inventory is written down."""
    outcome = prune(cluster, MORE, timeout_seconds=0.5)
    told = "ConfigMap/shop/flags: it is still being deleted, finalizers left: a/b; find out what should remove them"
    assert (f"{told} (cluster.not_ready)",) == outcome.reasons
    assert "ConfigMap/shop/flags" in [entry.id.short for entry in outcome.inventory]
    assert [f"DELETE {FLAGS_PATH}", WATCH, CLAIM] == ending(cluster)


def test_nothing_is_begun_when_time_is_over(cluster: ClusterSimulator) -> None:
    """The namespace of an object that does not go is not deleted either; the rest of the time is for the records."""
    cluster.requests.clear()
    outcome = target(cluster, timeout_seconds=0.5).destroy(())
    assert "stopped.deadline" == outcome.code
    assert ["ConfigMap", "ConfigMap", "Namespace"] == [entry.id.kind for entry in outcome.inventory]
    assert CLAIM == cluster.requests[-1]


def test_object_that_is_made_anew_is_awaited(cluster: ClusterSimulator) -> None:
    """What somebody deletes is applied once it is gone."""
    cluster.edit(FLAGS_PATH, "them", lambda body: body["metadata"].update(deletionTimestamp="now"))
    cluster.then(WATCH, remove(cluster, FLAGS_PATH))
    outcome = prune(cluster, FLAGS, MORE)
    assert ((), "ConfigMap/shop/flags recreated (it is being deleted)") == (outcome.reasons, str(outcome.changes[1]))
    patch = f"PATCH {FLAGS_PATH}"
    assert [WATCH, patch, CLAIM] == cluster.requests[cluster.requests.index(WATCH) :]
