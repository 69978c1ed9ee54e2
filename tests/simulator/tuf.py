# SPDX-License-Identifier: Apache-2.0
"""A TUF repository on a free port of 127.0.0.1, with one key for every role.

with TufRepository({"trusted_root.json": "{}"}) as repository:
repository.publish({"trusted_root.json": "[]"})      # the next version of everything
repository.publish({}, expires=yesterday)
repository.status = 500                               # of every answer
repository.is_silent = True                           # no answer before the end
"""

import hashlib
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

_ROLES = ("root", "timestamp", "snapshot", "targets")


class TufRepository:
    """See the module. `requests` holds every path in order; `bootstrap` is its first root."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self.requests: list[str] = []
        self.status, self.is_silent = 0, False
        self.leaving = threading.Event()
        self.files: dict[str, bytes] = {}
        self._signer = CryptoSigner.generate_ed25519()
        self._version = 0
        self.bootstrap = self._root()
        self.publish(targets)
        handler = type("Handler", (_Handler,), {"repository": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leaving.set()
        self._server.shutdown()
        self._server.server_close()

    def publish(self, targets: Mapping[str, str], expires: datetime | None = None) -> None:
        """These targets and no others, in metadata that last a day if nothing else is said."""
        self._version += 1
        end = expires or datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        named = {name: TargetFile.from_data(name, text.encode(), ["sha256"]) for name, text in targets.items()}
        snapshot = {"targets.json": MetaFile(self._version)}
        self._store(f"{self._version}.targets.json", Metadata(Targets(self._version, expires=end, targets=named)))
        self._store(f"{self._version}.snapshot.json", Metadata(Snapshot(self._version, expires=end, meta=snapshot)))
        self._store(
            "timestamp.json", Metadata(Timestamp(self._version, expires=end, snapshot_meta=MetaFile(self._version)))
        )
        for name, text in targets.items():
            self.files[f"targets/{hashlib.sha256(text.encode()).hexdigest()}.{name}"] = text.encode()

    def _root(self) -> bytes:
        root = Root(version=1, expires=datetime.now(UTC).replace(microsecond=0) + timedelta(days=365))
        for role in _ROLES:
            root.add_key(self._signer.public_key, role)
        return self._signed(Metadata(root))

    def _store(self, path: str, document: "Metadata[Targets] | Metadata[Snapshot] | Metadata[Timestamp]") -> None:
        self.files[path] = self._signed(document)

    def _signed(
        self, document: "Metadata[Root] | Metadata[Targets] | Metadata[Snapshot] | Metadata[Timestamp]"
    ) -> bytes:
        document.sign(self._signer)
        return document.to_bytes(JSONSerializer())


class _Handler(BaseHTTPRequestHandler):
    repository: TufRepository

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Stay silent: the requests are recorded."""

    def do_GET(self) -> None:
        """Answer one request."""
        repository, path = self.repository, self.path.lstrip("/")
        repository.requests.append(path)
        if repository.is_silent:
            repository.leaving.wait()
        found = None if repository.status else repository.files.get(path)
        self.send_response(repository.status or (404 if found is None else 200))
        self.send_header("Content-Length", str(len(found or b"")))
        self.end_headers()
        self.wfile.write(found or b"")
