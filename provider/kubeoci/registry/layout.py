# SPDX-License-Identifier: Apache-2.0
"""Folders in the OCI image layout 1.0.0, served like the repositories of a registry.

A folder holds `oci-layout`, `index.json` and `blobs/<algorithm>/<digits>`; a tag is the annotation
`org.opencontainers.image.ref.name` of an entry of the index. Rules:
- what is read is copied and hashed as a whole before anybody gets it, and only a checked digest becomes a file name;
- a file appears by renaming, `index.json` last and under a lock of the folder, so a reader never sees half a push;
- entries and members of other tools are kept; what a tag named before stays, by its digest.
"""

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from kubeoci import artifact, reference
from kubeoci import digest as digests
from kubeoci.artifact import Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.registry import entries, garbage
from kubeoci.registry.answer import Refused
from kubeoci.registry.cache import Cache
from kubeoci.registry.deadline import Deadline
from kubeoci.registry.download import check_body
from kubeoci.registry.entries import Entry
from kubeoci.registry.folder import locked, missing, opened, path_of, replacing, told
from kubeoci.registry.protocols import PULL, Folder
from kubeoci.registry.referrers import entry_of, required_subject, subject_of
from kubeoci.registry.transport import Limits

_BLOCK = 1 << 20
_MAX_SEARCHED_BYTES = 64 << 20
_MANIFESTS = frozenset(artifact.ACCEPT.split(", "))
_WRITING: defaultdict[tuple[Path, Digest], threading.Lock] = defaultdict(threading.Lock)


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
        with told(place):
            return entries.named(entries.read(place) or [], reference.check_tag(tag), place)

    def tags(self, place: Folder) -> list[str]:
        """All tags, in the order of the index; names of other tools that are no tags are passed over.

        Raises `registry.not_found` where there is no layout.
        """
        with told(place):
            listed = entries.read(place)
        if listed is None:
            raise missing("no OCI image layout is there", place)
        return list(dict.fromkeys(name for name in map(entries.name, listed) if entries.is_tag(name)))

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
        with told(place):
            listed = any(entry["digest"] == digest for entry in entries.read(place) or [])
            return listed and path_of(place, digest).is_file()

    def has_blob(self, place: Folder, digest: Digest) -> bool:
        """Whether there is a file of that name. `put_manifest` looks at sizes, readers at the bytes."""
        with told(place):
            return path_of(place, digest).is_file()

    def put_blob(
        self,
        place: Folder,
        descriptor: Descriptor,
        source: Callable[[], BinaryIO],
        *,
        absent: bool = False,
        mount: Folder | None = None,  # noqa: ARG002 - each folder is whole: it can be moved
    ) -> bool:
        """Store a blob; False when it was there. The folder is made when it is missing; `absent`: do not ask.

        Raises `registry.digest_mismatch` when `source` has other bytes than the descriptor says.
        """
        if not absent and self.has_blob(place, descriptor.digest):
            return False
        with told(place):
            self._prepare(place)
            with source() as stream, replacing(path_of(place, descriptor.digest)) as file:
                self._copy(stream, file, descriptor.digest, descriptor.size, f"what goes to {place}")
        return True

    def expect(self, *, pushed: int = 0, pulled: int = 0) -> None:
        """Say nothing: no network is slow here."""

    def put_manifest(self, place: Folder, ref: str, raw: bytes, media_type: str) -> None:
        """Store a manifest and name it by a tag, or list it by its digest.

        Raises a `Refused` with the reason `MANIFEST_BLOB_UNKNOWN` when something that it names is missing or has
        another size, and `registry.digest_mismatch`.
        """
        tag = None if ":" in ref else reference.check_tag(ref)
        digest = digests.of(raw) if tag else digests.parse(ref)
        parsed = artifact.parse(raw, media_type)
        descriptor = Descriptor(parsed.media_type, digest, len(raw))
        with told(place):
            self._prepare(place)
            with locked(Path(place.path), self._deadline):  # nobody removes meanwhile what the manifest names
                _require(place, (*filter(None, [parsed.config]), *parsed.layers, *parsed.children))
                with replacing(path_of(place, digest)) as file:
                    self._copy(BytesIO(raw), file, digest, len(raw), f"what goes to {place}")
                _rewrite(place, lambda listed: entries.added(listed, descriptor, tag))

    def referrers(self, place: Folder, subject: Digest, *, merged: bool = False) -> list[Descriptor]:  # noqa: ARG002 - one list
        """What names `subject`, in the order of the index; for that each manifest is read which the index lists.

        Raises `registry.digest_mismatch` for a damaged one, `registry.too_large` when all are over 64 MiB.
        """
        read, found = self._reader(place), list[Descriptor]()
        with told(place):
            listed = [entry["digest"] for entry in entries.read(place) or [] if entry["mediaType"] in _MANIFESTS]
            for digest in map(digests.parse, dict.fromkeys(listed)):
                if path_of(place, digest).is_file() and subject_of(raw := read(digest)) == subject:
                    found.append(entry_of(raw, digest))
        return found

    def tagged(self, place: Folder, tag: str) -> bytes | None:
        """The raw manifest that a tag names now, or None."""
        found = self.tag(place, tag)
        return self.manifest(place, found) if found else None

    def attach(self, place: Folder, raw: bytes, media_type: str = artifact.MANIFEST) -> Digest:
        """Store a manifest that refers to another. Raises `registry.unsupported` when it does not."""
        required_subject(raw)
        self.put_manifest(place, digests.of(raw), raw, media_type)
        return digests.of(raw)

    def detach(self, place: Folder, subject: Digest, gone: Collection[Digest]) -> None:  # noqa: ARG002 - there is no list
        """Remove these referrers, and what only they name; gone already is fine."""
        self._drop(place, gone)

    def turn(self, place: Folder, subject: Digest) -> AbstractContextManager[bool]:
        """Alone in this process with what belongs to `subject`."""
        return self._deadline.hold(_WRITING[Path(place.path).resolve(), subject])

    def pause(self, seconds: float) -> None:
        """Wait for others, not beyond the deadline. Raises `Stopped`."""
        self._deadline.wait(seconds)

    def delete_tag(self, place: Folder, tag: str) -> None:
        """Remove a tag, nothing else; gone already is fine."""
        name = reference.check_tag(tag)
        with told(place):
            if entries.read(place) is not None:
                with locked(Path(place.path), self._deadline):
                    _rewrite(place, lambda listed: entries.without_name(listed, name))

    def delete_manifest(self, place: Folder, digest: Digest) -> None:
        """Remove a manifest, all tags that name it, and the blobs that no other manifest names; gone already is fine.

        Blobs stay when something else is listed that cannot be read: nobody knows then what it names.
        """
        self._drop(place, [digest])

    def _drop(self, place: Folder, gone: Collection[Digest]) -> None:
        with told(place):
            if entries.read(place) is None:
                return
            with locked(Path(place.path), self._deadline):
                roots = {entry["digest"] for entry in entries.index(place)["manifests"]} - set(gone)
                useless = self._garbage(place, roots, gone)
                _rewrite(place, lambda listed: [entry for entry in listed if entry["digest"] not in gone])
                for digest in useless:
                    path_of(place, digest).unlink(missing_ok=True)

    def _garbage(self, place: Folder, roots: Collection[Digest], gone: Collection[Digest]) -> set[Digest]:
        """All that only `gone` reach; nothing where `roots` reach what cannot be read."""
        read = self._reader(place)
        try:
            kept = garbage.kept(read, roots, gone)
        except RegistryError:
            return set()
        found = set(gone)
        for digest in gone:
            with contextlib.suppress(RegistryError):  # of a damaged or half one goes what can be told
                found |= garbage.below(read, digest)
        return found - kept

    def _reader(self, place: Folder) -> Callable[[Digest], bytes]:
        """What reads manifests of any number, but not too many bytes, each with the digest that it should have."""
        left, limit = _MAX_SEARCHED_BYTES, self._limits.max_manifest_bytes

        def read(digest: Digest) -> bytes:
            """One manifest, checked. Raises RegistryError: `registry.too_large`, or what `check_body` raises."""
            nonlocal left
            self._deadline.check()
            with opened(path_of(place, digest), f"{place}@{digest}") as file:
                raw = file.read(min(limit, left) + 1)
            left -= len(raw)
            if len(raw) > limit or left < 0:
                what = f"one manifest has over {limit} bytes, or all of them over {_MAX_SEARCHED_BYTES}"
                raise RegistryError("registry.too_large", what, where=f"{place}@{digest}")
            check_body(digest, raw, f"{place}@{digest}")
            return raw

        return read

    def _fetch(self, place: Folder, digest: Digest, size: int | None, limit: int) -> BinaryIO:
        """The file of `digest` as a private copy that has just this digest, and `size` if that is known."""
        where = f"{place}@{digest}"
        with told(place):
            if entries.read(place) is None:
                raise missing("no OCI image layout is there", place)
            with opened(path_of(place, digest), where) as source, self.cache.stage() as stage:
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
        if entries.read(place) is not None:
            return
        root.mkdir(parents=True, exist_ok=True)
        with locked(root, self._deadline):
            if entries.read(place) is None:  # nobody else was faster
                with replacing(root / "oci-layout") as file:
                    file.write(artifact.canonical({"imageLayoutVersion": entries.VERSION}))


def _rewrite(place: Folder, change: Callable[[list[Entry]], list[Entry]]) -> None:
    """Replace the entries of the index; for who holds the lock."""
    file_path, document = Path(place.path) / "index.json", entries.index(place)
    listed = change(document["manifests"])
    if listed == document["manifests"] and file_path.exists():
        return
    raw = artifact.canonical({**document, "manifests": listed})
    artifact.parse(raw)  # a limit of readers is one of writers
    with replacing(file_path) as file:
        file.write(raw)


def _require(place: Folder, descriptors: tuple[Descriptor, ...]) -> None:
    for descriptor in descriptors:
        path = path_of(place, descriptor.digest)
        if not path.is_file() or path.stat().st_size != descriptor.size:
            raise Refused(
                "registry.not_found",
                f"the manifest names {descriptor.digest}, which is missing or has another size",
                where=str(place),
                reasons=["MANIFEST_BLOB_UNKNOWN"],
            )
