# SPDX-License-Identifier: Apache-2.0
"""Whatever is changed in a keyless signature that holds, one bit or one member: it is not accepted."""

import base64
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

import pytest

from kubeoci.errors import TrustError
from kubeoci.trust import roots, simplesigning, statement
from kubeoci.trust.evidence import Evidence
from kubeoci.trust.matching import IdentityMatch
from kubeoci.trust.policy import KeylessPolicy
from kubeoci.trust.verify import verify
from simulator.mutations import flips, members
from simulator.signatures import APP, DIGEST, Shelf
from simulator.sigstore import Sigstore
from simulator.sigstore_ca import GITHUB, WORKFLOW

SIGSTORE = Sigstore()
ROOT = roots.read(json.dumps(SIGSTORE.trusted_root()), source="test", is_users=True)
POLICY = KeylessPolicy((IdentityMatch(issuer=GITHUB, subject=WORKFLOW),), ROOT)
BUNDLES = {
    "log 1": SIGSTORE.bundle(statement.build(DIGEST)),
    "log 1 with a stamp": SIGSTORE.bundle(statement.build(DIGEST), stamps=1),
    "log 2 with a stamp": SIGSTORE.bundle(statement.build(DIGEST), version=2, stamps=1),
}
PAYLOAD = simplesigning.payload(DIGEST, str(APP))
SIGNED = SIGSTORE.legacy(PAYLOAD)
NOTES = {
    simplesigning.SIGNATURE: base64.b64encode(SIGNED.signature).decode(),
    simplesigning.CERTIFICATE: SIGNED.pem,
    simplesigning.BUNDLE: SIGNED.entry.annotation().replace(" ", ""),
}
UNSIGNED = {
    rb"u2014 ([^ ]+) ": "how the signer of a checkpoint is called",
    rb'"version":"0.0.2"},"integratedTime":"([0-9]+)"': "a log of version 2 tells no time",
    rb'"tlogEntries":.{"logIndex":"([0-9]+)","logId":{[^}]+},"kindVersion":{"kind":"hashedrekord"': "nor a number",
    rb'"signedTimestamp":"([^"]+)"': "parts of a time stamp beside what its authority signs",
}
"""Where a change may pass, for nothing of it is believed."""
NOT_NEEDED = {
    "log 1": {"timestampVerificationData removed", "rfc3161Timestamps removed"},
    "log 1 with a stamp": {
        "inclusionPromise removed",
        "timestampVerificationData removed",
        "rfc3161Timestamps removed",
    },
    "log 2 with a stamp": {"integratedTime removed"},
    simplesigning.BUNDLE: set(),
}
"""Members without which a signature still holds."""

Shelve = Callable[[bytes], Shelf]


def evidence(shelf: Shelf) -> Evidence | str:
    """The evidence, but for where it was found, or the code of our error."""
    try:
        found = verify(shelf.memory(), APP, DIGEST, POLICY)
    except TrustError as error:
        return error.code
    return replace(found, signature_manifest=DIGEST)


def accepted(changes: Iterable[tuple[str, bytes]], shelve: Shelve) -> dict[str, Evidence | str]:
    """The changes with which the artifact counts as signed, or that end in another error than they should."""
    found = {name: evidence(shelve(raw)) for name, raw in changes}
    return {name: each for name, each in found.items() if each not in {"trust.no_match", "trust.limit"}}


def as_bundle(raw: bytes) -> Shelf:
    """The artifact with this bundle."""
    shelf = Shelf()
    shelf.attach(raw)
    return shelf


def as_note(name: str) -> Shelve:
    """The artifact with a legacy signature that has this text, as far as it is one, as one of its annotations."""

    def shelve(raw: bytes) -> Shelf:
        shelf = Shelf()
        shelf.tag((PAYLOAD, {**NOTES, name: raw.decode(errors="replace")}))
        return shelf

    return shelve


SIGNATURES: dict[str, tuple[bytes, Shelve]] = {
    **{name: (json.dumps(found, separators=(",", ":")).encode(), as_bundle) for name, found in BUNDLES.items()},
    **{name: (text.encode(), as_note(name)) for name, text in NOTES.items()},
}


def unsigned(raw: bytes) -> set[int]:
    """The places of what nobody signs."""
    return {at for pattern in UNSIGNED for found in re.finditer(pattern, raw) for at in range(*found.span(1))}


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("step", [23, pytest.param(1, marks=pytest.mark.long)])
def test_bits(name: str, step: int) -> None:
    """One flipped bit of any byte is seen, or changes nothing of the evidence where nobody signs."""
    raw, shelve = SIGNATURES[name]
    expected = evidence(shelve(raw))
    assert isinstance(expected, Evidence)
    passing = accepted(islice(flips(raw.rstrip()), 0, None, step), shelve)
    assert {expected} >= set(passing.values())
    assert unsigned(raw) >= {int(change.rpartition(" ")[2]) for change in passing}


@pytest.mark.parametrize("name", NOT_NEEDED)
def test_members(name: str) -> None:
    """A member removed, doubled, null, in another case, of another type."""
    raw, shelve = SIGNATURES[name]
    assert NOT_NEEDED[name] == {change.rpartition(".")[2] for change in accepted(members(raw), shelve)}
