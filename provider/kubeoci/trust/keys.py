# SPDX-License-Identifier: Apache-2.0
"""Keys that verify and keys that sign: which ones are taken, how they are read, and what they do.

Taken are ECDSA on P-256, P-384 and P-521, RSA of 2048 to 8192 bits and, to verify only, Ed25519: what cosign makes and
Flux verifies. Nothing here ever tells a private key or a password.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kubeoci.errors import TrustError
from kubeoci.trust import cosignkey, strict
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.faults import bad_key

Verifying = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
Signing = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_CURVES: dict[str, tuple[str, Sequence[hashes.HashAlgorithm]]] = {  # cosign signs with the hash of the curve's size,
    "secp256r1": ("P-256", (hashes.SHA256(),)),  # Flux and plain `cosign verify --key` expect SHA-256
    "secp384r1": ("P-384", (hashes.SHA384(), hashes.SHA256())),
    "secp521r1": ("P-521", (hashes.SHA512(), hashes.SHA256())),
}
_MODULUS_BITS = range(2048, 8193)
_EXPONENTS = range(65537, 1 << 31)  # beyond, Go cannot read the key
_BROKEN = (ValueError, TypeError, UnsupportedAlgorithm, InternalError)  # TypeError: an empty password of PKCS #8
_LABEL = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,64})-----")
_PUBLIC, _PLAIN, _ENCRYPTED = "PUBLIC KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"
_PUBLIC_ADVICE = "give the text that `cosign public-key --key KEY` or `openssl pkey -in KEY -pubout` writes"
_PRIVATE_ADVICE = "give a `cosign.key`, or what `openssl pkcs8 -topk8 -in KEY` writes"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies. `der` is its SPKI; `kind` is `P-256`, `P-384`, `P-521`, `RSA` or `Ed25519`."""

    kind: str
    der: bytes = field(repr=False)
    _key: Verifying = field(repr=False, compare=False)

    @property
    def fingerprint(self) -> str:
        """The hexadecimal SHA-256 of the SPKI."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def hint(self) -> str:
        """What a bundle calls the key: the base64 of the SPKI's SHA-256."""
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode()

    @property
    def pem(self) -> str:
        """The text of a `cosign.pub`."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise `Rejected` unless `signature` over `message` was made with this key.

        P-384 and P-521 sign with the hash of their size or with SHA-256, all others with SHA-256; RSA with PKCS #1
        v1.5; Ed25519 in its pure form or, where PyNaCl is installed, in the one that hashes first.
        """
        if not any(_holds(check) for check in self._checks(signature, message)):
            raise Rejected(Reason.SIGNATURE, f"it was not made with the key {self.fingerprint[:12]} ({self.kind})")

    def _checks(self, signature: bytes, message: bytes) -> list[Callable[[], None]]:
        """Every way in which this key may have signed; each raises InvalidSignature where it did not."""
        key = self._key
        if isinstance(key, rsa.RSAPublicKey):
            return [partial(key.verify, signature, message, padding.PKCS1v15(), hashes.SHA256())]
        if isinstance(key, ed25519.Ed25519PublicKey):
            return [partial(key.verify, signature, message), partial(_verify_prehashed, key, signature, message)]
        return [partial(key.verify, signature, message, ec.ECDSA(each)) for each in _CURVES[key.curve.name][1]]


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that signs. Nothing of it can be printed or read back."""

    public: PublicKey
    _key: Signing = field(repr=False, compare=False)

    def sign(self, message: bytes) -> bytes:
        """A signature with SHA-256, which every verifier expects: of ECDSA as DER, of RSA with PKCS #1 v1.5."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The texts of a new `cosign.key` and its `cosign.pub`."""

    private: str = field(repr=False)
    public: str


def public_key(pem: str, name: str) -> PublicKey:
    """The key in a text of exactly one PEM block. Raises `trust.bad_key`, which calls it `name`."""
    label = _label(pem, name, _PUBLIC_ADVICE)
    if label != _PUBLIC:
        private = " (it is a private key: let nobody see it)" if "PRIVATE" in label else ""
        raise bad_key(name, f"its type is {label}, and {_PUBLIC} is wanted{private}", _PUBLIC_ADVICE)
    return spki(_der(pem, label, name, _PUBLIC_ADVICE), name)


def spki(der: bytes, name: str) -> PublicKey:
    """The key in the DER of a SubjectPublicKeyInfo. Raises `trust.bad_key`, which calls it `name`."""
    try:
        key = serialization.load_der_public_key(der)
    except _BROKEN:
        raise bad_key(name, "it holds no public key that can be read", _PUBLIC_ADVICE) from None
    found = _public(key, name)
    if found.der != der:  # else its fingerprint would not be the one that other programs show
        raise bad_key(name, "it is spelled otherwise than X.509 does", _PUBLIC_ADVICE)
    return found


