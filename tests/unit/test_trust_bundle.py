# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.bundle: one meaning at every level, or it is rejected."""

import base64
import copy
import json
from typing import Any

import pytest

from kubeoci.trust import bundle
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.keys import generate, private_key
from kubeoci.trust.material import Bundle, InclusionProof, LogEntry

ENTRY = {
    "logIndex": "7",
    "logId": {"keyId": "bG9n"},
    "kindVersion": {"kind": "dsse", "version": "0.0.1"},
    "integratedTime": "1669361833",
    "inclusionPromise": {"signedEntryTimestamp": "c2V0"},
    "inclusionProof": {
        "logIndex": "6",
        "rootHash": "cm9vdA==",
        "treeSize": "9",
        "hashes": ["YQ==", "Yg=="],
        "checkpoint": {"envelope": "note"},
    },
    "canonicalizedBody": "Ym9keQ==",
}
KEYLESS = {
    "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "verificationMaterial": {
        "certificate": {"rawBytes": "ZGVy"},
        "tlogEntries": [ENTRY],
        "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": "dHM="}]},
    },
    "dsseEnvelope": {
        "payload": "e30=",
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": "c2ln"}],
    },
}
STAMPS = "verificationMaterial.timestampVerificationData.rfc3161Timestamps"
PROOF = "verificationMaterial.tlogEntries.0.inclusionProof"


def changed(path: str, value: object) -> bytes:
    """The bundle with another value at `path`, numbers for places in lists; `...` removes it."""
    found: Any = copy.deepcopy(KEYLESS)
    *parents, last = [int(name) if name.isdigit() else name for name in path.split(".")]
    place = found
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(found).encode()


def test_everything_is_read() -> None:
    """Each member of a keyless bundle, numbers from their texts and bytes from base64."""
    proof = InclusionProof(6, b"root", 9, (b"a", b"b"), "note")
    entry = LogEntry(7, b"log", 1669361833, b"set", b"body", "dsse", "0.0.1", proof)
    raw = json.dumps(KEYLESS)
    kind = "application/vnd.in-toto+json"
    assert Bundle(raw, b"{}", kind, b"sig", b"der", None, (entry,), (b"ts",)) == bundle.read(raw.encode())


def test_what_is_written_is_read() -> None:
    """A bundle of ours, with the hint at its key; its text is in no repr."""
    key = private_key(generate().private, "").public
    raw = bundle.write_key(b"{}", b"sig", key)
    found = bundle.read(raw)
    assert Bundle(raw.decode(), b"{}", "application/vnd.in-toto+json", b"sig", None, key.hint) == found
    assert "dsseEnvelope" not in repr(found)


@pytest.mark.parametrize(
    ("field", "path", "value"),
    [
        ("log_index", "logIndex", ...),
        ("integrated_time", "integratedTime", ...),
        ("promise", "inclusionPromise", ...),
        ("proof", "inclusionProof", ...),
    ],
)
def test_zero_and_nothing_are_left_out(field: str, path: str, value: object) -> None:
    """As protobuf's JSON does; Rekor v2 gives no time, and old entries have no proof."""
    entry = bundle.read(changed(f"verificationMaterial.tlogEntries.0.{path}", value)).entries[0]
    assert not getattr(entry, field)


@pytest.mark.parametrize(
    "raw",
    [
        changed("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.3"),
        changed("verificationMaterial.tlogEntries", ...),
        changed("verificationMaterial.tlogEntries", []),
        changed("verificationMaterial.timestampVerificationData", {}),
        changed(STAMPS, []),
        changed(f"{PROOF}.hashes", ...),
        changed(f"{PROOF}.hashes", ["YQ=="] * 64),
        changed(f"{PROOF}.logIndex", ...),
        changed("dsseEnvelope.signatures", [{"sig": "c2ln", "keyid": ""}]),
    ],
)
def test_other_spellings_are_read(raw: bytes) -> None:
    """What other writers leave out or add, and the second name of the type."""
    assert b"sig" == bundle.read(raw).signature


