# SPDX-License-Identifier: Apache-2.0
"""Following objects: where a stream begins, goes on and begins anew, and what each of that costs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.rest import Rest
from kubeoci.cluster.streams import News, Place, Streams
from kubeoci.cluster.watch import Watch
from kubeoci.errors import ClusterError
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import access

KIND = Kind("", "v1", "ConfigMap", "configmaps", namespaced=True)
PATH = "/api/v1/namespaces/default/configmaps"
LIST, WATCH = f"GET {PATH}", f"GET {PATH}?watch=1"
GONE = b'{"kind":"Status","reason":"Expired","message":"too old resource version","details":{"name":"a"}}'


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster with the ConfigMap `a`."""
    with ClusterSimulator() as simulator:
        put(simulator, "a", "1")
        yield simulator


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubeoci.cluster.streams._POLL_SECONDS", 0.02)


def put(cluster: ClusterSimulator, name: str, value: str) -> None:
    """Make a ConfigMap."""
    metadata = {"name": name, "namespace": "default", "labels": {"ours": "yes"}}
    cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"v": value}})


def change(cluster: ClusterSimulator, value: str) -> Callable[[], None]:
    """Change the ConfigMap `a`."""
    return lambda: cluster.edit(f"{PATH}/a", "somebody", lambda body: body["data"].update(v=value))


@contextmanager
def following(rest: Rest, *names: str, until: float = 60.0, **more: Any) -> Iterator[Streams]:  # noqa: ANN401 - of Place
    """Follow ConfigMaps by name."""
    streams = Streams(rest, time.monotonic() + until)
    streams.start([Place(KIND, "default", frozenset(names or "a"), **{"labels": "ours=yes", **more})])
    try:
        yield streams
    finally:
        streams.close()


def values(news: list[News]) -> list[str]:
    """The values that came, `-` for an object that is gone."""
    return [body["data"]["v"] if body else "-" for _, body in news]


def read_until(streams: Streams, last: str) -> list[str]:
    """The values until this one comes, within some seconds."""
    found: list[str] = []
    end = time.monotonic() + 10
    while last not in found:
        assert time.monotonic() < end, f"{last} never came, but {found}"
        found += values(list(streams.take(0.5)))
    return found


def test_news_are_whole_objects(cluster: ClusterSimulator) -> None:
    """With apiVersion, kind and identity, though the server leaves the first two out of lists."""
    with following(access(cluster)) as streams:
        ident, body = next(streams.take(5.0))
    assert "ConfigMap/default/a" == str(ident)
    assert ("v1", "ConfigMap") == ((body or {})["apiVersion"], (body or {})["kind"])


def test_a_stream_is_one_request(cluster: ClusterSimulator) -> None:
    """What is there, then what changes, in the same answer."""
    cluster.then(WATCH, change(cluster, "2"))
    with following(access(cluster)) as streams:
        assert ["1", "2"] == read_until(streams, "2")
    assert [WATCH] == cluster.requests


def test_what_is_not_there_is_told(cluster: ClusterSimulator) -> None:
    """At the end of the beginning, for older servers after the list."""
    with following(access(cluster), "a", "b") as streams:
        assert {"1", "-"} == set(read_until(streams, "-"))


def test_others_are_not_told(cluster: ClusterSimulator) -> None:
    """Only the objects that were asked for, though the stream may bring more."""
    put(cluster, "b", "other")
    cluster.then(WATCH, change(cluster, "2"))
    with following(access(cluster)) as streams:
        assert ["1", "2"] == read_until(streams, "2")


def test_deletion_is_told(cluster: ClusterSimulator) -> None:
    """An object that goes while it is followed."""
    cluster.then(WATCH, lambda: cluster.remove(f"{PATH}/a"))
    with following(access(cluster)) as streams:
        assert ["1", "-"] == read_until(streams, "-")


