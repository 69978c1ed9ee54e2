# SPDX-License-Identifier: Apache-2.0
"""Requests to one Kubernetes API server: plain dicts in and out, over one pool of connections.

What is tried again, within the deadline: 429 after the time the server names, 502, 503, 504, a 500 of etcd, a
connection that broke, and once a 401 with fresh credentials. Server-side apply may be repeated safely. A server that
cannot be reached at all is reported at once, unless it answered before: then it is restarting.
"""

import json
import math
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode

from kubeoci.cluster.answers import Refused, refusal
from kubeoci.cluster.login import Access, Login, login
from kubeoci.errors import ClusterError, Stopped

if TYPE_CHECKING:
    import urllib3

__all__ = ["Access", "Listing", "Reply", "Rest", "Watch", "connect"]

Body = dict[str, Any]
"""One object or list as JSON gives it."""

APPLY: Final = "application/apply-patch+yaml"
JSON: Final = "application/json"
JSON_PATCH: Final = "application/json-patch+json"
METADATA: Final = f"{JSON};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,{JSON}"

PAGE = 500
"""Objects per request of a list."""
CONNECTIONS = 64
"""Sockets that are kept per server: 32 writers and 32 watches of one operation. More are closed after use."""
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
RETRIES = 5
"""How often a request is repeated; with doubling pauses from one second on that is half a minute."""
WATCH_SECONDS = 300

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer below 400. `value` is decoded JSON, None when there was none; `kind` its media type in lower case."""

    status: int
    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a list, each with `apiVersion` and `kind`, and where a watch goes on from."""

    items: list[Body]
    resource_version: str


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    data: bytes | None = None
    content_type: str = JSON
    accept: str = JSON
    is_repeatable: bool = True
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def connect(access: Access, *, stop: threading.Event) -> "Rest":
    """Read the kubeconfig and its credentials. No request is sent yet. Raises ClusterError (`cluster.config`)."""
    return Rest(_Link(lambda: login(access)), stop=stop)


class _Link:
    """Credentials and connections, shared by all operations on one server."""

    def __init__(self, source: Callable[[], Login]) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._pool: urllib3.PoolManager | None = None
        self.login = source()
        self.has_answered = False

    def pool(self, used: Login) -> "urllib3.PoolManager":
        """The connections for these credentials, made on first use."""
        with self._lock:
            if self._pool is None:
                self._pool = _pool(used)
            return self._pool

    def renew(self, used: Login) -> None:
        """Load the credentials again, once for all threads whose request was refused."""
        with self._lock:
            if self.login is used:
                self.login = self._source()
                self._pool = None

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            if self._pool:
                self._pool.clear()


