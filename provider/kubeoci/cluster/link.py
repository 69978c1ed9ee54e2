# SPDX-License-Identifier: Apache-2.0
"""What all operations on one API server share: its credentials, its connections and how much is asked at a time."""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from kubeoci.cluster.gate import Gate
from kubeoci.cluster.login import Login


class Connections(Protocol):
    """A pool of them."""

    def clear(self) -> None:
        """Close what is idle."""


Pool = TypeVar("Pool", bound=Connections)


class Link(Generic[Pool]):
    """The newest credentials and the connections made with them. Threads may share it.

    Args:
        source: reads the credentials, which may run a program; raises ClusterError.
        make: a pool for credentials.
    """

    def __init__(self, source: Callable[[], Login], make: Callable[[Login], Pool]) -> None:
        self._source = source
        self._make = make
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self.login = source()
        self.gate = Gate()
        self.has_answered = False

    def pool(self) -> Pool:
        """The connections for the newest credentials, made on first use."""
        with self._lock:
            if self._pool is None:
                self._pool = self._make(self.login)
            return self._pool

    def renew(self, used: Login) -> None:
        """Load the credentials again, once for all threads whose request was refused with `used`."""
        with self._lock:
            if self.login is used:
                self.login = self._source()
                self._forget()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._pool is not None:
            self._pool.clear()
            self._pool = None
