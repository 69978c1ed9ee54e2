# SPDX-License-Identifier: Apache-2.0
"""A proxy for TLS: it takes `CONNECT`, records it, and passes bytes on in both directions."""

import selectors
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Tunnel:
    """On a free port of 127.0.0.1: `with Tunnel() as tunnel: … tunnel.host`. With `refuse` it lets nobody through."""

    def __init__(self, *, refuse: bool = False) -> None:
        self.refuse = refuse
        self.requests: list[str] = []
        self.authorizations: list[str] = []
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"tunnel": self}))
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    tunnel: Tunnel

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Stay silent: the requests are recorded."""

    def do_CONNECT(self) -> None:
        """Let the client through, or say no."""
        self.tunnel.requests.append(f"CONNECT {self.path}")
        self.tunnel.authorizations.append(self.headers.get("Proxy-Authorization", ""))
        self.close_connection = True
        if self.tunnel.refuse:
            self.send_error(407, "No")
            return
        host, _, port = self.path.rpartition(":")
        self.send_response(200)
        self.end_headers()
        with socket.create_connection((host, int(port))) as other:
            _splice(self.connection, other)


def _splice(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on until either side has said all."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(one, selectors.EVENT_READ, other)
        waiting.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in waiting.select():
                data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)
