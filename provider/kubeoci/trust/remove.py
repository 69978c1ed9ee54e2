# SPDX-License-Identifier: Apache-2.0
"""Taking our signatures away from where an artifact lies; those of others stay."""

import hashlib
from collections.abc import Collection, Mapping
from typing import TypeVar, cast

from kubeoci.digest import Digest
from kubeoci.trust import simplesigning, strict
from kubeoci.trust.discover import BUNDLE, LEGACY
from kubeoci.trust.evidence import Rejected
from kubeoci.trust.protocols import Target
from kubeoci.trust.sign import SignatureRecord
from kubeoci.trust.sigtag import Layer, SignatureTag

P = TypeVar("P")


def remove(registry: Target[P], place: P, subject: Digest, recorded: Collection[SignatureRecord]) -> None:
    """Remove what `recorded` has of `subject`: the manifests of bundles, the layers of legacy ones. Gone is fine.

    Raises what `registry` raises, `registry.unsupported` where it deletes nothing, and `trust.sign_registry` when
    others keep writing.
    """
    ours = [record for record in recorded if record.digest == subject]
    if bundles := {record.manifest for record in ours if record.format == BUNDLE}:
        registry.detach(place, subject, bundles)
    if signatures := {record.signature for record in ours if record.format == LEGACY}:
        SignatureTag(registry, place, subject).remove(lambda layer: _signature(layer) in signatures)


def _signature(layer: Layer) -> str | None:
    """The hexadecimal SHA-256 of the signature; None where there is none."""
    notes = cast("Mapping[str, str]", layer.get("annotations") or {})
    try:
        signature = strict.base64(notes.get(simplesigning.SIGNATURE), simplesigning.SIGNATURE)
    except Rejected:
        return None
    return hashlib.sha256(signature).hexdigest()
