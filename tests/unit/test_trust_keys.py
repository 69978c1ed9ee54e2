# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.keys: which keys are taken, and which signatures hold under them."""

import subprocess
import sys
from itertools import count

import pytest
from cryptography.exceptions import InternalError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from nacl import bindings

from kubeoci.errors import TrustError
from kubeoci.trust import keys
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.keys import PublicKey

P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
P521 = ec.generate_private_key(ec.SECP521R1())
RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
MESSAGE = b"what was signed"
GOOD = "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n"


def pem(key: PublicKeyTypes) -> str:
    """A public key as its file has it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def pkcs8(key: PrivateKeyTypes, password: str = "") -> str:
    """A private key in PKCS #8, encrypted where there is a password."""
    encryption: KeySerializationEncryption = NoEncryption()
    if password:
        encryption = BestAvailableEncryption(password.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def public(key: PrivateKeyTypes) -> PublicKey:
    """What we make of its public half."""
    return keys.public_key(pem(key.public_key()), "a.pub")


def refused(text: str) -> str:
    """The error for a public key that is not taken; it names the key and tells nothing of it."""
    with pytest.raises(TrustError) as caught:
        keys.public_key(text, "a.pub")
    assert ("trust.bad_key", "a.pub") == (caught.value.code, caught.value.where)
    return caught.value.what


def rejected(key: PublicKey, signature: bytes) -> Reason:
    """Why a signature does not hold."""
    with pytest.raises(Rejected) as caught:
        key.verify(signature, MESSAGE)
    return caught.value.reason


@pytest.mark.parametrize(
    ("key", "kind"), [(P256, "P-256"), (P384, "P-384"), (P521, "P-521"), (RSA, "RSA"), (ED25519, "Ed25519")]
)
def test_public_keys(key: PrivateKeyTypes, kind: str) -> None:
    """Each kind is told, and its text is given back as it was."""
    found = public(key)
    assert (kind, pem(key.public_key())) == (found.kind, found.pem)


def test_fingerprint_and_hint() -> None:
    """Both are the SHA-256 of the SPKI, in two spellings."""
    key = keys.public_key(
        GOOD.format(
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIt+1ORQ4WXzjq2cBOGY0V5gd0W5J\n"
            "ARvmMrCgOH2CIrK0gA4OUpt9NZEq6pUG3EDBTq5l4+o9rDqBZCSiGygjVQ=="
        ),
        "a.pub",
    )
    assert "4c54e765b8a40d7ce0002f71d888e076e41b61021b948b5c92ce33235c5d1e04" == key.fingerprint
    assert "TFTnZbikDXzgAC9x2IjgduQbYQIblItcks4zI1xdHgQ=" == key.hint


def test_public_keys_as_editors_leave_them() -> None:
    """Line ends of Windows and blank lines around are no fault."""
    text = pem(P256.public_key())
    assert public(P256) == keys.public_key("\r\n  " + text.replace("\n", "\r\n") + "\n\n", "a.pub")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("ssh-ed25519 AAAA", "it is no PEM text"),
        ("x" * 70_000 + GOOD, "it is no PEM text"),
        (GOOD.format("QUJD" * 20_000), "larger than 65536 characters"),
        (GOOD.format("QUJD"), "no public key that can be read"),
        (GOOD.format("QUJ="), "it is base64 that could be spelled otherwise"),
        (GOOD.format("QUJ=="), "it is no base64"),
        (GOOD.format(""), "it is empty"),
        (pem(P256.public_key()) * 2, "not exactly one PEM block"),
        (pem(P256.public_key()) + "more", "not exactly one PEM block"),
        ("# ours\n" + pem(P256.public_key()), "not exactly one PEM block"),
        (pkcs8(P256), "it is a private key"),
        (
            pem(P256.public_key()).replace("PUBLIC KEY", "CERTIFICATE"),
            "its type is CERTIFICATE, and PUBLIC KEY is wanted",
        ),
        (pem(rsa.generate_private_key(65537, 1024).public_key()), "RSA key of 1024 bits"),
        (pem(rsa.RSAPublicNumbers(3, RSA.public_key().public_numbers().n).public_key()), "exponent"),
        (pem(ec.generate_private_key(ec.SECP256K1()).public_key()), "curve secp256k1"),
        (pem(dsa.generate_private_key(1024).public_key()), "signs no artifacts"),
        (pem(x25519.X25519PrivateKey.generate().public_key()), "signs no artifacts"),
    ],
    ids=count(),
)
def test_public_keys_that_are_not_taken(text: str, told: str) -> None:
    """Whatever is wrong with a key is said, and the key is named."""
    assert told in refused(text)


