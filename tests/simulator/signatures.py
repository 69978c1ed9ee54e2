# SPDX-License-Identifier: Apache-2.0
"""One artifact and its signatures, made by hand so that each part can be wrong.

    shelf = Shelf()                                        # the artifact alone
    shelf.attach(bundle_of(KEY))                           # a bundle among its referrers
    shelf.tag(legacy_of(KEY))                              # a layer under sha256-<hex>.sig
    verify(shelf.memory(), APP, DIGEST, policy)            # in memory …
    shelf.serve(simulator)                                 # … or behind HTTP, as `app`

Nothing of ours that writes signatures is used here but the builders of what is signed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import TypeVar

from kubeoci import digest as digests
from kubeoci.artifact import INDEX, MANIFEST, Descriptor, canonical
from kubeoci.digest import Digest
from kubeoci.reference import Repository
from kubeoci.registry.memory import MemoryRegistry
from kubeoci.trust import bundle, keys, simplesigning, statement
from kubeoci.trust.protocols import Target
from simulator.registry import RegistrySimulator

APP = Repository("registry.test", "app")
RAW = canonical(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digests.of(b"{}"), "size": 2},
        "layers": [],
    }
)
DIGEST = digests.of(RAW)
KEY = keys.private_key(keys.generate().private, "")
OTHER = keys.private_key(keys.generate().private, "")

P = TypeVar("P")
Layer = tuple[bytes, Mapping[str, str]]
"""The content of a layer and its annotations."""


def bundle_of(key: keys.PrivateKey, payload: bytes = b"", kind: str = statement.PAYLOAD_TYPE) -> bytes:
    """A bundle by this key: of the statement that the artifact is signed, or of another payload."""
    payload = payload or statement.build(DIGEST)
    signed = bundle.write_key(payload, key.sign(statement.pae(payload, kind)), key.public)
    return signed.replace(statement.PAYLOAD_TYPE.encode(), kind.encode())


def legacy_of(key: keys.PrivateKey, payload: bytes = b"") -> Layer:
    """A layer by this key: of the payload that the artifact is signed, or of another one."""
    payload = payload or simplesigning.payload(DIGEST, str(APP))
    return payload, simplesigning.annotations(key.sign(payload))


def referrer(blob: bytes, **members: object) -> bytes:
    """The manifest around a bundle, as cosign writes it, with other members."""
    layer = {"mediaType": bundle.MEDIA_TYPE, "digest": digests.of(blob), "size": len(blob)}
    notes = {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": statement.SIGN}
    fields = {
        "annotations": notes,
        "artifactType": bundle.MEDIA_TYPE,
        "layers": [layer],
        "subject": {"mediaType": MANIFEST, "digest": DIGEST, "size": len(RAW)},
    }
    return canonical({**json.loads(RAW), **fields, **members})


def signature_manifest(*layers: Layer) -> bytes:
    """The manifest under the `.sig` tag."""
    described = [
        {
            "mediaType": simplesigning.LAYER_TYPE,
            "digest": digests.of(raw),
            "size": len(raw),
            "annotations": dict(notes),
        }
        for raw, notes in layers
    ]
    return canonical({**json.loads(RAW), "layers": described})


@dataclass
class Shelf:
    """The artifact with what is attached to it. `listed` are the entries of the fallback index, made from the rest."""

    blobs: list[bytes] = field(default_factory=lambda: [b"{}"])
    referrers: list[bytes] = field(default_factory=list)
    tagged: bytes = b""

    def attach(self, blob: bytes, manifest: bytes = b"") -> Digest:
        """Attach a bundle; the digest of its manifest."""
        self.blobs.append(blob)
        self.referrers.append(manifest or referrer(blob))
        return digests.of(self.referrers[-1])

    def tag(self, *layers: Layer, manifest: bytes = b"") -> Digest:
        """Put these layers under the `.sig` tag; the digest of the manifest."""
        self.blobs += [raw for raw, _ in layers]
        self.tagged = manifest or signature_manifest(*layers)
        return digests.of(self.tagged)

    def memory(self) -> MemoryRegistry:
        """All of it in `APP` of a registry in memory."""
        registry = MemoryRegistry()
        registry.blobs[APP] = {digests.of(blob): blob for blob in self.blobs}
        registry.manifests[APP] = {digests.of(raw): raw for raw in (RAW, *self.referrers, self.tagged) if raw}
        if self.tagged:
            registry.named[APP][simplesigning.tag(DIGEST)] = digests.of(self.tagged)
        return registry

    def store(self, target: Target[P], place: P) -> None:
        """All of it, as a writer does it."""
        for blob in self.blobs:
            target.put_blob(place, Descriptor("", digests.of(blob), len(blob)), partial(BytesIO, blob))
        target.put_manifest(place, "v1", RAW, MANIFEST)
        for raw in self.referrers:
            target.attach(place, raw, MANIFEST)
        if self.tagged:
            target.put_manifest(place, simplesigning.tag(DIGEST), self.tagged, MANIFEST)

    def index(self, **members: object) -> bytes:
        """The fallback index, its entries with other members; `...` leaves one out."""
        entries = []
        for raw in self.referrers:
            found = json.loads(raw)
            entry = {"mediaType": MANIFEST, "digest": digests.of(raw), "size": len(raw)}
            entry |= {name: found[name] for name in ("artifactType", "annotations") if name in found} | members
            entries.append({name: value for name, value in entry.items() if value is not ...})
        return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})

    def serve(self, server: RegistrySimulator, **members: object) -> None:
        """All of it in `app` of the simulator; the fallback index only where it does not list referrers itself."""
        server.add("app", "v1", RAW, MANIFEST, *self.blobs)
        for raw in self.referrers:
            server.manifests["app"][digests.of(raw)] = (MANIFEST, raw)
        if self.referrers and not server.referrers:
            server.add("app", DIGEST.replace(":", "-"), self.index(**members), INDEX)
        if self.tagged:
            server.add("app", simplesigning.tag(DIGEST), self.tagged, MANIFEST)
