# SPDX-License-Identifier: Apache-2.0
"""Folders in the OCI image layout 1.0.0, served like the repositories of a registry.

A folder holds `oci-layout`, `index.json` and `blobs/<algorithm>/<digits>`; a tag is the annotation
`org.opencontainers.image.ref.name` of an entry of the index. Rules:
- what is read is copied and hashed as a whole before anybody gets it, and only a checked digest becomes a file name;
- a file appears by renaming, `index.json` last and under a lock of the folder, so a reader never sees half a push;
- entries and members of other tools are kept; what a tag named before stays, by its digest.
"""

import contextlib
import json
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from kubeoci import artifact, reference
from kubeoci import digest as digests
from kubeoci.artifact import INDEX, Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError
from kubeoci.registry.answer import Refused
from kubeoci.registry.cache import Cache
from kubeoci.registry.deadline import Deadline
from kubeoci.registry.protocols import PULL, Folder
from kubeoci.registry.transport import Limits

try:
    import fcntl
except ImportError:  # no such locks on Windows: there only the threads of one process take turns
    fcntl = None  # type: ignore[assignment]

REF_NAME = "org.opencontainers.image.ref.name"
VERSION = "1.0.0"

_BLOCK = 1 << 20
_DRAFT = ".oci-layout."
_MAX_MARKER_BYTES = 4096
_POLL_SECONDS = 0.02
_TURN = threading.Lock()

Entry = dict[str, Any]


