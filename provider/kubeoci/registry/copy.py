# SPDX-License-Identifier: Apache-2.0
"""Promoting an artifact: the same bytes in another repository or registry, with all that belongs to it.

Manifests go as they are, so the digest stays, and signatures stay good. Children come before their index, blobs before
their manifest, and tags last: whatever interrupts it, no tag names half of something, and a second run finishes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kubeoci import artifact
from kubeoci import digest as digests
from kubeoci.artifact import Descriptor, Manifest
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry import referrers
from kubeoci.registry.answer import Refused
from kubeoci.registry.protocols import PUSH
from kubeoci.registry.push import together
from kubeoci.registry.remote import Registry

_MAX_DEPTH = 4
_MAX_REFERRER_DEPTH = 2
_COSIGN = ("sig", "att", "sbom")


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did. `previous` has what each tag named before; `manifests` those that were not there."""

    digest: Digest
    previous: dict[str, Digest | None] = field(default_factory=dict)
    manifests: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """One end of a copy: a repository, and the client that talks to its registry."""

    registry: Registry
    repository: Repository


def promote(
    source: End, digest: Digest, target: End, tags: Sequence[str] = (), *, with_referrers: bool = True
) -> Copied:
    """Make `target` have the artifact `digest` of `source` under the same digest, and make all `tags` name it.

    With it go its children, if it is an index, and unless switched off its referrers, theirs, and what cosign keeps
    under tags made from its digest. What is there is not sent again; on one registry blobs are mounted.

    Raises `registry.not_found`, `registry.unsupported` for indexes nested too deeply, `registry.conflict` when the
    target has other signatures under cosign's tags (they are not overwritten), and what `Registry` raises.
    """
    job = _Copy(source, target)
    previous = {tag: target.registry.tag(target.repository, tag, actions=PUSH) for tag in tags}
    job.tree(digest)
    if with_referrers:
        job.belongings(digest)
    raw = source.registry.manifest(source.repository, digest)
    for tag, before in previous.items():
        if before != digest:
            target.registry.put_manifest(target.repository, tag, raw, artifact.parse(raw).media_type)
    return Copied(digest, previous, tuple(job.stored))


@dataclass(frozen=True, slots=True)
class _Copy:
    source: End
    target: End
    stored: list[Digest] = field(default_factory=list)

    def tree(self, digest: Digest, depth: int = 1) -> Manifest:
        """A manifest and everything below it; what it says."""
        raw = self.source.registry.manifest(self.source.repository, digest)
        manifest = artifact.parse(raw)
        if self._has(digest):
            return manifest
        self._contents(manifest, digest, depth)
        self._store(manifest, digest, raw)
        self.stored.append(digest)
        return manifest

    def _store(self, manifest: Manifest, digest: Digest, raw: bytes) -> None:
        """If the registry misses a blob that it said to have, bring all blobs and try once more."""
        target = self.target
        try:
            target.registry.put_manifest(target.repository, digest, raw, manifest.media_type)
        except Refused as error:
            if not error.misses_blobs:
                raise
            self._blobs(manifest, absent=True)
            target.registry.put_manifest(target.repository, digest, raw, manifest.media_type)

    def belongings(self, digest: Digest, depth: int = 1) -> None:
        """What refers to `digest`, and what refers to that; and what cosign keeps beside it."""
        listed = self._referrers(self.target, digest)
        for referrer in self._referrers(self.source, digest, merged=True):
            self._referrer(referrer, listed=referrer in listed)
            if depth < _MAX_REFERRER_DEPTH:
                self.belongings(referrer, depth + 1)
        for suffix in _COSIGN:
            self._beside(f"{digests.algorithm(digest)}-{digests.hexadecimal(digest)}.{suffix}")

    def _referrers(self, end: End, digest: Digest, *, merged: bool = False) -> list[Digest]:
        found = referrers.read(end.registry, end.repository, digest, merged=merged)
        return [referrer.digest for referrer in found]

    def _has(self, digest: Digest) -> bool:
        return self.target.registry.exists(self.target.repository, digest, actions=PUSH)

    def _contents(self, manifest: Manifest, digest: Digest, depth: int) -> None:
        if manifest.children and depth >= _MAX_DEPTH:
            what = f"the index is nested more than {_MAX_DEPTH} levels deep"
            raise RegistryError("registry.unsupported", what, where=f"{self.source.repository}@{digest}")
        for child in manifest.children:
            self.tree(child.digest, depth + 1)
        self._blobs(manifest)

    def _blobs(self, manifest: Manifest, *, absent: bool = False) -> None:
        blobs = _blobs(manifest)
        together([lambda blob=blob: self._blob(blob, absent=absent) for blob in blobs])  # type: ignore[misc]  # a default binds the loop's variable

    def _blob(self, blob: Descriptor, *, absent: bool) -> None:
        """Mounted where both are on one registry; else fetched as a whole and checked before the first byte goes."""
        here, origin = self.source.registry, self.source.repository
        there, goal = self.target.registry, self.target.repository
        if not absent and there.has_blob(goal, blob.digest):
            return
        neighbour = origin if origin.host == goal.host and not absent else None
        if not neighbour:
            here.blob(origin, blob).close()  # an upload session should not wait for a download
        there.put_blob(goal, blob, lambda: here.blob(origin, blob), absent=True, mount=neighbour)

    def _referrer(self, digest: Digest, *, listed: bool) -> None:
        """With its contents, and listed at the target as it is listed at the source."""
        there = self._has(digest)
        if there and listed:
            return
        raw = self.source.registry.manifest(self.source.repository, digest)
        manifest = artifact.parse(raw)
        if not there:
            self._contents(manifest, digest, 1)
            self.stored.append(digest)
        self.target.registry.attach(self.target.repository, raw, manifest.media_type)

    def _beside(self, tag: str) -> None:
        """What cosign keeps under `tag`, unless the target has other things there."""
        source, target = self.source, self.target
        found = source.registry.tag(source.repository, tag)
        if found is None:
            return
        before = target.registry.tag(target.repository, tag, actions=PUSH)
        manifest = self.tree(found)
        if before == found:
            return
        if before and not _layers(target, before) <= _layers(source, found):
            what = f"the tag {tag} of the target has signatures or attestations that the source does not have"
            advice = "they are not overwritten; remove the tag there, or add them to the source"
            raise RegistryError("registry.conflict", what, where=str(target.repository), advice=advice)
        raw = source.registry.manifest(source.repository, found)
        target.registry.put_manifest(target.repository, tag, raw, manifest.media_type)


def _blobs(manifest: Manifest) -> Iterator[Descriptor]:
    """Config and layers, each digest once."""
    seen: set[Digest] = set()
    for blob in (*([manifest.config] if manifest.config else []), *manifest.layers):
        if blob.digest not in seen:
            seen.add(blob.digest)
            yield blob


def _layers(end: End, digest: Digest) -> set[Digest]:
    return {layer.digest for layer in artifact.parse(end.registry.manifest(end.repository, digest)).layers}
