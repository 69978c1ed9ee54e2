# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API server in memory, on a free port of 127.0.0.1.

    with ClusterSimulator() as cluster:
        …                                        # use cluster.kubeconfig, the text of a kubeconfig
        assert ["GET /api/v1/namespaces/kube-system"] == cluster.requests
        assert [] == cluster.writes()

`requests` holds every request in order, of its query only `dryRun`, `force` (when true) and `watch`. `at` gives an
object by its path: `cluster.at("/api/v1/namespaces/shop/configmaps/web")`; `put`, `edit` and `remove` act as somebody
else would. Definitions are established at once, workloads are ready unless their name is in `unready`, objects with
finalizers linger. Groups in `stale` have an API service that is down. `watches` has the query of each watch;
`initial_events=False` is a server that cannot begin one with what is there. `history` cuts and compacts. `then` does
something right after the next request that starts with a text; faults hit such requests:

    cluster.fail("PATCH /apis/apps/v1", Fault(status=503), times=2)
    cluster.fail("PATCH /api/v1", Fault(drop=True))            # no answer at all
    cluster.fail("GET /api", Fault(headers={"Warning": '299 - "old"'}))  # carried out, with a header more
    cluster.then("GET /apis/apps/v1", lambda: cluster.remove("/api/v1/namespaces/shop"))
"""

import copy
import itertools
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from simulator import answers, controllers, discovery, ownership
from simulator.answers import Body, Key, Reply
from simulator.discovery import Resource
from simulator.history import History


@dataclass(frozen=True)
class Fault:
    """What happens instead of, or to, an answer. Without `status` or `drop` the request is carried out.

    `lost`: it is, but nobody hears of it.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop: bool = False
    lost: bool = False


