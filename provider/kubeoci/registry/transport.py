# SPDX-License-Identifier: Apache-2.0
"""HTTP to a registry: pools, retries, redirects, limits. Knows nothing of credentials but one header.

Retried are the statuses and faults that a second try can mend (the table of go-containerregistry): five tries, the
pause doubling from a quarter of a second, give or take a fifth; `Retry-After` wins. Uploads of blobs are never
repeated here. Redirects are followed for GET and HEAD only, and `Authorization` never goes to another origin.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast
from urllib.parse import urlsplit

from kubeoci import __version__
from kubeoci.errors import KubeociError, RegistryError
from kubeoci.registry.address import absolute
from kubeoci.registry.answer import Answer, visible
from kubeoci.registry.connections import Connections, Origin, Route, is_link_local
from kubeoci.registry.deadline import Deadline
from kubeoci.registry.faults import Unreachable, unreachable
from kubeoci.registry.keychain import Credentials

if TYPE_CHECKING:
    import urllib3

_RETRIED = frozenset({408, 429, 499, 500, 502, 503, 504, 522})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 1 << 20
_HTTP_OK = 200
_PARTIAL = 206
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Limits:
    """What a registry may cost us. Delays are those of oras-go, counts our own."""

    tries: int = 5
    first_delay_seconds: float = 0.25
    max_wait_seconds: float = 60.0  # per request, all its pauses together
    connect_seconds: float = 10.0
    idle_seconds: float = 60.0
    max_redirects: int = 5
    max_error_bytes: int = 64 << 10
    max_token_bytes: int = 128 << 10
    max_manifest_bytes: int = 4 << 20
    max_blob_bytes: int = 1 << 30
    max_tag_page_bytes: int = 16 << 20
    max_tag_pages: int = 1000
    max_tags: int = 100_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach a registry.

    `insecure` speaks plain HTTP; None does so for a loopback host only. `ca` is PEM text, trusted in addition to the
    system's. `certificate` and `key` are PEM texts that say who we are, to the registry itself and nobody else; both or
    `registry.credentials`. `proxy` is a URL that all requests go through; empty means what the environment says.
    `realms` has pairs of a registry (`ghcr.io`) and the URL of a token service without query: unless it is empty,
    credentials go to these token services only. `credentials` beat every configuration file. `timeout_seconds` is for
    a whole operation.
    """

    insecure: bool | None = None
    ca: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)
    realms: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None
    timeout_seconds: float = 600.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            missing = "key" if self.certificate else "certificate"
            raise RegistryError("registry.credentials", f"a client certificate needs its key: the {missing} is missing")


