# SPDX-License-Identifier: Apache-2.0
"""How long an operation may still take, and whether the user wants it to go on."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kubeoci.errors import Stopped

_LOOK_SECONDS = 0.1


class Deadline:
    """Runs from the moment it is made. Idle limits do not stop a server that trickles; this does.

    Args:
        seconds: for the whole operation, all its requests, retries and waits together.
        stop: set from outside when the user gives up.
    """

    def __init__(self, seconds: float, stop: threading.Event) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._stop = stop

    @property
    def left(self) -> float:
        """Seconds that remain; never negative."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raise `Stopped` (`stopped.cancelled`, `stopped.deadline`) when it is over."""
        if self._stop.is_set():
            raise Stopped("stopped.cancelled", "stopped while talking to the registry")
        if self.left <= 0:
            raise self._late()

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`, or raise `Stopped`: at once when there is not that much time left."""
        self.check()
        if seconds >= self.left:
            raise self._late()
        if self._stop.wait(seconds):
            self.check()

    @contextmanager
    def hold(self, lock: threading.Lock) -> Iterator[bool]:
        """Hold `lock`, and say whether that had to be waited for; who holds it may have more time than we have."""
        waited = not lock.acquire(blocking=False)
        while waited and not lock.acquire(timeout=_LOOK_SECONDS):
            self.check()
        try:
            yield waited
        finally:
            lock.release()

    def _late(self) -> Stopped:
        return Stopped(
            "stopped.deadline", f"the registry took longer than {self._seconds:g} s", advice="raise `timeout`"
        )
