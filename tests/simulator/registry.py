# SPDX-License-Identifier: Apache-2.0
"""A container registry in memory, on a free port of 127.0.0.1.

    with RegistrySimulator(username="ann", password="pw", bearer=True) as registry:
        …                                         # use f"{registry.host}/app" as a repository
        assert ["HEAD /v2/app/manifests/v1"] == registry.requests

`requests` holds every request in order, without its query (`targets` has it); `authorizations` the scheme of each
`Authorization`, `secrets` all of it. `blobs`, `manifests` and `tags` are open to look into and to change. A fault hits
the next requests that start with a text:

    registry.fail("GET /v2/app/blobs/", Fault(status=503, headers={"Retry-After": "0"}), times=2)
    registry.fail("GET /v2/app/blobs/", Fault(cut=10))             # ten bytes, then the connection breaks
    registry.fail("GET /v2/app/blobs/", Fault(body=b"other"))      # a good status with other bytes
    registry.fail("PUT /v2/app/", Fault(drop=True))                # no answer at all
    registry.fail("HEAD /v2/app/", Fault(delay=2.0))               # seconds before the answer
    registry.fail("GET /v2/app/", Fault(trickle=0.05))             # seconds before each byte of headers and body
"""

import base64
import hashlib
import json
import re
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase, RawIOBase
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = re.compile(r"/v2/(.+)/manifests/([^/]+)")
_BLOB = re.compile(r"/v2/(.+)/blobs/(sha\d+:[0-9a-f]+)")
_OPEN = re.compile(r"/v2/(.+)/blobs/uploads/")
_SESSION = re.compile(r"/v2/(.+)/blobs/uploads/(\d+)")
_REFERRERS = re.compile(r"/v2/(.+)/referrers/(sha\d+:[0-9a-f]+)")
_TAGS = re.compile(r"/v2/(.+)/tags/list")


