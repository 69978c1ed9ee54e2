# SPDX-License-Identifier: Apache-2.0
"""From a digest to the files of an artifact, every byte checked on the way."""

from dataclasses import dataclass, replace
from typing import TypeVar, cast

from kubeoci.artifact import Manifest
from kubeoci.digest import Digest
from kubeoci.lifecycle.contract import Call
from kubeoci.registry import layers
from kubeoci.registry.protocols import Fetcher, Folder, Place, Store
from kubeoci.registry.transport import Settings
from kubeoci.untar import Contents

P = TypeVar("P", bound=Place)


@dataclass(frozen=True, slots=True)
class Pulled:
    """An artifact's manifest and the files of the layer that was asked for."""

    digest: Digest
    manifest: Manifest
    contents: Contents


def open_store(call: Call, settings: Settings, place: P) -> Store[P]:
    """Who serves the place of a resource; the engine's custom timeout goes before the input `timeout`."""
    wanted = replace(settings, timeout_seconds=call.timeout_seconds or settings.timeout_seconds)
    if isinstance(place, Folder):
        return cast("Store[P]", call.session.layouts(wanted.timeout_seconds))
    return cast("Store[P]", call.session.registry(wanted, call.progress))


def pull(registry: Fetcher[P], repository: P, digest: Digest, media_type: str = "") -> Pulled:
    """The artifact `digest`: from the cache, else from where it lies. `media_type` selects a layer, else the first.

    Raises `RegistryError` when it is not there or not what its digest says, `ArchiveError` when it cannot be unpacked.
    """
    manifest, contents = layers.extract(registry, repository, digest, media_type)
    return Pulled(digest, manifest, contents)
