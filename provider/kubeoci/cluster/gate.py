# SPDX-License-Identifier: Apache-2.0
"""How many requests one API server gets at a time: fewer when it complains, slowly more again."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST = 32
"""Requests at a time that no server complained about; on one machine 16 gave half of the writes (measured)."""
_LOOK_SECONDS = 0.5  # how soon somebody who waits notices a stop or the deadline


class Gate:
    """Shared by all threads that ask the same server.

    A 429 halves what may be under way, down to one; as many successes in a row as are allowed at a time add one.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = self.allowed = most
        self._under_way = 0
        self._halvings = 0
        self._successes = 0
        self._changed = threading.Condition()

    @contextmanager
    def passing(self, check: Callable[[], None]) -> Iterator[int]:
        """Wait for a place, and hold it. `check` is called meanwhile, and may raise. Gives a ticket for `refused`."""
        with self._changed:
            while self._under_way >= self.allowed:
                self._changed.wait(_LOOK_SECONDS)
                check()
            self._under_way += 1
            ticket = self._halvings
        try:
            yield ticket
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify()

    def refused(self, ticket: int) -> None:
        """A request got 429. Those that had set out before the last halving say nothing new."""
        with self._changed:
            if ticket == self._halvings:
                self._halvings += 1
                self._successes = 0
                self.allowed = max(1, self.allowed // 2)

    def answered(self) -> None:
        """A request was carried out."""
        with self._changed:
            if self.allowed == self._most:
                return
            self._successes += 1
            if self._successes >= self.allowed:
                self._successes = 0
                self.allowed += 1
                self._changed.notify()
