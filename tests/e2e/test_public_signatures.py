# SPDX-License-Identifier: Apache-2.0
"""Signatures that others made at the public Sigstore, as they lie in the sources of cosign: verified without a network.

The sources are those that `go` keeps of building cosign; where it never was built, there is nothing to read.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from kubeoci.digest import Digest
from kubeoci.trust import bundle, judge, refresh
from kubeoci.trust.evidence import Reason, Rejected, Signer
from kubeoci.trust.matching import IdentityMatch
from kubeoci.trust.material import Bundle
from kubeoci.trust.policy import KeylessPolicy

WHO = IdentityMatch(issuer="https://github.com/login/oauth", subject="cody@soyland.com")
"""Who made cosign's test data, an SBOM of an image, in 2025."""


@pytest.fixture(scope="module")
def found() -> Bundle:
    """The attestation in cosign's test data."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed, so cosign's sources are not here")
    cache = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    files = sorted(Path(cache).glob("github.com/sigstore/cosign/v*/pkg/cosign/testdata/oci-attestation.sigstore.json"))
    if not files:
        pytest.skip("cosign's sources are not in the module cache: it never was built here")
    return bundle.read(files[-1].read_bytes())


def judged(found: Bundle, who: IdentityMatch = WHO, **demanded: tuple[str, ...]) -> Signer:
    """Who signed, under the trusted root of the public Sigstore as its package ships it."""
    repository = refresh.public()
    root = refresh.Published(repository.shipped_by, repository.shipped).trusted_root()
    (subject,) = json.loads(found.payload)["subject"]
    digest = Digest(f"sha256:{subject['digest']['sha256']}")
    return judge.judge(found, KeylessPolicy((who,), root, **demanded), digest)


def test_it_holds(found: Bundle) -> None:
    """Certificate, promise, proof and body of real services; the predicate has to be allowed."""
    predicate = json.loads(found.payload)["predicateType"]
    signer = judged(found, predicates=(predicate,))
    assert Signer(None, "cody@soyland.com", "https://github.com/login/oauth", 1740770291, 175508996) == signer


def test_an_attestation_is_no_signature(found: Bundle) -> None:
    """It says something else of the image than that somebody released it."""
    with pytest.raises(Rejected) as caught:
        judged(found)
    assert Reason.PREDICATE == caught.value.reason


def test_another_identity(found: Bundle) -> None:
    """The same account at another issuer."""
    with pytest.raises(Rejected) as caught:
        judged(found, IdentityMatch(issuer="https://accounts.google.com", subject="cody@soyland.com"))
    assert Reason.IDENTITY == caught.value.reason
