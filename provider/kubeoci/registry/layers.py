# SPDX-License-Identifier: Apache-2.0
"""From the digest of any artifact, whoever made it, to one of its layers: unpacked, or as it is.

The layer is the first of the media type that `layerSelector` names, else the first of all: Flux's rule, and there is
no way back from a type that no layer has. An index stands for an artifact where only one of its artifacts can be meant.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from kubeoci import artifact, untar
from kubeoci.artifact import Descriptor, Manifest
from kubeoci.digest import Digest
from kubeoci.errors import ArchiveError, RegistryError
from kubeoci.registry import unpack
from kubeoci.registry.protocols import Fetcher, Place
from kubeoci.untar import Contents

_BLOCK = 1 << 20

P = TypeVar("P", bound=Place)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The manifest of an image, not of an index, and the layer of it that was asked for."""

    manifest: Manifest
    layer: Descriptor


def choose(registry: Fetcher[P], place: P, digest: Digest, media_type: str = "") -> Chosen:
    """The layer of the artifact `digest` that `media_type` selects, or the first one.

    Raises `RegistryError`: `registry.unsupported`, naming the types or the artifacts that are there, and what reading
    a manifest raises.
    """
    try:
        manifest = artifact.parse(registry.manifest(place, digest))
        if manifest.config is None:  # an index
            child = artifact.select_child(manifest)
            manifest = artifact.parse(registry.manifest(place, child.digest), child.media_type)
        return Chosen(manifest, artifact.select_layer(manifest, media_type))
    except RegistryError as error:
        raise error if error.where else error.at(f"{place}@{digest}") from None


def extract(registry: Fetcher[P], place: P, digest: Digest, media_type: str = "") -> tuple[Manifest, Contents]:
    """The manifest and the files of that layer: `layerSelector.operation: extract`.

    Raises as `choose`, and `ArchiveError` `archive.unsafe`, which names the other types of layers if none was selected.
    """
    chosen = choose(registry, place, digest, media_type)
    with registry.blob(place, chosen.layer) as blob:
        try:
            return chosen.manifest, untar.read(blob, chosen.layer.media_type)
        except ArchiveError as error:
            raise _told(error, chosen, media_type) from None


def copy_layer(
    registry: Fetcher[P], place: P, digest: Digest, target: Path | BinaryIO, media_type: str = ""
) -> Descriptor:
    """Write the bytes of that layer to `target` as they are, in blocks: `layerSelector.operation: copy`.

    Not a byte is written before all of them were hashed. A file is replaced as a whole, and made with the folders above
    it. Returns what was written. Raises as `choose` and `Fetcher.blob`, and `files.invalid` for a file that cannot be.
    """
    layer = choose(registry, place, digest, media_type).layer
    with registry.blob(place, layer) as blob:
        if isinstance(target, Path):
            unpack.write(target, unpack.blocks(blob))
        else:
            shutil.copyfileobj(blob, target, _BLOCK)
    return layer


def _told(error: ArchiveError, chosen: Chosen, media_type: str) -> ArchiveError:
    """The same error; where nobody chose the layer, with those that could have been chosen."""
    others = dict.fromkeys(layer.media_type for layer in chosen.manifest.layers)
    if media_type or len(others) < 2:  # noqa: PLR2004 - there is something to choose from
        return error
    advice = f"set layerSelector.mediaType to one of {', '.join(others)}: this is the first layer"
    return ArchiveError(error.code, error.what, where=error.where, advice=advice)
