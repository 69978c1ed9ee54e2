# SPDX-License-Identifier: Apache-2.0
"""How many requests are under way at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kubeoci.cluster.gate import Gate
from kubeoci.errors import Stopped


def nothing() -> None:
    """A check that finds nothing."""


def test_a_complaint_halves() -> None:
    """32, 16, 8, 4, 2, 1, and never none."""
    gate, seen = Gate(), []
    for ticket in range(7):
        seen.append(gate.allowed)
        gate.refused(ticket)
    assert [32, 16, 8, 4, 2, 1, 1] == seen


def test_complaints_of_one_wave_count_once() -> None:
    """Requests that set out together and all come back with 429 halve once."""
    gate = Gate()
    with gate.passing(nothing) as first, gate.passing(nothing) as second:
        gate.refused(first)
        gate.refused(second)
    assert 16 == gate.allowed


def test_successes_add_slowly() -> None:
    """As many successes as are allowed at a time add one place, up to where it began."""
    gate = Gate(4)
    gate.refused(0)
    seen = []
    for _ in range(6):
        gate.answered()
        seen.append(gate.allowed)
    assert [2, 3, 3, 3, 4, 4] == seen


def test_a_complaint_ends_the_row() -> None:
    """Successes before a complaint do not count after it."""
    gate = Gate(8)
    gate.refused(0)
    for _ in range(3):
        gate.answered()
    gate.refused(1)
    gate.answered()
    assert 2 == gate.allowed


def test_nobody_gets_in_beyond_the_limit() -> None:
    """Of many threads at most as many as allowed are inside at once."""
    gate, lock = Gate(3), threading.Lock()
    inside, most = 0, 0

    def visit(_number: int) -> None:
        nonlocal inside, most
        with gate.passing(nothing):
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(visit, range(200)))
    assert 1 <= most <= 3


def test_who_waits_notices_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full gate holds nobody beyond the deadline."""
    monkeypatch.setattr("kubeoci.cluster.gate._LOOK_SECONDS", 0.01)

    def stopped() -> None:
        raise Stopped("stopped.cancelled", "stopped on request")

    gate = Gate(1)
    with gate.passing(nothing), pytest.raises(Stopped), gate.passing(stopped):
        pass


def test_a_failure_frees_its_place() -> None:
    """An exception inside gives the place back."""
    gate = Gate(1)
    with pytest.raises(ValueError, match="broken"), gate.passing(nothing):
        raise ValueError("broken")
    with gate.passing(nothing) as ticket:
        assert 0 == ticket
