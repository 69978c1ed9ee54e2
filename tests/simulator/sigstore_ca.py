# SPDX-License-Identifier: Apache-2.0
"""A certificate authority with a CT log, in memory: it issues what Fulcio would, and what Fulcio never must.

An `Order` says what a leaf is to hold. Its defaults make a good one; each other value is a fault of one kind.
"""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulator import sigstore_der as der

WORKFLOW = "https://github.com/org/app/.github/workflows/release.yml@refs/heads/main"
GITHUB = "https://token.actions.githubusercontent.com"
_FULCIO = "1.3.6.1.4.1.57264.1."
_SCTS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


@dataclass(frozen=True)
class Order:
    """What a leaf is to hold.

    `identities`: one SAN each; a URI where it has `://`, an e-mail where it has `@`, else Fulcio's user name.
    `issuer` goes into .1.8, `old_issuer` into .1.1 (None: the same one, "": left out). `extensions` holds further
    values by their last number, as UTF-8. `scts` is the number of SCTs, stamped `sct_delay` after the start.
    """

    identities: tuple[str, ...] = (WORKFLOW,)
    issuer: str = GITHUB
    old_issuer: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    scts: int = 1
    sct_delay: timedelta = timedelta()
    lifetime: timedelta = timedelta(minutes=10)
    digital_signature: bool = True
    code_signing: bool = True
    direct: bool = False  # signed by the root itself


def spki(key: PublicKey) -> bytes:
    """The DER of a public key."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pem(key: PublicKey) -> bytes:
    """The PEM of a public key."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def subject(common_name: str) -> x509.Name:
    """The name of a certificate of the fakes."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "fake.dev"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


class CtLog:
    """Stamps certificates: its word is an SCT."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = hashlib.sha256(spki(self.key.public_key())).digest()

    def stamp(self, tbs: bytes, issuer: x509.Certificate, at: datetime) -> bytes:
        """An SCT of a precertificate, as RFC 6962 3.2 and 3.3 have it, with its length in front."""
        milliseconds = int(at.timestamp() * 1000)
        known = hashlib.sha256(spki(_public(issuer))).digest()
        signed = struct.pack(">BBQH", 0, 0, milliseconds, 1) + known + len(tbs).to_bytes(3, "big") + tbs + bytes(2)
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        head = struct.pack(">B32sQH", 0, self.id, milliseconds, 0)
        stamp = head + b"\x04\x03" + struct.pack(">H", len(signature)) + signature
        return struct.pack(">H", len(stamp)) + stamp


class Authority:
    """A root and an intermediate, P-384, valid from a year ago for eleven; `issue` makes leaves."""

    def __init__(self, now: datetime, *, ends: timedelta = timedelta(days=3650)) -> None:
        self.ct = CtLog()
        self.root_key = ec.generate_private_key(ec.SECP384R1())
        self.key = ec.generate_private_key(ec.SECP384R1())
        start, end = now - timedelta(days=365), now + ends
        self.root = authority("root", self.root_key, None, start, end)
        self.intermediate = authority("intermediate", self.key, (self.root, self.root_key), start, end)

    @property
    def chain(self) -> tuple[x509.Certificate, x509.Certificate]:
        """The certificates above a leaf, nearest first."""
        return self.intermediate, self.root

    def issue(self, key: PublicKey, at: datetime, order: Order = Order()) -> x509.Certificate:
        """A leaf for `key`, valid from `at`."""
        signer, signer_key = (self.root, self.root_key) if order.direct else (self.intermediate, self.key)
        builder = _leaf(key, signer, at, order)
        if order.scts:
            tbs = builder.sign(signer_key, hashes.SHA384()).tbs_certificate_bytes
            stamps = b"".join(self.ct.stamp(tbs, signer, at + order.sct_delay) for _ in range(order.scts))
            value = der.tlv(der.OCTETS, struct.pack(">H", len(stamps)) + stamps)
            builder = builder.add_extension(x509.UnrecognizedExtension(_SCTS, value), critical=False)
        return builder.sign(signer_key, hashes.SHA384())


def authority(
    common_name: str,
    key: ec.EllipticCurvePrivateKey,
    above: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    start: datetime,
    end: datetime,
) -> x509.Certificate:
    """A CA certificate: a root if nothing is `above` it, else an intermediate for code signing."""
    issuer = above[0].subject if above else subject(common_name)
    signer = above[1] if above else key
    builder = (
        certificate(subject(common_name), issuer, key.public_key(), start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0 if above else 1), critical=True)
        .add_extension(usage(certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if above:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return builder.sign(signer, hashes.SHA384())


def certificate(
    named: x509.Name, issuer: x509.Name, key: PublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    """The begin of any certificate."""
    return (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def usage(*, digital_signature: bool = False, certificates: bool = False) -> x509.KeyUsage:
    """What a key is for."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=not digital_signature and not certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _leaf(key: PublicKey, signer: x509.Certificate, at: datetime, order: Order) -> x509.CertificateBuilder:
    purpose = ExtendedKeyUsageOID.CODE_SIGNING if order.code_signing else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        certificate(x509.Name([]), signer.subject, key, at, at + order.lifetime)
        .add_extension(usage(digital_signature=order.digital_signature), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(_public(signer)), critical=False)
        .add_extension(x509.SubjectAlternativeName([*map(_general, order.identities)]), critical=True)
    )
    old = order.issuer if order.old_issuer is None else order.old_issuer
    values = {"1": old.encode(), "8": der.utf8(order.issuer) if order.issuer else b""}
    values |= {number: der.utf8(text) for number, text in order.extensions.items()}
    for number, value in values.items():
        if value:
            kind = x509.ObjectIdentifier(_FULCIO + number)
            builder = builder.add_extension(x509.UnrecognizedExtension(kind, value), critical=False)
    return builder


def _general(identity: str) -> x509.GeneralName:
    if "://" in identity:
        return x509.UniformResourceIdentifier(identity)
    if "@" in identity:
        return x509.RFC822Name(identity)
    return x509.OtherName(x509.ObjectIdentifier(_FULCIO + "7"), der.utf8(identity))


def _public(held: x509.Certificate) -> PublicKey:
    key = held.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key
