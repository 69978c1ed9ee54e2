# SPDX-License-Identifier: Apache-2.0
"""How far a transfer is, told in words and not too often."""

import logging
import threading
import time
from collections.abc import Callable
from typing import BinaryIO

_EVERY_SECONDS = 0.1
_UNITS = ("B", "kB", "MB", "GB")
_STEP = 1000

_log = logging.getLogger(__name__)


def amount(count: float) -> str:
    """`12 B`, `3.4 MB`: bytes as people read them."""
    unit = 0
    while count >= _STEP and unit < len(_UNITS) - 1:
        count, unit = count / _STEP, unit + 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{count:.0f} B"


class Meter:
    """Tells `report` about one transfer of `total` bytes, at most ten times a second. Its failures harm nobody."""

    def __init__(self, what: str, total: int, report: Callable[[str], None]) -> None:
        self._what = what
        self._total = total
        self._report = report
        self._done = 0
        self._told = time.monotonic()  # what ends within a tenth of a second needs no words
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """So many bytes more."""
        with self._lock:
            self._done += count
            now = time.monotonic()
            if now - self._told < _EVERY_SECONDS:
                return
            self._told = now
        try:
            self._report(f"{self._what}: {amount(self._done)} of {amount(self._total)}")
        except Exception:  # noqa: BLE001 - it is somebody else's code, and a transfer matters more
            _log.exception("a progress callback failed")


class Reading:
    """A stream that tells a meter what is read from it."""

    def __init__(self, stream: BinaryIO, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter
        self.close = stream.close

    def read(self, size: int = -1) -> bytes:
        """As a file's `read`."""
        data = self._stream.read(size)
        self._meter.add(len(data))
        return data
