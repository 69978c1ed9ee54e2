# SPDX-License-Identifier: Apache-2.0
"""What operations on one server share, and when it is renewed."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

from kubeoci.cluster.link import Link
from kubeoci.cluster.login import Login


class Pool:
    """Connections made with some credentials."""

    def __init__(self, login: Login) -> None:
        self.server = login.server
        self.is_cleared = False

    def clear(self) -> None:
        """Note it."""
        self.is_cleared = True


def link() -> Link[Pool]:
    """A link whose credentials are numbered: `https://1`, and `https://2` when they are renewed."""
    numbers = itertools.count(1)
    return Link(lambda: Login(f"https://{next(numbers)}", (), None), Pool)


def test_connections_are_made_once() -> None:
    """The first request makes them, the others share them."""
    shared = link()
    assert shared.pool() is shared.pool()


def test_renewal_brings_new_connections() -> None:
    """Nothing is sent over connections of the old credentials any more."""
    shared = link()
    old = shared.pool()
    shared.renew(shared.login)
    assert ("https://2", "https://2", True) == (shared.login.server, shared.pool().server, old.is_cleared)


def test_who_comes_late_changes_nothing() -> None:
    """Threads that were refused with the old credentials do not load them again and again."""
    shared, barrier = link(), threading.Barrier(8)
    used = shared.login

    def refused(_number: int) -> None:
        barrier.wait()
        shared.renew(used)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(refused, range(8)))
    assert "https://2" == shared.login.server


def test_closing_is_no_end() -> None:
    """Idle connections go; the next request makes new ones."""
    shared = link()
    old = shared.pool()
    shared.close()
    shared.close()
    assert (True, False) == (old.is_cleared, shared.pool() is old)