@dataclass(frozen=True)
class Fault:
    """What happens instead of, or to, an answer. Without `status` the request is carried out first."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: int | None = None
    drop: bool = False
    delay: float = 0.0
    trickle: float = 0.0


@dataclass(frozen=True)
class Reply:
    """One answer before faults."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class RegistrySimulator:
    """See the module. `username` switches authentication on: Basic, or with `bearer` tokens from `/token`.

    `referrers`: it lists them, and tells `OCI-Subject`. `after` has what happens right after a request (`PUT /v2/…`).
    """

    def __init__(
        self,
        *,
        username: str = "",
        password: str = "",
        bearer: bool = False,
        delete_tags: bool = True,
        referrers: bool = False,
    ) -> None:
        self.username, self.password, self.bearer = username, password, bearer
        self.delete_tags, self.referrers = delete_tags, referrers
        self.after: dict[str, Callable[[], None]] = {}
        self.requests: list[str] = []
        self.targets: list[str] = []
        self.authorizations: list[str] = []
        self.secrets: list[str] = []
        self.blobs: dict[str, dict[str, bytes]] = {}
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, list[str]] = {}
        self._faults: list[tuple[str, Fault]] = []
        self._sessions = 0
        self._lock = threading.Lock()
        self.leaving = threading.Event()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"simulator": self}))
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leaving.set()
        self._server.shutdown()
        self._server.server_close()

    def wrap(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def fail(self, start: str, fault: Fault, *, times: int = 1) -> None:
        """Let the next `times` requests whose line (`GET /v2/…`) begins with `start` meet `fault`."""
        self._faults += [(start, fault)] * times

    def heal(self) -> None:
        """Forget the faults that no request has met yet."""
        self._faults.clear()

    def clear(self) -> None:
        """Forget what was asked so far."""
        for record in (self.requests, self.targets, self.authorizations, self.secrets):
            record.clear()

    def add(self, repository: str, tag: str, manifest: bytes, media_type: str, *blobs: bytes) -> str:
        """Put an artifact there without any request; its digest."""
        for blob in blobs:
            self.blobs.setdefault(repository, {})[_digest(blob)] = blob
        self.manifests.setdefault(repository, {})[_digest(manifest)] = (media_type, manifest)
        self.tags.setdefault(repository, {})[tag] = _digest(manifest)
        return _digest(manifest)

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[Reply, Fault]:
        """Record one request and carry it out."""
        path = urlsplit(target).path
        line = f"{method} {path}"
        with self._lock:
            self.requests.append(line)
            self.targets.append(target)
            self.secrets.append(headers.get("authorization", ""))
            self.authorizations.append(self.secrets[-1].partition(" ")[0])
            fault = self._take(line)
            if fault.status:
                return Reply(fault.status, fault.headers, fault.body or b""), fault
            if path == "/token":
                reply = self._token(target, headers)
            else:
                reply = self._challenge(path, headers) or self._serve(method, target, headers, body)
            self.after.get(line, lambda: None)()
        return Reply(
            reply.status, reply.headers | fault.headers, reply.body if fault.body is None else fault.body
        ), fault

    def _take(self, line: str) -> Fault:
        for index, (start, fault) in enumerate(self._faults):
            if line.startswith(start):
                del self._faults[index]
                return fault
        return Fault()

    def _knows(self, headers: dict[str, str]) -> bool:
        basic = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return headers.get("authorization") == f"Basic {basic}"

    def _token(self, target: str, headers: dict[str, str]) -> Reply:
        if not self._knows(headers):
            return Reply(401)
        token = f"token-{len(self.tokens) + 1}"
        self.tokens[token] = parse_qs(urlsplit(target).query).get("scope", [])
        return Reply(200, body=json.dumps({"token": token, "expires_in": 300}).encode())

    def _challenge(self, path: str, headers: dict[str, str]) -> Reply | None:
        """A 401 unless the request may pass."""
        if not self.username or (not self.bearer and self._knows(headers)):
            return None
        if headers.get("authorization", "").removeprefix("Bearer ") in self.tokens:
            return None
        wanted = 'Basic realm="simulator"'
        if self.bearer:
            name = path.removeprefix("/v2/").partition("/manifests/")[0].partition("/blobs/")[0]
            wanted = f'Bearer realm="http://{self.host}/token",service="simulator",scope="repository:{name}:pull"'
        return _error(401, "UNAUTHORIZED", {"WWW-Authenticate": wanted})

    def _serve(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        path = urlsplit(target).path
        routes = ((_MANIFEST, self._manifest), (_BLOB, self._blob), (_OPEN, self._open), (_SESSION, self._session))
        for pattern, serve in routes:
            if match := pattern.fullmatch(path):
                return serve(method, target, match, headers, body)
        if match := _TAGS.fullmatch(path):
            return self._list(target, match)
        if self.referrers and (match := _REFERRERS.fullmatch(path)):
            return self._refer(match)
        return Reply(200) if path == "/v2/" else Reply(404)

    def _manifest(self, method: str, _target: str, match: re.Match[str], headers: dict[str, str], body: bytes) -> Reply:
        name, ref = match.groups()
        tags, stored = self.tags.setdefault(name, {}), self.manifests.setdefault(name, {})
        if method == "PUT":
            return self._put_manifest(name, ref, headers["content-type"], body)
        digest = tags.get(ref, ref)
        if digest not in stored:
            return _error(404, "MANIFEST_UNKNOWN")
        if method == "DELETE":
            return self._delete(name, ref)
        media_type, raw = stored[digest]
        return Reply(200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, raw)

    def _put_manifest(self, name: str, ref: str, media_type: str, raw: bytes) -> Reply:
        document = json.loads(raw)
        wanted = [layer["digest"] for layer in [document.get("config"), *document.get("layers", [])] if layer]
        if any(digest not in self.blobs.get(name, {}) for digest in wanted):
            return _error(400, "MANIFEST_BLOB_UNKNOWN")
        children = [child["digest"] for child in document.get("manifests", [])]
        if not self._is_fallback(ref) and any(child not in self.manifests[name] for child in children):
            return _error(400, "MANIFEST_UNKNOWN")
        digest = _digest(raw)
        if ":" in ref and ref != digest:
            return _error(400, "DIGEST_INVALID")
        self.manifests[name][digest] = (media_type, raw)
        if ":" not in ref:
            self.tags[name][ref] = digest
        subject = {"OCI-Subject": document["subject"]["digest"]} if self.referrers and "subject" in document else {}
        return Reply(201, {"Docker-Content-Digest": digest} | subject)

    def _refer(self, match: re.Match[str]) -> Reply:
        """The manifests of a repository that have this subject."""
        entries = []
        for digest, (media_type, raw) in self.manifests.get(match[1], {}).items():
            document = json.loads(raw)
            if document.get("subject", {}).get("digest") == match[2]:
                fields = {name: document[name] for name in ("artifactType", "annotations") if name in document}
                entries.append({"mediaType": media_type, "digest": digest, "size": len(raw), **fields})
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}
        return Reply(200, {"Content-Type": _INDEX}, json.dumps(index).encode())

    def _is_fallback(self, ref: str) -> bool:
        """An index of referrers may name what is gone."""
        return re.fullmatch(r"sha\d+-[0-9a-f]{64}", ref) is not None

    def _delete(self, name: str, ref: str) -> Reply:
        if ":" not in ref:
            return Reply(202) if self.delete_tags and self.tags[name].pop(ref) else _error(405, "UNSUPPORTED")
        del self.manifests[name][ref]
        self.tags[name] = {tag: digest for tag, digest in self.tags[name].items() if digest != ref}
        return Reply(202)

    def _blob(self, _method: str, _target: str, match: re.Match[str], headers: dict[str, str], _body: bytes) -> Reply:
        name, digest = match.groups()
        data = self.blobs.get(name, {}).get(digest)
        if data is None:
            return _error(404, "BLOB_UNKNOWN")
        start = int((re.match(r"bytes=(\d+)-", headers.get("range", "")) or [0, 0])[1])
        if start:
            return Reply(206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:])
        return Reply(200, {"Docker-Content-Digest": digest}, data)

    def _open(self, _method: str, target: str, match: re.Match[str], _headers: dict[str, str], _body: bytes) -> Reply:
        query = parse_qs(urlsplit(target).query)
        if "mount" in query:
            digest, origin = query["mount"][0], query["from"][0]
            if digest in self.blobs.get(origin, {}):
                self.blobs.setdefault(match[1], {})[digest] = self.blobs[origin][digest]
                return Reply(201, {"Docker-Content-Digest": digest})
        self._sessions += 1
        return Reply(202, {"Location": f"/v2/{match[1]}/blobs/uploads/{self._sessions}?_state=a%2Fb%3D"})

    def _session(self, _method: str, target: str, match: re.Match[str], _headers: dict[str, str], body: bytes) -> Reply:
        digest = parse_qs(urlsplit(target).query).get("digest", [""])[0]
        if digest != _digest(body, digest.partition(":")[0]):
            return _error(400, "DIGEST_INVALID")
        self.blobs.setdefault(match[1], {})[digest] = body
        return Reply(201, {"Docker-Content-Digest": digest})

    def _list(self, target: str, match: re.Match[str]) -> Reply:
        """One page of tags; `n` and `last` as the distribution spec has them."""
        if match[1] not in self.tags:
            return _error(404, "NAME_UNKNOWN")
        query = parse_qs(urlsplit(target).query)
        count, last = int(query.get("n", ["1000"])[0]), query.get("last", [""])[0]
        rest = [tag for tag in sorted(self.tags[match[1]]) if tag > last]
        link = (
            {"Link": f'<{urlsplit(target).path}?n={count}&last={rest[count - 1]}>; rel="next"'} if rest[count:] else {}
        )
        return Reply(200, link, json.dumps({"name": match[1], "tags": rest[:count]}).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, _request: object, _address: object) -> None:
        """Say nothing: a client that leaves in the middle is what some tests are about."""


