# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.parallel: as many as may, in order, and no more once one has failed."""

import threading

import pytest

from kubeoci.registry.parallel import together


def test_results_come_in_order() -> None:
    """Whoever is done first."""
    second_is_done = threading.Event()

    def call(number: int) -> int:
        if number == 2:
            second_is_done.set()
        assert second_is_done.wait(10)
        return number

    assert [1, 2] == together(call, [1, 2], 2)


@pytest.mark.parametrize(("count", "width"), [(2, 4), (3, 4), (9, 4)])
def test_as_many_as_may(count: int, width: int) -> None:
    """They are there at the same moment, and never one more."""
    gate, free = threading.Barrier(min(count, width)), threading.Semaphore(width)

    def call(number: int) -> bool:
        alone = free.acquire(blocking=False)
        if number < gate.parties:
            gate.wait(10)
        free.release()
        return alone

    assert [True] * count == together(call, range(count), width)


@pytest.mark.parametrize("items", [[], ["one"]])
def test_one_alone_needs_no_thread(items: list[str]) -> None:
    """Nor does none."""
    assert [threading.current_thread()] * len(items) == together(lambda _item: threading.current_thread(), items, 4)


def test_first_failure_in_order_is_raised() -> None:
    """Not the one that came first."""
    failed = threading.Event()

    def call(number: int) -> None:
        if number == 1:
            failed.set()
        assert failed.wait(10)
        raise LookupError(number)

    with pytest.raises(LookupError, match="0"):
        together(call, [0, 1], 2)


def test_nothing_begins_after_a_failure() -> None:
    """A registry that refuses one request is not asked a hundred thousand times."""
    begun = list[int]()

    def call(number: int) -> None:
        begun.append(number)
        raise LookupError(number)

    with pytest.raises(LookupError, match="0"):
        together(call, range(100_000), 2)
    assert len(begun) < 100_000