@pytest.mark.parametrize("status", [400, 422])
def test_old_servers_list_first(cluster: ClusterSimulator, status: int) -> None:
    """A server that does not know initial events refuses once; then lists and streams take turns."""
    cluster.fail(WATCH, Fault(status=status, body=b'{"kind":"Status","message":"forbidden for watch"}'))
    with following(access(cluster)) as streams:
        read_until(streams, "1")
        change(cluster, "2")()
        read_until(streams, "2")
    assert [WATCH, LIST, WATCH] == cluster.requests


def test_the_list_is_followed_from_where_it_was_taken(cluster: ClusterSimulator) -> None:
    """Nothing is lost between list and stream."""
    cluster.initial_events = False
    cluster.then(LIST, lambda: cluster.then(LIST, change(cluster, "2")))
    with following(access(cluster), "a", "b") as streams:
        assert ["1", "-", "2"] == read_until(streams, "2")
    assert [WATCH, LIST, WATCH] == cluster.requests


def test_a_cut_stream_goes_on(cluster: ClusterSimulator) -> None:
    """From the last resource version, without a list and without a word twice."""
    with following(access(cluster)) as streams:
        read_until(streams, "1")
        cluster.then(WATCH, change(cluster, "2"))
        cluster.history.cut()
        assert ["2"] == read_until(streams, "2")
    assert [WATCH, WATCH] == cluster.requests
    assert ["sendInitialEvents" in query for query in cluster.watches] == [True, False]


def test_bookmarks_move_on(cluster: ClusterSimulator) -> None:
    """A stream that brought only a bookmark goes on behind it."""
    with following(access(cluster)) as streams:
        read_until(streams, "1")
        number = cluster.history.add("BOOKMARK", None, {})
        change(cluster, "2")()
        read_until(streams, "2")
        cluster.then(WATCH, change(cluster, "3"))
        cluster.history.cut()
        assert ["3"] == read_until(streams, "3")
    assert int(cluster.watches[1]["resourceVersion"]) > number


def test_expired_as_an_event(cluster: ClusterSimulator) -> None:
    """410 inside a stream begins anew with what is there, at once."""
    with following(access(cluster)) as streams:
        read_until(streams, "1")
        cluster.then(WATCH, lambda: cluster.then(WATCH, change(cluster, "3")))
        with cluster.history.changed:
            cluster.history.cut()
            change(cluster, "2")()
            cluster.history.forget()
            cluster.history.add("BOOKMARK", None, {})
        read_until(streams, "3")
    assert [True, False, True] == ["sendInitialEvents" in query for query in cluster.watches][:3]


def test_expired_as_an_answer(cluster: ClusterSimulator) -> None:
    """410 instead of a stream begins anew too."""
    with following(access(cluster)) as streams:
        read_until(streams, "1")
        cluster.fail(WATCH, Fault(status=410, body=GONE))
        change(cluster, "2")()
        read_until(streams, "2")
        cluster.then(WATCH, lambda: cluster.then(WATCH, change(cluster, "3")))
        cluster.history.cut()
        assert ["2", "3"] == read_until(streams, "3")
    assert [WATCH] * 3 == cluster.requests


