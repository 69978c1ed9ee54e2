# SPDX-License-Identifier: Apache-2.0
"""Every change of a simulated cluster in order, and the streams that tell of them as a server's watches do."""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Body = dict[str, Any]
Concerns = Callable[[Any, Body], bool]

_END = {"k8s.io/initial-events-end": "true"}
_GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}


class History:
    """`changed` guards everything, the caller's objects too. Keys are opaque here."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._events: list[tuple[int, str, Any, Body]] = []
        self._count = itertools.count(1)
        self._oldest = 0
        self._cuts = 0
        self._closing = False

    @property
    def newest(self) -> int:
        """The resource version of the last change."""
        return self._events[-1][0]

    def add(self, event: str, key: object, body: Body) -> int:
        """Write a change down; gives its resource version."""
        with self.changed:
            number = next(self._count)
            self._events.append((number, event, key, body))
            self.changed.notify_all()
            return number

    def forget(self) -> None:
        """Compact: a watch from an older resource version is answered with 410 from now on."""
        with self.changed:
            self._oldest = self.newest

    def cut(self) -> None:
        """End every stream, as a server does after some minutes."""
        with self.changed:
            self._cuts += 1
            self.changed.notify_all()

    def close(self) -> None:
        """End every stream for good."""
        with self.changed:
            self._closing = True
        self.cut()

    def follow(
        self, since: int | None, concerns: Concerns, present: Iterable[Body] | None, named: Body
    ) -> Iterator[Body]:
        """A stream of changes behind `since`, None for now; before them `present` and the bookmark that ends it.

        A `since` of the future hangs, as on a real server. `named` is apiVersion and kind.
        """
        with self.changed:
            start, cuts = len(self._events), self._cuts
            beginning = [] if present is None else [{"type": "ADDED", "object": {**body, **named}} for body in present]
            if present is not None:
                beginning.append(self.bookmark(named, _END))
        if since is not None and since < self._oldest:
            return iter([{"type": "ERROR", "object": _GONE}])
        seen = start if since is None else 0
        return itertools.chain(beginning, self._fresh(seen, since or 0, cuts, concerns, named))

    def bookmark(self, named: Body, annotations: Body | None = None) -> Body:
        """An event that only says how far the stream is."""
        meta = {"resourceVersion": str(self.newest), "annotations": annotations or {}}
        return {"type": "BOOKMARK", "object": {**named, "metadata": meta}}

    def _fresh(self, seen: int, since: int, cuts: int, concerns: Concerns, named: Body) -> Iterator[Body]:
        while True:
            with self.changed:
                while len(self._events) == seen and cuts == self._cuts and not self._closing:
                    self.changed.wait()
                if self._closing or cuts != self._cuts:  # what was not told yet is for the next stream
                    return
                events, seen = self._events[seen:], len(self._events)
            for number, event, key, body in events:
                if event == "BOOKMARK" and number > since:
                    yield {"type": event, "object": {**named, "metadata": {"resourceVersion": str(number)}}}
                elif number > since and concerns(key, body):
                    yield {"type": event, "object": {**body, **named}}