class ClusterSimulator:
    """See the module. `aggregated=False` is a server without aggregated discovery."""

    def __init__(self, *, aggregated: bool = True, initial_events: bool = True) -> None:
        self.aggregated = aggregated
        self.initial_events = initial_events
        self.requests: list[str] = []
        self.watches: list[dict[str, str]] = []
        self.objects: dict[Key, Body] = {}
        self.resources: list[Resource] = list(discovery.built_in())
        self.unready: set[str] = set()
        self.stale: set[str] = set()
        self._faults: list[tuple[str, Fault]] = []
        self._next: list[tuple[str, Callable[[], object]]] = []
        self.history = History()
        self._changed = self.history.changed
        self._uids = itertools.count(1)
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"simulator": self}))
        self.server = f"http://127.0.0.1:{self._server.server_address[1]}"
        for name in ("default", "kube-system"):
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.history.close()
        self._server.shutdown()
        self._server.server_close()

    @property
    def kubeconfig(self) -> str:
        """The text of a kubeconfig for this server."""
        return kubeconfig(self.server)

    def writes(self) -> list[str]:
        """The requests that changed something, or would have."""
        return [text for text in self.requests if not text.startswith("GET ") and "dryRun=All" not in text]

    def fail(self, prefix: str, fault: Fault, times: int = 1) -> None:
        """Let the next requests that start with the text fail."""
        self._faults += [(prefix, fault)] * times

    def then(self, prefix: str, action: Callable[[], object]) -> None:
        """Do something once the next request that starts with the text is answered, or its stream begun."""
        self._next.append((prefix, action))

    def at(self, path: str) -> Body | None:
        """A copy of the object at a path, None when there is none."""
        with self._changed:
            found = self.objects.get(self._key(path)[0])
            return copy.deepcopy(found) if found else None

    def put(self, body: Body, manager: str = "somebody") -> Body:
        """Create an object as somebody else would."""
        with self._changed:
            return self._store(self._key_of(body), ownership.update(None, body, manager), "ADDED")

    def edit(self, path: str, manager: str, change: Callable[[Body], object]) -> None:
        """Change an object in place, as another field manager would."""
        with self._changed:
            key, _ = self._key(path)
            after = copy.deepcopy(self.objects[key])
            change(after)
            self._store(key, ownership.update(self.objects[key], after, manager), "MODIFIED")

    def remove(self, path: str) -> None:
        """Delete an object as somebody else would, whatever its finalizers."""
        with self._changed:
            self._forget(self._key(path)[0])

    def answer(self, method: str, target: str, accept: str, kind: str, data: bytes) -> tuple[Fault, Reply]:
        """Record and answer one request."""
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        marks = [
            f"{name}={query[name]}" for name in ("dryRun", "force", "watch") if query.get(name, "false") != "false"
        ]
        text = f"{method} {url.path}" + (f"?{'&'.join(marks)}" if marks else "")
        with self._changed:
            self.requests.append(text)
            fault = next((item for item in self._faults if text.startswith(item[0])), None)
            if fault:
                self._faults.remove(fault)
            reply = Reply(fault[1].status, None) if fault and (fault[1].status or fault[1].drop) else None
            if reply is None:
                found = self._route(method, url.path, query, accept, json.loads(data) if data else {}, kind)
                reply = copy.deepcopy(found) if found.stream is None else found
            for item in [item for item in self._next if text.startswith(item[0])]:
                self._next.remove(item)
                item[1]()
            return (fault[1] if fault else Fault()), reply

    def _route(self, method: str, path: str, query: dict[str, str], accept: str, body: Body, kind: str) -> Reply:
        found = discovery.answer(path, self.resources, self.stale, aggregated=self.aggregated and "as=API" in accept)
        if found:
            return Reply(200, *found)
        try:
            key, resource = self._key(path)
        except LookupError:
            return Reply(404, None, "text/plain")
        if method == "GET":
            return self._read(key, resource, query, accept)
        if method == "DELETE":
            return self._delete(key, body)
        return self._write(method, key, query, body, kind)

    def _read(self, key: Key, resource: Resource, query: dict[str, str], accept: str) -> Reply:
        if query.get("watch"):
            return self._watch(key, resource, query)
        return self._get(key) if key[3] else self._list(key, resource, query, accept)

    def _write(self, method: str, key: Key, query: dict[str, str], body: Body, kind: str) -> Reply:
        dry, manager = query.get("dryRun") == "All", query.get("fieldManager", "unknown")
        if method == "POST":
            return self._create(body, key, manager, dry=dry)
        if method == "PUT":
            return Reply(
                200, self._complete(key, ownership.update(self.objects[key], body, manager), self.objects[key])
            )
        if "apply" in kind:
            return self._apply(key, body, manager, force=query.get("force") == "true", dry=dry)
        return self._json_patch(key, body, manager)

    def _apply(self, key: Key, body: Body, manager: str, *, force: bool, dry: bool) -> Reply:
        live = self.objects.get(key)
        refusal = self._missing_namespace(key) or self._stale_version(live, body) or answers.immutable(live, body)
        if refusal:
            return refusal
        meta = {name: value for name, value in body["metadata"].items() if name != "resourceVersion"}
        try:
            after = ownership.apply(live, {**body, "metadata": meta}, manager, force=force)
        except ownership.ConflictError as error:
            return answers.status(409, "Conflict", "Apply failed with conflicts", causes=error.causes)
        if dry or (live and after == live):
            return Reply(200 if live else 201, after if live else self._complete(key, after, live))
        return Reply(200 if live else 201, self._store(key, after, "MODIFIED" if live else "ADDED"))

    def _create(self, body: Body, key: Key, manager: str, *, dry: bool) -> Reply:
        full = (*key[:3], body["metadata"]["name"])
        refusal = self._missing_namespace(full)
        if refusal:
            return refusal
        if full in self.objects:
            return answers.status(409, "AlreadyExists", f'{key[1]} "{full[3]}" already exists')
        after = ownership.update(None, body, manager)
        return Reply(201, self._complete(full, after, None) if dry else self._store(full, after, "ADDED"))

    def _json_patch(self, key: Key, operations: Any, manager: str) -> Reply:  # noqa: ANN401 - a list of JSON
        after = copy.deepcopy(self.objects[key])
        for operation in operations:
            *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
            node = after
            for step in steps:
                node = node[step]
            if operation["op"] == "remove":
                if node.pop(last, None) is None:
                    return answers.status(422, "Invalid", "the server rejected our request")
            else:
                node[last] = operation["value"]
        if after["metadata"]["resourceVersion"] != self.objects[key]["metadata"]["resourceVersion"]:
            return answers.status(409, "Conflict", "the object has been modified")
        if after["metadata"]["managedFields"] != self.objects[key]["metadata"]["managedFields"]:
            return Reply(200, self._store(key, after, "MODIFIED"))
        return Reply(200, self._store(key, ownership.update(self.objects[key], after, manager), "MODIFIED"))

    def _delete(self, key: Key, options: Body) -> Reply:
        live = self.objects.get(key)
        if live is None:
            return answers.not_found(key)
        uid = (options.get("preconditions") or {}).get("uid")
        if uid and uid != live["metadata"]["uid"]:
            return answers.status(409, "Conflict", f"the UID in the precondition ({uid}) does not match", subject=key)
        if live["metadata"].get("finalizers"):
            leaving = {**live, "metadata": {**live["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
            return Reply(200, self._store(key, leaving, "MODIFIED"))
        self._forget(key)
        return Reply(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _forget(self, key: Key) -> None:
        body = self.objects.pop(key)
        inside = [other for other in self.objects if key[:2] == ("", "namespaces") and other[2] == key[3]]
        for other in inside:
            self._forget(other)
        if body["kind"] == "CustomResourceDefinition":
            for resource in discovery.defined(body):
                self.resources.remove(resource)
                for other in [other for other in self.objects if other[:2] == (resource.group, resource.plural)]:
                    self._forget(other)
        self.history.add("DELETED", key, body)

    def _store(self, key: Key, body: Body, event: str) -> Body:
        """Store and tell; gives the answer, which is older than what a controller does next."""
        live = self.objects.get(key)
        body = self._complete(key, body, live)
        body["metadata"]["resourceVersion"] = str(self.history.add(event, key, body))
        self.objects[key] = body
        answer = copy.deepcopy(body)
        if body["kind"] == "CustomResourceDefinition" and live is None:
            self.resources += discovery.defined(body)
        status = controllers.status(body, self.unready)
        if status and status != body.get("status"):
            body = {**body, "status": status, "metadata": dict(body["metadata"])}
            body["metadata"]["resourceVersion"] = str(self.history.add("MODIFIED", key, body))
            self.objects[key] = body
        return answer

    def _complete(self, key: Key, body: Body, live: Body | None) -> Body:
        meta = dict(body["metadata"])
        meta.setdefault("uid", f"uid-{next(self._uids)}" if live is None else live["metadata"]["uid"])
        meta.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        if key[2]:
            meta.setdefault("namespace", key[2])
        changed = live is None or live.get("spec") != body.get("spec")
        meta["generation"] = (live["metadata"]["generation"] if live else 0) + int(changed)
        return {**body, "metadata": meta}

    def _watch(self, key: Key, resource: Resource, query: dict[str, str]) -> Reply:
        self.watches.append(query)
        begins = query.get("sendInitialEvents") == "true"
        if begins and not self.initial_events:
            return answers.status(422, "Invalid", "sendInitialEvents is forbidden for watch")
        since = None if begins else int(query["resourceVersion"])
        present = self._selected(key, query) if begins else None

        def concerns(where: Key, body: Body) -> bool:
            return where[:2] == key[:2] and key[2] in {"", where[2]} and answers.chosen(query, body)

        return Reply(200, None, stream=self.history.follow(since, concerns, present, _type(resource)))

    def _get(self, key: Key) -> Reply:
        return Reply(200, self.objects[key]) if key in self.objects else answers.not_found(key)

    def _list(self, key: Key, resource: Resource, query: dict[str, str], accept: str) -> Reply:
        found = self._selected(key, query)
        start, limit = int(query.get("continue", "0")), int(query.get("limit", "500"))
        page, more = found[start : start + limit], str(start + limit) if len(found) > start + limit else ""
        names = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList"}
        if "PartialObjectMetadataList" in accept:
            page = [{"metadata": body["metadata"]} for body in page]
        else:
            names = {**_type(resource), "kind": f"{resource.kind}List"}
            page = [{name: value for name, value in body.items() if name not in names} for body in page]
        number = self.history.newest
        return Reply(200, {**names, "metadata": {"resourceVersion": str(number), "continue": more}, "items": page})

    def _selected(self, key: Key, query: dict[str, str]) -> list[Body]:
        return [
            body
            for where, body in sorted(self.objects.items())
            if where[:2] == key[:2] and key[2] in {"", where[2]} and answers.chosen(query, body)
        ]

    def _missing_namespace(self, key: Key) -> Reply | None:
        if key[2] and ("", "namespaces", "", key[2]) not in self.objects:
            return answers.not_found(("", "namespaces", "", key[2]))
        return None

    def _stale_version(self, live: Body | None, body: Body) -> Reply | None:
        wanted = body["metadata"].get("resourceVersion")
        if wanted and (not live or live["metadata"]["resourceVersion"] != wanted):
            return answers.status(409, "Conflict", "the object has been modified")
        return None

    def _key_of(self, body: Body) -> Key:
        group, _, version = body["apiVersion"].rpartition("/")
        wanted = (group, version, body["kind"])
        found = next(item for item in self.resources if (item.group, item.version, item.kind) == wanted)
        return group, found.plural, body["metadata"].get("namespace", ""), body["metadata"]["name"]

    def _key(self, path: str) -> tuple[Key, Resource]:
        """The key that a path means, its name empty for a collection. Raises LookupError."""
        first, *parts = [unquote(part) for part in path.strip("/").split("/")]
        group, version, rest = ("", parts[0], parts[1:]) if first == "api" else (parts[0], parts[1], parts[2:])
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        for item in self.resources:
            if (item.group, item.version, item.plural) == (group, version, rest[0]):
                return (group, rest[0], namespace, rest[1] if len(rest) > 1 else ""), item
        raise LookupError(path)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle of an answer is no news; the rest is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    """One connection; `simulator` is set by the server that makes a subclass."""

    simulator: ClusterSimulator
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet per answer, else Nagle's algorithm costs 40 ms each

    def _answer(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        fault, reply = self.simulator.answer(self.command, self.path, self.headers.get("Accept", ""), kind, data)
        if fault.drop or fault.lost:
            self.close_connection = True
            return
        if reply.stream is not None:
            self._stream(reply.stream)
            return
        plain = reply.kind == "text/plain"
        body = fault.body if fault.status else b"404 page not found" if plain else json.dumps(reply.value).encode()
        self.send_response(fault.status or reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _answer  # noqa: N815 - the names that http.server calls

    def _stream(self, events: Iterator[Body]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        try:
            for event in events:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                self.wfile.flush()
        except OSError:
            return  # the reader has enough

    def log_message(self, *_arguments: object) -> None:
        """Tests look at `requests` instead."""


def kubeconfig(server: str) -> str:
    """The text of a kubeconfig for somebody with a token."""
    return (
        "apiVersion: v1\nkind: Config\ncurrent-context: sim\n"
        f"clusters: [{{name: sim, cluster: {{server: '{server}'}}}}]\n"
        "users: [{name: sim, user: {token: simulated}}]\n"
        "contexts: [{name: sim, context: {cluster: sim, user: sim}}]\n"
    )


def _type(resource: Resource) -> Body:
    version = f"{resource.group}/{resource.version}" if resource.group else resource.version
    return {"apiVersion": version, "kind": resource.kind}
