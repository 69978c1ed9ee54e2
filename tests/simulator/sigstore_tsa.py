# SPDX-License-Identifier: Apache-2.0
"""A time stamp authority in memory: RFC 3161 answers, written by hand."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from simulator import sigstore_der as der
from simulator.sigstore_ca import certificate, subject, usage

_SHA256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))
_ECDSA_SHA256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))
_TST_INFO = der.oid("1.2.840.113549.1.9.16.1.4")
_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE = der.oid("1.2.840.113549.1.9.16.2.47")
_POLICY = der.oid("1.2.3.4.1")
_FIRST = 0xA0


@dataclass(frozen=True)
class Query:
    """What a client asks for: a SHA-256, and a number to find in the answer (None: no number)."""

    digest: bytes
    nonce: int | None = None

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """From the DER of a TimeStampReq."""
        _version, (_, imprint), *rest = der.parts(der.parts(raw)[0][1])
        numbers = [int.from_bytes(value, "big") for tag, value in rest if tag == der.INTEGER]
        return cls(der.parts(imprint)[1][1], *numbers)


class TimeStamper:
    """A leaf under a root of its own, both P-256."""

    def __init__(self, now: datetime) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        root_key = ec.generate_private_key(ec.SECP256R1())
        start, end = now - timedelta(days=365), now + timedelta(days=3650)
        named = subject("tsa root")
        self.root = (
            certificate(named, named, root_key.public_key(), start, end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage(certificates=True), critical=True)
            .sign(root_key, hashes.SHA256())
        )
        self.leaf = (
            certificate(subject("tsa"), named, self.key.public_key(), start, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            .sign(root_key, hashes.SHA256())
        )
        self.serial = 0

    @property
    def chain(self) -> tuple[x509.Certificate, x509.Certificate]:
        """Leaf and root."""
        return self.leaf, self.root

    def stamp(self, query: Query, at: datetime) -> bytes:
        """The DER of a TimeStampResp that says yes."""
        self.serial += 1
        nonce = b"" if query.nonce is None else der.integer(query.nonce)
        imprint = der.sequence(_SHA256, der.tlv(der.OCTETS, query.digest))
        when = der.tlv(der.TIME, at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())
        info = der.sequence(der.integer(1), _POLICY, imprint, der.integer(self.serial), when, nonce)
        content = der.sequence(_TST_INFO, der.tlv(_FIRST, der.tlv(der.OCTETS, info)))
        held = der.tlv(_FIRST, self.leaf.public_bytes(serialization.Encoding.DER))
        signers = der.tlv(der.SET, self._signer(info))
        signed = der.sequence(der.integer(3), der.tlv(der.SET, _SHA256), content, held, signers)
        status = der.sequence(der.integer(0))
        return der.sequence(status, der.sequence(_SIGNED_DATA, der.tlv(_FIRST, signed)))

    def _signer(self, info: bytes) -> bytes:
        """The SignerInfo over signed attributes, which are sorted as DER wants it."""
        own = hashlib.sha256(self.leaf.public_bytes(serialization.Encoding.DER)).digest()
        attributes = sorted(
            [
                _attribute(_CONTENT_TYPE, _TST_INFO),
                _attribute(_MESSAGE_DIGEST, der.tlv(der.OCTETS, hashlib.sha256(info).digest())),
                _attribute(_SIGNING_CERTIFICATE, der.sequence(der.sequence(der.sequence(der.tlv(der.OCTETS, own))))),
            ]
        )
        signature = self.key.sign(der.tlv(der.SET, *attributes), ec.ECDSA(hashes.SHA256()))
        who = der.sequence(self.leaf.issuer.public_bytes(), der.integer(self.leaf.serial_number))
        stated = der.tlv(_FIRST, *attributes)
        return der.sequence(der.integer(1), who, _SHA256, stated, _ECDSA_SHA256, der.tlv(der.OCTETS, signature))


def _attribute(kind: bytes, value: bytes) -> bytes:
    return der.sequence(kind, der.tlv(der.SET, value))
