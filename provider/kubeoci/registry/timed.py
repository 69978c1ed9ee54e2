# SPDX-License-Identifier: Apache-2.0
"""Answers that cannot outlast their operation: its deadline is looked at before each read from the socket.

A limit for idle connections does not stop a server that sends one byte of its headers now and then.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING

from kubeoci.registry.deadline import Deadline

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 1 << 16
_CURRENT: ContextVar[Deadline | None] = ContextVar("kubeoci_deadline", default=None)


@contextmanager
def ending_with(deadline: Deadline) -> Iterator[None]:
    """Answers that begin in this block raise `Stopped` when `deadline` says so."""
    token = _CURRENT.set(deadline)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class TimedResponse(HTTPResponse):
    """An answer of `http.client` that reads as long as its operation may last."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None) -> None:
        super().__init__(sock, debuglevel, method)
        deadline = _CURRENT.get()
        if deadline:
            self.fp = BufferedReader(_Timed(self.fp.detach(), sock, deadline), _BUFFER)


class _Timed(RawIOBase):
    """Reads from `raw`, which reads from `sock`."""

    def __init__(self, raw: RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        """As `RawIOBase` asks."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        """Wait for the next bytes as long as the socket may idle, and no longer than the operation lasts."""
        self._deadline.check()
        idle, left = self._sock.gettimeout(), max(self._deadline.left, 0.001)
        if idle is None or left < idle:
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close both."""
        self._raw.close()
        super().close()
