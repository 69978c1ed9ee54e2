# SPDX-License-Identifier: Apache-2.0
"""The in-toto statement of a bundle: what is signed, how it is signed, and whether it speaks of our artifact."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubeoci import digest as digests
from kubeoci.digest import Digest
from kubeoci.trust import strict
from kubeoci.trust.claims import Claims
from kubeoci.trust.evidence import Reason, Rejected

PAYLOAD_TYPE = "application/vnd.in-toto+json"
SIGN = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type of a statement that says nothing but "signed"."""
MAX_SUBJECTS = 1000

_TYPES = frozenset({"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"})


def build(digest: Digest, *, name: str = "", annotations: Mapping[str, str] | None = None) -> bytes:
    """The statement that `digest`, a sha256 one, is signed; `name` is `<registry>/<repository>`."""
    subject: dict[str, object] = {"name": name} if name else {}
    subject["digest"] = {"sha256": digests.hexadecimal(digest)}
    subject |= {"annotations": dict(sorted(annotations.items()))} if annotations else {}
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": SIGN,
        "predicate": {},
    }
    return json.dumps(statement, separators=(",", ":"), ensure_ascii=False).encode()


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """The bytes that are signed: type and payload, each behind its length (DSSE v1, pre-authentication encoding)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def check_type(payload_type: str) -> None:
    """The envelope holds a statement. Raises `Rejected` (`type`)."""
    if payload_type != PAYLOAD_TYPE:
        raise Rejected(Reason.TYPE, f"the payload is of type {payload_type!r:.80}, not {PAYLOAD_TYPE}")


def check(payload: bytes, claims: Claims) -> None:
    """The statement says what it should. The signature over it is to be checked before.

    Raises `Rejected`: `malformed`, `limit`, `type`, `predicate`, `digest`, `reference`, `annotation`.
    """
    found = strict.document(payload, "the statement")
    kind, predicate = (strict.text(found.get(name), name) for name in ("_type", "predicateType"))
    if kind not in _TYPES:
        raise Rejected(Reason.TYPE, f"the statement is of type {kind!r:.80}, not in-toto's v1 or v0.1")
    if predicate not in claims.predicates:
        wanted = " or ".join(claims.predicates)
        raise Rejected(Reason.PREDICATE, f"the predicate is of type {predicate!r:.120}, not {wanted}")
    _check_subjects(_subjects(found.get("subject")), claims)


@dataclass(frozen=True, slots=True)
class _Subject:
    """One artifact that a statement is about; what it does not say is None."""

    sha256: object
    name: str | None
    annotations: Mapping[str, object]


def _subjects(value: object) -> list[_Subject]:
    found = strict.items(value, "subject")
    if len(found) > MAX_SUBJECTS:
        strict.exceeded("subject", f"has {len(found)} members, {MAX_SUBJECTS} are looked at")
    return [_subject(item, f"subject[{index}]") for index, item in enumerate(found)]


def _subject(value: object, where: str) -> _Subject:
    found = strict.mapping(value, where)
    return _Subject(
        strict.mapping(found.get("digest"), f"{where}.digest").get("sha256"),
        strict.text(found["name"], f"{where}.name") if "name" in found else None,
        strict.mapping(found.get("annotations", {}), f"{where}.annotations"),
    )


def _check_subjects(subjects: Sequence[_Subject], claims: Claims) -> None:
    """One of them has all that is claimed."""
    verdict = Rejected(Reason.DIGEST, f"the statement has no subject with the digest {claims.digest}")
    for subject in subjects:
        if subject.sha256 != digests.hexadecimal(claims.digest):
            continue
        try:
            claims.check_reference(subject.name)
            claims.check_annotations(subject.annotations)
        except Rejected as rejected:
            verdict = rejected
        else:
            return
    raise verdict
