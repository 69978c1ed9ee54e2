# SPDX-License-Identifier: Apache-2.0
"""The certificate of a keyless signature: whom it names, who issued it, and which log has seen it.

Rules are those of sigstore's client specification; where one value could be read in two ways, we refuse it.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import verification
from cryptography.x509.certificate_transparency import SignedCertificateTimestamp
from cryptography.x509.oid import ExtendedKeyUsageOID

from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.roots import Authority, TrustedLog

MAX_SCTS = 8

_FULCIO = "1.3.6.1.4.1.57264.1."
_OLD_ISSUER, _ISSUER, _USER = f"{_FULCIO}1", f"{_FULCIO}8", f"{_FULCIO}7"
_RAW = frozenset(f"{_FULCIO}{number}" for number in range(1, 7))
"""Fulcio's first extensions are bare UTF-8, all later ones UTF8String."""
_UTF8_STRING = 0x0C
_LONG_FORM = 0x80
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BROKEN = (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType)


@dataclass(frozen=True, slots=True)
class Leaf:
    """The certificate that a signature came with, read and judged by nobody yet."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePublicKey
    extensions: x509.Extensions

    @property
    def der(self) -> bytes:
        """All of it."""
        return self.certificate.public_bytes(Encoding.DER)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise `Rejected` (`signature`) unless its key made `signature`, with SHA-256 as cosign and sigstore do."""
        try:
            self.key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Rejected(Reason.SIGNATURE, "it was not made with the key of its certificate") from None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate names. `extensions` are Fulcio's others, by object identifier, as far as they are texts."""

    subject: str
    issuer: str
    extensions: Mapping[str, str]


def read(der: bytes) -> Leaf:
    """The certificate in `der`. Raises `Rejected`: `malformed`, or `unsupported` for other keys than ECDSA."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        key, extensions = certificate.public_key(), certificate.extensions
    except (*_BROKEN, UnsupportedAlgorithm):
        raise Rejected(Reason.MALFORMED, "the certificate cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Rejected(Reason.UNSUPPORTED, "the certificate's key is not ECDSA")
    return Leaf(certificate, key, extensions)


def identity(leaf: Leaf) -> Identity:
    """Whom it names. Raises `Rejected` (`identity`) unless it has one subject and one issuer."""
    values = {
        each.oid.dotted_string: each.value.value
        for each in leaf.extensions
        if isinstance(each.value, x509.UnrecognizedExtension) and each.oid.dotted_string.startswith(_FULCIO)
    }
    texts = {name: text for name, value in values.items() if (text := _text(name, value)) is not None}
    if unreadable := sorted({_OLD_ISSUER, _ISSUER} & values.keys() - texts.keys()):
        raise Rejected(Reason.IDENTITY, f"the issuer in {unreadable[0]} is no text")
    issuers = {texts[name] for name in (_OLD_ISSUER, _ISSUER) if texts.get(name)}
    if len(issuers) != 1:
        told = " and ".join(map(repr, sorted(issuers))) or "none"
        raise Rejected(Reason.IDENTITY, f"the certificate has to name one issuer, and names {told:.300}")
    others = {name: text for name, text in texts.items() if name not in {_OLD_ISSUER, _ISSUER}}
    return Identity(_subject(leaf), issuers.pop(), others)


def check_usage(leaf: Leaf) -> None:
    """It may sign code. Raises `Rejected` (`chain`)."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise Rejected(Reason.CHAIN, "the certificate does not say what it is for") from None
    if not usage.digital_signature:
        raise Rejected(Reason.CHAIN, "the certificate's key is not for signatures")
    if ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise Rejected(Reason.CHAIN, "the certificate is not for signing code")


def issuer(leaf: Leaf, authorities: Iterable[Authority], time: datetime) -> x509.Certificate:
    """Who issued it, as valid at `time` up to the root of an authority that counts then.

    Raises `Rejected` (`chain`). What chain the signature brings along is of no interest.
    """
    verdicts = []
    for authority in authorities:
        if not authority.holds(time):
            verdicts.append("an authority does not count at that time")
            continue
        try:
            return _verifier(authority, time).verify(leaf.certificate, list(authority.chain[:-1])).chain[1]
        except (verification.VerificationError, *_BROKEN) as error:
            verdicts.append(str(error))
    told = "; ".join(dict.fromkeys(verdicts)) or "no authority is trusted"
    raise Rejected(Reason.CHAIN, f"the certificate was not issued by a trusted authority at {time:%FT%TZ}: {told:.500}")


