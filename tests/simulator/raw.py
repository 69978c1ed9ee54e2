# SPDX-License-Identifier: Apache-2.0
"""A server that knows no HTTP: whoever connects gets a beginning, and then the same bytes again and again."""

import contextlib
import socket
import threading
from typing import Self


class Raw:
    """On a free port of 127.0.0.1: `with Raw(b"HTTP/1.1 200 ", b"x") as raw: … raw.host`.

    Without `more` it hangs up behind the beginning.
    """

    def __init__(self, beginning: bytes, more: bytes = b"") -> None:
        self._beginning, self._more = beginning, more
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.recv(1 << 16)
            client.sendall(self._beginning)
            while self._more:
                client.sendall(self._more)
