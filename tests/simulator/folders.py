# SPDX-License-Identifier: Apache-2.0
"""Folders in the OCI image layout: what the tests put there, and how they look at it."""

import json
import os
from io import BytesIO
from pathlib import Path

from kubeoci import artifact, digest
from kubeoci.archive import Layer
from kubeoci.artifact import MANIFEST, Artifact, Descriptor, canonical
from kubeoci.registry.cache import Cache
from kubeoci.registry.entries import REF_NAME
from kubeoci.registry.layout import Layouts
from kubeoci.registry.protocols import Folder
from kubeoci.registry.push import push

LAYER = b"packed" * 100
EMPTY = Descriptor("application/vnd.oci.empty.v1+json", digest.of(b"{}"), 2)


def make(**annotations: str) -> Artifact:
    """An artifact of one layer."""
    packed = Layer(digest.of(LAYER), digest.of(b"tar"), len(LAYER))
    return artifact.build(packed, digest.of(b"tree"), annotations=annotations)


def send(layouts: Layouts, place: Folder, what: Artifact, *tags: str) -> int:
    """Push `what`; how many bytes of blobs went."""
    return push(layouts, place, what, lambda: BytesIO(LAYER), tags).uploaded


def blob(root: Path, name: str) -> Path:
    """The file of a digest."""
    algorithm, _, digits = name.partition(":")
    return root / "blobs" / algorithm / digits


def rewrite(root: Path, *manifests: object, **members: object) -> None:
    """Another tool writes the index."""
    document = {"schemaVersion": 2, "manifests": list(manifests), **members}
    (root / "index.json").write_text(json.dumps(document))


def named(what: Artifact, tag: str) -> dict[str, object]:
    """An entry of the index."""
    return Descriptor(MANIFEST, what.digest, len(what.manifest), {REF_NAME: tag}).document()


def bare(what: Artifact) -> dict[str, object]:
    """An entry without a name."""
    return Descriptor(MANIFEST, what.digest, len(what.manifest)).document()


def files(root: Path) -> set[digest.Digest]:
    """The digests of all files."""
    return {digest.parse(f"{path.parent.name}:{path.name}") for path in root.glob("blobs/*/*")}


def attach(layouts: Layouts, place: Folder, subject: Artifact, blob: bytes = b"signed") -> digest.Digest:
    """Attach a manifest with one layer."""
    layer = Descriptor("a/layer", digest.of(blob), len(blob))
    for descriptor, data in ((EMPTY, b"{}"), (layer, blob)):
        layouts.put_blob(place, descriptor, lambda data=data: BytesIO(data))  # type: ignore[misc]
    fields = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "a/sig", "config": EMPTY.document()}
    fields |= {"subject": Descriptor(MANIFEST, subject.digest, len(subject.manifest)).document()}
    return layouts.attach(place, canonical({**fields, "layers": [layer.document()], "annotations": {"n": "1"}}))


def machine(home: Path, **settings: object) -> Layouts:
    """A client with an empty cache of its own below `home`, as another machine has it."""
    folder = home / f"cache-{os.urandom(4).hex()}"
    folder.mkdir()
    return Layouts(Cache(folder), **settings)  # type: ignore[arg-type]
