# SPDX-License-Identifier: Apache-2.0
"""What refers to one artifact of a simulated registry, `app:v1`, and how that is asked for."""

import json
from collections.abc import Callable
from pathlib import Path

from kubeoci import digest, reference
from kubeoci.artifact import INDEX, MANIFEST, canonical
from kubeoci.digest import Digest
from kubeoci.reference import Repository
from kubeoci.registry.referrers import fallback_tag, list_referrers
from simulator.client import connect
from simulator.registry import RegistrySimulator

EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest.of(b"{}"), "size": 2}
RAW = canonical({"schemaVersion": 2, "mediaType": MANIFEST, "config": EMPTY, "layers": []})
SUBJECT = digest.of(RAW)
TAG = fallback_tag(SUBJECT)
API, BY_TAG = f"GET /v2/app/referrers/{SUBJECT}", f"GET /v2/app/manifests/{TAG}"


def signature(number: int = 0, kind: str = "a/sig") -> bytes:
    """A manifest that refers to the subject."""
    subject = {"mediaType": MANIFEST, "digest": SUBJECT, "size": len(RAW)}
    fields = {"schemaVersion": 2, "mediaType": MANIFEST, "config": EMPTY, "layers": [], "subject": subject}
    return canonical(fields | {"artifactType": kind, "annotations": {"n": str(number)}})


def app(server: RegistrySimulator) -> Repository:
    """`app` in the simulator."""
    return reference.parse(f"{server.host}/app").repository


def listed(server: RegistrySimulator, home: Path, kind: str = "", *, merged: bool = False) -> list[Digest]:
    """The digests that a new client finds."""
    found = list_referrers(connect(home), app(server), SUBJECT, artifact_type=kind, merged=merged)
    return [referrer.digest for referrer in found]


def index(*raws: bytes, **more: object) -> bytes:
    """An index of manifests, without their types."""
    entries = [{"mediaType": MANIFEST, "digest": digest.of(raw), "size": len(raw)} for raw in raws]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, **more}).encode()


def overwrite(server: RegistrySimulator, raw: bytes, times: int) -> Callable[[], None]:
    """Let another writer replace the index right after each of our first writes."""
    left = [times]

    def run() -> None:
        if left[0] and left.append(left.pop() - 1) is None:
            server.add("app", TAG, raw, INDEX)

    return run
