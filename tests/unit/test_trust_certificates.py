# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.certificates: whom a certificate names, and who vouches for it.

Certificates that lie are among the files of tests/trust/assets; here are those that are hard to read.
"""

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from kubeoci.trust import certificates, roots
from kubeoci.trust.certificates import Identity, Leaf
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.roots import TrustedRoot
from simulator.sigstore import Sigstore
from simulator.sigstore_ca import GITHUB, WORKFLOW, Order

KEY = ec.generate_private_key(ec.SECP256R1())
FULCIO = "1.3.6.1.4.1.57264.1."
SIGSTORE = Sigstore()
Extension = x509.ExtensionType


def root() -> TrustedRoot:
    """What is trusted."""
    return roots.read(json.dumps(SIGSTORE.trusted_root()), source="test", is_users=True)


def issued(order: Order) -> Leaf:
    """A leaf of the authority."""
    certificate = SIGSTORE.authority.issue(KEY.public_key(), SIGSTORE.clock, order)
    return certificates.read(certificate.public_bytes(Encoding.DER))


def made(extensions: Sequence[Extension]) -> Leaf:
    """A certificate with just these extensions, signed by itself."""
    nobody, start = x509.Name([]), SIGSTORE.clock
    builder = x509.CertificateBuilder(nobody, nobody, KEY.public_key(), 1, start, start + timedelta(minutes=10))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return certificates.read(builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER))


def fulcio(number: str, value: bytes) -> x509.UnrecognizedExtension:
    """One of Fulcio's own extensions."""
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(FULCIO + number), value)


def named(*names: x509.GeneralName) -> x509.SubjectAlternativeName:
    """The subjects of a certificate."""
    return x509.SubjectAlternativeName(names)


def user(value: bytes, number: str = "7") -> x509.OtherName:
    """A user name as Fulcio writes it."""
    return x509.OtherName(x509.ObjectIdentifier(FULCIO + number), value)


@pytest.mark.parametrize("subject", [WORKFLOW, "ann@example.com", "ann!example.com"])
def test_identities(subject: str) -> None:
    """A URI, an address or a user name; further extensions are texts by their identifiers."""
    leaf = issued(Order(identities=(subject,), extensions={"12": "https://github.com/org/app"}))
    assert Identity(subject, GITHUB, {f"{FULCIO}12": "https://github.com/org/app"}) == certificates.identity(leaf)


def test_a_long_text() -> None:
    """DER writes lengths from 128 on in another way."""
    leaf = issued(Order(identities=("ann",), issuer=f"https://issuer.example/{'a' * 300}"))
    assert certificates.identity(leaf).issuer.endswith("a" * 300)


def test_old_extensions_are_bare_texts() -> None:
    """The first six have no type."""
    leaf = made([named(user(b"\x0c\x01a")), fulcio("1", b"https://issuer"), fulcio("5", b"org/app")])
    assert Identity("a", "https://issuer", {f"{FULCIO}5": "org/app"}) == certificates.identity(leaf)


@pytest.mark.parametrize(
    "value",
    [b"", b"\x0c", b"\x0c\x02a", b"\x0c\x01ab", b"\x16\x01a", b"\x0c\x81\x01a", b"\x0c\x82\x00\x80" + b"a" * 128,
     b"\x0c\x80", b"\x0c\x84", b"\x0c\x01\xff"],
)  # fmt: skip
def test_texts_that_are_none(value: bytes) -> None:
    """Cut off, too long, of another type, with a length in another spelling, no UTF-8: two readers would differ."""
    with pytest.raises(Rejected, match=r"the issuer in .*\.8 is no text") as caught:
        certificates.identity(made([named(user(b"\x0c\x01a")), fulcio("8", value)]))
    assert Reason.IDENTITY == caught.value.reason
    leaf = made([named(user(b"\x0c\x01a")), fulcio("1", b"i"), fulcio("9", value)])
    assert {} == certificates.identity(leaf).extensions


