# SPDX-License-Identifier: Apache-2.0
"""One blob on its way into a registry: a session is opened, and one PUT brings all bytes.

Where another repository of the registry has the blob, opening the session can be all: it is mounted.

A PUT is never repeated, since nobody knows how much of it arrived: what may help is a new session, three at most. The
address of the session may lie in another place (a storage service); our credentials stay at home then.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO, cast
from urllib.parse import parse_qsl, quote, urlsplit

from kubeoci.artifact import Descriptor
from kubeoci.errors import RegistryError
from kubeoci.registry.address import absolute
from kubeoci.registry.answer import Answer, failure, visible
from kubeoci.registry.connections import Origin, is_private
from kubeoci.registry.download import check_told
from kubeoci.registry.faults import Unreachable
from kubeoci.registry.progress import Meter, Reading
from kubeoci.registry.transport import Request, Transport

_SESSIONS = 3
_OPENED = 202
_STORED = frozenset({201, 204})
_CREATED = 201
_NO_MOUNT = frozenset({400, 403, 404, 405})
_LOST_SESSION = frozenset({404, 416})


@dataclass(frozen=True, slots=True)
class Upload:
    """`send` is for the registry itself, with credentials; `transport` for anywhere else, without.

    `origin` is the path of a repository of the same registry that has the blob, or empty.
    """

    transport: Transport
    send: Callable[[Request], Answer]
    url: str
    descriptor: Descriptor
    source: Callable[[], BinaryIO]
    meter: Meter
    origin: str = ""

    def run(self) -> bool:
        """Bring the blob there, or raise what the last session died of. Whether bytes had to be sent."""
        opened = self._mount() if self.origin else None
        if opened and opened.status == _CREATED:
            check_told(opened, self.descriptor.digest)
            return False
        for session in range(1, _SESSIONS + 1):
            outcome = self._attempt(opened or self._open())
            opened = None  # a session that died is not used again
            if isinstance(outcome, Answer) and outcome.status in _STORED:
                check_told(outcome, self.descriptor.digest)
                return True
            pause = self.transport.pause_after(outcome, session)
            lost = isinstance(outcome, Answer) and outcome.status in _LOST_SESSION
            if session == _SESSIONS or (pause is None and not lost):
                break
            self.transport.wait(pause or 0.0, self.url)
        raise failure(outcome) if isinstance(outcome, Answer) else outcome

    def _mount(self) -> Answer | None:
        """Ask for the blob of another repository: 201, a session to send it, or None where mounts are refused."""
        query = f"mount={quote(self.descriptor.digest, safe='')}&from={quote(self.origin, safe='')}"
        answer = self.send(Request("POST", f"{self.url}?{query}"))
        if answer.status in _NO_MOUNT:
            return None
        if answer.status not in {_CREATED, _OPENED}:
            raise failure(answer)
        return answer

    def _open(self) -> Answer:
        opened = self.send(Request("POST", self.url))
        if opened.status != _OPENED:
            raise failure(opened)
        return opened

    def _attempt(self, opened: Answer) -> Answer | Unreachable:
        target = session_url(opened, self.descriptor)
        request = Request(
            "PUT",
            target,
            {"Content-Type": "application/octet-stream"},
            lambda: cast("BinaryIO", Reading(self.source(), self.meter)),
            self.descriptor.size,
            repeat=False,
        )
        at_home = Origin.of(target) == Origin.of(self.url)
        try:
            return self.send(request) if at_home else self.transport.send(replace(request, foreign=True))
        except Unreachable as error:
            return error


def session_url(opened: Answer, descriptor: Descriptor) -> str:
    """The address of a PUT: `Location` as it came, with `digest` in its query exactly once.

    Raises `registry.unsafe_redirect` for an address in another place that is not https, or private.
    """
    if not opened.header("location"):
        raise RegistryError("registry.failed", "an upload session without `Location`", where=opened.place)
    url = absolute(opened, opened.header("location"))
    origin, home = Origin.of(url), Origin.of(opened.url)
    private = is_private(origin.host) and not is_private(home.host)
    if origin != home and (origin.scheme != "https" or private):
        what = f"the upload shall go to {visible(url)}"
        raise RegistryError("registry.unsafe_redirect", what, where=opened.place)
    query = urlsplit(url).query
    if any(name == "digest" for name, _ in parse_qsl(query)):
        return url
    return f"{url.partition('#')[0]}{'&' if query else '?'}digest={quote(descriptor.digest, safe='')}"
