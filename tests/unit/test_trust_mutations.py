# SPDX-License-Identifier: Apache-2.0
"""Whatever is changed in a signature that holds, one bit or one member: it is not accepted."""

import base64
import json
from collections.abc import Callable, Iterable

import pytest

from kubeoci.errors import TrustError
from kubeoci.trust import simplesigning, statement
from kubeoci.trust.policy import KeyPolicy
from kubeoci.trust.verify import verify
from simulator.mutations import flips, members
from simulator.signatures import APP, DIGEST, KEY, Shelf, bundle_of, legacy_of

POLICY = KeyPolicy((KEY.public,))
STATEMENT = statement.build(DIGEST)
BUNDLE = bundle_of(KEY, STATEMENT)
PAYLOAD, NOTES = legacy_of(KEY)
SIGNATURE = base64.b64decode(NOTES[simplesigning.SIGNATURE])
HINT = BUNDLE.index(KEY.public.hint.encode())

Shelve = Callable[[bytes], Shelf]


def accepted(changes: Iterable[tuple[str, bytes]], shelve: Shelve) -> list[str]:
    """The changes with which the artifact counts as signed, or that end in another error than they should."""
    return [name for name, raw in changes if outcome(shelve(raw)) not in {"trust.no_match", "trust.limit"}]


def outcome(shelf: Shelf) -> str:
    """The format of the evidence, or the code of our error."""
    try:
        return verify(shelf.memory(), APP, DIGEST, POLICY).format
    except TrustError as error:
        return error.code


def as_bundle(raw: bytes) -> Shelf:
    """The artifact with this bundle."""
    shelf = Shelf()
    shelf.attach(raw)
    return shelf


def as_part(name: str) -> Shelve:
    """The artifact with the bundle that has other bytes as its `payload`, or as its `sig`."""

    def shelve(raw: bytes) -> Shelf:
        document = json.loads(BUNDLE)
        envelope = document["dsseEnvelope"]
        place = envelope["signatures"][0] if name == "sig" else envelope
        place[name] = base64.b64encode(raw).decode()
        return as_bundle(json.dumps(document).encode())

    return shelve


def as_payload(raw: bytes) -> Shelf:
    """The artifact with this payload under the signature of the right one."""
    shelf = Shelf()
    shelf.tag((raw, NOTES))
    return shelf


def as_signature(raw: bytes) -> Shelf:
    """The artifact with this signature of the right payload."""
    shelf = Shelf()
    shelf.tag((PAYLOAD, simplesigning.annotations(raw)))
    return shelf


def as_annotation(raw: bytes) -> Shelf:
    """The artifact with this text, as far as it is one, for the signature."""
    shelf = Shelf()
    shelf.tag((PAYLOAD, {simplesigning.SIGNATURE: raw.decode(errors="replace")}))
    return shelf


def signed_anew(raw: bytes) -> Shelf:
    """The artifact with this payload, or statement, genuinely signed by the right key."""
    shelf = Shelf()
    if b"critical" in raw.lower():
        shelf.tag(legacy_of(KEY, raw))
    else:
        shelf.attach(bundle_of(KEY, raw))
    return shelf


BITS: dict[str, tuple[bytes, Shelve]] = {
    "statement": (STATEMENT, as_part("payload")),
    "signature of the bundle": (
        base64.b64decode(json.loads(BUNDLE)["dsseEnvelope"]["signatures"][0]["sig"]),
        as_part("sig"),
    ),
    "bundle before the hint": (BUNDLE[:HINT], lambda raw: as_bundle(raw + BUNDLE[HINT:])),
    "bundle behind the hint": (BUNDLE[HINT + 44 :], lambda raw: as_bundle(BUNDLE[: HINT + 44] + raw)),
    "payload": (PAYLOAD, as_payload),
    "signature": (SIGNATURE, as_signature),
    "annotation": (NOTES[simplesigning.SIGNATURE].encode(), as_annotation),
}
MEMBERS: dict[str, tuple[bytes, Shelve, set[str]]] = {
    "bundle": (BUNDLE, as_bundle, set()),
    "payload": (PAYLOAD, as_payload, set()),
    "statement signed anew": (STATEMENT, signed_anew, {".predicate"}),
    "payload signed anew": (PAYLOAD, signed_anew, {".optional"}),
}


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize("bits", [1, pytest.param(8, marks=pytest.mark.long)])
def test_bits(name: str, bits: int) -> None:
    """One flipped bit anywhere; without it all is well."""
    raw, shelve = BITS[name]
    assert ["as it is"] == accepted([("as it is", raw)], shelve)
    assert [] == accepted(flips(raw, bits), shelve)


@pytest.mark.parametrize("name", MEMBERS)
def test_members(name: str) -> None:
    """A member removed, doubled, null, in another case, of another type; what nobody reads may be what it wants."""
    raw, shelve, free = MEMBERS[name]
    assert ["as it is"] == accepted([("as it is", raw)], shelve)
    found = accepted(members(raw), shelve)
    assert [] == [change for change in found if change.partition(" ")[0] not in free or "twice" in change]
