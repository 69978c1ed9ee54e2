# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.simplesigning: our payload and config are cosign's, byte for byte; another payload does not hold."""

import base64
import hashlib
import json

import pytest

from kubeoci import digest
from kubeoci.digest import Digest
from kubeoci.trust import simplesigning
from kubeoci.trust.claims import Claims
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.material import LegacySignature, LogEntry
from kubeoci.trust.simplesigning import BUNDLE, CERTIFICATE, SIGNATURE, check

DIGEST = Digest("sha256:" + "ab" * 32)
NAME = "ghcr.io/org/app"
PAYLOAD = simplesigning.payload(DIGEST, NAME)
PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
ENTRY = LogEntry(7810348, b"\x01\xff", 1669361833, b"set", b"body")


def claims(**fields: object) -> Claims:
    """That the payload is about our digest, and more."""
    return Claims(DIGEST, (), **fields)  # type: ignore[arg-type]


def verdict(raw: bytes, wanted: Claims) -> Reason | None:
    """The reason against it; None where it holds."""
    try:
        check(raw, wanted)
    except Rejected as rejected:
        return rejected.reason
    return None


def changed(path: str, value: object) -> bytes:
    """The payload with another member at `path`."""
    found = json.loads(PAYLOAD)
    *parents, last = path.split(".")
    place = found
    for name in parents:
        place = place[name]
    place[last] = value
    return json.dumps(found).encode()


def test_payload_and_config_are_those_of_cosign() -> None:
    """The golden values: sizes and hashes of what real signatures have."""
    config = simplesigning.config([digest.of(PAYLOAD)])
    expected = [
        (231, "3f6a6fc0547f8996f6e803274507bdce3013e6546d6cee5985f83ed34aa9f372"),
        (233, "90b206ed7d08da6e862f9c596e13acbf2ddb6203c41accbc18af5f1ea287184e"),
    ]
    assert expected == [(len(raw), hashlib.sha256(raw).hexdigest()) for raw in (PAYLOAD, config)]
    assert 451 == len(simplesigning.config([DIGEST] * 3))


def test_annotations_are_sorted() -> None:
    """Equal annotations are equal bytes; none are null."""
    raw = simplesigning.payload(DIGEST, NAME, {"b": "ü", "a": "1"})
    assert raw.endswith('"optional":{"a":"1","b":"ü"}}'.encode())
    assert PAYLOAD.endswith(b'"optional":null}')
    assert simplesigning.payload(DIGEST, NAME, {}) == PAYLOAD


def test_tag_of_a_digest() -> None:
    """Where everybody looks."""
    assert f"sha256-{'ab' * 32}.sig" == simplesigning.tag(DIGEST)


@pytest.mark.parametrize(
    ("expected", "notes"),
    [
        (LegacySignature(PAYLOAD, b"sig"), simplesigning.annotations(b"sig")),
        (LegacySignature(PAYLOAD, b"sig", b"ABC"), simplesigning.annotations(b"sig", certificate=PEM, chain="any")),
        (
            LegacySignature(PAYLOAD, b"sig", b"ABC", ENTRY),
            simplesigning.annotations(b"sig", certificate=PEM, entry=ENTRY),
        ),
        (
            LegacySignature(PAYLOAD, b"sig"),
            simplesigning.annotations(b"sig") | {CERTIFICATE: "", BUNDLE: "", "other": "x"},
        ),
    ],
)
def test_what_is_written_is_read(expected: LegacySignature, notes: dict[str, str]) -> None:
    """Annotations come back as the signature that they were made from; empty ones are as good as none."""
    assert expected == simplesigning.read(PAYLOAD, notes)


def test_annotations_have_the_spelling_of_cosign() -> None:
    """One for a key; four for an identity, the entry as JSON with the names that Rekor gave them."""
    notes = simplesigning.annotations(b"sig", certificate=PEM, chain=PEM, entry=ENTRY)
    payload = '{"body":"Ym9keQ==","integratedTime":1669361833,"logID":"01ff","logIndex":7810348}'
    expected = {
        "dev.cosignproject.cosign/signature": "c2ln",
        "dev.sigstore.cosign/certificate": PEM,
        "dev.sigstore.cosign/chain": PEM,
        "dev.sigstore.cosign/bundle": f'{{"SignedEntryTimestamp":"c2V0","Payload":{payload}}}',
    }
    assert (expected, payload) == (notes, simplesigning.promised(ENTRY).decode())
    assert {"dev.cosignproject.cosign/signature": "c2ln"} == simplesigning.annotations(b"sig")