class Layouts:
    """Whatever folder a place names, for one operation: its time starts when this is made. Thread-safe.

    All methods raise `registry.layout` when the folder is no layout, a broken one, or cannot be read or written, and
    `Stopped`.

    Args:
        cache: asked before the folder, and filled from it.
        timeout_seconds: for the whole operation.
        stop: set when the user gives up.
        limits: how large manifests and blobs may be.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        timeout_seconds: float = 600.0,
        stop: threading.Event | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.cache = cache
        self._deadline = Deadline(timeout_seconds, stop or threading.Event())
        self._limits = limits or Limits()

    def tag(self, place: Folder, tag: str, *, actions: str = PULL) -> Digest | None:  # noqa: ARG002 - there are no tokens
        """The digest that a tag names now; None where there is no such tag or folder."""
        with _told(place):
            return _named(_entries(place) or [], reference.check_tag(tag), place)

    def tags(self, place: Folder) -> list[str]:
        """All tags, in the order of the index; names of other tools that are no tags are passed over.

        Raises `registry.not_found` where there is no layout.
        """
        with _told(place):
            entries = _entries(place)
        if entries is None:
            raise _missing("no OCI image layout is there", place)
        return list(dict.fromkeys(name for name in map(_name, entries) if _is_tag(name)))

    def manifest(self, place: Folder, digest: Digest) -> bytes:
        """The raw bytes of a manifest or index, which have this digest.

        Raises `registry.not_found`, `registry.digest_mismatch`, `registry.too_large`.
        """
        if (cached := self.cache.get(digest)) is not None:
            return cached
        with self._fetch(place, digest, None, self._limits.max_manifest_bytes) as stream:
            raw = stream.read()
        artifact.parse(raw)
        return raw

    def blob(self, place: Folder, descriptor: Descriptor) -> BinaryIO:
        """The bytes of a blob, copied and hashed before the first one can be read. To be closed by the caller.

        Raises `registry.not_found`, `registry.digest_mismatch`, `registry.too_large`.
        """
        found = self.cache.open_blob(descriptor.digest)
        return found or self._fetch(place, descriptor.digest, descriptor.size, self._limits.max_blob_bytes)

    def exists(self, place: Folder, digest: Digest, *, actions: str = PULL) -> bool:  # noqa: ARG002 - no tokens
        """Whether the index lists the manifest and its file is there."""
        with _told(place):
            listed = any(entry["digest"] == digest for entry in _entries(place) or [])
            return listed and _file(place, digest).is_file()

    def has_blob(self, place: Folder, digest: Digest) -> bool:
        """Whether there is a file of that name. `put_manifest` looks at sizes, readers at the bytes."""
        with _told(place):
            return _file(place, digest).is_file()

    def put_blob(
        self, place: Folder, descriptor: Descriptor, source: Callable[[], BinaryIO], *, absent: bool = False
    ) -> bool:
        """Store a blob; False when it was there. The folder is made when it is missing; `absent`: do not ask.

        Raises `registry.digest_mismatch` when `source` has other bytes than the descriptor says.
        """
        if not absent and self.has_blob(place, descriptor.digest):
            return False
        with _told(place):
            self._prepare(place)
            with source() as stream, _replacing(_file(place, descriptor.digest)) as file:
                self._copy(stream, file, descriptor.digest, descriptor.size, f"what goes to {place}")
        return True

    def put_manifest(self, place: Folder, ref: str, raw: bytes, media_type: str) -> None:
        """Store a manifest and name it by a tag, or list it by its digest.

        Raises a `Refused` with the reason `MANIFEST_BLOB_UNKNOWN` when something that it names is missing or has
        another size, and `registry.digest_mismatch`.
        """
        tag = None if ":" in ref else reference.check_tag(ref)
        digest = digests.of(raw) if tag else digests.parse(ref)
        parsed = artifact.parse(raw, media_type)
        descriptor = Descriptor(parsed.media_type, digest, len(raw))
        with _told(place):
            self._prepare(place)
            _require(place, (*filter(None, [parsed.config]), *parsed.layers, *parsed.children))
            with _replacing(_file(place, digest)) as file:
                self._copy(BytesIO(raw), file, digest, len(raw), f"what goes to {place}")
            self._edit(place, lambda entries: _added(entries, descriptor, tag))

    def delete_tag(self, place: Folder, tag: str) -> None:
        """Remove a tag, nothing else; gone already is fine."""
        name = reference.check_tag(tag)
        self._remove(place, lambda entries: _tidy([_unnamed(e) if _name(e) == name else e for e in entries]))

    def delete_manifest(self, place: Folder, digest: Digest) -> None:
        """Remove a manifest and all tags that name it; gone already is fine. Blobs stay: others may share them."""
        self._remove(place, lambda entries: [entry for entry in entries if entry["digest"] != digest])
        with _told(place):
            _file(place, digest).unlink(missing_ok=True)

    def _remove(self, place: Folder, change: Callable[[list[Entry]], list[Entry]]) -> None:
        with _told(place):
            if _entries(place) is not None:
                self._edit(place, change)

    def _fetch(self, place: Folder, digest: Digest, size: int | None, limit: int) -> BinaryIO:
        """The file of `digest` as a private copy that has just this digest, and `size` if that is known."""
        where = f"{place}@{digest}"
        with _told(place):
            if _entries(place) is None:
                raise _missing("no OCI image layout is there", place)
            with _open(_file(place, digest), where) as source, self.cache.stage() as stage:
                there = os.fstat(source.fileno()).st_size
                if max(there, size or 0) > limit:
                    what = f"{max(there, size or 0)} bytes are over the limit of {limit}"
                    raise RegistryError("registry.too_large", what, where=where)
                self._copy(source, stage.file, digest, there if size is None else size, where)
                stage.commit(digest)
                stage.file.seek(0)
                return stage.reopen()

    def _copy(self, source: BinaryIO, target: BinaryIO, digest: Digest, size: int, where: str) -> None:
        hasher, count = digests.hasher(digest), 0
        while block := source.read(min(_BLOCK, size + 1 - count)):
            self._deadline.check()
            count += len(block)
            hasher.update(block)
            target.write(block)
        if count != size or hasher.hexdigest() != digests.hexadecimal(digest):
            what = "the bytes have not this digest" if count == size else f"it has not the {size} bytes that it should"
            advice = "something changed or cut a file: write the artifact again"
            raise RegistryError("registry.digest_mismatch", what, where=where, advice=advice)

    def _prepare(self, place: Folder) -> None:
        """Make the folder a layout if there is nothing in it yet."""
        root = Path(place.path)
        if _entries(place) is not None:
            return
        root.mkdir(parents=True, exist_ok=True)
        with self._locked(root):
            if _entries(place) is None:  # nobody else was faster
                with _replacing(root / "oci-layout") as file:
                    file.write(artifact.canonical({"imageLayoutVersion": VERSION}))

    def _edit(self, place: Folder, change: Callable[[list[Entry]], list[Entry]]) -> None:
        """Replace the entries of the index, while nobody else does."""
        root = Path(place.path)
        with self._locked(root):
            document = _index(place)
            entries = change(document["manifests"])
            if entries == document["manifests"] and (root / "index.json").exists():
                return
            raw = artifact.canonical({**document, "manifests": entries})
            artifact.parse(raw)  # a limit of readers is one of writers
            with _replacing(root / "index.json") as file:
                file.write(raw)

    @contextlib.contextmanager
    def _locked(self, root: Path) -> Iterator[None]:
        """Hold the lock of the folder itself, which needs no file; waits until the deadline."""
        while not _TURN.acquire(blocking=False):
            self._deadline.wait(_POLL_SECONDS)
        try:
            with contextlib.ExitStack() as stack:
                if fcntl is not None:
                    handle = os.open(root, os.O_RDONLY)
                    stack.callback(os.close, handle)
                    while not _taken(handle):
                        self._deadline.wait(_POLL_SECONDS)
                yield
        finally:
            _TURN.release()


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _file(place: Folder, digest: Digest) -> Path:
    checked = digests.parse(digest)
    return Path(place.path) / "blobs" / digests.algorithm(checked) / digests.hexadecimal(checked)


def _entries(place: Folder) -> list[Entry] | None:
    """The entries of the index; None where there is nothing yet. Raises `registry.layout` for anything else."""
    root = Path(place.path)
    try:
        with _open(root / "oci-layout", str(place)) as file:
            marker = file.read(_MAX_MARKER_BYTES)
    except RegistryError as error:
        if error.code != "registry.not_found":
            raise
        strangers = root.is_dir() and any(not path.name.startswith(_DRAFT) for path in root.iterdir())
        if strangers and (root / "oci-layout").exists():  # another writer made it just now
            return _entries(place)
        if strangers:
            advice = "name an empty folder, a new one, or an OCI image layout"
            raise _broken("the folder holds other things and no `oci-layout`", place, advice) from None
        return None
    try:
        version = json.loads(marker)["imageLayoutVersion"]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise _broken("`oci-layout` cannot be read", place) from None
    if version != VERSION:
        raise _broken(f"the layout is of version {version!r:.40}, and only {VERSION} is known", place)
    entries: list[Entry] = _index(place)["manifests"]
    return entries


def _index(place: Folder) -> Entry:
    """`index.json`; an empty one while it was never written."""
    try:
        with _open(Path(place.path) / "index.json", str(place)) as file:
            raw = file.read(artifact.MAX_MANIFEST_BYTES + 1)
    except RegistryError as error:
        if error.code != "registry.not_found":
            raise
        return {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    try:
        parsed = artifact.parse(raw)
    except RegistryError as error:
        raise _broken(f"`index.json`: {error.what}", place) from error
    if parsed.media_type != INDEX:
        raise _broken(f"`index.json` is of type {parsed.media_type}, not {INDEX}", place)
    document: Entry = json.loads(raw)
    return document


def _is_tag(name: str) -> bool:
    try:
        return bool(reference.check_tag(name))
    except KubeociError:
        return False


def _name(entry: Entry) -> str:
    return str((entry.get("annotations") or {}).get(REF_NAME, ""))


def _named(entries: list[Entry], tag: str, place: Folder) -> Digest | None:
    found = {entry["digest"] for entry in entries if _name(entry) == tag}
    if len(found) > 1:
        raise _broken(f"`index.json` gives the tag {tag!r} to {len(found)} artifacts", place, "remove all but one")
    return digests.parse(found.pop()) if found else None


def _unnamed(entry: Entry) -> Entry:
    notes = {key: value for key, value in (entry.get("annotations") or {}).items() if key != REF_NAME}
    bare = {key: value for key, value in entry.items() if key != "annotations"}
    return bare | ({"annotations": notes} if notes else {})


def _added(entries: list[Entry], descriptor: Descriptor, tag: str | None) -> list[Entry]:
    """`entries` with the tag moved to the descriptor; without a tag, with the descriptor among them."""
    known = [entry for entry in entries if entry["digest"] == descriptor.digest]
    if any(_name(entry) == (tag or _name(entry)) for entry in known):
        freed = [_unnamed(e) if _name(e) == tag and e["digest"] != descriptor.digest else e for e in entries]
        return _tidy(freed)
    new: Entry = _unnamed(known[0]) if known else descriptor.document()
    if tag:
        new = {**new, "annotations": {**new.get("annotations", {}), REF_NAME: tag}}
    return _tidy([*(_unnamed(entry) if tag and _name(entry) == tag else entry for entry in entries), new])


def _tidy(entries: list[Entry]) -> list[Entry]:
    """Without nameless entries of what is listed by a name, or twice."""
    named = {entry["digest"] for entry in entries if _name(entry)}
    kept: list[Entry] = []
    for entry in entries:
        if _name(entry) or (entry["digest"] not in named and entry not in kept):
            kept.append(entry)
    return kept


def _require(place: Folder, descriptors: tuple[Descriptor, ...]) -> None:
    for descriptor in descriptors:
        path = _file(place, descriptor.digest)
        if not path.is_file() or path.stat().st_size != descriptor.size:
            raise Refused(
                "registry.not_found",
                f"the manifest names {descriptor.digest}, which is missing or has another size",
                where=str(place),
                reasons=["MANIFEST_BLOB_UNKNOWN"],
            )


def _open(path: Path, where: str) -> BinaryIO:
    """A regular file. Raises `registry.not_found`; a pipe in its place must not hold us up."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(f"there is no file {path.name}", where) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _broken(f"{path.name} is no file", where)
    return os.fdopen(handle, "rb")


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends well; with the permissions of the user's umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name[:32]}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(place: Folder) -> Iterator[None]:
    """Tell a failure of the file system in our words."""
    try:
        yield
    except OSError as error:
        what = f"the folder cannot be used: {error.strerror or type(error).__name__}"
        raise _broken(what, place, "check its permissions and the space on the disk") from error


def _missing(what: str, place: Folder | str) -> RegistryError:
    return RegistryError("registry.not_found", what, where=str(place), advice="check the path, or push to it first")


def _broken(what: str, place: Folder | str, advice: str = "") -> RegistryError:
    return RegistryError("registry.layout", what, where=str(place), advice=advice or "make the layout again")