def check_scts(leaf: Leaf, issued_by: x509.Certificate, logs: Iterable[TrustedLog]) -> None:
    """A trusted log has seen it, in a time at which the log's word counts. Raises `Rejected` (`sct`, `limit`)."""
    try:
        stamps = list(leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value)
    except x509.ExtensionNotFound:
        raise Rejected(Reason.SCT, "the certificate has no certificate timestamp") from None
    if len(stamps) > MAX_SCTS:
        raise Rejected(Reason.LIMIT, f"the certificate has {len(stamps)} timestamps, {MAX_SCTS} are looked at")
    known = list(logs)
    if not any(_is_seen(leaf, stamp, issued_by, known) for stamp in stamps):
        what = f"none of the certificate's timestamps ({len(stamps)}) is by a log that is trusted at its time"
        raise Rejected(Reason.SCT, what)


def _subject(leaf: Leaf) -> str:
    """The only name: an e-mail address, a URI, or a user name as Fulcio writes it."""
    try:
        names = list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    if len(names) != 1:
        raise Rejected(Reason.IDENTITY, f"the certificate has to name one subject, and names {len(names)}")
    name = names[0]
    if isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier):
        return name.value
    is_user = isinstance(name, x509.OtherName) and name.type_id.dotted_string == _USER
    if is_user and (text := _utf8_string(name.value)) is not None:
        return text
    raise Rejected(Reason.IDENTITY, "the certificate's subject is no e-mail address, URI or user name")


def _text(name: str, value: bytes) -> str | None:
    return _decoded(value) if name in _RAW else _utf8_string(value)


def _utf8_string(der: bytes) -> str | None:
    """The text of a DER UTF8String with nothing behind it; None for anything else."""
    if len(der) < 2 or der[0] != _UTF8_STRING:  # noqa: PLR2004 - tag and length
        return None
    size, start = der[1], 2
    if size >= _LONG_FORM:
        start += size - _LONG_FORM
        digits = der[2:start]
        size = int.from_bytes(digits, "big")
        if size < _LONG_FORM or digits[0] == 0:  # DER has one spelling of a length
            return None
    return _decoded(der[start:]) if len(der) == start + size else None


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _verifier(authority: Authority, time: datetime) -> verification.ClientVerifier:
    """X.509 path validation, but for the extended key usage: it would ask for that of TLS clients."""
    policy = verification.ExtensionPolicy
    own = x509.ExtendedKeyUsage, verification.Criticality.NON_CRITICAL, None
    builder = verification.PolicyBuilder().store(verification.Store([authority.chain[-1]])).time(time)
    builder = builder.extension_policies(
        ca_policy=policy.webpki_defaults_ca().may_be_present(*own),
        ee_policy=policy.webpki_defaults_ee().may_be_present(*own),
    )
    return builder.build_client_verifier()


def _is_seen(
    leaf: Leaf, stamp: SignedCertificateTimestamp, issued_by: x509.Certificate, logs: Iterable[TrustedLog]
) -> bool:
    time = stamp.timestamp.replace(tzinfo=UTC)
    signed = _stamped(leaf, stamp, issued_by, (time - _EPOCH) // timedelta(milliseconds=1))
    return any(log.id == stamp.log_id and log.holds(time) and log.signed(stamp.signature, signed) for log in logs)


def _stamped(leaf: Leaf, stamp: SignedCertificateTimestamp, issued_by: x509.Certificate, milliseconds: int) -> bytes:
    """What a log signs: RFC 6962 3.2, for a certificate without its timestamps."""
    key = issued_by.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    body = leaf.certificate.tbs_precertificate_bytes
    head = struct.pack(">BBQH", 0, 0, milliseconds, 1) + hashlib.sha256(key).digest()
    more = stamp.extension_bytes
    return head + len(body).to_bytes(3, "big") + body + struct.pack(">H", len(more)) + more
