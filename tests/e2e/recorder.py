# SPDX-License-Identifier: Apache-2.0
"""Reverse proxies on loopback that write down every request: what was asked of a registry or an API server."""

import contextlib
import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from api import client_context
from rig import Rig, kubeconfig

_HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
_PIECE_BYTES = 1 << 16


class Recorder:
    """One proxy.

    Attributes:
        address: `127.0.0.1:PORT` for clients, plain HTTP.
        requests: every request as `METHOD /path?query`, in the order of their arrival; clear it at will.
        kubeconfig: a file whose cluster is this proxy; only before an API server.
    """

    kubeconfig: Path

    def __init__(self, upstream: str, context: ssl.SSLContext | None = None) -> None:
        self._upstream, self._context = upstream, context
        self.requests: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.recorder = self
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def connection(self) -> http.client.HTTPConnection:
        """A new connection to the upstream, not yet open."""
        if self._context:
            return http.client.HTTPSConnection(self._upstream, context=self._context)
        return http.client.HTTPConnection(self._upstream)

    def writes(self) -> list[str]:
        """The recorded requests that change something: all but GET, HEAD and dry-runs."""
        return [request for request in self.requests if not _is_harmless(request)]

    def close(self) -> None:
        """Stop answering and end what is open."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _is_harmless(request: str) -> bool:
    method, _, url = request.partition(" ")
    return method in {"GET", "HEAD"} or parse_qs(urlsplit(url).query).get("dryRun") == ["All"]


@contextlib.contextmanager
def before_registry(rig: Rig) -> Iterator[Recorder]:
    """A recorder before the rig's registry."""
    with contextlib.closing(Recorder(rig.registry)) as recorder:
        yield recorder


@contextlib.contextmanager
def before_cluster(rig: Rig, folder: Path) -> Iterator[Recorder]:
    """A recorder before the rig's API server: clients need no credentials, it acts as the administrator."""
    upstream = rig.server.removeprefix("https://")
    with contextlib.closing(Recorder(upstream, client_context(rig.certificates))) as recorder:
        recorder.kubeconfig = folder / "kubeconfig"
        recorder.kubeconfig.write_text(json.dumps(kubeconfig(f"http://{recorder.address}")))
        yield recorder


class _Server(ThreadingHTTPServer):
    """A thread per connection; none of them outlives the process."""

    daemon_threads = True
    block_on_close = False  # a watch may stay open for minutes
    recorder: Recorder


class _Handler(BaseHTTPRequestHandler):
    """Passes the requests of one client connection on, over one connection of its own."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def handle(self) -> None:
        """Serve until the client or the upstream goes."""
        self._upstream = self.server.recorder.connection()
        with contextlib.closing(self._upstream), contextlib.suppress(OSError, http.client.HTTPException):
            super().handle()

    def _pass_on(self) -> None:
        self.server.recorder.requests.append(f"{self.command} {self.path}")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        # The client's Host stays: a registry builds its upload addresses from it, and they must lead back here.
        self._upstream.request(self.command, self.path, self._body(), headers)
        answer = self._upstream.getresponse()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        has_end = answer.length is not None or self.command == "HEAD"
        if not has_end:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        _copy(answer, self.wfile, chunked=not has_end)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _pass_on  # noqa: N815 - the server's names

    def _body(self) -> bytes:
        """The whole request body; bodies in tests are small."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body


def _copy(answer: http.client.HTTPResponse, out: BufferedIOBase, *, chunked: bool) -> None:
    """Pass on each piece of a body as it comes, so that a watch is seen live."""
    while piece := answer.read1(_PIECE_BYTES):
        out.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        out.flush()
    if chunked:
        out.write(b"0\r\n\r\n")
    answer.close()  # read1 does not notice the end of a counted body; unclosed, the connection could ask nothing more