def bundle(**members: object) -> str:
    """The annotation with other members of its payload."""
    found = json.loads(simplesigning.annotations(b"s", entry=ENTRY)[BUNDLE])
    found["Payload"] |= members
    return json.dumps(found)


@pytest.mark.parametrize(
    "notes",
    [
        {},
        {SIGNATURE: ""},
        {SIGNATURE: "c2ln\n"},
        {SIGNATURE: "c2lo="},
        {CERTIFICATE: base64.b64encode(b"der").decode()},
        {CERTIFICATE: PEM + PEM},
        {CERTIFICATE: PEM.replace("CERTIFICATE", "PUBLIC KEY")},
        {BUNDLE: "null"},
        {BUNDLE: "{}"},
        {BUNDLE: "\ud800"},
        {CERTIFICATE: PEM.replace("QUJD", "QUJ\ud800")},
        {SIGNATURE: "\ud800"},
        {BUNDLE: bundle(more=1)},
        {BUNDLE: bundle(integratedTime=1.0)},
        {BUNDLE: bundle(integratedTime="1")},
        {BUNDLE: bundle(logIndex=True)},
        {BUNDLE: bundle(logIndex=-1)},
        {BUNDLE: bundle(logIndex=None)},
        {BUNDLE: bundle(logID="AB")},
        {BUNDLE: bundle(body="")},
        {BUNDLE: bundle().replace("Payload", "payload")},
        {BUNDLE: bundle().replace('"body"', '"Body":"YQ==","body"')},
    ],
)
def test_other_annotations_are_malformed(notes: dict[str, str]) -> None:
    """Whatever is there has the one shape that it can have."""
    start = {SIGNATURE: "c2ln"} if notes and SIGNATURE not in notes else {}
    with pytest.raises(Rejected) as caught:
        simplesigning.read(PAYLOAD, start | notes)
    assert Reason.MALFORMED == caught.value.reason


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (PAYLOAD, claims()),
        (PAYLOAD, claims(reference=NAME)),
        (changed("optional", {"a": "1", "creator": {"x": None}}), claims(annotations={"a": "1"})),
        (changed("optional", {}), claims()),
        (PAYLOAD.replace(b',"optional":null', b""), claims()),
    ],
)
def test_payload_holds(raw: bytes, wanted: Claims) -> None:
    """Optional members are anybody's; a reference counts where one is claimed."""
    assert verdict(raw, wanted) is None


@pytest.mark.parametrize(
    ("reason", "raw", "wanted"),
    [
        (Reason.MALFORMED, b"", claims()),
        (Reason.MALFORMED, changed("critical.more", 1), claims()),
        (Reason.MALFORMED, changed("more", 1), claims()),
        (Reason.MALFORMED, changed("critical.type", None), claims()),
        (Reason.MALFORMED, changed("critical.image", DIGEST), claims()),
        (Reason.MALFORMED, PAYLOAD.replace(b"docker-manifest", b"Docker-manifest"), claims()),
        (Reason.MALFORMED, PAYLOAD.replace(b'"image"', b'"Image":{},"image"'), claims()),
        (Reason.MALFORMED, changed("optional", []), claims()),
        (Reason.TYPE, changed("critical.type", "atomic container signature"), claims()),
        (Reason.TYPE, changed("critical.type", "Cosign container image signature"), claims()),
        (Reason.DIGEST, PAYLOAD.replace(b"abab", b"ABAB"), claims()),
        (Reason.DIGEST, PAYLOAD.replace(b"abab", b"cdcd"), claims()),
        (Reason.REFERENCE, PAYLOAD, claims(reference="ghcr.io/org/other")),
        (Reason.REFERENCE, PAYLOAD, claims(reference="")),
        (Reason.ANNOTATION, PAYLOAD, claims(annotations={"a": "1"})),
        (Reason.ANNOTATION, changed("optional", {"a": 1}), claims(annotations={"a": "1"})),
    ],
)
def test_payload_does_not_hold(reason: Reason, raw: bytes, wanted: Claims) -> None:
    """Each with the reason that people search for."""
    assert reason == verdict(raw, wanted)
