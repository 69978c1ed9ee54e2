# SPDX-License-Identifier: Apache-2.0
"""Requests to one Kubernetes API server: plain dicts in and out, over one pool of connections.

What is tried again, within the deadline: 429 after the time the server names, 502, 503, 504, a 500 of etcd, a
connection that broke, an answer that was cut, and once a 401 with fresh credentials. Server-side apply may be repeated
safely; a POST is only where nothing can have been done. A server that cannot be reached at all is reported at once,
unless it answered before: then it is restarting. Neither silence nor a body that trickles outlasts the deadline by more
than a moment.
"""

import json
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar
from urllib.parse import urlencode

from kubeoci.cluster.answers import Refused, refusal, warnings
from kubeoci.cluster.link import Link
from kubeoci.cluster.login import Access, Login, login
from kubeoci.cluster.watch import Watch
from kubeoci.errors import ClusterError, Stopped

if TYPE_CHECKING:
    import urllib3

__all__ = ["Access", "Listing", "Reply", "Rest", "Watch", "connect"]

Result = TypeVar("Result")

Body = dict[str, Any]
"""One object or list as JSON gives it."""

APPLY: Final = "application/apply-patch+yaml"
JSON: Final = "application/json"
JSON_PATCH: Final = "application/json-patch+json"
METADATA: Final = f"{JSON};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,{JSON}"

PAGE = 500
"""Objects per request of a list."""
PAGES = 2000
"""The most requests for a list: a million objects."""
CONNECTIONS = 64
"""Sockets that are kept per server: 32 writers and 32 watches of one operation. More are closed after use."""
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
RETRIES = 5
"""How often a request is repeated; with doubling pauses from one second on that is half a minute.

A 429 does not count where there is a deadline: the server lives, and says when to come back.
"""
LONGEST_PAUSE_SECONDS = 60.0
"""The longest pause between two tries; also for a `Retry-After` where there is no deadline."""
WATCH_SECONDS = 300
"""How long the server is asked to keep a stream."""
IDLE_SECONDS = 90.0
"""When a stream counts as dead: servers send a bookmark each minute, and hang on a version of the future."""
MAX_BYTES = 256 * 2**20
"""The largest answer that is read; 500 objects have at most 1.5 MiB each, and are a hundredth of that."""
_MAX_COMPLAINT_BYTES = 2**20
_PIECE_BYTES = 2**16


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
    read_seconds: float = READ_SECONDS


def connect(access: Access, *, stop: threading.Event) -> "Rest":
    """Read the kubeconfig and its credentials. No request is sent yet. Raises ClusterError (`cluster.config`)."""
    return Rest(Link(lambda: login(access, stop), _pool), stop=stop)


