# SPDX-License-Identifier: Apache-2.0
"""Waiting until objects are ready, or gone.

Readiness is watched, one stream per kind and namespace, and only for objects that were not ready in the answer to
their apply: nothing is asked while nothing happens.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kubeoci.cluster import health
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.health import Health, State
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.parallel import each
from kubeoci.cluster.rest import Watch
from kubeoci.cluster.site import READERS, Body, Site
from kubeoci.errors import ClusterError, Stopped
from kubeoci.identity import ObjectId

_TICK_SECONDS = 0.5  # how soon a stop, a deadline or a time rule of a Pod is noticed
_POLL_SECONDS = 2.0  # for those who may not watch
_LONGEST_PAUSE_SECONDS = 2.0
_STREAMS = 32
_LATE = "WaitForFirstConsumer"


def ready(site: Site, bodies: Mapping[ObjectId, Body], until: float) -> dict[ObjectId, Health]:
    """Wait until every object is Current; gives those that are not, with the reason, in order.

    `bodies` is what is known of them now. Ends early when nothing but failed objects is left, at `until` (seconds of
    `time.monotonic`), and never raises for an object. Raises Stopped only on request.
    """
    late = _late_classes(site, bodies)
    states = {ident: status(ident, body, late) for ident, body in bodies.items()}
    if _is_settled(states):
        return _unready(states)
    waiting = _Waiting(site, dict(bodies))
    waiting.start([ident for ident, found in states.items() if found.state is not State.CURRENT])
    try:
        while not _is_settled(states) and time.monotonic() < until:
            waiting.take(min(_TICK_SECONDS, max(0.0, until - time.monotonic())))
            if site.stop.is_set():
                raise Stopped("stopped.cancelled", "stopped on request")
            states = {ident: status(ident, body, late) for ident, body in waiting.bodies.items()}
            _tell(site, states)
    finally:
        waiting.end()
    return _unready(states)


def status(ident: ObjectId, body: Body, late_classes: frozenset[str] = frozenset()) -> Health:
    """The health of an object; `{}` is one that vanished while we waited, which only a Job with a TTL may do."""
    if body:
        return health.status(body, late_classes=late_classes)
    if ident.kind == "Job":
        return Health(State.CURRENT, "JobGone", "it was removed after it had ended")
    return Health(State.NOT_FOUND, "NotFound", "somebody deleted it meanwhile")


def gone(site: Site, objects: Iterable[tuple[Kind, ObjectId, str]]) -> dict[ObjectId, Body]:
    """Wait until each object (kind, id, uid) is deleted; gives those that are still there when time runs out."""
    left = list(objects)
    bodies: dict[ObjectId, Body] = {}
    pause = 0.05
    while left:
        found = each(lambda item: _with_uid(site, *item), left, READERS)
        pairs = [(item, body) for item, body in zip(left, found, strict=True) if body]
        left = [item for item, _ in pairs]
        bodies = {item[1]: body for item, body in pairs}
        if not left:
            break
        site.tell(f"waiting until {left[0][1].short} is deleted" + _others(len(left) - 1))
        try:
            site.rest.pause(pause)
        except Stopped as error:
            if error.code == "stopped.deadline":
                return bodies
            raise
        pause = min(pause * 1.6, _LONGEST_PAUSE_SECONDS)
    return {}


def _late_classes(site: Site, bodies: Mapping[ObjectId, Body]) -> frozenset[str]:
    """StorageClasses whose claims are bound by their first Pod; asked for only if there is a claim to wait for."""
    claims = [body for ident, body in bodies.items() if ident.group_kind == "PersistentVolumeClaim"]
    kind = site.mapper.find("storage.k8s.io", "StorageClass")
    if kind is None or all(health.status(body).is_current for body in claims):
        return frozenset()
    items = site.rest.list_all(kind.collection()).items
    return frozenset(item["metadata"]["name"] for item in items if item.get("volumeBindingMode") == _LATE)


def _with_uid(site: Site, kind: Kind, ident: ObjectId, uid: str) -> Body | None:
    body = site.rest.get(kind.path(ident.namespace, ident.name))
    return body if body and body["metadata"].get("uid") == uid else None


def _is_settled(states: Mapping[ObjectId, Health]) -> bool:
    return all(found.state in {State.CURRENT, State.FAILED} for found in states.values())


def _unready(states: Mapping[ObjectId, Health]) -> dict[ObjectId, Health]:
    return {ident: found for ident, found in sorted(states.items()) if found.state is not State.CURRENT}


def _tell(site: Site, states: Mapping[ObjectId, Health]) -> None:
    left = _unready(states)
    if left:
        ident, found = next(iter(left.items()))
        site.tell(f"waiting: {ident.short}: {found.message}" + _others(len(left) - 1))


def _others(count: int) -> str:
    return f" and {count} more" if count else ""


@dataclass(slots=True)
class _Waiting:
    """The streams, and the newest body of each object."""

    site: Site
    bodies: dict[ObjectId, Body]
    _events: "queue.Queue[tuple[ObjectId, Body]]" = field(default_factory=queue.Queue)
    _ended: threading.Event = field(default_factory=threading.Event)
    _streams: list[Watch] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, ids: Iterable[ObjectId]) -> None:
        places: dict[tuple[Kind, str], set[str]] = defaultdict(set)
        for ident in ids:
            group, _, version = self.bodies[ident]["apiVersion"].rpartition("/")
            places[self.site.mapper.resolve(group, version, ident.kind), ident.namespace].add(ident.name)
        for number, ((kind, namespace), names) in enumerate(places.items()):
            task = self._watch if number < _STREAMS else self._poll
            thread = threading.Thread(target=self._guarded, args=(task, kind, namespace, names), daemon=True)
            self._threads.append(thread)
            thread.start()

    def take(self, seconds: float) -> None:
        """Take what the streams brought, waiting so long for the first event."""
        try:
            ident, body = self._events.get(timeout=seconds)
            while True:
                self.bodies[ident] = body
                ident, body = self._events.get_nowait()
        except queue.Empty:
            return

    def end(self) -> None:
        self._ended.set()
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.stop()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _guarded(
        self, task: Callable[[Kind, str, set[str]], None], kind: Kind, namespace: str, names: set[str]
    ) -> None:
        while not self._ended.is_set():
            try:
                task(kind, namespace, names)
            except Refused as error:
                task = self._poll if error.code == "cluster.forbidden" else task
                self._ended.wait(_POLL_SECONDS)
            except Stopped:
                return
            except ClusterError:
                self._ended.wait(_POLL_SECONDS)

    def _watch(self, kind: Kind, namespace: str, names: set[str]) -> None:
        """One list, then its stream for as long as it lives; called again when it ends."""
        path = kind.collection(namespace)
        listing = self.site.rest.list_all(path, selector=self.site.selector)
        seen = {item["metadata"]["name"]: item for item in listing.items}
        for name in names:
            self._put(kind, namespace, name, seen.get(name))
        with self.site.rest.watch(
            path, selector=self.site.selector, resource_version=listing.resource_version
        ) as stream:
            with self._lock:
                self._streams.append(stream)
            if self._ended.is_set():
                return
            for event in stream:
                body = event.get("object") or {}
                name = (body.get("metadata") or {}).get("name", "")
                if event.get("type") == "ERROR":  # 410: what we know is too old, so list again
                    return
                if name in names and event.get("type") != "BOOKMARK":
                    self._put(kind, namespace, name, None if event.get("type") == "DELETED" else body)

    def _poll(self, kind: Kind, namespace: str, names: set[str]) -> None:
        for name in sorted(names):
            self._put(kind, namespace, name, self.site.rest.get(kind.path(namespace, name)))
        self._ended.wait(_POLL_SECONDS)

    def _put(self, kind: Kind, namespace: str, name: str, body: Body | None) -> None:
        ident = ObjectId(kind.group, kind.kind, namespace, name)
        empty: Body = {}
        self._events.put((ident, {**body, "apiVersion": kind.api_version, "kind": kind.kind} if body else empty))
