# SPDX-License-Identifier: Apache-2.0
"""How far an operation is, told in words and not too often: `pushed 3/5 blobs, 12.0 MiB`.

A `Voice` speaks for a whole operation, a `Tally` counts what goes one way, a `Meter` one blob of it.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

_EVERY_SECONDS = 0.1
_MIB = 1 << 20

_log = logging.getLogger(__name__)


class Voice:
    """Passes lines on to `report`, at most ten a second and none in the first tenth; others are dropped.

    What `report` raises is logged and harms nobody. Two registries of one operation are given the same voice.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._spoke = time.monotonic()  # what ends within a tenth of a second needs no words
        self._lock = threading.Lock()

    def __call__(self, text: str) -> None:
        """Say `text`, if it is time."""
        with self._lock:
            now = time.monotonic()
            if now - self._spoke < _EVERY_SECONDS:
                return
            self._spoke = now
        try:
            self._report(text)
        except Exception:  # noqa: BLE001 - it is somebody else's code, and a transfer matters more
            _log.exception("a progress callback failed")


class Tally:
    """Blobs and bytes of an operation that were `verb` (`pushed`, `pulled`). Thread-safe.

    Blobs count from when they are expected or begun, whichever comes first, bytes as they pass.
    """

    def __init__(self, verb: str, voice: Voice) -> None:
        self._verb = verb
        self._voice = voice
        self._lock = threading.Lock()
        self._expected = self._begun = self._done = self._bytes = 0

    def expect(self, blobs: int) -> None:
        """So many more will begin."""
        with self._lock:
            self._expected += blobs

    @contextlib.contextmanager
    def blob(self) -> Iterator["Meter"]:
        """One blob; it is done when the block ends well."""
        with self._lock:
            self._begun += 1
        yield Meter(self)
        self.add(0, done=1)

    def add(self, count: int, *, done: int = 0) -> None:
        """So many bytes more, or less where a blob begins anew, and so many blobs."""
        with self._lock:
            self._bytes += count
            self._done += done
            total = max(self._begun, self._expected)
            text = f"{self._verb} {self._done}/{total} blobs, {self._bytes / _MIB:.1f} MiB"
        self._voice(text)


class Meter:
    """Counts the bytes of one blob."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._count = 0

    def add(self, count: int) -> None:
        """So many bytes more."""
        self._count += count
        self._tally.add(count)

    def restart(self) -> None:
        """What came so far was in vain."""
        self.add(-self._count)


class Reading:
    """A stream that tells a meter what is read from it, from its beginning."""

    def __init__(self, stream: BinaryIO, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter
        self.close = stream.close
        meter.restart()

    def read(self, size: int = -1) -> bytes:
        """As a file's `read`."""
        data = self._stream.read(size)
        self._meter.add(len(data))
        return data
