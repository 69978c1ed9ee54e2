# SPDX-License-Identifier: Apache-2.0
"""A stream of events about a collection, as an API server sends it: one JSON object per line."""

import json
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

Event = dict[str, Any]
"""`{"type": "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR", "object": {…}}`"""

MAX_LINE_BYTES = 16 * 2**20
"""The longest event that is read: etcd keeps no object of more than 1.5 MiB."""


class Watch:
    """Events as they come. `stop` may be called from another thread.

    Args:
        pieces: the bytes of the stream; OSError when it breaks.
        shutdown: makes a read that waits for bytes end, from any thread; OSError or ValueError when there is none.
        close: gives the connection up.
    """

    def __init__(self, pieces: Iterator[bytes], shutdown: Callable[[], object], close: Callable[[], object]) -> None:
        self._pieces = pieces
        self._shutdown = shutdown
        self._close = close

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    def __iter__(self) -> Iterator[Event]:
        """Events until the server, the network or `stop` ends the stream, or sends what is no event."""
        rest = b""
        try:
            for piece in self._pieces:
                *lines, rest = (rest + piece).split(b"\n")
                yield from filter(None, map(_event, lines))
                if len(rest) > MAX_LINE_BYTES:
                    return
        except (OSError, ValueError, RecursionError):
            return  # the reader knows how far it came, and begins again there

    def stop(self) -> None:
        """Make the reader's loop end soon."""
        try:
            self._shutdown()
        except (OSError, ValueError):
            return  # it has ended already


def _event(line: bytes) -> Event | None:
    """The event in a line, None in an empty one. Raises ValueError."""
    if not line.strip():
        return None
    event = json.loads(line)
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise ValueError("not an event")  # noqa: TRY004 - as a line that is no JSON
    return event
