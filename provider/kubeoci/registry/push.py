# SPDX-License-Identifier: Apache-2.0
"""Pushing an artifact with as few requests as can be, in an order that never shows half of one.

First one HEAD per tag: where all tags name the artifact, that is all. Then the blobs, in parallel, then the manifest,
then whatever must be done before anybody can find it, such as signing, and tags last. Whatever interrupts it, doing it
again ends in the same state.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO, Generic, TypeVar

from kubeoci.artifact import MANIFEST, Artifact, Format
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.registry.answer import Refused
from kubeoci.registry.parallel import CHECKS, TRANSFERS, together
from kubeoci.registry.protocols import PUSH, Place, Target

_FRESH_SECONDS = 5.0
_MEMO = "pushed"

P = TypeVar("P", bound=Place)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did. `previous` has what each tag named before, None for a new one; `uploaded` counts blob bytes."""

    digest: Digest
    previous: dict[str, Digest | None] = field(default_factory=dict)
    uploaded: int = 0


def push(
    registry: Target[P],
    repository: P,
    artifact: Artifact,
    open_layer: Callable[[], BinaryIO],
    tags: Sequence[str],
    *,
    immutable_tags: bool = False,
    seal: Callable[[], None] | None = None,
) -> Pushed:
    """Make all `tags` name `artifact`; without tags, make the registry have it by its digest.

    `seal` is called when the registry has the artifact by its digest, before any tag moves, also when none has to.

    Tags are not compare-and-swap in any registry: each is looked at again right before it moves when the first look is
    over five seconds old, and always with `immutable_tags`; a race of one round trip remains.

    Raises `registry.immutable_tag` (before anything is sent), and what `registry` raises.
    """
    return _Push(registry, repository, artifact, open_layer, immutable_tags, seal).run(list(dict.fromkeys(tags)))


@dataclass(frozen=True, slots=True)
class _Push(Generic[P]):
    registry: Target[P]
    repository: P
    artifact: Artifact
    open_layer: Callable[[], BinaryIO]
    immutable: bool
    seal: Callable[[], None] | None

    def run(self, tags: list[str]) -> Pushed:
        """Push what is missing; 1 request when all tags point at it already."""
        looked, previous = time.monotonic(), self._look(tags)
        moving = [tag for tag in tags if previous[tag] != self.artifact.digest]
        for tag in moving:
            self._refuse_move(tag, previous[tag])
        if tags and not moving:
            self._sealed()
            return Pushed(self.artifact.digest, previous)
        there = len(moving) < len(tags) or self._is_there(known=not tags)
        uploaded = 0 if there else self._blobs()
        if not there and (self.immutable or self.seal or not tags):
            self._put(self.artifact.digest)
        self._sealed()
        for tag in moving:
            if self.immutable or self.seal or time.monotonic() - looked > _FRESH_SECONDS:
                previous[tag] = self._tag(tag)
                self._refuse_move(tag, previous[tag])
            if previous[tag] != self.artifact.digest:
                self._put(tag)
        self.registry.cache.note(_MEMO, self._key, {})
        return Pushed(self.artifact.digest, previous, uploaded)

    def _sealed(self) -> None:
        if self.seal:
            self.seal()

    @property
    def _key(self) -> str:
        return f"{self.repository}@{self.artifact.digest}"

    def _look(self, tags: list[str]) -> dict[str, Digest | None]:
        return dict(zip(tags, together(self._tag, tags, CHECKS), strict=True))

    def _tag(self, tag: str) -> Digest | None:
        return self.registry.tag(self.repository, tag, actions=PUSH)

    def _refuse_move(self, tag: str, now: Digest | None) -> None:
        if self.immutable and now not in {None, self.artifact.digest}:
            raise RegistryError(
                "registry.immutable_tag",
                f"the tag {tag!r} names {now} and must not move to {self.artifact.digest}",
                where=str(self.repository),
                advice="choose a new tag, or take `immutableTags` away",
            )

    def _is_there(self, *, known: bool) -> bool:
        """Whether the manifest is there; asked only if we pushed it before, or if nothing else was asked."""
        known = known or self.registry.cache.recall(_MEMO, self._key) is not None
        return known and self.registry.exists(self.repository, self.artifact.digest, actions=PUSH)

    def _blobs(self, *, absent: bool = False) -> int:
        """Bring layer and config there; how many bytes that took."""
        layer, config = self.artifact.layer, self.artifact.config_descriptor
        new = absent or not self.registry.has_blob(self.repository, layer.digest)
        # our own config names the layer's content: where the layer is new, so is the config
        config_new = absent or (new and config.media_type == Format.OCI.config_type)
        calls = [lambda: self._blob_bytes(absent=config_new)]
        if new:
            calls.append(
                lambda: layer.size * self.registry.put_blob(self.repository, layer, self.open_layer, absent=True)
            )
        return sum(together(lambda call: call(), calls, TRANSFERS))

    def _blob_bytes(self, *, absent: bool) -> int:
        config = self.artifact.config_descriptor
        sent = self.registry.put_blob(self.repository, config, lambda: BytesIO(self.artifact.config), absent=absent)
        return config.size if sent else 0

    def _put(self, ref: str) -> None:
        """Store the manifest; if the registry misses a blob that it said to have, bring all blobs and try once more."""
        try:
            self.registry.put_manifest(self.repository, ref, self.artifact.manifest, MANIFEST)
        except Refused as error:
            if not error.misses_blobs:
                raise
            self._blobs(absent=True)
            self.registry.put_manifest(self.repository, ref, self.artifact.manifest, MANIFEST)
