# SPDX-License-Identifier: Apache-2.0
"""Many requests at a time: questions are cheap and wait for the network only, transfers share its bandwidth."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TypeVar

CHECKS = 32
"""Questions at a time; a pool holds as many connections to one registry."""
TRANSFERS = 8
"""Blobs at a time."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def together(function: Callable[[Item], Result], items: Iterable[Item], width: int) -> list[Result]:
    """What `function` gives for each item, in their order, `width` at a time.

    The first failure in that order is raised. What has not begun by then never does; what has begun is waited for.
    """
    due, failed = list(items), threading.Event()

    def guarded(item: Item) -> Result:
        """The result, unless an earlier item failed; its own failure keeps later ones from beginning."""
        if failed.is_set():  # items begin in their order, so this is never the first failure
            raise CancelledError
        try:
            return function(item)
        except BaseException:
            failed.set()
            raise

    if len(due) <= 1:
        return [function(item) for item in due]
    with ThreadPoolExecutor(min(len(due), width), thread_name_prefix="kubeoci-registry") as pool:
        futures = [pool.submit(guarded, item) for item in due]
        return [future.result() for future in futures]
