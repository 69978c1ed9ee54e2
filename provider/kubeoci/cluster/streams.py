# SPDX-License-Identifier: Apache-2.0
"""The newest state of some objects, brought by watches: one stream for a place, and no request while nothing happens.

A stream begins with what is there (`sendInitialEvents`; older servers: a list first) and goes on where it ended. What
is too old to go on from, or brings nothing for `rest.IDLE_SECONDS`, begins anew. Who may not watch asks every two
seconds.
"""

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubeoci.cluster.answers import Refused
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.rest import Rest, Watch
from kubeoci.cluster.watch import Event
from kubeoci.errors import ClusterError, Stopped
from kubeoci.identity import ObjectId
from kubeoci.normalise import at

Body = dict[str, Any]
News = tuple[ObjectId, Body | None]
"""An object with its newest body, None when it is gone."""

STREAMS = 32
"""Watches at a time; what is left is asked for like what may not be watched."""
_TICK_SECONDS = 0.5  # how soon a stop, a deadline or a time rule of a Pod is noticed
_POLL_SECONDS = 2.0
_SHORT_STEPS = 3  # without a pause: expired and begun anew; something that cuts every stream would go on for ever
_JOIN_SECONDS = 2.0
_INITIAL_END = "k8s.io/initial-events-end"


Step = Callable[["Place", str], str]


@dataclass(frozen=True, slots=True)
class Place:
    """Objects of one kind in one namespace, and the selectors that find them."""

    kind: Kind
    namespace: str
    names: frozenset[str]
    labels: str = ""
    fields: str = ""

    @property
    def path(self) -> str:
        """The collection."""
        return self.kind.collection(self.namespace)

    def news(self, name: str, body: Body | None) -> News:
        """What became of one of the objects."""
        named = {**body, "apiVersion": self.kind.api_version, "kind": self.kind.kind} if body else None
        return ObjectId(self.kind.group, self.kind.kind, self.namespace, name), named


def follow(rest: Rest, places: Iterable[Place], until: float, stop: threading.Event) -> Generator[list[News]]:
    """What becomes of the objects, tick by tick, at last at `until` (seconds of `time.monotonic`). Close it.

    Raises Stopped on request, ClusterError for what nobody foresaw.
    """
    streams = Streams(rest, until)
    streams.start(places)
    try:
        while time.monotonic() < until:
            yield list(streams.take(min(_TICK_SECONDS, max(0.0, until - time.monotonic()))))
            if stop.is_set():
                raise Stopped("stopped.cancelled", "stopped on request")
    finally:
        streams.close()


class Streams:
    """Follows places in threads of its own from `start` to `close`.

    A stream that fails for a passing reason begins anew after a pause; whatever else goes wrong in a thread is raised
    by `take`.
    """

    def __init__(self, rest: Rest, until: float) -> None:
        self._rest = rest.fork()
        self._rest.deadline = until
        self._news: queue.Queue[News | ClusterError] = queue.Queue()
        self._ended = threading.Event()
        self._open: set[Watch] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._lists_first = False

    def start(self, places: Iterable[Place]) -> None:
        """Begin to follow."""
        for number, place in enumerate(places):
            step = self._watch if number < STREAMS else self._poll
            thread = threading.Thread(target=self._guarded, args=(place, step), name="kubeoci-watch", daemon=True)
            self._threads.append(thread)
            thread.start()

    def take(self, seconds: float) -> Iterator[News]:
        """What has come, waiting so long for the first. Raises what ended a thread."""
        try:
            found = self._news.get(timeout=seconds)
            while True:
                if isinstance(found, ClusterError):
                    raise found
                yield found
                found = self._news.get_nowait()
        except queue.Empty:
            return

    def close(self) -> None:
        """End the streams. A thread that waits for a slow answer is left behind; it sends nothing any more."""
        self._ended.set()
        self._rest.deadline = 0.0
        with self._lock:
            for stream in self._open:
                stream.stop()
        end = time.monotonic() + _JOIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _guarded(self, place: Place, step: Step) -> None:
        try:
            self._follow(place, step)
        except Stopped:
            return  # the reader notices by itself
        except Exception as error:  # noqa: BLE001 - whoever waits is told, instead of a traceback somewhere
            what = f"watching {place.kind.kind} in {place.namespace or 'the cluster'} failed: {type(error).__name__}"
            fault = ClusterError("cluster.failed", what)
            fault.__cause__ = error
            self._news.put(fault)

    def _follow(self, place: Place, step: Step) -> None:
        """Step after step; a pause behind one that began anew and brought nothing, and behind many short ones."""
        since, short = "", 0
        while not self._ended.is_set():
            came_from, listed, begun = since, self._lists_first, time.monotonic()
            try:
                since = step(place, since)
                is_barren = not since and not came_from
            except Refused as error:
                since, is_barren = "", not came_from or step == self._poll
                if error.code == "cluster.kind_missing":  # its definition is gone, and all objects with it
                    self._tell_missing(place, ())
                if error.code == "cluster.invalid" and not (came_from or listed):
                    self._lists_first, is_barren = True, False
                elif error.code == "cluster.forbidden" and step == self._watch:
                    step, is_barren = self._poll, False
            except ClusterError:
                since, is_barren = "", True
            short = short + 1 if time.monotonic() - begun < _POLL_SECONDS else 0
            if is_barren or short > _SHORT_STEPS:
                self._ended.wait(_POLL_SECONDS)

    def _watch(self, place: Place, since: str) -> str:
        """One stream, from its beginning to its end; gives where the next one goes on, "" for anew."""
        if not since and self._lists_first:
            since = self._list(place)
        begins = not since
        stream = self._rest.watch(place.path, selector=place.labels, fields=place.fields, since=since)
        with stream, self._registered(stream):
            return self._read(place, stream, begins=begins)

    def _read(self, place: Place, stream: Iterable[Event], *, begins: bool) -> str:
        seen: set[str] = set()
        version = ""
        for event in stream:
            body, kind = event["object"], event.get("type")
            if kind == "ERROR":  # 410: what we know is too old
                return ""
            name, number = at(body, "metadata", "name"), str(at(body, "metadata", "resourceVersion") or "")
            if kind == "BOOKMARK" and begins and _INITIAL_END in (at(body, "metadata", "annotations") or {}):
                begins = False
                self._tell_missing(place, seen)
            elif kind != "BOOKMARK" and name in place.names:
                seen.add(name)
                self._news.put(place.news(name, None if kind == "DELETED" else body))
            version = "" if begins else number or version  # in the middle of the beginning there is no order
        return version

    def _list(self, place: Place) -> str:
        found = self._rest.list_all(place.path, selector=place.labels, fields=place.fields)
        bodies = {item["metadata"]["name"]: item for item in found.items}
        for name in place.names & set(bodies):
            self._news.put(place.news(name, bodies[name]))
        self._tell_missing(place, bodies)
        return found.resource_version

    def _poll(self, place: Place, _since: str) -> str:
        for name in sorted(place.names):
            self._news.put(place.news(name, self._rest.get(place.kind.path(place.namespace, name))))
        self._ended.wait(_POLL_SECONDS)
        return "polled"

    def _tell_missing(self, place: Place, found: Iterable[str]) -> None:
        for name in sorted(place.names.difference(found)):
            self._news.put(place.news(name, None))

    @contextmanager
    def _registered(self, stream: Watch) -> Iterator[None]:
        """Let `close` end the stream while it is read."""
        with self._lock:
            self._open.add(stream)
        if self._ended.is_set():
            stream.stop()
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(stream)
