# SPDX-License-Identifier: Apache-2.0
"""The manifest under `sha256-<hex>.sig`, one layer to a signature, rewritten while others may write it as well.

No registry has conditional writes. So whoever writes looks again after a moment, and writes anew when its own layer
got lost; a layer of somebody else that it saw and that is gone then, it puts back. Rules:
- only a 404 is "nothing there"; what cannot be read, or is no image manifest, is never overwritten;
- members and layers that we do not know stay as they are.
"""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Generic, TypeVar, cast

from kubeoci import artifact
from kubeoci import digest as digests
from kubeoci.artifact import DOCKER_MANIFEST, MANIFEST, Descriptor, canonical
from kubeoci.digest import Digest
from kubeoci.errors import TrustError
from kubeoci.trust import simplesigning
from kubeoci.trust.faults import sign_registry
from kubeoci.trust.protocols import Target

_TRIES = 5
_PAUSE_SECONDS = (0.05, 0.25)

Layer = dict[str, object]
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class SignatureTag(Generic[P]):
    """The legacy signatures of `subject`. Methods raise what the registry raises, and `trust.sign_registry`."""

    registry: Target[P]
    place: P
    subject: Digest

    def add(self, layer: Descriptor) -> None:
        """Make the layer, whose content is there, one of the signatures; the last one, where it is new."""
        with self.registry.turn(self.place, self.subject):
            document, old = self._read()
            want, left = [layer.document()], _TRIES
            while missing := _missing(want, old):
                left = self._spend(left)
                self._write(document, [*old, *missing])
                want = [*old, *missing]
                self._pause()
                document, old = self._read()

    def remove(self, is_gone: Callable[[Layer], bool]) -> None:
        """Take these layers away; the manifest goes with its last one. What is no image manifest holds none."""
        with self.registry.turn(self.place, self.subject):
            before, raw, left = None, self._raw(), _TRIES
            while raw is not None and _holds_layers(raw):
                document, old = _parsed(raw)
                new = [layer for layer in old if not is_gone(layer)]
                if new == old:
                    return
                left = self._spend(left)
                if new:
                    self._write(document, new)
                elif raw != before:
                    self.registry.delete_manifest(self.place, digests.of(raw))
                else:  # some registries delete a manifest, and go on serving it under its tags
                    self.registry.delete_tag(self.place, simplesigning.tag(self.subject))
                self._pause()
                before, raw = raw, self._raw()

    def _raw(self) -> bytes | None:
        return self.registry.tagged(self.place, simplesigning.tag(self.subject))

    def _read(self) -> tuple[Layer, list[Layer]]:
        """The manifest's members and its layers; none where there is no such tag."""
        raw = self._raw()
        if raw is None:
            return {}, []
        if not _holds_layers(raw):
            raise self._fault("it names no image manifest", "it is not overwritten: remove it")
        return _parsed(raw)

    def _pause(self) -> None:
        self.registry.pause(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - no secret

    def _spend(self, left: int) -> int:
        if not left:
            raise self._fault("other writers keep replacing it", "run again when they are done")
        return left - 1

    def _write(self, document: Layer, layers: Sequence[Layer]) -> None:
        config = simplesigning.config([digests.parse(str(layer["digest"])) for layer in layers])
        described = Descriptor(simplesigning.CONFIG_TYPE, digests.of(config), len(config))
        head = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described.document(), "layers": list(layers)}
        raw = canonical({**document, **head})
        if len(raw) > artifact.MAX_MANIFEST_BYTES:
            raise self._fault("it is full", "remove signatures that nobody needs")
        self.registry.put_blob(self.place, described, lambda: BytesIO(config), absent=True)
        self.registry.put_manifest(self.place, simplesigning.tag(self.subject), raw, MANIFEST)

    def _fault(self, what: str, advice: str) -> TrustError:
        told = f"the signature cannot be kept under the tag {simplesigning.tag(self.subject)}: {what}"
        return sign_registry(f"{self.place}", told, advice)


def _holds_layers(raw: bytes) -> bool:
    return artifact.parse(raw).media_type in {MANIFEST, DOCKER_MANIFEST}


def _parsed(raw: bytes) -> tuple[Layer, list[Layer]]:
    """A manifest that `artifact.parse` has read, and its layers, with all that is unknown to us."""
    document = cast("Layer", json.loads(raw))
    return document, cast("list[Layer]", document["layers"])


def _missing(wanted: Iterable[Layer], there: Iterable[Layer]) -> list[Layer]:
    """Those of `wanted` whose signature is not there; other clients may spell the rest of a layer anew."""
    signatures = {_signature(layer) for layer in there}
    return [layer for layer in wanted if _signature(layer) not in signatures]


def _signature(layer: Layer) -> tuple[object, object]:
    notes = cast("Layer", layer.get("annotations") or {})
    return layer["digest"], notes.get(simplesigning.SIGNATURE)
