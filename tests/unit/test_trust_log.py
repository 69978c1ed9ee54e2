# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.log: proofs over trees of every size, checkpoints, and logs that are asked for under a key.

Entries that were tampered with are among the files of tests/trust/assets.
"""

import hashlib
import json
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from kubeoci.digest import Digest
from kubeoci.trust import bundle, keys, log, roots, simplesigning, statement
from kubeoci.trust.evidence import Reason, Rejected, Signer
from kubeoci.trust.judge import judge
from kubeoci.trust.keys import PublicKey
from kubeoci.trust.log import Maker
from kubeoci.trust.material import Bundle, LegacySignature, LogEntry
from kubeoci.trust.policy import KeyPolicy
from kubeoci.trust.roots import TrustedRoot
from simulator import sigstore_log
from simulator.sigstore import Sigstore
from simulator.sigstore_ca import spki

DIGEST = Digest("sha256:" + "ab" * 32)
STATEMENT = statement.build(DIGEST, name="reg.io/app")
KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


@pytest.fixture
def sigstore() -> Sigstore:
    """Logs of both versions."""
    return Sigstore()


def public(key: ec.EllipticCurvePrivateKey) -> PublicKey:
    """What a policy names."""
    return keys.spki(spki(key.public_key()), "a.pub")


def root(sigstore: Sigstore) -> TrustedRoot:
    """What is trusted."""
    return roots.read(json.dumps(sigstore.trusted_root()), source="test", is_users=True)


def made(sigstore: Sigstore, *, version: int = 1, **changes: Any) -> Bundle:  # noqa: ANN401 - of one entry
    """A bundle by KEY whose entry is changed."""
    document = sigstore.bundle(STATEMENT, key=KEY, version=version)
    document["verificationMaterial"]["tlogEntries"][0].update(changes)
    return bundle.read(json.dumps(document).encode())


def rejected(found: Bundle | LegacySignature, sigstore: Sigstore, key: PublicKey | None = None) -> tuple[Reason, str]:
    """Why the log does not hold."""
    judge: Any = log.judge_bundle if isinstance(found, Bundle) else log.judge_legacy
    with pytest.raises(Rejected) as caught:
        judge(found, key or public(KEY), root(sigstore))
    return caught.value.reason, caught.value.text


@pytest.mark.parametrize("version", [1, 2])
def test_a_bundle_by_a_key(sigstore: Sigstore, version: int) -> None:
    """The entry that is returned is the checked one."""
    found = made(sigstore, version=version)
    assert found.entries[0] == log.judge_bundle(found, public(KEY), root(sigstore))


def test_a_promise_or_a_proof_is_enough(sigstore: Sigstore) -> None:
    """Each holds alone."""
    for part in ("inclusionPromise", "inclusionProof"):
        document = sigstore.bundle(STATEMENT, key=KEY)
        del document["verificationMaterial"]["tlogEntries"][0][part]
        assert log.judge_bundle(bundle.read(json.dumps(document).encode()), public(KEY), root(sigstore))


def test_the_number_is_one_that_is_vouched_for(sigstore: Sigstore) -> None:
    """Without a promise anybody can write another one beside the proof."""
    assert 0 == log.judge_bundle(made(sigstore, version=2, logIndex="7"), public(KEY), root(sigstore)).log_index


def test_an_entry_of_another_key(sigstore: Sigstore) -> None:
    """The log took it, and from somebody else."""
    reason = Reason.LOG, "the log entry is of another payload, signature or signer"
    assert [reason] * 2 == [rejected(made(sigstore, version=each), sigstore, public(OTHER)) for each in (1, 2)]


def test_a_log_that_ended_vouches_for_nothing_new(sigstore: Sigstore) -> None:
    """Version 2 tells no time, so its log has to count now."""
    found, document = made(sigstore, version=2), sigstore.trusted_root()
    document["tlogs"][1]["publicKey"]["validFor"]["end"] = f"{sigstore.clock - timedelta(days=1):%FT%TZ}"
    with pytest.raises(Rejected, match="does not count at"):
        log.judge_bundle(found, public(KEY), roots.read(json.dumps(document), source="test", is_users=True))


@pytest.mark.parametrize("count", [0, 2])
def test_as_many_entries_as_one(sigstore: Sigstore, count: int) -> None:
    """Others would take the one or the other."""
    document = sigstore.bundle(STATEMENT, key=KEY)
    document["verificationMaterial"]["tlogEntries"] *= count
    found = bundle.read(json.dumps(document).encode())
    assert (Reason.LOG, f"it has {count} log entries, and not one") == rejected(found, sigstore)


@pytest.mark.parametrize(
    ("kind", "version"), [("intoto", "0.0.2"), ("dsse", "0.0.2"), ("hashedrekord", "0.0.1"), ("", "")]
)
def test_kinds_of_entries_that_are_unknown(sigstore: Sigstore, kind: str, version: str) -> None:
    """What a bundle says of its entry."""
    found = made(sigstore, kindVersion={"kind": kind, "version": version})
    assert Reason.UNSUPPORTED == rejected(found, sigstore)[0]


def test_a_body_of_another_kind_than_is_said(sigstore: Sigstore) -> None:
    """Its members would be read for what they are not."""
    body = sigstore_log.hashedrekord("00", b"x", b"y")
    found = made(sigstore, canonicalizedBody=sigstore_log.b64(body))
    assert (Reason.UNSUPPORTED, "the body of its log entry is not dsse 0.0.1") == rejected(found, sigstore)


@pytest.mark.parametrize("body", [b"junk", b"[]", b'{"a":1,"A":2}', b'{"kind":"dsse","apiVersion":"0.0.1","spec":[]}'])
def test_bodies_that_cannot_be_read(sigstore: Sigstore, body: bytes) -> None:
    """A verdict, and no other exception."""
    found = made(sigstore, canonicalizedBody=sigstore_log.b64(body))
    assert rejected(found, sigstore)[0] in {Reason.MALFORMED, Reason.UNSUPPORTED}


def test_times_that_are_none(sigstore: Sigstore) -> None:
    """Beyond the calendar."""
    assert Reason.TIME == rejected(made(sigstore, integratedTime=str(1 << 52)), sigstore)[0]


def legacy(sigstore: Sigstore, verifier: bytes) -> LegacySignature:
    """A legacy signature by KEY, whose entry names this verifier."""
    payload = simplesigning.payload(DIGEST, "reg.io/app")
    signature = keys.PrivateKey(public(KEY), KEY).sign(payload)
    body = sigstore_log.hashedrekord(hashlib.sha256(payload).hexdigest(), signature, verifier)
    entry = sigstore.log.add(body, sigstore.time)
    return LegacySignature(
        payload, signature, None, LogEntry(entry.index, entry.log_id, entry.time, entry.promise, entry.body)
    )


def test_a_legacy_signature_by_a_key(sigstore: Sigstore) -> None:
    """By the promise alone: the format has no proof."""
    found = legacy(sigstore, public(KEY).pem.encode())
    assert found.entry is log.judge_legacy(found, public(KEY), root(sigstore))


@pytest.mark.parametrize("verifier", [public(OTHER).pem.encode(), b"-----BEGIN CERTIFICATE-----\n", b"junk", b"\xff"])
def test_a_legacy_entry_of_another_key(sigstore: Sigstore, verifier: bytes) -> None:
    """Whatever stands there instead."""
    assert Reason.LOG == rejected(legacy(sigstore, verifier), sigstore)[0]


def test_policies_that_require_the_log(sigstore: Sigstore) -> None:
    """Key and log have to hold; the time is told where the log promises it, the number always."""
    demanded = KeyPolicy((public(KEY),), require_tlog=True, trusted_root=root(sigstore))
    signers = [Signer(public(KEY).fingerprint, signed_at=sigstore.time, log_index=100)]
    assert signers == [judge(made(sigstore), demanded, DIGEST)]
    assert 101 == judge(legacy(sigstore, public(KEY).pem.encode()), demanded, DIGEST).log_index
    assert (None, 0) == time_and_number(judge(made(sigstore, version=2), demanded, DIGEST))
    with pytest.raises(Rejected, match="it has no log entry"):
        judge(replace(legacy(sigstore, public(KEY).pem.encode()), entry=None), demanded, DIGEST)


def time_and_number(signer: Signer) -> tuple[int | None, int | None]:
    """What the log adds."""
    return signer.signed_at, signer.log_index


def test_a_legacy_signature_without_entry(sigstore: Sigstore) -> None:
    """A policy that wants a log wants one."""
    assert (Reason.LOG, "it has no log entry") == rejected(LegacySignature(b"{}", b"x"), sigstore)


def test_logs_with_another_kind_of_key() -> None:
    """Newer logs sign with Ed25519."""
    sigstore = Sigstore()
    sigstore.log_v2 = sigstore_log.Log(2, ed25519.Ed25519PrivateKey.generate())
    found = made(sigstore, version=2)
    assert log.judge_bundle(found, public(KEY), root(sigstore))


@pytest.mark.parametrize("size", range(1, 65))
def test_proofs(size: int) -> None:
    """Every leaf of every tree up to 64 leads to its root, and to no other one by a changed path."""
    bodies = [bytes([size, index]) for index in range(size)]
    leaves = [hashlib.sha256(b"\0" + body).digest() for body in bodies]
    tree = sigstore_log.tree(leaves)
    for index, body in enumerate(bodies):
        path = sigstore_log.audit(index, leaves)
        assert tree == log.root_of(body, index, size, path)
        assert not {tree} & {outcome(body, index, size, other) for other in damaged(path, random.Random(index))}
        assert tree != outcome(body + b"!", index, size, path)


def outcome(body: bytes, index: int, size: int, path: list[bytes]) -> bytes | str:
    """The root, or the verdict."""
    try:
        return log.root_of(body, index, size, path)
    except Rejected as verdict:
        return verdict.text


def damaged(path: list[bytes], chance: random.Random) -> list[list[bytes]]:
    """The path longer, shorter, and with one hash changed."""
    found = [[*path, bytes(32)], [bytes(32), *path]]
    if path:
        at = chance.randrange(len(path))
        found += [path[1:], path[:-1], [*path[:at], bytes(32), *path[at + 1 :]]]
    return found


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (7, 3)])
def test_an_index_beyond_the_tree(index: int, size: int) -> None:
    """Nothing leads there."""
    with pytest.raises(Rejected, match=f"is number {index} of {size}"):
        log.root_of(b"x", index, size, [])


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note[:0],
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("\u2014", "-"),
        lambda note: note.split("\n", 1)[1],
        lambda note: note.replace(" rekor", "  rekor"),
        lambda note: note.replace("\n1\n", "\n01\n"),
        lambda note: note.replace("\n1\n", "\n-1\n"),
        lambda note: note.replace("\n\n", "\n \n\n"),
        lambda note: note.removesuffix("\n") + "=\n",
        lambda note: note.rsplit(" ", 1)[0] + " AAAA\n",
    ],
    ids=range(10),
)
def test_checkpoints_that_are_no_signed_notes(sigstore: Sigstore, change: Any) -> None:  # noqa: ANN401 - a function
    """Each line has its form."""
    document = sigstore.bundle(STATEMENT, key=KEY, version=2)
    note = document["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]
    note["envelope"] = change(note["envelope"])
    found = bundle.read(json.dumps(document).encode())
    assert rejected(found, sigstore)[0] in {Reason.LOG, Reason.MALFORMED}


def test_checkpoints_with_more_lines_and_signatures(sigstore: Sigstore) -> None:
    """Logs add lines, and witnesses sign beside them."""
    document = sigstore.bundle(STATEMENT, key=KEY, version=2)
    proof = document["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    note = sigstore.log_v2.checkpoint(1, sigstore_log.tree(sigstore.log_v2.leaves), "more: 1\n")
    proof["checkpoint"]["envelope"] = note.replace("\n\n", "\n\n\u2014 witness AAAAAAAA\n")
    assert log.judge_bundle(bundle.read(json.dumps(document).encode()), public(KEY), root(sigstore))


def test_many_signatures_of_a_checkpoint(sigstore: Sigstore) -> None:
    """Each costs as much as verifying one, and anybody can write thousands: none is tried."""
    document = sigstore.bundle(STATEMENT, key=KEY, version=2)
    note = document["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]
    text, _, line = note["envelope"].partition("\n\n")
    note["envelope"] = f"{text}\n\n{line * 65}"
    what = "the checkpoint has 65 signatures, 64 are looked at"
    assert (Reason.LIMIT, what) == rejected(bundle.read(json.dumps(document).encode()), sigstore)


def test_a_certificate_is_not_its_key() -> None:
    """What names the one does not name the other."""
    maker = Maker(public(KEY).der, is_certificate=True)
    assert not maker.is_pem(sigstore_log.b64(public(KEY).pem.encode()), "verifier")
    assert not maker.is_der({"publicKey": {"rawBytes": sigstore_log.b64(public(KEY).der)}})
