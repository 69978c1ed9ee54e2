# SPDX-License-Identifier: Apache-2.0
"""A proxy before the API server that makes trouble on demand: refusals, broken connections, slow answers, cut streams.

with troubled(rig, folder) as proxy:
    proxy.trouble("GET /apis/apps", Trouble(status=429), times=20)
"""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from api import client_context
from e2e.recorder import Recorder, _Handler
from rig import Rig, kubeconfig


@dataclass(frozen=True)
class Trouble:
    """What becomes of a request: a refusal, no answer, a late one, or an answer that breaks off behind some bytes.

    `text` is what a proxy says instead of a `Status`. `lost`: it is carried out, and then there is no answer. `halved`:
    it is carried out, and half of its answer comes, as a whole by its length.
    """

    status: int = 0
    body: str = ""
    text: str = ""
    retry_after: str = ""
    reset: bool = False
    lost: bool = False
    halved: bool = False
    seconds: float = 0.0
    cut_after: int = -1


class Troubled(Recorder):
    """A recorder that serves what is `ordered` before it passes requests on."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.server.removeprefix("https://"), client_context(rig.certificates))
        self._server.RequestHandlerClass = _TroubledHandler
        self.ordered: list[tuple[str, str, Trouble]] = []

    def trouble(self, prefix: str, trouble: Trouble, times: int = 1, *, inside: str = "") -> None:
        """The next requests that start with `prefix` and have `inside` in them, or not with `!`, get into trouble."""
        self.ordered += [(prefix, inside, trouble)] * times

    def take(self, request: str) -> Trouble | None:
        """The trouble that is ordered for a request, used up."""
        for item in self.ordered:
            if request.startswith(item[0]) and _fits(item[1], request):
                self.ordered.remove(item)
                return item[2]
        return None


def _fits(inside: str, request: str) -> bool:
    return inside[1:] not in request if inside.startswith("!") else inside in request


@contextlib.contextmanager
def troubled(rig: Rig, folder: Path) -> Iterator[Troubled]:
    """A proxy before the rig's API server; `kubeconfig` leads to it."""
    with contextlib.closing(Troubled(rig)) as proxy:
        proxy.kubeconfig = folder / "troubled"
        proxy.kubeconfig.write_text(json.dumps(kubeconfig(f"http://{proxy.address}")))
        yield proxy


class _TroubledHandler(_Handler):
    def _troubled(self) -> None:
        proxy = self.server.recorder
        trouble = proxy.take(f"{self.command} {self.path}") if isinstance(proxy, Troubled) else None
        if trouble is None:
            self._pass_on()
            return
        time.sleep(trouble.seconds)  # the trouble itself: a slow server
        if trouble.reset:
            self._refuse_to_speak()
        elif trouble.status:
            self._refuse(trouble)
        elif trouble.lost or trouble.halved:
            self._carry_out(is_answered=trouble.halved)
        elif trouble.cut_after >= 0:
            self._pass_on_some(trouble.cut_after)
        else:
            self._pass_on()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _troubled  # noqa: N815 - the server's names

    def _refuse_to_speak(self) -> None:
        self._body()
        self.server.recorder.requests.append(f"{self.command} {self.path}")
        self.close_connection = True

    def _refuse(self, trouble: Trouble) -> None:
        self._refuse_to_speak()
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": trouble.body,
            "code": trouble.status,
        }
        data = trouble.text.encode() or json.dumps(status).encode()
        self.send_response_only(trouble.status)
        self.send_header("Content-Type", "text/html" if trouble.text else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if trouble.retry_after:
            self.send_header("Retry-After", trouble.retry_after)
        self.end_headers()
        self.wfile.write(data)

    def _carry_out(self, *, is_answered: bool) -> None:
        """The server does it, the client hears nothing, or half of it."""
        self.server.recorder.requests.append(f"{self.command} {self.path}")
        names = ("Accept", "Content-Type")
        headers = {name: self.headers[name] for name in names if name in self.headers}
        self._upstream.request(self.command, self.path, self._body(), headers)
        answer = self._upstream.getresponse()
        data = answer.read()
        if not is_answered:
            self.close_connection = True
            return
        self.send_response_only(answer.status, answer.reason)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(data) // 2))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])

    def _pass_on_some(self, count: int) -> None:
        """The first bytes of a stream, then a cut."""
        self.server.recorder.requests.append(f"{self.command} {self.path}")
        headers = {name: value for name, value in self.headers.items() if name.lower() == "accept"}
        self._upstream.request(self.command, self.path, self._body(), headers)
        answer = self._upstream.getresponse()
        self.send_response_only(answer.status, answer.reason)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(http.client.HTTPException):
            piece = answer.read1(1 << 16)[:count]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b"")
        self.wfile.flush()
        self._upstream.close()
        self.close_connection = True