def test_a_key_spelled_in_another_way() -> None:
    """A compressed point is the same key under another fingerprint: nobody else would know it."""
    point = P256.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    with pytest.raises(TrustError, match="spelled otherwise"):
        keys.spki(der, "a.pub")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (P256, hashes.SHA256()),
        (P384, hashes.SHA384()),
        (P384, hashes.SHA256()),
        (P521, hashes.SHA512()),
        (P521, hashes.SHA256()),
    ],
)
def test_signatures_that_hold(key: ec.EllipticCurvePrivateKey, algorithm: hashes.HashAlgorithm) -> None:
    """The hash of the curve's size, or SHA-256."""
    public(key).verify(key.sign(MESSAGE, ec.ECDSA(algorithm)), MESSAGE)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (P256, hashes.SHA384()),
        (P256, hashes.SHA1()),
        (P384, hashes.SHA512()),
        (P384, hashes.SHA1()),
        (P521, hashes.SHA384()),
    ],
)
def test_signatures_with_another_hash(key: ec.EllipticCurvePrivateKey, algorithm: hashes.HashAlgorithm) -> None:
    """No other hash is tried."""
    assert Reason.SIGNATURE == rejected(public(key), key.sign(MESSAGE, ec.ECDSA(algorithm)))


def test_rsa() -> None:
    """PKCS #1 v1.5 with SHA-256 holds, and nothing else does."""
    key = public(RSA)
    key.verify(RSA.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256()), MESSAGE)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert Reason.SIGNATURE == rejected(key, RSA.sign(MESSAGE, pss, hashes.SHA256()))
    assert Reason.SIGNATURE == rejected(key, RSA.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA512()))


@pytest.mark.parametrize("key", [P256, P521, RSA, ED25519])
@pytest.mark.parametrize("signature", [b"", bytes(64), bytes.fromhex("3006020100020100"), b"\x30\x80" + bytes(30)])
def test_signatures_that_are_none(key: PrivateKeyTypes, signature: bytes) -> None:
    """Nothing, zeros, r = s = 0 and garbage."""
    assert Reason.SIGNATURE == rejected(public(key), signature)


def test_signature_of_another_key_and_message() -> None:
    """Both count."""
    signature = P256.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    assert Reason.SIGNATURE == rejected(public(ec.generate_private_key(ec.SECP256R1())), signature)
    assert Reason.SIGNATURE == rejected(public(P256), P256.sign(MESSAGE + b"!", ec.ECDSA(hashes.SHA256())))


def prehashed() -> bytes:
    """An Ed25519ph signature, as cosign makes it."""
    seed, point = ED25519.private_bytes_raw(), ED25519.public_key().public_bytes_raw()
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, MESSAGE)
    return bindings.crypto_sign_ed25519ph_final_create(state, seed + point)


def test_ed25519() -> None:
    """Both forms hold."""
    public(ED25519).verify(ED25519.sign(MESSAGE), MESSAGE)
    public(ED25519).verify(prehashed(), MESSAGE)


