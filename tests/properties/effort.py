# SPDX-License-Identifier: Apache-2.0
"""How hard a property is tried, and what no input may do: raise an error of somebody else, or take long."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubeoci.errors import KubeociError

FEW = 25
MANY = 1000

T = TypeVar("T")
Check = Callable[[T], None]


def tried(strategy: st.SearchStrategy[T]) -> Callable[[Check[T]], Callable[[int], None]]:
    """A property of everything that `strategy` makes becomes a test: few examples always, many in `make test-all`."""

    def decorate(check: Check[T]) -> Callable[[int], None]:
        @pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
        def test(examples: int) -> None:
            relaxed = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
            relaxed(given(strategy)(check))()

        test.__doc__ = check.__doc__
        return test

    return decorate


def outcome(call: Callable[..., T], *arguments: object, seconds: float = 1.0) -> "T | KubeociError | ExceptionGroup":
    """What a call gives, or its error if that is one of ours; fails when it took more CPU time than `seconds`."""
    started = time.thread_time()
    result: T | KubeociError | ExceptionGroup
    try:
        result = call(*arguments)
    except KubeociError as error:
        result = error
    except ExceptionGroup as group:
        if group.split(KubeociError)[1] is not None:
            raise
        result = group
    spent = time.thread_time() - started
    assert spent < seconds, f"{spent:.1f} s of CPU time"
    return result


def repeated(units: str | tuple[str, ...], longest: int) -> st.SearchStrategy[str]:
    """Texts that make a careless matcher slow: a short piece again and again, between two other ones."""
    pieces = st.lists(st.sampled_from(units), min_size=0, max_size=4).map("".join)
    counts = st.sampled_from([1, 10, 100, longest])
    return st.builds(
        lambda head, unit, count, tail: head + (unit * count)[:longest] + tail, pieces, pieces, counts, pieces
    )
