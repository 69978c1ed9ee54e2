# SPDX-License-Identifier: Apache-2.0
"""Promoting an artifact: the same bytes in another repository, registry or folder, with all that belongs to it.

Manifests go as they are, so the digest stays, and signatures stay good. Children come before their index, blobs before
their manifest, and tags last: whatever interrupts it, no tag names half of something, and a second run finishes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from kubeoci import artifact
from kubeoci import digest as digests
from kubeoci.artifact import Descriptor, Manifest
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry.answer import Refused
from kubeoci.registry.parallel import CHECKS, TRANSFERS, together
from kubeoci.registry.protocols import PUSH, Place, Store
from kubeoci.registry.referrers import subject_of

_MAX_DEPTH = 4
_MAX_REFERRER_DEPTH = 2
_COSIGN = ("sig", "att", "sbom")

S = TypeVar("S", bound=Place)
T = TypeVar("T", bound=Place)


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did. `previous` has what each tag named before; `manifests` those that were not there."""

    digest: Digest
    previous: dict[str, Digest | None] = field(default_factory=dict)
    manifests: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class End(Generic[S]):
    """One end of a copy: a place, and what serves it."""

    store: Store[S]
    place: S


def promote(
    source: End[S], digest: Digest, target: End[T], tags: Sequence[str] = (), *, with_referrers: bool = True
) -> Copied:
    """Make `target` have the artifact `digest` of `source` under the same digest, and make all `tags` name it.

    With it go its children, if it is an index, and unless switched off what refers to any of them, what refers to
    that, and what cosign keeps under tags made from their digests. What is there is not sent again; on one registry
    blobs are mounted.

    Raises `registry.not_found`, `registry.unsupported` for indexes nested too deeply, `registry.conflict` when the
    target has other signatures under cosign's tags (they are not overwritten), and what `source` and `target` raise.
    """
    job = _Copy(source, target)
    previous = {tag: target.store.tag(target.place, tag, actions=PUSH) for tag in tags}
    job.tree(digest)
    if with_referrers:
        job.belongings(list(dict.fromkeys(job.parts(digest))))
    raw = source.store.manifest(source.place, digest)
    for tag, before in previous.items():
        if before != digest:
            target.store.put_manifest(target.place, tag, raw, artifact.parse(raw).media_type)
    return Copied(digest, previous, tuple(job.stored))


@dataclass(frozen=True, slots=True)
class _Around:
    """What belongs to `subject`: `listed` at the target, `referrers` and `tags` of cosign at the source."""

    subject: Digest
    listed: frozenset[Digest]
    referrers: list[Digest]
    tags: dict[str, Digest]


