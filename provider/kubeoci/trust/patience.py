# SPDX-License-Identifier: Apache-2.0
"""Waiting for work that may never end, because a library asks services without any time limit."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Patience:
    """So many seconds of waiting, over all calls. Raises `error()` when they are used up."""

    def __init__(self, seconds: float, error: Callable[[], Exception]) -> None:
        self._left, self._error = seconds, error

    def wait(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. It runs in a thread of its own, which is left to itself at the end."""
        started = time.monotonic()
        future: Future[T] = Future()
        threading.Thread(target=_fulfil, args=(future, work), daemon=True).start()
        try:
            return future.result(timeout=self._left)
        except TimeoutError:
            if future.done():
                raise
            raise self._error() from None
        finally:
            self._left = max(0.0, self._left - (time.monotonic() - started))


def _fulfil(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
        future.set_exception(error)