class Rest:
    """One API server. Every method raises `Refused` for an answer of 400 or more that no repetition mended.

    Further errors: ClusterError `cluster.unreachable`; Stopped once `stop` is set or `deadline` has passed.
    """

    def __init__(self, link: _Link, *, stop: threading.Event) -> None:
        self._link = link
        self._stop = stop
        self.deadline: float = math.inf
        """Seconds of `time.monotonic` after which nothing is sent any more."""
        self.warnings: list[str] = []
        """What the server said in `Warning` headers, each text once."""

    @property
    def server(self) -> str:
        """The URL of the server, for messages."""
        return self._link.login.server

    def fork(self) -> "Rest":
        """The same connections for one more operation, with a deadline and warnings of its own."""
        return Rest(self._link, stop=self._stop)

    def get(self, path: str) -> Body | None:
        """One object, or None when it, or the namespace it would be in, does not exist."""
        try:
            return self._value(self.send("GET", path))
        except Refused as error:
            if error.is_missing or error.code == "cluster.namespace_missing":
                return None
            raise

    def list_all(self, path: str, *, selector: str = "", metadata_only: bool = False) -> Listing:
        """Every object of a collection, page by page; a missing namespace is an empty one."""
        items: list[Body] = []
        token = ""
        while True:
            query = {"limit": str(PAGE), "labelSelector": selector, "continue": token}
            reply = self.send("GET", path, query=query, accept=METADATA if metadata_only else JSON)
            page = self._value(reply)
            kind = str(page.get("kind", "")).removesuffix("List")
            version = page.get("apiVersion", "")
            items += [{"apiVersion": version, "kind": kind, **item} for item in page.get("items") or []]
            meta = page.get("metadata") or {}
            token = meta.get("continue") or ""
            if not token:
                return Listing(items, str(meta.get("resourceVersion", "")))

    def apply(self, path: str, body: Body, *, manager: str, force: bool = False, dry_run: bool = False) -> Body:
        """Server-side apply; gives the object as it is, or would be, afterwards."""
        query = {"fieldManager": manager, "force": str(force).lower(), "dryRun": "All" if dry_run else ""}
        return self._value(self.send("PATCH", path, query=query, body=body, content_type=APPLY))

    def create(self, path: str, body: Body, *, manager: str, dry_run: bool = False) -> Body:
        """POST to a collection: fails with 409 when the object exists."""
        query = {"fieldManager": manager, "dryRun": "All" if dry_run else ""}
        return self._value(self.send("POST", path, query=query, body=body))

    def patch(self, path: str, operations: list[Body], *, manager: str) -> Body:
        """JSON patch (RFC 6902)."""
        query = {"fieldManager": manager}
        return self._value(self.send("PATCH", path, query=query, body=operations, content_type=JSON_PATCH))

    def delete(self, path: str, *, uid: str) -> Body | None:
        """Delete exactly the object with this uid, its dependents in the background.

        None when it is gone already; the object while finalizers or a grace period keep it. 409: another uid.
        """
        options: Body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        options["preconditions"] = {"uid": uid}
        try:
            value = self._value(self.send("DELETE", path, body=options))
        except Refused as error:
            if error.is_missing or error.code in {"cluster.namespace_missing", "cluster.kind_missing"}:
                return None
            raise
        return None if value.get("kind") == "Status" else value

    def watch(self, path: str, *, selector: str, resource_version: str) -> "Watch":
        """Follow a collection from where a listing was taken. The server ends a watch after `WATCH_SECONDS`."""
        query = {"watch": "1", "labelSelector": selector, "resourceVersion": resource_version}
        query |= {"allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        request = self._request("GET", path, query)
        return Watch(self._perform(request, streams=True))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Reply:
        """Any request. Empty values of `query` are left out."""
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        request = self._request(method, path, query, data=data, content_type=content_type, accept=accept)
        response = self._perform(request)
        kind = response.headers.get("Content-Type", "").lower()
        return Reply(response.status, kind, json.loads(response.data) if response.data and "json" in kind else None)

    def check(self) -> None:
        """Raise Stopped when the user or the deadline ended the operation."""
        if self._stop.is_set():
            raise Stopped("stopped.cancelled", "stopped on request")
        if time.monotonic() > self.deadline:
            raise Stopped("stopped.deadline", "ran out of time", advice="raise the timeout")

    def pause(self, seconds: float) -> None:
        """Sleep, but not past the deadline nor past a stop; raises Stopped instead."""
        self._stop.wait(max(0.0, min(seconds, self.deadline - time.monotonic() + 0.001)))
        self.check()

    def close(self) -> None:
        """Close all idle connections."""
        self._link.close()

    def _request(self, method: str, path: str, query: Mapping[str, str] | None, **rest: Any) -> _Request:  # noqa: ANN401
        filled = {key: value for key, value in (query or {}).items() if value}
        target = f"{path}?{urlencode(filled)}" if filled else path
        return _Request(method, target, is_repeatable=method != "POST" or "dryRun" in filled, **rest)

    def _value(self, reply: Reply) -> Body:
        if not isinstance(reply.value, dict):
            what = f"the answer is no JSON object but {reply.kind or 'nothing'}"
            raise ClusterError("cluster.failed", what, where=self.server, advice="check that this is an API server")
        return reply.value

    def _perform(self, request: _Request, *, streams: bool = False) -> "urllib3.BaseHTTPResponse":
        """One request with its repetitions."""
        renewed = False
        for attempt in range(RETRIES + 1):
            self.check()
            used = self._link.login
            try:
                return self._once(request, used, streams=streams)
            except Refused as error:
                if error.status == HTTPStatus.UNAUTHORIZED and not renewed:
                    renewed = True
                    self._link.renew(used)
                    continue
                if not error.is_transient or attempt == RETRIES:
                    raise
                pause = error.retry_seconds
            except _Broken as error:
                if not request.is_repeatable or attempt == RETRIES:
                    raise error.told from error
                pause = 0.0
            self.pause(pause or 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, keeps no secret
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, request: _Request, used: Login, *, streams: bool) -> "urllib3.BaseHTTPResponse":
        import urllib3  # noqa: PLC0415 - 0.1 s, only needed with a cluster

        headers = urllib3.HTTPHeaderDict({"Accept": request.accept, "Content-Type": request.content_type})
        for name, value in used.headers:
            headers.add(name, value)
        pool = self._link.pool(used)
        timeout = urllib3.Timeout(CONNECT_SECONDS, WATCH_SECONDS + CONNECT_SECONDS if streams else READ_SECONDS)
        try:
            response = pool.request(
                request.method,
                used.server + request.target,
                body=request.data,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=not streams,
            )
        except urllib3.exceptions.HTTPError as error:
            self._raise_unreachable(error)
        self._link.has_answered = True
        for found in _WARNING.findall(response.headers.get("Warning", "")):
            text = found.replace('\\"', '"')
            if text not in self.warnings:
                self.warnings.append(text)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise refusal(response.status, response.headers, response.data)
        return response

    def _raise_unreachable(self, error: Exception) -> None:
        import urllib3  # noqa: PLC0415 - as above

        reason = str(error).rsplit(": ", 1)[-1] if isinstance(error, urllib3.exceptions.NewConnectionError) else error
        advice = "check that the API server runs and that the kubeconfig names it"
        told = ClusterError("cluster.unreachable", f"no connection: {reason}", where=self.server, advice=advice)
        broken = (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError)
        if self._link.has_answered or isinstance(error, broken):
            raise _Broken(told) from error
        raise told from error


class _Broken(Exception):  # noqa: N818 - a signal inside this module
    """A connection that broke and may be tried again; `told` is the error when it may not."""

    def __init__(self, told: ClusterError) -> None:
        super().__init__(str(told))
        self.told = told


class Watch:
    """A stream of events `{"type": "ADDED", "object": {…}}`. `stop` may be called from another thread."""

    def __init__(self, response: "urllib3.BaseHTTPResponse") -> None:
        self._response = response

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._response.close()

    def __iter__(self) -> Iterator[Body]:
        """Events until the server, the network or `stop` ends the stream; a torn last line is dropped."""
        import urllib3  # noqa: PLC0415 - as above

        rest = b""
        try:
            for chunk in self._response.stream(65536, decode_content=True):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in lines if line)
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return  # the reader lists again and goes on

    def stop(self) -> None:
        """Make the reader's loop end soon."""
        try:
            self._response.shutdown()
        except (OSError, ValueError):
            return  # it has ended already


def _pool(used: Login) -> "urllib3.PoolManager":
    import urllib3  # noqa: PLC0415 - as above

    settings: dict[str, Any] = {"maxsize": CONNECTIONS}
    if used.tls:
        settings["ssl_context"] = used.tls
        if not used.tls.check_hostname:  # the user's kubeconfig says so; one line per request would not help
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            settings["cert_reqs"] = "CERT_NONE"
    if used.server_name:
        settings |= {"server_hostname": used.server_name, "assert_hostname": used.server_name}
    return urllib3.ProxyManager(used.proxy, **settings) if used.proxy else urllib3.PoolManager(**settings)