class _Slow(RawIOBase):
    """Passes on one byte at a time."""

    def __init__(self, stream: BufferedIOBase, leaving: threading.Event, seconds: float) -> None:
        self._stream, self._leaving, self._seconds = stream, leaving, seconds

    def write(self, data: "ReadableBuffer") -> int:
        for number in bytes(data):
            self._leaving.wait(self._seconds)
            self._stream.write(bytes([number]))
        return len(bytes(data))


class _Handler(BaseHTTPRequestHandler):
    simulator: RegistrySimulator
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Stay silent: the requests are recorded."""

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply, fault = self.simulator.answer(self.command, self.path, headers, body)
        self.simulator.leaving.wait(fault.delay)
        if fault.drop:
            self.close_connection = True
            return
        if fault.trickle:
            self.wfile = _Slow(self.wfile, self.simulator.leaving, fault.trickle)
            self.close_connection = True
        self.send_response(reply.status)
        length = {} if "Transfer-Encoding" in reply.headers else {"Content-Length": str(len(reply.body))}
        for name, value in (length | reply.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body if fault.cut is None else reply.body[: fault.cut])
        self.close_connection = self.close_connection or fault.cut is not None

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - the names of the base class


def _digest(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def _error(status: int, code: str, headers: dict[str, str] | None = None) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": code.replace("_", " ").lower()}]}).encode()
    return Reply(status, {"Content-Type": "application/json"} | (headers or {}), body)