def private_key(text: str, password: str | None, name: str = "sign.key") -> PrivateKey:
    """The key in the text of a `cosign.key` or of PKCS #8, plain or encrypted.

    No password is None: an empty one is a password. Raises `trust.bad_key`, which calls the key `name`.
    """
    label = _label(text, name, _PRIVATE_ADVICE)
    if label not in {_PLAIN, _ENCRYPTED, *cosignkey.LABELS}:
        raise bad_key(name, f"its type is {label}, which cannot sign", _PRIVATE_ADVICE)
    der = _der(text, label, name, _PRIVATE_ADVICE)
    if label == _PLAIN and password is not None:
        raise bad_key(name, "it is not encrypted, and a password is given", "give none, or the encrypted key")
    if label != _PLAIN and password is None:
        raise bad_key(name, "it is encrypted, and no password is given", "set `password` or COSIGN_PASSWORD")
    try:
        if label in cosignkey.LABELS:
            der, password = cosignkey.unwrap(der, password or ""), None
        key = serialization.load_der_private_key(der, None if password is None else password.encode())
    except Rejected as verdict:
        raise bad_key(name, f"it is no `cosign.key`: {verdict.text}", _PRIVATE_ADVICE) from None
    except _BROKEN:
        raise _unreadable(label, name) from None
    return _signing(key, name)


def needs_password(text: str) -> bool:
    """Whether a private key is encrypted, so that a password from the environment has an effect."""
    return any(f"-----BEGIN {label}-----" in text for label in (_ENCRYPTED, *cosignkey.LABELS))


def generate(password: str = "") -> KeyPair:
    """A new pair on P-256 as `cosign generate-key-pair` makes it, the private key encrypted with `password`."""
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return KeyPair(cosignkey.wrap(der, password), _public(key.public_key(), "new key").pem)


def _label(text: str, name: str, advice: str) -> str:
    """The type of the first PEM block."""
    if not text.strip():
        raise bad_key(name, "it is empty", advice)
    found = _LABEL.search(text[: strict.MAX_PEM_CHARACTERS])
    if not found:
        raise bad_key(name, "it is no PEM text", advice)
    return found[1]


def _der(text: str, label: str, name: str, advice: str) -> bytes:
    """The bytes of the only PEM block; blank lines around it and line ends of Windows are no fault."""
    try:
        return strict.pem(text.strip().replace("\r\n", "\n"), label, "it")
    except Rejected as verdict:
        raise bad_key(name, verdict.text, advice) from None


def _unreadable(label: str, name: str) -> TrustError:
    """A private key that does not open. Nobody can tell a wrong password from damage."""
    if label == _PLAIN:
        return bad_key(name, "it holds no private key that can be read", _PRIVATE_ADVICE)
    what = "the password is wrong, or the key is damaged"
    return bad_key(name, what, "check both; an empty password is another than none")


def _signing(key: PrivateKeyTypes, name: str) -> PrivateKey:
    public = _public(key.public_key(), name)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        what = f"{public.kind} keys cannot sign here: cosign does not verify its own signatures by them"
        raise bad_key(name, what, "make another pair with `cosign generate-key-pair`")
    return PrivateKey(public, key)


def _public(key: object, name: str) -> PublicKey:
    """The key with what is to be known of it, if it is one that is taken."""
    advice = "take P-256, as `cosign generate-key-pair` does"
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise bad_key(name, f"it is on the curve {key.curve.name}", advice)
        kind = _CURVES[key.curve.name][0]
    elif isinstance(key, rsa.RSAPublicKey):
        kind = "RSA"
        if key.key_size not in _MODULUS_BITS:
            raise bad_key(name, f"it is an RSA key of {key.key_size} bits, and not of 2048 to 8192", advice)
        if key.public_numbers().e not in _EXPONENTS:
            raise bad_key(name, "it is an RSA key whose exponent is not from 65537 to 2**31 - 1", advice)
    elif isinstance(key, ed25519.Ed25519PublicKey):
        kind = "Ed25519"
    else:
        raise bad_key(name, "it is of a kind that signs no artifacts", advice)
    return PublicKey(kind, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), key)


def _holds(check: Callable[[], None]) -> bool:
    try:
        check()
    except InvalidSignature:
        return False
    return True


def _verify_prehashed(key: ed25519.Ed25519PublicKey, signature: bytes, message: bytes) -> None:
    """Ed25519ph (RFC 8032, 5.1), which hashes with SHA-512 first: how cosign signs, and what `cryptography` lacks."""
    try:
        from nacl import bindings, exceptions  # noqa: PLC0415 - an extra that few have
    except ImportError:
        what = "it is no pure Ed25519 signature, and for cosign's Ed25519ph PyNaCl is missing: pip install pynacl"
        raise Rejected(Reason.UNSUPPORTED, what) from None
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, message)
    try:
        bindings.crypto_sign_ed25519ph_final_verify(state, signature, key.public_bytes_raw())
    except (exceptions.BadSignatureError, exceptions.TypeError):
        raise InvalidSignature from None
