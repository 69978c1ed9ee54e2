# SPDX-License-Identifier: Apache-2.0
"""From a digest to the files of an artifact, every byte checked on the way."""

from dataclasses import dataclass

from kubeoci import artifact, untar
from kubeoci.artifact import Manifest
from kubeoci.digest import Digest
from kubeoci.lifecycle.contract import Call
from kubeoci.lifecycle.settings import Access
from kubeoci.reference import Repository
from kubeoci.registry import transport
from kubeoci.registry.keychain import Credentials
from kubeoci.registry.remote import Registry
from kubeoci.untar import Contents


@dataclass(frozen=True, slots=True)
class Pulled:
    """An artifact's manifest and the files of the layer that was asked for."""

    digest: Digest
    manifest: Manifest
    contents: Contents


def open_registry(call: Call, access: Access) -> Registry:
    """The registry client of a resource; the engine's custom timeout goes before the input `timeout`."""
    credentials = Credentials(access.username, access.password) if access.username else None
    wanted = transport.Settings(
        insecure=access.insecure,
        ca=access.ca,
        credentials=credentials,
        timeout_seconds=call.timeout_seconds or access.timeout_seconds,
    )
    return call.session.registry(wanted, call.progress)


def pull(registry: Registry, repository: Repository, digest: Digest, media_type: str = "") -> Pulled:
    """The artifact `digest`: from the cache, else from the registry. `media_type` selects a layer, else the first.

    Raises `RegistryError` when it is not there or not what its digest says, `ArchiveError` when it cannot be unpacked.
    """
    manifest = artifact.parse(registry.manifest(repository, digest))
    if manifest.children:  # an index: fine where only one of its artifacts can be meant
        child = artifact.select_child(manifest)
        manifest = artifact.parse(registry.manifest(repository, child.digest), child.media_type)
    layer = artifact.select_layer(manifest, media_type)
    with registry.blob(repository, layer) as blob:
        return Pulled(digest, manifest, untar.read(blob, layer.media_type))