def test_ed25519_without_pynacl(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pure form holds; of the other one nobody can tell, and it is said what to install."""
    monkeypatch.setitem(sys.modules, "nacl", None)
    public(ED25519).verify(ED25519.sign(MESSAGE), MESSAGE)
    with pytest.raises(Rejected, match="pip install pynacl") as caught:
        public(ED25519).verify(prehashed(), MESSAGE)
    assert Reason.UNSUPPORTED == caught.value.reason


@pytest.mark.parametrize("key", [P256, P384, P521, RSA])
@pytest.mark.parametrize("password", ["", "hello"])
def test_private_keys(key: PrivateKeyTypes, password: str) -> None:
    """PKCS #8, plain and encrypted; what it signs holds under its public half, with SHA-256."""
    found = keys.private_key(pkcs8(key, password), password or None)
    assert public(key) == found.public
    found.public.verify(found.sign(MESSAGE), MESSAGE)


def test_signs_with_sha256() -> None:
    """On every curve, as plain `cosign verify --key` and Flux expect."""
    signature = keys.private_key(pkcs8(P521), None).sign(MESSAGE)
    P521.public_key().verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("text", "password", "told"),
    [
        ("", None, "it is empty"),
        ("junk", None, "it is no PEM text"),
        (pem(P256.public_key()), None, "its type is PUBLIC KEY, which cannot sign"),
        (pkcs8(P256).replace("PRIVATE", "EC PRIVATE"), None, "its type is EC PRIVATE KEY, which cannot sign"),
        (pkcs8(P256) * 2, None, "not exactly one PEM block"),
        (pkcs8(P256), "", "it is not encrypted"),
        (pkcs8(P256, "pw"), None, "it is encrypted, and no password"),
        (pkcs8(P256, "pw"), "", "the password is wrong, or the key is damaged"),
        (pkcs8(P256, "pw"), "px", "the password is wrong, or the key is damaged"),
        (GOOD.format("QUJD").replace("PUBLIC", "PRIVATE"), None, "no private key that can be read"),
        (pkcs8(ED25519), None, "Ed25519 keys cannot sign here"),
        (pkcs8(rsa.generate_private_key(65537, 1024)), None, "RSA key of 1024 bits"),
        (pkcs8(ec.generate_private_key(ec.SECP256K1())), None, "curve secp256k1"),
        (pkcs8(x25519.X25519PrivateKey.generate()), None, "signs no artifacts"),
    ],
    ids=count(),
)
def test_private_keys_that_are_not_taken(text: str, password: str | None, told: str) -> None:
    """Whatever is wrong is said; neither key nor password is."""
    with pytest.raises(TrustError) as caught:
        keys.private_key(text, password, "ours")
    assert ("trust.bad_key", "ours") == (caught.value.code, caught.value.where)
    assert told in caught.value.what


def test_a_key_that_breaks_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some damage is met with an error that is meant for its authors."""

    def load(*_: object) -> None:
        raise InternalError("", [])

    monkeypatch.setattr("cryptography.hazmat.primitives.serialization.load_der_private_key", load)
    with pytest.raises(TrustError, match="no private key that can be read"):
        keys.private_key(pkcs8(P256), None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(pkcs8(P256), False), (pkcs8(P256, "pw"), True), ("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", True)],
    ids=count(),
)
def test_needs_password(text: str, expected: bool) -> None:
    """A password of the environment is for the keys that have one."""
    assert expected == keys.needs_password(text)


def test_generated_pair() -> None:
    """It opens with its password, and the two halves belong together."""
    pair = keys.generate("hello")
    assert pair.private.startswith("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    assert keys.public_key(pair.public, "a.pub") == keys.private_key(pair.private, "hello").public


def test_nothing_secret_is_printed() -> None:
    """Neither a pair nor a key shows more than its public half."""
    pair, key = keys.generate(), keys.private_key(pkcs8(P256), None)
    assert "PRIVATE" not in repr(pair)
    assert "PrivateKey(public=PublicKey(kind='P-256'))" == repr(key)


def test_needs_no_sigstore() -> None:
    """Keys are there without what only keyless signatures need."""
    code = "import sys, kubeoci.trust.keys; print(sorted({'sigstore', 'nacl', 'tuf'} & sys.modules.keys()))"
    assert "[]\n" == subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