def test_a_version_of_the_future_ends(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server restored from a backup says nothing to such a watch: after a while it begins anew."""
    monkeypatch.setattr("kubeoci.cluster.rest.IDLE_SECONDS", 0.2)
    place = Place(KIND, "default", frozenset({"a"}), labels="ours=yes")
    streams = Streams(access(cluster), time.monotonic() + 60)
    assert "" == streams._watch(place, "999999")  # noqa: SLF001 - a step by itself
    assert ["999999"] == [query["resourceVersion"] for query in cluster.watches]


@pytest.mark.parametrize("path", [WATCH, LIST])
def test_forbidden_becomes_polling(cluster: ClusterSimulator, path: str) -> None:
    """Who may not watch, or not list on an old server, asks for each object."""
    cluster.initial_events = path == WATCH
    cluster.fail(path if path == WATCH else LIST, Fault(status=403, body=b'{"kind":"Status"}'), times=1)
    if path == LIST:
        cluster.fail(WATCH, Fault(status=422, body=b'{"kind":"Status"}'))
    with following(access(cluster), "a", "b") as streams:
        read_until(streams, "-")
        change(cluster, "2")()
        read_until(streams, "2")
    assert {f"GET {PATH}/a", f"GET {PATH}/b"} <= set(cluster.requests)


def test_who_may_read_nothing_asks_slowly(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal of each object is no busy loop: one pause before every question."""
    monkeypatch.setattr("kubeoci.cluster.streams._POLL_SECONDS", 60.0)
    cluster.fail("GET ", Fault(status=403, body=b'{"kind":"Status"}'), times=99)
    asked = threading.Event()
    cluster.then(f"GET {PATH}/a", asked.set)
    with following(access(cluster)) as streams:
        assert asked.wait(10)
        assert [] == list(streams.take(0.1))
    assert [WATCH, f"GET {PATH}/a"] == cluster.requests


def test_cuts_without_end_are_paced(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something on the way that ends every stream at once makes no busy loop."""
    monkeypatch.setattr("kubeoci.cluster.streams._POLL_SECONDS", 60.0)

    def cut() -> None:
        cluster.then(WATCH, cut)
        threading.Timer(0.01, cluster.history.cut).start()

    cluster.then(WATCH, cut)
    with following(access(cluster)) as streams:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            list(streams.take(0.1))
    assert 4 == len(cluster.watches)


def test_passing_failures_begin_anew(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that cannot be had for a while is asked for again."""
    monkeypatch.setattr("kubeoci.cluster.rest.RETRIES", 0)
    cluster.fail(WATCH, Fault(status=503), times=2)
    with following(access(cluster)) as streams:
        assert ["1"] == read_until(streams, "1")
    assert [WATCH] * 3 == cluster.requests


def test_streams_are_few(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places beyond the limit are asked for instead."""
    monkeypatch.setattr("kubeoci.cluster.streams.STREAMS", 1)
    put(cluster, "b", "2")
    streams = Streams(access(cluster), time.monotonic() + 60)
    streams.start([Place(KIND, "default", frozenset({name}), fields=f"metadata.name={name}") for name in ("a", "b")])
    found = read_until(streams, "2")
    streams.close()
    assert {"2"} <= set(found)
    assert 1 == len(cluster.watches)
    assert f"GET {PATH}/b" in cluster.requests


def test_surprises_are_raised_where_somebody_waits(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that meets what nobody foresaw ends quietly; `take` raises it."""
    monkeypatch.setattr("kubeoci.cluster.streams.at", lambda *_: 1 / 0)
    with (
        following(access(cluster)) as streams,
        pytest.raises(ClusterError, match="failed: ZeroDivisionError") as caught,
    ):
        list(streams.take(10.0))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_close_ends_threads(cluster: ClusterSimulator) -> None:
    """No thread and no stream is left, and nothing is asked afterwards."""
    with following(access(cluster)) as streams:
        read_until(streams, "1")
    assert [] == [thread for thread in threading.enumerate() if thread.name == "kubeoci-watch"]
    assert [WATCH] == cluster.requests


def test_a_stream_that_opens_late_is_ended(cluster: ClusterSimulator) -> None:
    """An answer that comes after the end is not read."""
    calls: list[str] = []
    streams = Streams(access(cluster), time.monotonic() + 60)
    streams.close()
    with streams._registered(Watch(iter(()), lambda: calls.append("stopped"), lambda: None)):  # noqa: SLF001 - a race
        assert ["stopped"] == calls


def test_the_deadline_ends_threads(cluster: ClusterSimulator) -> None:
    """After the deadline nothing is asked, though nobody closes."""
    with following(access(cluster), until=-1.0) as streams:
        assert [] == list(streams.take(0.1))
    assert [] == cluster.requests
