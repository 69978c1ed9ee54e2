# SPDX-License-Identifier: Apache-2.0
"""The certificates of test servers on loopback and of a token service, valid for a day."""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_SERVER_AND_CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
_LOOPBACK = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")])


def write_all(folder: Path) -> None:
    """Write `ca.crt`, `server.crt|key`, `admin.crt|key` (group system:masters) and `sa.key|pub` as PEM."""
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = _name("kubeoci test authority")
    root = _unsigned(issuer, issuer, authority.public_key())
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    _write_certificate(folder / "ca.crt", root.sign(authority, SHA256()))
    for stem, subject in (("server", _name("kube-apiserver")), ("admin", _name("admin", "system:masters"))):
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _unsigned(subject, issuer, key.public_key())
        leaf = leaf.add_extension(_SERVER_AND_CLIENT, critical=False).add_extension(_LOOPBACK, critical=False)
        _write_certificate(folder / f"{stem}.crt", leaf.sign(authority, SHA256()))
        _write_key(folder / f"{stem}.key", key)
    accounts = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder / "sa.key", accounts)
    public = accounts.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "sa.pub").write_bytes(public)


def write_signer(folder: Path) -> None:
    """Write `signer.crt|key`: an RSA key that signs tokens, and its self-signed certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = _name("kubeoci token service")
    _write_certificate(folder / "signer.crt", _unsigned(subject, subject, key.public_key()).sign(key, SHA256()))
    _write_key(folder / "signer.key", key)


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
