# SPDX-License-Identifier: Apache-2.0
"""A proxy before the API server that holds one request, so that its sender can be killed at exactly this step.

with holding(rig, folder) as proxy:
    proxy.hold("DELETE /api/v1/namespaces/shop/configmaps/a", is_carried_out=True)
    ...                                         # start the program that sends it
    proxy.reached.wait()                        # it was carried out, its sender hears nothing
"""

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from api import client_context
from e2e.recorder import Recorder, _Handler
from rig import Rig, kubeconfig


class Holding(Recorder):
    """A recorder that does not answer the request that is held; `reached` is set when it came."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.server.removeprefix("https://"), client_context(rig.certificates))
        self._server.RequestHandlerClass = _HoldingHandler
        self.reached = threading.Event()
        self._wanted = ""
        self._passes = 0
        self._is_carried_out = False

    def hold(self, prefix: str, *, is_carried_out: bool, after: int = 0) -> None:
        """Hold the next request that starts with `prefix`, behind so many others of the kind."""
        self.reached.clear()
        self._wanted, self._is_carried_out, self._passes = prefix, is_carried_out, after

    def decide(self, request: str) -> bool | None:
        """None to pass a request on, else whether it is carried out before it is held."""
        if not self._wanted or not request.startswith(self._wanted) or "dryRun" in request:
            return None
        self._passes -= 1
        if self._passes >= 0:
            return None
        self._wanted = ""
        return self._is_carried_out


@contextlib.contextmanager
def holding(rig: Rig, folder: Path) -> Iterator[Holding]:
    """A proxy before the rig's API server; `kubeconfig` leads to it."""
    with contextlib.closing(Holding(rig)) as proxy:
        proxy.kubeconfig = folder / "holding"
        proxy.kubeconfig.write_text(json.dumps(kubeconfig(f"http://{proxy.address}")))
        yield proxy


class _HoldingHandler(_Handler):
    def _maybe_held(self) -> None:
        proxy = self.server.recorder
        assert isinstance(proxy, Holding)
        is_carried_out = proxy.decide(f"{self.command} {self.path}")
        if is_carried_out is None:
            self._pass_on()
            return
        body = self._body()
        if is_carried_out:
            headers = {name: self.headers[name] for name in ("Accept", "Content-Type") if name in self.headers}
            self._upstream.request(self.command, self.path, body, headers)
            with contextlib.closing(self._upstream.getresponse()) as answer:
                if "watch" not in self.path:  # a watch has no end
                    answer.read()
        proxy.reached.set()
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.rfile.read(1)  # until the sender is gone
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _maybe_held  # noqa: N815 - the server's names
