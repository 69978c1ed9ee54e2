# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.parallel: as many as may, in order, and no more once one has failed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest

from kubeoci.registry import parallel
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


@pytest.mark.parametrize(("count", "width", "threads"), [(2, 4, 2), (4, 4, 4), (8, 4, 4)])
def test_as_many_as_may(monkeypatch: pytest.MonkeyPatch, count: int, width: int, threads: int) -> None:
    """They are there at the same moment, and never one more."""
    gate, pool = threading.Barrier(threads), Mock(wraps=ThreadPoolExecutor)
    monkeypatch.setattr(parallel, "ThreadPoolExecutor", pool)
    assert count == len(together(lambda _number: gate.wait(10), range(count), width))
    assert threads == pool.call_args.args[0]


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
    assert len(begun) <= 2