@pytest.mark.parametrize(
    ("extensions", "told"),
    [
        ([], "names none"),
        ([fulcio("1", b"")], "names none"),
        ([fulcio("1", b"i")], "names 0"),
        ([fulcio("1", b"\xff")], r"the issuer in .*\.1 is no text"),
        ([fulcio("1", b"i"), named(x509.DNSName("a.example"))], "no e-mail address, URI or user name"),
        ([fulcio("1", b"i"), named(user(b"\x0c\x01a", "6"))], "no e-mail address, URI or user name"),
        ([fulcio("1", b"i"), named(user(b"\x16\x01a"))], "no e-mail address, URI or user name"),
    ],
    ids=range(7),
)
def test_certificates_that_name_nobody(extensions: Sequence[Extension], told: str) -> None:
    """No issuer, no subject, or one of another kind."""
    with pytest.raises(Rejected, match=told) as caught:
        certificates.identity(made(extensions))
    assert Reason.IDENTITY == caught.value.reason


@pytest.mark.parametrize("der", [b"", b"junk", b"\x30\x82"])
def test_bytes_that_are_no_certificate(der: bytes) -> None:
    """A verdict, and no other exception."""
    with pytest.raises(Rejected, match="the certificate cannot be read") as caught:
        certificates.read(der)
    assert Reason.MALFORMED == caught.value.reason


def test_a_certificate_that_does_not_say_what_it_is_for() -> None:
    """Signing code has to be named."""
    for extensions in ([], [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])]):
        with pytest.raises(Rejected, match="does not say what it is for") as caught:
            certificates.check_usage(made(extensions))
        assert Reason.CHAIN == caught.value.reason


def test_issuers() -> None:
    """The intermediate of the trusted authority, or its root."""
    chain = SIGSTORE.authority.chain
    found = [certificates.issuer(issued(Order(direct=on)), root().authorities, SIGSTORE.clock) for on in (False, True)]
    assert list(chain) == found


def test_an_authority_beside_the_right_one_does_no_harm() -> None:
    """Whichever issued it counts, and one that is over is told."""
    other = roots.read(json.dumps(Sigstore().trusted_root()), source="test", is_users=True)
    both = [*other.authorities, *root().authorities]
    assert SIGSTORE.authority.intermediate == certificates.issuer(issued(Order()), both, SIGSTORE.clock)
    with pytest.raises(Rejected, match="an authority does not count at that time"):
        certificates.issuer(issued(Order()), both, SIGSTORE.clock - timedelta(days=400))
    with pytest.raises(Rejected, match="no authority is trusted"):
        certificates.issuer(issued(Order()), [], SIGSTORE.clock)


@pytest.mark.parametrize("count", [1, 2, 8])
def test_one_timestamp_of_several_is_enough(count: int) -> None:
    """Of eight at most."""
    certificates.check_scts(issued(Order(scts=count)), SIGSTORE.authority.intermediate, root().ct_logs)


@pytest.mark.parametrize(("count", "reason"), [(0, Reason.SCT), (9, Reason.LIMIT)])
def test_timestamps_that_are_too_few_or_too_many(count: int, reason: Reason) -> None:
    """None, and more than are looked at."""
    with pytest.raises(Rejected) as caught:
        certificates.check_scts(issued(Order(scts=count)), SIGSTORE.authority.intermediate, root().ct_logs)
    assert reason == caught.value.reason


def test_a_timestamp_is_bound_to_the_issuer() -> None:
    """One for a certificate of somebody else is none."""
    with pytest.raises(Rejected, match=r"none of the certificate's timestamps \(1\)"):
        certificates.check_scts(issued(Order()), SIGSTORE.authority.root, root().ct_logs)


def test_signatures() -> None:
    """Those of its key, with SHA-256."""
    leaf = issued(Order())
    leaf.verify(KEY.sign(b"message", ec.ECDSA(hashes.SHA256())), b"message")
    for signature in (KEY.sign(b"message", ec.ECDSA(hashes.SHA384())), b"", b"junk"):
        with pytest.raises(Rejected) as caught:
            leaf.verify(signature, b"message")
        assert Reason.SIGNATURE == caught.value.reason