class Sink(Protocol):
    """Where a large body goes. One sink lives through all tries of a request, and may ask for the rest only."""

    def headers(self) -> Mapping[str, str]:
        """Headers of the next try, such as a `Range`."""
        ...

    def begin(self, answer: Answer) -> None:
        """A 200 or 206 is there; raise to refuse it."""
        ...

    def write(self, data: bytes) -> None:
        """The next bytes; raise to refuse them."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `body` opens a fresh stream of `size` bytes for each try; `max_bytes` bounds the answer.

    `foreign`: it goes to another place than the registry, which must not see the client certificate.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Callable[[], BinaryIO] | None = field(default=None, repr=False)
    size: int = 0
    max_bytes: int = 64 << 10
    repeat: bool = True
    redirects: bool = True
    foreign: bool = False
    sink: Sink | None = None

    def having(self, **headers: str) -> "Request":
        """The same request with more headers; empty values are left out."""
        return replace(self, headers={**self.headers, **{name: text for name, text in headers.items() if text}})


class Transport:
    """Sends requests of one operation.

    Raises `registry.unreachable` when no answer comes, `registry.rate_limited` when the registry asks for more patience
    than `Limits` has, `registry.unsafe_redirect`, `registry.too_large`, and `Stopped`. Any status is an `Answer`.
    """

    def __init__(self, settings: Settings, deadline: Deadline, connections: Connections) -> None:
        self.limits = settings.limits
        self.deadline = deadline
        self._home = Route(settings.ca, settings.certificate, settings.key, settings.proxy)
        self._abroad = Route(settings.ca, proxy=settings.proxy)
        self._connections = connections

    def send(self, request: Request) -> Answer:
        """The answer to `request`, tried again where that may help."""
        origin = Origin.of(request.url)
        patience = self.limits.max_wait_seconds
        for attempt in range(1, self.limits.tries + 1):
            self.deadline.wait(self._connections.paused(origin))
            outcome = self._attempt(request)
            pause = self.pause_after(outcome, attempt)
            if pause is None or not request.repeat or attempt == self.limits.tries:
                break
            if pause > patience:
                raise _impatient(request.url, pause)
            patience -= pause
            if isinstance(outcome, Answer) and outcome.status == _TOO_MANY:
                self._connections.pause(origin, pause)
            self.deadline.wait(pause)
        if isinstance(outcome, KubeociError):
            raise outcome
        return outcome

    def _attempt(self, request: Request) -> "Answer | Unreachable":
        from kubeoci.registry.timed import ending_with  # noqa: PLC0415 - loaded with the first request

        try:
            with ending_with(self.deadline):
                return self._follow(request)
        except Unreachable as error:
            self.deadline.check()  # a read that ended because time ran out is no fault of the registry
            return error

    def wait(self, seconds: float, url: str) -> None:
        """Pause before another try of something that `send` does not repeat, if that is not too long."""
        if seconds > self.limits.max_wait_seconds:
            raise _impatient(url, seconds)
        self.deadline.wait(seconds)

    def pause_after(self, outcome: "Answer | Unreachable", attempt: int) -> float | None:
        """Seconds to wait before the next try; None when another try is of no use."""
        usual = self.limits.first_delay_seconds * 2.0 ** (attempt - 1) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        if isinstance(outcome, Unreachable):
            return usual if outcome.passing else None
        if outcome.status not in _RETRIED:
            return None
        asked = retry_after(outcome.header("retry-after"))
        return usual if asked is None else asked

    def _follow(self, request: Request) -> Answer:
        url = request.url
        headers = {"User-Agent": f"kubeoci/{__version__}", "Accept-Encoding": "identity", **request.headers}
        for _ in range(self.limits.max_redirects + 1):
            answer = self._exchange(request, url, headers)
            if answer.status not in _REDIRECTS:
                return answer
            target = _redirect_target(request, answer)
            if Origin.of(target) != Origin.of(url):
                headers.pop("Authorization", None)  # and never put back, even if a later hop returns
                request = replace(request, foreign=True)
            url = target
        raise RegistryError(
            "registry.unsafe_redirect", f"more than {self.limits.max_redirects} redirects", where=visible(request.url)
        )

    def _exchange(self, request: Request, url: str, headers: Mapping[str, str]) -> Answer:
        import urllib3  # noqa: PLC0415 - loaded with the first request
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        self.deadline.check()
        origin = Origin.of(url)
        pool = self._connections.pool(origin, self._abroad if request.foreign else self._home)
        forwarded = pool.proxy is not None and origin.scheme == "http"
        limits, left = self.limits, max(self.deadline.left, 0.001)
        timeout = urllib3.Timeout(connect=min(limits.connect_seconds, left), read=min(limits.idle_seconds, left))
        extra = request.sink.headers() if request.sink else {}
        stream = cast("BinaryIO", _Body(request.body(), self.deadline)) if request.body else None
        length = {"Content-Length": str(request.size)} if request.body or request.method not in {"GET", "HEAD"} else {}
        try:
            response = pool.urlopen(
                request.method,
                url.partition("#")[0] if forwarded else _target(url),
                body=stream,
                headers={**headers, **extra, **length},
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=timeout,
                pool_timeout=max(1, int(left)),
                preload_content=False,
                decode_content=False,
            )
            return self._receive(request, url, response)
        except HTTPError as error:
            raise unreachable(request.method, url, error) from error
        finally:
            if stream:
                stream.close()

    def _receive(self, request: Request, url: str, response: "urllib3.BaseHTTPResponse") -> Answer:
        """Read the whole body within its limit; only then does the connection go back to its pool."""
        headers = {name.lower(): tuple(response.headers.getlist(name)) for name in response.headers}
        answer = Answer(request.method, url, response.status, headers)
        whole = False
        try:
            if request.sink and answer.status in {_HTTP_OK, _PARTIAL}:
                request.sink.begin(answer)
                for chunk in self._chunks(response):
                    request.sink.write(chunk)
                whole = True
            else:
                body, whole = self._read(request, answer, response)
                answer = replace(answer, body=body)
        finally:
            if not whole:
                response.close()  # what is left must not be taken for the next answer
            response.release_conn()
        return answer

    def _read(self, request: Request, answer: Answer, response: "urllib3.BaseHTTPResponse") -> tuple[bytes, bool]:
        """The body, and whether that is all of it: a complaint is cut, an answer that is too long is refused."""
        good = answer.status < 300  # noqa: PLR2004 - the class of statuses that mean success
        limit = request.max_bytes if good else self.limits.max_error_bytes
        body = bytearray()
        for chunk in self._chunks(response):
            body += chunk
            if len(body) > limit and good:
                raise RegistryError("registry.too_large", f"an answer of more than {limit} bytes", where=answer.place)
            if len(body) > limit:
                return bytes(body[:limit]), False
        return bytes(body), True

    def _chunks(self, response: "urllib3.BaseHTTPResponse") -> Iterator[bytes]:
        while chunk := response.read1(_CHUNK, decode_content=False):  # read1 returns what is there: no trickle hides
            self.deadline.check()
            yield chunk


class _Body:
    """A request body that stops with its operation."""

    def __init__(self, stream: BinaryIO, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline
        self.close = stream.close

    def read(self, size: int = -1) -> bytes:
        """The next bytes for the connection. Raises what the deadline does."""
        self._deadline.check()
        return self._stream.read(size)


def retry_after(text: str) -> float | None:
    """Seconds that a `Retry-After` asks for: digits or an HTTP date; None when there is none that can be read."""
    digits = text.strip()
    if digits.isascii() and digits.isdigit():
        return float(digits[:12])
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, moment - time.time())


def _redirect_target(request: Request, answer: Answer) -> str:
    """Where a redirect leads, if we may go there."""
    target = absolute(answer, answer.header("location"))
    origin, here = Origin.of(target), Origin.of(answer.url)
    if request.method not in {"GET", "HEAD"} or not request.redirects:
        reason = f"a redirected {request.method} is not followed"
    elif here.scheme == "https" and origin.scheme != "https":
        reason = "redirected from https to http"
    elif is_link_local(origin.host):
        reason = "redirected to a link-local address"
    else:
        return target
    raise RegistryError("registry.unsafe_redirect", f"{reason}: {visible(target)}", where=answer.place)


def _target(url: str) -> str:
    """What stands in the request line: path and query of `url`, nothing of them changed."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _impatient(url: str, seconds: float) -> RegistryError:
    return RegistryError(
        "registry.rate_limited",
        f"the registry asks to come back in {seconds:.0f} s",
        where=visible(url),
        advice="run again then, or log in: most registries allow more to known users",
    )
