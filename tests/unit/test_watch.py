# SPDX-License-Identifier: Apache-2.0
"""Reading a stream of events, whole and torn."""

import json
from collections.abc import Iterator

import pytest

from kubeoci.cluster import watch
from kubeoci.cluster.watch import Event, Watch


def event(name: str) -> Event:
    """An event about an object."""
    return {"type": "ADDED", "object": {"metadata": {"name": name}}}


def line(name: str) -> bytes:
    """The event as it is sent."""
    return json.dumps(event(name)).encode() + b"\n"


def read(*pieces: bytes, end: Exception | None = None) -> list[Event]:
    """All events of a stream that comes in these pieces, and then ends or breaks."""

    def stream() -> Iterator[bytes]:
        yield from pieces
        if end:
            raise end

    with Watch(stream(), lambda: None, lambda: None) as found:
        return list(found)


@pytest.mark.parametrize(
    "pieces",
    [
        [line("a") + line("b")],
        [line("a"), line("b")],
        [(line("a") + line("b"))[:20], (line("a") + line("b"))[20:]],
        [bytes([byte]) for byte in line("a") + line("b")],
        [line("a"), b"\n", line("b"), b"\r\n"],
    ],
)
def test_events_in_any_pieces(pieces: list[bytes]) -> None:
    """Lines decide, not the pieces that the network makes; empty lines say nothing."""
    assert [event("a"), event("b")] == read(*pieces)


@pytest.mark.parametrize(
    "rest",
    [line("b")[:-5], b"{}\n", b"[]\n", b"null\n", b'{"type": "ADDED", "object": null}\n', b"\xff\n", b"[" * 99999],
)
def test_what_is_no_event_ends_the_stream(rest: bytes) -> None:
    """A torn line, another value, or nonsense: what came before counts, and nobody crashes."""
    assert [event("a")] == read(line("a"), rest, b"\n")


@pytest.mark.parametrize("end", [OSError("reset"), ValueError("read of closed file")])
def test_a_broken_stream_ends(end: Exception) -> None:
    """The reader gets what had come."""
    assert [event("a")] == read(line("a"), end=end)


def test_an_endless_line_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing fills the memory."""
    monkeypatch.setattr(watch, "MAX_LINE_BYTES", 100)
    taken: list[bytes] = []

    def stream() -> Iterator[bytes]:
        while True:
            taken.append(b"x" * 60)
            yield taken[-1]

    assert [] == list(Watch(stream(), lambda: None, lambda: None))
    assert 2 == len(taken)


@pytest.mark.parametrize("error", [None, OSError("gone"), ValueError("closed")])
def test_stop_may_come_late(error: Exception | None) -> None:
    """A stream that has ended already takes no harm, and its connection is given up."""
    calls: list[str] = []

    def shutdown() -> None:
        calls.append("shutdown")
        if error:
            raise error

    with Watch(iter(()), shutdown, lambda: calls.append("close")) as found:
        found.stop()
    assert ["shutdown", "close"] == calls
