# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.judge: the signature first, then what was signed."""

import json
import sys
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kubeoci.trust import bundle, keys, roots, simplesigning, statement
from kubeoci.trust.evidence import Reason, Rejected, Signer
from kubeoci.trust.judge import Signature, judge
from kubeoci.trust.policy import KeyPolicy
from simulator.signatures import DIGEST, KEY, OTHER, bundle_of, legacy_of
from simulator.sigstore import Sigstore

POLICY = KeyPolicy((KEY.public,))
BUNDLE = bundle.read(bundle_of(KEY))
LEGACY = simplesigning.read(*legacy_of(KEY))
SIGSTORE = Sigstore()
ROOT = roots.read(json.dumps(SIGSTORE.trusted_root()), source="test", is_users=True)
LOGGED = KeyPolicy((KEY.public,), require_tlog=True, trusted_root=ROOT)
NONSENSE = b'{"half":'


def verdict(found: Signature, policy: KeyPolicy = POLICY) -> Rejected:
    """Why the signature does not hold."""
    with pytest.raises(Rejected) as caught:
        judge(found, policy, DIGEST)
    return caught.value


@pytest.mark.parametrize("found", [BUNDLE, LEGACY], ids=["bundle", "legacy"])
def test_signer_is_the_key(found: Signature) -> None:
    """Whichever of the policy's it was; nothing is said of time or log."""
    expected = Signer(key_fingerprint=KEY.public.fingerprint)
    assert expected == judge(found, KeyPolicy((OTHER.public, KEY.public)), DIGEST)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (bundle.read(bundle_of(KEY, NONSENSE)), bundle.read(bundle_of(OTHER, NONSENSE))),
        (simplesigning.read(*legacy_of(KEY, NONSENSE)), simplesigning.read(*legacy_of(OTHER, NONSENSE))),
    ],
    ids=["bundle", "legacy"],
)
def test_signature_comes_first(right: Signature, wrong: Signature) -> None:
    """What nobody vouches for is not parsed."""
    assert (Reason.MALFORMED, Reason.SIGNATURE) == (verdict(right).reason, verdict(wrong).reason)


def test_type_comes_before_the_signature() -> None:
    """An envelope around something else is not even tried."""
    other = replace(BUNDLE, payload_type="text/plain", signature=b"")
    assert Reason.TYPE == verdict(other).reason


@pytest.mark.parametrize("found", [BUNDLE, LEGACY], ids=["bundle", "legacy"])
def test_certificate_is_of_another_kind(found: Signature) -> None:
    """Even where the signature would hold."""
    assert Reason.KIND == verdict(replace(found, certificate=b"der")).reason


@pytest.mark.parametrize("found", [BUNDLE, LEGACY], ids=["bundle", "legacy"])
def test_formats_are_not_mixed(found: Signature) -> None:
    """A signature over the payload is none over its envelope, and the other way round."""
    other = LEGACY if found is BUNDLE else BUNDLE
    assert Reason.SIGNATURE == verdict(replace(found, signature=other.signature, payload=other.payload)).reason


def test_every_key_is_told() -> None:
    """With the key that the bundle names, where that is one."""
    policy = KeyPolicy((OTHER.public, KEY.public))
    tried = [f"it was not made with the key {key.fingerprint[:12]} (P-256)" for key in policy.keys]
    named = f"; it names the key {KEY.public.fingerprint[:12]}"
    broken = replace(BUNDLE, signature=b"x")
    assert "; ".join(tried) + named == verdict(broken, policy).text
    for hint in ("", "free text", "QUJD"):
        assert "; ".join(tried) == verdict(replace(broken, key_hint=hint), policy).text


def test_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature that nobody here can check is no bad one; other keys are tried."""
    monkeypatch.setitem(sys.modules, "nacl", None)
    raw = ed25519.Ed25519PrivateKey.generate().public_key()
    odd = keys.spki(raw.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "odd")
    assert KEY.public.fingerprint == judge(LEGACY, KeyPolicy((odd, KEY.public)), DIGEST).key_fingerprint
    found = verdict(LEGACY, KeyPolicy((OTHER.public, odd)))
    assert (Reason.UNSUPPORTED, True) == (found.reason, "pynacl" in found.text)


def test_log_is_ignored_unless_required() -> None:
    """A key vouches for itself; the entry of another signature beside it does no harm."""
    stranger = bundle.read(json.dumps(SIGSTORE.bundle(b"other", key=ec.generate_private_key(ec.SECP256R1()))).encode())
    with_entry = replace(BUNDLE, entries=stranger.entries)
    assert Signer(KEY.public.fingerprint) == judge(with_entry, POLICY, DIGEST)
    assert Reason.LOG == verdict(with_entry, LOGGED).reason


@pytest.mark.parametrize("found", [BUNDLE, LEGACY], ids=["bundle", "legacy"])
def test_log_is_required(found: Signature) -> None:
    """In either format."""
    assert Reason.LOG == verdict(found, LOGGED).reason


def test_log_tells_time_and_number() -> None:
    """Its own, of the entry that was checked."""
    key = ec.generate_private_key(ec.SECP256R1())
    found = bundle.read(json.dumps(SIGSTORE.bundle(statement.build(DIGEST), key=key)).encode())
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    policy = replace(LOGGED, keys=(keys.spki(der, "own"),))
    expected = Signer(policy.keys[0].fingerprint, None, None, SIGSTORE.time, found.entries[0].log_index)
    assert expected == judge(found, policy, DIGEST)


def test_required_log_is_never_forgotten() -> None:
    """A policy that somebody bent after it was made fails closed."""
    policy = KeyPolicy((KEY.public,), require_tlog=True, trusted_root=ROOT)
    object.__setattr__(policy, "trusted_root", None)
    assert Reason.LOG == verdict(BUNDLE, policy).reason
