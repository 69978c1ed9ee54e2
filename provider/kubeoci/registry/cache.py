# SPDX-License-Identifier: Apache-2.0
"""The content cache: bytes by their digest, and small memos, in a folder that only its owner may enter.

Blobs lie in `sha256/ab/<hex>`. A file appears by renaming, so half of one is never seen, and is hashed each time before
it is handed out, so a damaged one is never used. Several processes may share a folder. When it grows over its limit,
what was not used for longest goes first.
"""

import atexit
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from kubeoci import digest as digests
from kubeoci.digest import Digest
from kubeoci.errors import InputError

_BLOCK = 1 << 20
_CHECK_EVERY_BYTES = 64 << 20
_CHECK_EVERY_SECONDS = 3600.0
_MEMO_SECONDS = 30 * 24 * 3600.0
_STAGED_SECONDS = 24 * 3600.0
_MAX_MEMO_BYTES = 1 << 20
_MARK = "pruned"  # its time says when a process of this folder last looked


@dataclass(slots=True)
class Stage:
    """A file that is being written. It is gone when its `with` block ends, unless it was committed."""

    file: BinaryIO
    path: Path
    _cache: "Cache"

    def commit(self, digest: Digest) -> None:
        """Keep what was written under the digest that the writer computed on the way."""
        self.file.flush()
        self._cache._keep(self.path, digest)  # noqa: SLF001 - one idea in two classes

    def reopen(self) -> BinaryIO:
        """The same file, from its start, as a stream that outlives the `with` block and any pruning."""
        return os.fdopen(os.dup(self.file.fileno()), "rb")


class Cache:
    """A cache in `folder`, which must exist. `max_bytes` bounds what it keeps."""

    def __init__(self, folder: Path, *, max_bytes: int = 2 << 30) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._unchecked = 0
        self._lock = threading.Lock()

    @classmethod
    def open(cls, environment: Mapping[str, str] | None = None) -> "Cache":
        """The user's cache: `$KUBEOCI_CACHE`, else `kubeoci` in the XDG cache folder, else a temporary one.

        Raises `input.invalid` when `$KUBEOCI_CACHE` is set but cannot be used.
        """
        environment = os.environ if environment is None else environment
        if chosen := environment.get("KUBEOCI_CACHE"):
            return cls(_private(Path(chosen), chosen=True))
        home = environment.get("HOME")
        base = environment.get("XDG_CACHE_HOME") or (str(Path(home) / ".cache") if home else "")
        if base:
            with contextlib.suppress(OSError, InputError):
                return cls(_private(Path(base) / "kubeoci", chosen=False))
        folder = tempfile.mkdtemp(prefix="kubeoci-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return cls(Path(folder))

    def get(self, digest: Digest) -> bytes | None:
        """The bytes of `digest`, or None. For manifests and other small things."""
        stream = self.open_blob(digest)
        if stream is None:
            return None
        with stream:
            return stream.read()

    def open_blob(self, digest: Digest) -> BinaryIO | None:
        """The bytes of `digest` as a stream whose whole content was hashed just now; None if it is not here."""
        path = self._path(digest)
        try:
            stream = path.open("rb")
        except OSError:
            return None
        if not _fits(stream, digest):
            stream.close()
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used now: the last to go
        return stream

    def put(self, data: bytes) -> Digest:
        """Keep `data`; its SHA-256 digest."""
        digest = digests.of(data)
        with self.stage() as stage:
            stage.file.write(data)
            stage.commit(digest)
        return digest

    @contextlib.contextmanager
    def stage(self) -> Iterator[Stage]:
        """A file to stream into: `with cache.stage() as stage: … stage.file.write(…) … stage.commit(digest)`.

        The file can be read back before the block ends, after a `seek`.
        """
        folder = self.folder / "staged"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        path = Path(name)
        try:
            with os.fdopen(handle, "w+b") as file:
                yield Stage(cast("BinaryIO", file), path, self)
        finally:
            path.unlink(missing_ok=True)

    def note(self, kind: str, key: str, value: Mapping[str, object]) -> None:
        """Remember a small JSON object under `kind` (`[a-z-]+`) and any `key`, over process ends, if that works."""
        with contextlib.suppress(OSError), self.stage() as stage:
            stage.file.write(json.dumps({"key": key, "value": value}).encode())
            stage.file.flush()
            self._move(stage.path, self._memo(kind, key))

    def recall(self, kind: str, key: str) -> dict[str, object] | None:
        """What was noted last, or None; a file that cannot be read counts as absent."""
        try:
            with self._memo(kind, key).open("rb") as file:
                document = json.loads(file.read(_MAX_MEMO_BYTES))
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(document, dict) or document.get("key") != key or not isinstance(document.get("value"), dict):
            return None
        return cast("dict[str, object]", document["value"])

    def prune(self) -> None:
        """Bring the folder under its limit: abandoned and outdated files, then those unused for longest."""
        (self.folder / _MARK).touch()
        now, total = time.time(), 0
        found = sorted(_files(self.folder), reverse=True)
        for used, size, path in found:
            top = path.relative_to(self.folder).parts[0]
            life = {"staged": _STAGED_SECONDS, "memo": _MEMO_SECONDS}.get(top, float("inf"))
            total += size
            if total > self._max_bytes or now - used > life:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)

    def _keep(self, path: Path, digest: Digest) -> None:
        size = path.stat().st_size
        self._move(path, self._path(digest))
        if self._is_due(size):
            self.prune()

    def _is_due(self, size: int) -> bool:
        """Whether to look through the folder: after so many new bytes, or after an hour; it may hold many files."""
        with self._lock:
            self._unchecked += size
            try:
                old = time.time() - (self.folder / _MARK).stat().st_mtime > _CHECK_EVERY_SECONDS
            except OSError:
                old = True
            due = old or self._unchecked >= _CHECK_EVERY_BYTES
            self._unchecked = 0 if due else self._unchecked
            return due

    def _move(self, source: Path, target: Path) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        source.replace(target)

    def _path(self, digest: Digest) -> Path:
        digit = digests.hexadecimal(digest)
        return self.folder / digests.algorithm(digest) / digit[:2] / digit

    def _memo(self, kind: str, key: str) -> Path:
        return self.folder / "memo" / kind / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def _fits(stream: BinaryIO, digest: Digest) -> bool:
    """Whether the content of `stream` has `digest`; leaves it at its start."""
    hasher = digests.hasher(digest)
    while block := stream.read(_BLOCK):
        hasher.update(block)
    stream.seek(0)
    return hasher.hexdigest() == digests.hexadecimal(digest)


def _private(folder: Path, *, chosen: bool) -> Path:
    """`folder`, made if need be, for its owner only. Raises `input.invalid` when it cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            raise PermissionError(0, "the folder belongs to another user")
        folder.chmod(0o700)
    except OSError as error:
        where = "KUBEOCI_CACHE" if chosen else str(folder)
        why = f"{folder} cannot be used as a cache: {error.strerror}"
        raise InputError("input.invalid", why, where=where, advice="name a folder of your own") from error
    return folder


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """(time of last use, bytes, path) of each file; those that vanish meanwhile are passed over."""
    for path in folder.glob("*/*/*"):
        with contextlib.suppress(OSError):
            status = path.stat()
            yield status.st_mtime, status.st_size, path
    for path in folder.glob("staged/*"):
        with contextlib.suppress(OSError):
            yield path.stat().st_mtime, 0, path
