# SPDX-License-Identifier: Apache-2.0
"""Every file in tests/trust/assets: an attack is rejected for its own reason, and what holds passes."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from kubeoci import digest as digests
from kubeoci.artifact import MANIFEST, Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import TrustError
from kubeoci.reference import Repository
from kubeoci.registry.memory import MemoryRegistry
from kubeoci.trust import bundle, keys, roots, simplesigning
from kubeoci.trust.evidence import Reason
from kubeoci.trust.matching import IdentityMatch
from kubeoci.trust.policy import KeylessPolicy, KeyPolicy
from kubeoci.trust.verify import verify
from simulator.signatures import APP, referrer, signature_manifest

ASSETS = Path(__file__).resolve().parents[1] / "trust" / "assets"
CASES = sorted(path.stem for path in ASSETS.glob("*.json"))
FIELDS = {"about", "digest", "format", "blob", "blobBase64", "annotations", "manifest", "policy", "verdict", "told"}
VERDICTS = {"passes", "trust.bad_key", "trust.bad_policy", *Reason}

Case = dict[str, Any]


def read(name: str) -> Case:
    """One file."""
    case: Case = json.loads((ASSETS / f"{name}.json").read_text())
    return case


def policy(case: Case) -> KeyPolicy | KeylessPolicy:
    """What the file demands; lists become tuples. Raises `TrustError`."""
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in case["policy"].items()}
    if "trustedRoot" in fields:
        fields["trusted_root"] = roots.read(fields.pop("trustedRoot"), source="asset", is_users=True)
    if "identities" in fields:
        return KeylessPolicy(**fields | {"identities": tuple(IdentityMatch(**one) for one in fields["identities"])})
    named = (keys.public_key(pem, f"keys[{index}]") for index, pem in enumerate(fields["keys"]))
    return KeyPolicy(**fields | {"keys": tuple(named)})


class Listing(MemoryRegistry):
    """Lists every manifest as a bundle about any digest, whatever it says itself."""

    def referrers(self, repository: Repository, _subject: Digest) -> list[Descriptor]:
        """All manifests that no tag names."""
        untagged = self.manifests[repository].keys() - set(self.named[repository].values())
        sizes = {digest: len(self.manifests[repository][digest]) for digest in untagged}
        return [Descriptor(MANIFEST, digest, size, artifact_type=bundle.MEDIA_TYPE) for digest, size in sizes.items()]


def stored(case: Case) -> Listing:
    """The signature of the file where it would lie."""
    blob = base64.b64decode(case["blobBase64"]) if "blobBase64" in case else case["blob"].encode()
    if case["format"] == "bundle":
        made = referrer(blob, subject={"mediaType": MANIFEST, "digest": case["digest"], "size": 1})
    else:
        made = signature_manifest((blob, case["annotations"]))
    manifest = case["manifest"].encode() if "manifest" in case else made
    registry, digest = Listing(), digests.of(manifest)
    registry.blobs[APP][digests.of(blob)] = blob
    registry.manifests[APP][digest] = manifest
    if case["format"] == "legacy":
        registry.named[APP][simplesigning.tag(case["digest"])] = digest
    return registry


def outcome(case: Case) -> tuple[str, str]:
    """`passes`, the reason of the one attempt, or the code of the error; and what is told."""
    try:
        found = verify(stored(case), APP, digests.parse(case["digest"]), policy(case))
    except TrustError as error:
        reasons = re.findall(r"(?:bundle|legacy) sha256:[0-9a-f]{12}: ([a-z]+): ", error.what)
        return (reasons[0] if len(reasons) == 1 else error.code), str(error)
    return ("passes" if found.format == case["format"] else found.format), ""


@pytest.mark.parametrize("name", CASES)
def test_verdict(name: str) -> None:
    """Rejected for the reason in the file, or passed; what shall be told is told."""
    case = read(name)
    verdict, told = outcome(case)
    assert (case["verdict"], True) == (verdict, case.get("told", "") in told), told


@pytest.mark.parametrize("name", CASES)
def test_file_has_the_shape_of_all(name: str) -> None:
    """A member with another name would be passed over, and the attack with it."""
    case = read(name)
    assert [] == sorted(case.keys() - FIELDS)
    assert {case["verdict"]} <= VERDICTS
    assert case["format"] in {"bundle", "legacy"}


def test_attacks_are_there() -> None:
    """Every reason that can be told has its attack."""
    verdicts = {read(name)["verdict"] for name in CASES}
    assert set() == VERDICTS - verdicts - {Reason.MISSING}
