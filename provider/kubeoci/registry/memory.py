# SPDX-License-Identifier: Apache-2.0
"""A registry in memory, for the tests of programs that push or pull: the same rules, no network, no files."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from io import BytesIO
from typing import BinaryIO

from kubeoci import artifact, reference
from kubeoci import digest as digests
from kubeoci.artifact import Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry.answer import Refused
from kubeoci.registry.download import check_body, mismatch
from kubeoci.registry.protocols import PULL
from kubeoci.registry.referrers import entry_of, required_subject, subject_of


class Notebook:
    """Notes that last as long as this object."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], Mapping[str, object]] = {}

    def note(self, kind: str, key: str, value: Mapping[str, object]) -> None:
        """Remember `value`."""
        self._notes[kind, key] = value

    def recall(self, kind: str, key: str) -> Mapping[str, object] | None:
        """What was noted last, or None."""
        return self._notes.get((kind, key))


class MemoryRegistry:
    """All repositories that anybody asks for, empty at first. Thread-safe.

    `named`, `manifests` and `blobs` may be looked at, and changed to play a damaged registry: bytes are checked when
    they are read, as everywhere.
    """

    def __init__(self) -> None:
        self.cache = Notebook()
        self.named: defaultdict[Repository, dict[str, Digest]] = defaultdict(dict)
        self.manifests: defaultdict[Repository, dict[Digest, bytes]] = defaultdict(dict)
        self.blobs: defaultdict[Repository, dict[Digest, bytes]] = defaultdict(dict)
        self._lock = threading.Lock()
        self._turns: defaultdict[tuple[Repository, Digest], threading.Lock] = defaultdict(threading.Lock)

    def tag(self, repository: Repository, tag: str, *, actions: str = PULL) -> Digest | None:  # noqa: ARG002 - no tokens
        """The digest that a tag names now, or None."""
        return self.named[repository].get(reference.check_tag(tag))

    def tags(self, repository: Repository) -> list[str]:
        """All tags, sorted. Raises `registry.not_found` for a repository that holds nothing."""
        if not self.manifests[repository]:
            raise _missing("there is no such repository", str(repository))
        return sorted(self.named[repository])

    def manifest(self, repository: Repository, digest: Digest) -> bytes:
        """The raw bytes of a manifest or index. Raises `registry.not_found`, `registry.digest_mismatch`."""
        raw = _held(self.manifests[repository], repository, digest)
        artifact.parse(raw)
        return raw

    def blob(self, repository: Repository, descriptor: Descriptor) -> BinaryIO:
        """The bytes of a blob. Raises `registry.not_found`, `registry.digest_mismatch`."""
        return BytesIO(_of_size(_held(self.blobs[repository], repository, descriptor.digest), descriptor, repository))

    def exists(self, repository: Repository, digest: Digest, *, actions: str = PULL) -> bool:  # noqa: ARG002 - no tokens
        """Whether the manifest is there."""
        return digest in self.manifests[repository]

    def has_blob(self, repository: Repository, digest: Digest) -> bool:
        """Whether the blob is there."""
        return digest in self.blobs[repository]

    def put_blob(
        self,
        repository: Repository,
        descriptor: Descriptor,
        source: Callable[[], BinaryIO],
        *,
        absent: bool = False,
        mount: Repository | None = None,
    ) -> bool:
        """Store a blob; False when it was there, or in `mount`. Raises `registry.digest_mismatch`."""
        if not absent and self.has_blob(repository, descriptor.digest):
            return False
        if mount and self.has_blob(mount, descriptor.digest):
            with self._lock:
                self.blobs[repository][descriptor.digest] = self.blobs[mount][descriptor.digest]
            return False
        with source() as stream:
            data = _of_size(stream.read(descriptor.size + 1), descriptor, repository)
        check_body(descriptor.digest, data, str(repository))
        with self._lock:
            self.blobs[repository][descriptor.digest] = data
        return True

    def expect(self, *, pushed: int = 0, pulled: int = 0) -> None:
        """Say nothing: it does not take long."""

    def put_manifest(self, repository: Repository, ref: str, raw: bytes, media_type: str) -> None:
        """Store a manifest under a tag or its digest.

        Raises a `Refused` with the reason `MANIFEST_BLOB_UNKNOWN` when something that it names is missing.
        """
        tag = None if ":" in ref else reference.check_tag(ref)
        digest = digests.of(raw) if tag else digests.parse(ref)
        check_body(digest, raw, f"{repository}@{digest}")
        parsed = artifact.parse(raw, media_type)
        blobs = {item.digest for item in (*filter(None, [parsed.config]), *parsed.layers)}
        children = {child.digest for child in parsed.children}
        with self._lock:
            if not (blobs <= self.blobs[repository].keys() and children <= self.manifests[repository].keys()):
                what = "the manifest names something that is missing"
                raise Refused("registry.not_found", what, where=str(repository), reasons=["MANIFEST_BLOB_UNKNOWN"])
            self.manifests[repository][digest] = raw
            self.named[repository].update({tag: digest} if tag else {})

    def referrers(self, repository: Repository, subject: Digest, *, merged: bool = False) -> list[Descriptor]:  # noqa: ARG002 - one list
        """What names `subject`, in the order in which it came."""
        with self._lock:
            manifests = list(self.manifests[repository].items())
        return [entry_of(raw, digest) for digest, raw in manifests if subject_of(raw) == subject]

    def tagged(self, repository: Repository, tag: str) -> bytes | None:
        """The raw manifest that a tag names now, or None."""
        found = self.tag(repository, tag)
        return self.manifest(repository, found) if found else None

    def attach(self, repository: Repository, raw: bytes, media_type: str = artifact.MANIFEST) -> Digest:
        """Store a manifest that refers to another. Raises `registry.unsupported` when it does not."""
        required_subject(raw)
        self.put_manifest(repository, digests.of(raw), raw, media_type)
        return digests.of(raw)

    def detach(self, repository: Repository, subject: Digest, gone: Collection[Digest]) -> None:  # noqa: ARG002 - no list
        """Remove these referrers; gone already is fine."""
        for digest in gone:
            self.delete_manifest(repository, digest)

    def turn(self, repository: Repository, subject: Digest) -> AbstractContextManager[object]:
        """Alone with what belongs to `subject`."""
        return self._turns[repository, subject]

    def pause(self, seconds: float) -> None:
        """Wait for nobody: whoever writes here takes turns."""

    def delete_tag(self, repository: Repository, tag: str) -> None:
        """Remove a tag, nothing else; gone already is fine."""
        self.named[repository].pop(reference.check_tag(tag), None)

    def delete_manifest(self, repository: Repository, digest: Digest) -> None:
        """Remove a manifest and the tags that name it; gone already is fine."""
        with self._lock:
            self.manifests[repository].pop(digest, None)
            named = self.named[repository]
            self.named[repository] = {tag: found for tag, found in named.items() if found != digest}


def _held(table: Mapping[Digest, bytes], repository: Repository, digest: Digest) -> bytes:
    where = f"{repository}@{digest}"
    if digest not in table:
        raise _missing("there is nothing with this digest", where)
    check_body(digest, table[digest], where)
    return table[digest]


def _of_size(data: bytes, descriptor: Descriptor, repository: Repository) -> bytes:
    if len(data) != descriptor.size:
        raise mismatch(f"{len(data)} bytes are there instead of {descriptor.size}", f"{repository}@{descriptor.digest}")
    return data


def _missing(what: str, where: str) -> RegistryError:
    return RegistryError("registry.not_found", what, where=where, advice="push it first, or check the name")