class Rest:
    """One API server. Every method raises `Refused` for an answer of 400 or more that no repetition mended.

    Further errors: ClusterError `cluster.unreachable`; Stopped once `stop` is set or `deadline` has passed.
    """

    def __init__(self, link: "Link[urllib3.PoolManager]", *, stop: threading.Event) -> None:
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

    def fork(self, stop: threading.Event | None = None) -> "Rest":
        """The same connections for one more operation, with a deadline and warnings, maybe a `stop`, of its own."""
        return Rest(self._link, stop=stop or self._stop)

    def get(self, path: str) -> Body | None:
        """One object, or None when it, or the namespace it would be in, does not exist."""
        try:
            return self.body_of(self.send("GET", path))
        except Refused as error:
            if error.is_missing or error.code == "cluster.namespace_missing":
                return None
            raise

    def list_all(self, path: str, *, selector: str = "", fields: str = "", metadata_only: bool = False) -> Listing:
        """Every object of a collection, page by page; a missing namespace is an empty one."""
        items: list[Body] = []
        token = ""
        for _ in range(PAGES):
            query = {"limit": str(PAGE), "labelSelector": selector, "fieldSelector": fields, "continue": token}
            reply = self.send("GET", path, query=query, accept=METADATA if metadata_only else JSON)
            page = self.body_of(reply)
            kind = str(page.get("kind", "")).removesuffix("List")
            version = page.get("apiVersion", "")
            items += [{"apiVersion": version, "kind": kind, **item} for item in page.get("items") or []]
            meta = page.get("metadata") or {}
            token = meta.get("continue") or ""
            if not token:
                return Listing(items, str(meta.get("resourceVersion", "")))
        what = f"the list of {path} has no end"
        raise ClusterError("cluster.failed", what, where=self.server, advice="check what answers there")

    def apply(self, path: str, body: Body, *, manager: str, force: bool = False, dry_run: bool = False) -> Body:
        """Server-side apply; gives the object as it is, or would be, afterwards."""
        query = {"fieldManager": manager, "force": str(force).lower(), "dryRun": "All" if dry_run else ""}
        return self.body_of(self.send("PATCH", path, query=query, body=body, content_type=APPLY))

    def replace(self, path: str, body: Body, *, manager: str) -> Body:
        """What the server would make of the whole object; nothing is written."""
        return self.body_of(self.send("PUT", path, query={"fieldManager": manager, "dryRun": "All"}, body=body))

    def create(self, path: str, body: Body, *, manager: str, dry_run: bool = False) -> Body:
        """POST to a collection: fails with 409 when the object exists."""
        query = {"fieldManager": manager, "dryRun": "All" if dry_run else ""}
        return self.body_of(self.send("POST", path, query=query, body=body))

    def patch(self, path: str, operations: list[Body], *, manager: str) -> Body:
        """JSON patch (RFC 6902)."""
        query = {"fieldManager": manager}
        return self.body_of(self.send("PATCH", path, query=query, body=operations, content_type=JSON_PATCH))

    def delete(self, path: str, *, uid: str) -> Body | None:
        """Delete exactly the object with this uid, its dependents in the background.

        None when it is gone already; the object while finalizers or a grace period keep it. 409: another uid.
        """
        options: Body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        options["preconditions"] = {"uid": uid}
        try:
            value = self.body_of(self.send("DELETE", path, body=options))
        except Refused as error:
            if error.is_missing or error.code in {"cluster.namespace_missing", "cluster.kind_missing"}:
                return None
            raise
        return None if value.get("kind") == "Status" else value

    def watch(self, path: str, *, selector: str = "", fields: str = "", since: str = "") -> Watch:
        """Follow a collection, or what of it the selectors choose. The server ends a watch after `WATCH_SECONDS`.

        Without the resource version `since` the stream begins with all that is there, and a bookmark that says so. A
        server without the feature WatchList refuses that: `cluster.invalid`.
        """
        query = {"watch": "1", "labelSelector": selector, "fieldSelector": fields, "resourceVersion": since}
        if not since:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        query |= {"allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        request = self._request("GET", path, query, read_seconds=IDLE_SECONDS)
        return self._perform(request, lambda response: Watch(_pieces(response), response.shutdown, response.close))

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
        return self._perform(request, self._reply)

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

    def body_of(self, reply: Reply) -> Body:
        """The JSON object of an answer. Raises ClusterError for anything else."""
        if not isinstance(reply.value, dict):
            what = f"the answer is no JSON object but {reply.kind or 'nothing'}"
            raise ClusterError("cluster.failed", what, where=self.server, advice="check that this is an API server")
        return reply.value

    def _perform(self, request: _Request, receive: Callable[["urllib3.BaseHTTPResponse"], Result]) -> Result:
        """One request with its repetitions. When time runs out between two of them, the last failure says why."""
        renewed, failures, pauses, pause = False, 0, 0, 0.0
        fault: ClusterError | None = None
        while True:
            try:
                self.pause(pause) if pause else self.check()
                used = self._link.login  # not before the pause: another thread may renew it meanwhile
                return self._once(request, used, receive)
            except Stopped as stop:
                if fault and stop.code == "stopped.deadline":
                    raise fault from stop
                raise
            except Refused as error:
                if error.status == HTTPStatus.UNAUTHORIZED and not renewed:
                    renewed = True
                    self._link.renew(used)
                    pause = 0.0
                    continue
                if not error.is_transient or not (request.is_repeatable or error.is_before):
                    raise
                fault, asked = error, error.retry_seconds
            except _Broken as error:
                if not request.is_repeatable:
                    raise error.told from error
                fault, asked = error.told, 0.0
            failures += self._counts(fault)
            pause = asked or min(2.0**pauses, LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            pauses += 1
            if failures > RETRIES or pause > self._patience:
                raise fault

    def _counts(self, fault: ClusterError) -> bool:
        """Whether a failure counts against `RETRIES`."""
        return self.deadline == math.inf or not (isinstance(fault, Refused) and fault.is_throttled)

    @property
    def _patience(self) -> float:
        """How long a pause may be: to the deadline, and where there is none not longer than any other."""
        return LONGEST_PAUSE_SECONDS if self.deadline == math.inf else self.deadline - time.monotonic()

    def _once(self, request: _Request, used: Login, receive: Callable[["urllib3.BaseHTTPResponse"], Result]) -> Result:
        with self._link.gate.passing(self.check) as ticket:
            try:
                result = self._exchange(request, used, receive)
            except Refused as error:
                if error.is_throttled:
                    self._link.gate.refused(ticket)
                raise
        self._link.gate.answered()
        return result

    def _exchange(
        self, request: _Request, used: Login, receive: Callable[["urllib3.BaseHTTPResponse"], Result]
    ) -> Result:
        import urllib3  # noqa: PLC0415 - 0.1 s, only needed with a cluster

        headers = urllib3.HTTPHeaderDict({"Accept": request.accept, "Content-Type": request.content_type})
        for name, value in used.headers:
            headers.add(name, value)
        left = max(self.deadline - time.monotonic(), 0.1)
        try:
            response = self._link.pool().request(
                request.method,
                used.server + request.target,
                body=request.data,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, left), read=min(request.read_seconds, left)),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            self._link.has_answered = True
            self.warnings += [text for text in warnings(response.headers) if text not in self.warnings]
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise refusal(response.status, response.headers, self._read(response, _MAX_COMPLAINT_BYTES))
            return receive(response)
        except urllib3.exceptions.HTTPError as error:
            self._raise_unreachable(error)

    def _reply(self, response: "urllib3.BaseHTTPResponse") -> Reply:
        kind = response.headers.get("Content-Type", "").lower()
        data = self._read(response, MAX_BYTES)
        try:
            return Reply(response.status, kind, json.loads(data) if data and "json" in kind else None)
        except (ValueError, RecursionError) as error:
            what = "its answer is no JSON: it was cut, or something before the server made it"
            raise _Broken(ClusterError("cluster.failed", what, where=self.server, advice="run again")) from error

    def _read(self, response: "urllib3.BaseHTTPResponse", limit: int) -> bytes:
        """The body; its connection is kept only if nothing is left to read."""
        body, is_whole = bytearray(), False
        try:
            while piece := response.read1(_PIECE_BYTES, decode_content=False):  # what is there: no trickle hides
                self.check()
                body += piece
                if len(body) > limit:
                    what = f"an answer of more than {limit} bytes"
                    raise ClusterError("cluster.failed", what, where=self.server, advice="check what answers there")
            is_whole = True
        finally:
            if not is_whole:
                response.close()
            response.release_conn()
        return bytes(body)

    def _raise_unreachable(self, error: Exception) -> NoReturn:
        import urllib3  # noqa: PLC0415 - as above

        reason: object = error
        if isinstance(error, urllib3.exceptions.NewConnectionError):  # a kind of timeout too
            reason = str(error).rsplit(": ", 1)[-1]
        elif isinstance(error, urllib3.exceptions.TimeoutError):
            reason = "it took too long to answer"
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


def _pieces(response: "urllib3.BaseHTTPResponse") -> Iterator[bytes]:
    """A stream's bytes as they come. Raises OSError when it breaks."""
    import urllib3  # noqa: PLC0415 - as above

    try:
        while piece := response.read1(_PIECE_BYTES, decode_content=False):
            yield piece
    except urllib3.exceptions.HTTPError as error:
        raise OSError(str(error)) from error


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
