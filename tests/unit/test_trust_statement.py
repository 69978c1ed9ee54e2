# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.statement: what we sign is what cosign signs, and a statement about something else does not hold."""

import hashlib
import json

import pytest

from kubeoci.digest import Digest
from kubeoci.trust import statement
from kubeoci.trust.claims import Claims
from kubeoci.trust.evidence import Reason, Rejected

HEX = "ab" * 32
DIGEST = Digest(f"sha256:{HEX}")
CLAIMS = Claims(DIGEST, (statement.SIGN,))
OURS = {"digest": {"sha256": HEX}}
OTHER = {"digest": {"sha256": "cd" * 32}}


def payload(**members: object) -> bytes:
    """The statement that holds, with other members; None leaves one out."""
    fields = json.loads(statement.build(DIGEST)) | members
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def verdict(raw: bytes, claims: Claims) -> Reason | None:
    """The reason against it; None where it holds."""
    try:
        statement.check(raw, claims)
    except Rejected as rejected:
        return rejected.reason
    return None


def subject(**members: object) -> bytes:
    """A statement whose one subject has other members."""
    return payload(subject=[OURS | members])


def test_statement_and_encoding_are_those_of_cosign() -> None:
    """The golden values: 213 bytes, and the hash of what is signed."""
    built = statement.build(DIGEST)
    encoded = hashlib.sha256(statement.pae(built)).hexdigest()
    expected = (213, "cc06fe7b0e6205ac2e84b149fd7dc7d5d18afcab2d875569c1b9872ff2761c5b")
    assert expected == (len(built), encoded)


def test_lengths_are_those_of_bytes() -> None:
    """The encoding of a type and a payload with more bytes than characters."""
    assert "DSSEv1 2 é 3 €".encode() == statement.pae("€".encode(), "é")


def test_name_and_annotations_are_in_the_subject() -> None:
    """Annotations are sorted, so that equal ones are equal bytes."""
    digest = json.dumps({"sha256": HEX}, separators=(",", ":"))
    expected = f'"subject":[{{"name":"r.test/app","digest":{digest},"annotations":{{"a":"1","b":"ü"}}}}]'
    assert expected in statement.build(DIGEST, name="r.test/app", annotations={"b": "ü", "a": "1"}).decode()


@pytest.mark.parametrize(
    ("raw", "claims"),
    [
        (payload(), CLAIMS),
        (payload(predicate=None), CLAIMS),
        (payload(_type="https://in-toto.io/Statement/v0.1"), CLAIMS),
        (payload(predicate={"deep": [None, {"x": 0.5}]}), CLAIMS),
        (payload(predicateType="https://slsa.dev/provenance/v1"), Claims(DIGEST, ("https://slsa.dev/provenance/v1",))),
        (payload(subject=[OTHER, OURS]), CLAIMS),
        (payload(subject=[OTHER] * 999 + [OURS]), CLAIMS),
        (subject(name="app", annotations={"a": "1", "b": 2}), Claims(DIGEST, CLAIMS.predicates, {"a": "1"}, "app")),
        (payload(subject=[OURS, OURS | {"name": "app"}]), Claims(DIGEST, CLAIMS.predicates, {}, "app")),
    ],
)
def test_statement_holds(raw: bytes, claims: Claims) -> None:
    """Other subjects, unknown members and any predicate do not matter where nothing is claimed of them."""
    assert verdict(raw, claims) is None


@pytest.mark.parametrize(
    ("reason", "raw"),
    [
        (Reason.MALFORMED, b"[]"),
        (Reason.MALFORMED, payload(_type=1)),
        (Reason.MALFORMED, payload(predicateType=None)),
        (Reason.MALFORMED, payload(subject=OURS)),
        (Reason.MALFORMED, payload(subject=[HEX])),
        (Reason.MALFORMED, payload(subject=[{"digest": HEX}])),
        (Reason.MALFORMED, payload(subject=[{}])),
        (Reason.MALFORMED, payload().replace(b'"subject"', b'"Subject":[],"subject"')),
        (Reason.MALFORMED, subject(name=None)),
        (Reason.MALFORMED, subject(annotations=None)),
        (Reason.MALFORMED, payload().replace(b'"subject"', b'"Subject"')),
        (Reason.TYPE, payload(_type="https://in-toto.io/Statement/v2")),
        (Reason.PREDICATE, payload(predicateType="https://slsa.dev/provenance/v1")),
        (Reason.PREDICATE, payload(predicateType="https://sigstore.dev/cosign/sign/v1\n")),
        (Reason.DIGEST, payload(subject=[])),
        (Reason.DIGEST, payload(subject=[OTHER])),
        (Reason.DIGEST, payload(subject=[{"digest": {"sha512": HEX}}])),
        (Reason.DIGEST, payload(subject=[{"digest": {"sha256": HEX.upper()}}])),
        (Reason.DIGEST, payload(subject=[{"digest": {"sha256": [HEX]}}])),
        (Reason.LIMIT, payload(subject=[OURS] * 1001)),
    ],
)
def test_statement_does_not_hold(reason: Reason, raw: bytes) -> None:
    """Each with the reason that people search for."""
    assert reason == verdict(raw, CLAIMS)


@pytest.mark.parametrize(
    ("reason", "claims"),
    [
        (Reason.REFERENCE, Claims(DIGEST, CLAIMS.predicates, {}, "other")),
        (Reason.REFERENCE, Claims(DIGEST, CLAIMS.predicates, {}, "")),
        (Reason.ANNOTATION, Claims(DIGEST, CLAIMS.predicates, {"a": "2"})),
        (Reason.ANNOTATION, Claims(DIGEST, CLAIMS.predicates, {"a": "1", "c": "1"})),
        (Reason.ANNOTATION, Claims(DIGEST, CLAIMS.predicates, {"n": "1"})),
    ],
)
def test_claims_of_the_subject(reason: Reason, claims: Claims) -> None:
    """Name and annotations must be those of the subject, as texts."""
    assert reason == verdict(subject(name="app", annotations={"a": "1", "n": 1}), claims)


def test_claims_of_two_subjects_are_not_mixed() -> None:
    """The name of one and the annotations of the other do not make one that holds."""
    one, two = (OURS | more for more in ({"name": "app"}, {"annotations": {"a": "1"}}))
    for subjects in ([one, two], [two, one], [one | {"digest": OTHER["digest"]}, two]):
        assert verdict(payload(subject=subjects), Claims(DIGEST, CLAIMS.predicates, {"a": "1"}, "app"))


@pytest.mark.parametrize(
    "kind", ["", "application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.in-toto+json "]
)
def test_payload_is_a_statement(kind: str) -> None:
    """The type of the payload is signed with it, and there is one."""
    statement.check_type(statement.PAYLOAD_TYPE)
    with pytest.raises(Rejected) as caught:
        statement.check_type(kind)
    assert Reason.TYPE == caught.value.reason
