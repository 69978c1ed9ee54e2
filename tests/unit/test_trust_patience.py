# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.patience: work that ends, fails or never ends."""

import threading
from collections.abc import Iterator

import pytest

from kubeoci.trust.patience import Patience


class Late(Exception):  # noqa: N818 - what a caller raises
    """The seconds are used up."""


@pytest.fixture
def leaving() -> Iterator[threading.Event]:
    """Set at the end, for work that would hang for ever."""
    event = threading.Event()
    yield event
    event.set()


def test_work_that_ends() -> None:
    """Its result comes back from another thread."""
    assert threading.current_thread() is not Patience(30, Late).wait(threading.current_thread)


@pytest.mark.parametrize("error", [ValueError("x"), TimeoutError("x"), KeyboardInterrupt()])
def test_work_that_fails(error: BaseException) -> None:
    """What it raises is raised, also where it looks like our own end."""

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        Patience(30, Late).wait(fail)
    assert error is caught.value


def test_work_that_never_ends(leaving: threading.Event) -> None:
    """It is left to itself, in a thread that does not keep the process."""
    threads: list[threading.Thread] = []

    def hang() -> None:
        threads.append(threading.current_thread())
        leaving.wait()

    with pytest.raises(Late):
        Patience(0.05, Late).wait(hang)
    assert [True] == [thread.daemon for thread in threads]


def test_the_seconds_are_for_all_calls(monkeypatch: pytest.MonkeyPatch, leaving: threading.Event) -> None:
    """What the first one took is not there for the second one."""
    patience = Patience(30, Late)
    monkeypatch.setattr("kubeoci.trust.patience.time.monotonic", iter([0, 31, 31, 31]).__next__)
    patience.wait(lambda: None)
    with pytest.raises(Late):
        patience.wait(leaving.wait)