@dataclass(frozen=True, slots=True)
class _Copy(Generic[S, T]):
    source: End[S]
    target: End[T]
    stored: list[Digest] = field(default_factory=list)

    def tree(self, digest: Digest, depth: int = 1) -> Manifest:
        """A manifest and everything below it; what it says."""
        raw = self._raw(digest)
        manifest = artifact.parse(raw)
        if self._has(digest):
            return manifest
        self._contents(manifest, digest, depth)
        target = self.target
        self._store(manifest, lambda: target.store.put_manifest(target.place, digest, raw, manifest.media_type))
        self.stored.append(digest)
        return manifest

    def parts(self, digest: Digest, depth: int = 1) -> Iterator[Digest]:
        """A manifest and those below it. Images are not read for that."""
        yield digest
        manifest = artifact.parse(self._raw(digest))
        self._check_depth(manifest, digest, depth)
        for child in manifest.children:
            if child.media_type in artifact.INDEXES:
                yield from self.parts(child.digest, depth + 1)
            else:
                yield child.digest

    def belongings(self, subjects: Sequence[Digest], depth: int = 1) -> None:
        """What refers to `subjects`, and what refers to that; and what cosign keeps beside each of them."""
        for found in together(self._around, subjects, CHECKS):
            brought = [one for one in found.referrers if self._referrer(one, found)]
            if depth < _MAX_REFERRER_DEPTH and brought:
                self.belongings(brought, depth + 1)
            for tag, digest in found.tags.items():
                self._beside(tag, digest)

    def _around(self, subject: Digest) -> _Around:
        source, target = self.source, self.target
        listed = frozenset(one.digest for one in target.store.referrers(target.place, subject))
        found = [one.digest for one in source.store.referrers(source.place, subject, merged=True)]
        tags = [f"{digests.algorithm(subject)}-{digests.hexadecimal(subject)}.{suffix}" for suffix in _COSIGN]
        named = {tag: source.store.tag(source.place, tag) for tag in tags}
        return _Around(subject, listed, found, {tag: digest for tag, digest in named.items() if digest})

    def _raw(self, digest: Digest) -> bytes:
        return self.source.store.manifest(self.source.place, digest)

    def _has(self, digest: Digest) -> bool:
        return self.target.store.exists(self.target.place, digest, actions=PUSH)

    def _store(self, manifest: Manifest, store: Callable[[], object]) -> None:
        """If the target misses a blob that it said to have, bring all blobs and try once more."""
        try:
            store()
        except Refused as error:
            if not error.misses_blobs:
                raise
            self._send(_blobs(manifest), absent=True)
            store()

    def _contents(self, manifest: Manifest, digest: Digest, depth: int) -> None:
        self._check_depth(manifest, digest, depth)
        for child in manifest.children:
            self.tree(child.digest, depth + 1)
        blobs, target = _blobs(manifest), self.target
        there = together(lambda blob: target.store.has_blob(target.place, blob.digest), blobs, CHECKS)
        self._send([blob for blob, is_there in zip(blobs, there, strict=True) if not is_there])

    def _check_depth(self, manifest: Manifest, digest: Digest, depth: int) -> None:
        if manifest.children and depth >= _MAX_DEPTH:
            what = f"the index is nested more than {_MAX_DEPTH} levels deep"
            raise RegistryError("registry.unsupported", what, where=f"{self.source.place}@{digest}")

    def _send(self, blobs: Sequence[Descriptor], *, absent: bool = False) -> None:
        self.source.store.expect(pulled=0 if _are_neighbours(self.source.place, self.target.place) else len(blobs))
        self.target.store.expect(pushed=len(blobs))
        together(lambda blob: self._blob(blob, absent=absent), blobs, TRANSFERS)

    def _blob(self, blob: Descriptor, *, absent: bool) -> None:
        """Mounted where both are on one registry; else fetched as a whole and checked before the first byte goes."""
        here, origin = self.source.store, self.source.place
        there, goal = self.target.store, self.target.place
        neighbour = cast("T", origin) if not absent and _are_neighbours(origin, goal) else None
        if not neighbour:
            here.blob(origin, blob).close()  # an upload session should not wait for a download
        there.put_blob(goal, blob, lambda: here.blob(origin, blob), absent=True, mount=neighbour)

    def _referrer(self, digest: Digest, around: _Around) -> bool:
        """With its contents, and listed at the target as at the source.

        False for what the source only lists: what is gone, or names another subject.
        """
        there = self._has(digest)
        if there and digest in around.listed:
            return True
        try:
            raw = self._raw(digest)
        except RegistryError as error:
            if error.code != "registry.not_found":
                raise
            return False
        if subject_of(raw) != around.subject:
            return False
        manifest, target = artifact.parse(raw), self.target
        if not there:
            self._contents(manifest, digest, 1)
            self.stored.append(digest)
        self._store(manifest, lambda: target.store.attach(target.place, raw, manifest.media_type))
        return True

    def _beside(self, tag: str, found: Digest) -> None:
        """What cosign keeps under `tag`, unless the target has other things there."""
        target = self.target
        before = target.store.tag(target.place, tag, actions=PUSH)
        manifest = self.tree(found)
        if before == found:
            return
        if before and not _layers(target, before) <= _layers(self.source, found):
            what = f"the tag {tag} of the target has signatures or attestations that the source does not have"
            advice = "they are not overwritten; remove the tag there, or add them to the source"
            raise RegistryError("registry.conflict", what, where=str(target.place), advice=advice)
        target.store.put_manifest(target.place, tag, self._raw(found), manifest.media_type)


def _are_neighbours(one: Place, other: Place) -> bool:
    return isinstance(one, Repository) and isinstance(other, Repository) and one.host == other.host


def _blobs(manifest: Manifest) -> list[Descriptor]:
    """Config and layers, each digest once."""
    found: dict[Digest, Descriptor] = {}
    for blob in (*([manifest.config] if manifest.config else []), *manifest.layers):
        found.setdefault(blob.digest, blob)
    return list(found.values())


def _layers(end: End[S], digest: Digest) -> set[Digest]:
    return {layer.digest for layer in artifact.parse(end.store.manifest(end.place, digest)).layers}