@pytest.mark.parametrize(
    ("reason", "raw"),
    [
        (Reason.LIMIT, b" " * (bundle.MAX_BYTES + 1)),
        (Reason.MALFORMED, b" " * bundle.MAX_BYTES),
        (Reason.MALFORMED, b"[]"),
        (Reason.MALFORMED, changed("mediaType", ...)),
        (Reason.MALFORMED, changed("mediaType", None)),
        (Reason.MALFORMED, changed("mediaType", "application/json")),
        (Reason.UNSUPPORTED, changed("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.1")),
        (Reason.UNSUPPORTED, changed("mediaType", "application/vnd.dev.sigstore.bundle.v0.4+json")),
        (Reason.UNSUPPORTED, json.dumps({"mediaType": bundle.MEDIA_TYPE, "messageSignature": {}}).encode()),
        (Reason.MALFORMED, changed("messageSignature", {})),
        (Reason.MALFORMED, changed("messageSignature", None)),
        (Reason.MALFORMED, changed("verificationMaterial", None)),
        (Reason.MALFORMED, changed("verificationMaterial.certificate", ...)),
        (Reason.MALFORMED, changed("verificationMaterial.certificate", None)),
        (Reason.MALFORMED, changed("verificationMaterial.certificate.rawBytes", "")),
        (Reason.MALFORMED, changed("verificationMaterial.publicKey", {"hint": "x"})),
        (Reason.MALFORMED, changed("verificationMaterial.x509CertificateChain", {"certificates": []})),
        (Reason.MALFORMED, changed("verificationMaterial.tlog_entries", [])),
        (Reason.MALFORMED, changed("verificationMaterial.tlogEntries", None)),
        (Reason.MALFORMED, changed("verificationMaterial.timestampVerificationData", None)),
        (Reason.MALFORMED, changed(STAMPS, [{"signedTimestamp": "dHM="}] * 2)),
        (
            Reason.LIMIT,
            changed(STAMPS, [{"signedTimestamp": base64.b64encode(bytes([n])).decode()} for n in range(33)]),
        ),
        (Reason.LIMIT, changed(f"{PROOF}.hashes", ["YQ=="] * 65)),
        (Reason.MALFORMED, changed(f"{PROOF}.treeSize", 9)),
        (Reason.MALFORMED, changed(f"{PROOF}.rootHash", "cm9vdB==")),
        (Reason.MALFORMED, changed(f"{PROOF}.checkpoint", None)),
        (Reason.MALFORMED, changed(PROOF, None)),
        (Reason.MALFORMED, changed("verificationMaterial.tlogEntries.0.inclusionPromise", None)),
        (Reason.MALFORMED, changed("verificationMaterial.tlogEntries.0.inclusionPromise", {})),
        (Reason.MALFORMED, changed("verificationMaterial.tlogEntries.0.logIndex", "-1")),
        (Reason.MALFORMED, changed("verificationMaterial.tlogEntries.0.logId", ...)),
        (Reason.MALFORMED, changed("verificationMaterial.tlogEntries.0.kindVersion.kind", None)),
        (Reason.MALFORMED, changed("verificationMaterial.tlogEntries.0", [])),
        (Reason.MALFORMED, changed("dsseEnvelope", None)),
        (Reason.MALFORMED, changed("dsseEnvelope.payload", "e31=")),
        (Reason.MALFORMED, changed("dsseEnvelope.payloadType", ...)),
        (Reason.MALFORMED, changed("dsseEnvelope.signatures", [])),
        (Reason.MALFORMED, changed("dsseEnvelope.signatures", [{"sig": "c2ln"}] * 2)),
        (Reason.MALFORMED, changed("dsseEnvelope.signatures.0.sig", "")),
        (Reason.MALFORMED, changed("dsseEnvelope.signatures.0.sig", "c2ln\n")),
        (Reason.MALFORMED, changed("dsseEnvelope.signatures.0.keyid", None)),
        (Reason.MALFORMED, changed("dsseEnvelope.signatures.0.cert", "")),
    ],
)
def test_other_bundles_are_rejected(reason: Reason, raw: bytes) -> None:
    """Old versions and messages are unsupported, too many parts are a limit, every other shape is malformed."""
    with pytest.raises(Rejected) as caught:
        bundle.read(raw)
    assert reason == caught.value.reason


@pytest.mark.parametrize("hint", [..., None, 1])
def test_hint_is_a_text(hint: object) -> None:
    """It is believed by nobody, but its shape is known."""
    key: dict[str, object] = {} if hint is ... else {"hint": hint}
    material = {"publicKey": key}
    with pytest.raises(Rejected) as caught:
        bundle.read(changed("verificationMaterial", material))
    assert Reason.MALFORMED == caught.value.reason
