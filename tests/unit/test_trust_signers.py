# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.signers: what a key makes of a payload meets the policy of that key, and tells nothing of the key."""

import pytest

from kubeoci import digest
from kubeoci.errors import TrustError
from kubeoci.trust import bundle, keys, simplesigning, statement
from kubeoci.trust.evidence import Signer
from kubeoci.trust.judge import judge
from kubeoci.trust.signers import KeySigner

DIGEST = digest.of(b"subject")
PAIR = keys.generate("pw")
SIGNER = KeySigner(keys.private_key(PAIR.private, "pw"))
WHO = Signer(key_fingerprint=keys.public_key(PAIR.public, "cosign.pub").fingerprint)


def test_who_signs() -> None:
    """The fingerprint of the public key, as evidence tells it."""
    assert WHO == SIGNER.who


def test_a_bundle_meets_the_policy() -> None:
    """With what is annotated and named."""
    payload = statement.build(DIGEST, name="ghcr.io/org/app", annotations={"by": "ci"})
    policy = SIGNER.policy(("bundle",), {"by": "ci"}, "ghcr.io/org/app")
    assert WHO == judge(bundle.read(SIGNER.bundle(payload)), policy, DIGEST)


def test_a_legacy_signature_meets_the_policy() -> None:
    """The annotations are the whole signature."""
    payload = simplesigning.payload(DIGEST, "ghcr.io/org/app", {"by": "ci"})
    policy = SIGNER.policy(("legacy",), {"by": "ci"}, "ghcr.io/org/app")
    assert WHO == judge(simplesigning.read(payload, SIGNER.legacy(payload)), policy, DIGEST)
    assert {simplesigning.SIGNATURE} == SIGNER.legacy(payload).keys()


def test_the_policy_is_of_this_key_alone() -> None:
    """In the formats that are asked for, and no others."""
    policy = SIGNER.policy(("legacy",), {}, None)
    assert ((SIGNER.key.public,), ("legacy",), None) == (policy.keys, policy.formats, policy.reference)
    with pytest.raises(TrustError, match=r"trust\.bad_policy"):
        SIGNER.policy(("notation",), {}, None)


def test_nothing_of_the_key_is_shown() -> None:
    """A signer may stand in a log."""
    assert not {line for line in PAIR.private.splitlines()[1:-1] if line in repr(SIGNER)}
    assert WHO.key_fingerprint is not None
    assert "private" not in repr(SIGNER).lower().replace("privatekey", "")
