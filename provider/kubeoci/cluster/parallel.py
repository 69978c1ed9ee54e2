# SPDX-License-Identifier: Apache-2.0
"""The same request for many objects at the same time, where one failure does not stop the others."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kubeoci.errors import KubeociError

Item = TypeVar("Item")
Result = TypeVar("Result")


def attempt(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result | KubeociError]:
    """What `function` gives for each item, in order; where it raised a `KubeociError`, that error."""

    def guarded(item: Item) -> Result | KubeociError:
        """The result, or the error as a value: one that was raised would end the others."""
        try:
            return function(item)
        except KubeociError as error:
            return error

    due = list(items)
    if len(due) <= 1:
        return [guarded(item) for item in due]
    with ThreadPoolExecutor(min(workers, len(due)), thread_name_prefix="kubeoci") as pool:
        return list(pool.map(guarded, due))


def each(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """As `attempt`, but the first failure is raised once all are done."""
    results: list[Result] = []
    for result in attempt(function, items, workers):
        if isinstance(result, KubeociError):
            raise result
        results.append(result)
    return results
