# SPDX-License-Identifier: Apache-2.0
"""Transparency logs: that an entry is in a log that is trusted, and that it speaks of this very signature.

An entry counts by its promise (the signed entry timestamp) or by its inclusion proof; where it has both, both must
hold. Its body has to name our payload, our signature and our key or certificate: that of another one proves nothing.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from kubeoci.trust import simplesigning, statement, strict
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.keys import PublicKey
from kubeoci.trust.material import Bundle, InclusionProof, LegacySignature, LogEntry
from kubeoci.trust.roots import TrustedLog, TrustedRoot

MAX_SIGNATURES = 64
"""Of one checkpoint: beside the log, witnesses sign it."""

_HINT_BYTES = 4
_NOTE = re.compile(r"[^\n]+\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]+={0,2})\n(?:[^\n]+\n)*")
_SIGNATURE = re.compile("\u2014 [^ \n]+ ([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True, slots=True)
class Maker:
    """Who made a signature, as an entry names him: DER of a certificate, or of a public key."""

    der: bytes
    is_certificate: bool

    def is_pem(self, encoded: object, where: str) -> bool:
        """Whether he is in the base64 of a PEM text."""
        text = strict.base64(encoded, where).decode(errors="replace")
        label = "CERTIFICATE" if self.is_certificate else "PUBLIC KEY"
        return f"-----BEGIN {label}-----" in text and strict.pem(text, label, where) == self.der

    def is_der(self, verifier: strict.Members) -> bool:
        """Whether he is in a verifier of version 2."""
        name = "x509Certificate" if self.is_certificate else "publicKey"
        return name in verifier and strict.base64(_in(verifier, name).get("rawBytes"), f"{name}.rawBytes") == self.der


def judge_bundle(found: Bundle, key: PublicKey, root: TrustedRoot) -> LogEntry:
    """The entry of a bundle that was signed with `key`. Raises `Rejected` (`log` above all)."""
    entry = only(found)
    check_bundle(entry, found, Maker(key.der, is_certificate=False))
    return check(entry, root.logs)


def judge_legacy(found: LegacySignature, key: PublicKey, root: TrustedRoot) -> LogEntry:
    """The entry of a legacy signature that was made with `key`. Raises `Rejected` (`log` above all)."""
    if found.entry is None:
        raise Rejected(Reason.LOG, "it has no log entry")
    check_legacy(found.entry, found, Maker(key.der, is_certificate=False))
    return check(found.entry, root.logs)


def only(found: Bundle) -> LogEntry:
    """The one entry of a bundle. Raises `Rejected` (`log`)."""
    if len(found.entries) != 1:
        raise Rejected(Reason.LOG, f"it has {len(found.entries)} log entries, and not one")
    return found.entries[0]


def promised_time(entry: LogEntry) -> datetime | None:
    """When the log promises to have taken the entry; without a promise a time is nobody's word. Raises `Rejected`."""
    if not entry.promise or not entry.integrated_time:
        return None
    try:
        return datetime.fromtimestamp(entry.integrated_time, UTC)
    except (ValueError, OverflowError, OSError):
        raise Rejected(Reason.TIME, f"{entry.integrated_time} is no time of a log entry") from None


def check(entry: LogEntry, logs: Iterable[TrustedLog], now: datetime | None = None) -> LogEntry:
    """The entry as a log vouches for it that counts when it was made: at the promised time, else `now`.

    Its number is the promised one, else that of the proof. Raises `Rejected` (`log`).
    """
    time, name = promised_time(entry) or now or datetime.now(UTC), entry.log_id.hex()[:12]
    known = [log for log in logs if log.id == entry.log_id]
    if not known:
        raise Rejected(Reason.LOG, f"the log {name} is not trusted")
    log = next((log for log in known if log.holds(time)), None)
    if log is None:
        raise Rejected(Reason.LOG, f"the log {name} does not count at {time:%FT%TZ}")
    if not entry.promise and entry.proof is None:
        raise Rejected(Reason.LOG, "the log entry has neither promise nor proof")
    if entry.promise and not log.signed(entry.promise, simplesigning.promised(entry)):
        raise Rejected(Reason.LOG, "the log's promise is not for this entry")
    if entry.proof:
        _check_proof(entry.body, entry.proof, log)
    return entry if entry.promise or not entry.proof else replace(entry, log_index=entry.proof.log_index)


def check_bundle(entry: LogEntry, found: Bundle, maker: Maker) -> None:
    """The entry is that of this bundle. Raises `Rejected` (`log`, `unsupported`, `malformed`)."""
    names_it = {("dsse", "0.0.1"): _names_envelope, ("hashedrekord", "0.0.2"): _names_encoding}
    kind = entry.kind, entry.version
    if kind not in names_it:
        raise Rejected(Reason.UNSUPPORTED, f"its log entry is of the kind {entry.kind!r:.40} {entry.version!r:.40}")
    if not names_it[kind](_spec(entry, *kind), found, maker):
        raise _of_another()


def check_legacy(entry: LogEntry, found: LegacySignature, maker: Maker) -> None:
    """The entry is that of this legacy signature. Raises `Rejected` (`log`, `unsupported`, `malformed`)."""
    spec = _spec(entry, "hashedrekord", "0.0.1")
    signature = _in(spec, "signature")
    if not (
        _hash(_in(_in(spec, "data"), "hash")) == hashlib.sha256(found.payload).hexdigest()
        and strict.base64(signature.get("content"), "signature.content") == found.signature
        and maker.is_pem(_in(signature, "publicKey").get("content"), "publicKey.content")
    ):
        raise _of_another()


def root_of(body: bytes, index: int, size: int, path: Iterable[bytes]) -> bytes:
    """The root of a tree of `size` entries that has `body` at `index`: RFC 9162 2.1.3.2. Raises `Rejected` (`log`)."""
    if not 0 <= index < size:
        raise Rejected(Reason.LOG, f"the log entry is number {index} of {size}")
    left, last, found = index, size - 1, hashlib.sha256(b"\0" + body).digest()
    for sibling in path:
        if not last:
            raise Rejected(Reason.LOG, "the path of the inclusion proof is too long")
        if left & 1 or left == last:
            found = hashlib.sha256(b"\1" + sibling + found).digest()
            while not left & 1 and left:
                left, last = left >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + sibling).digest()
        left, last = left >> 1, last >> 1
    if last:
        raise Rejected(Reason.LOG, "the path of the inclusion proof is too short")
    return found


def _check_proof(body: bytes, proof: InclusionProof, log: TrustedLog) -> None:
    size, root = _checkpoint(proof.checkpoint, log)
    if (size, root) != (proof.tree_size, proof.root_hash):
        raise Rejected(Reason.LOG, "the log's checkpoint is of another tree than the proof")
    if root_of(body, proof.log_index, proof.tree_size, proof.hashes) != root:
        raise Rejected(Reason.LOG, "the proof does not lead from the entry to the root of the log")


def _checkpoint(note: str, log: TrustedLog) -> tuple[int, bytes]:
    """Size and root in a note that `log` signed: what it says, a blank line, signatures.

    Raises `Rejected` (`log`, `limit`, `malformed`).
    """
    text, blank, signatures = note.partition("\n\n")
    text += "\n"
    stated = _NOTE.fullmatch(text)
    if not blank or not stated or "\n\n" in signatures:
        raise Rejected(Reason.LOG, "the checkpoint has not the form of a signed note")
    lines = signatures.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        strict.exceeded("the checkpoint", f"has {len(lines)} signatures, {MAX_SIGNATURES} are looked at")
    for line in lines:
        signed = _SIGNATURE.fullmatch(line)
        raw = strict.base64(signed[1], "a signature of the checkpoint") if signed else b""
        if raw[:_HINT_BYTES] == log.id[:_HINT_BYTES] and log.signed(raw[_HINT_BYTES:], text.encode()):
            return int(stated[1]), strict.base64(stated[2], "the checkpoint's root")
    raise Rejected(Reason.LOG, "the checkpoint is not signed by the log")


def _names_envelope(spec: strict.Members, found: Bundle, maker: Maker) -> bool:
    """A body of version 1. The hash of the envelope is over a spelling that nobody else knows; the rest says it all."""
    signatures = strict.items(spec.get("signatures"), "signatures")
    if len(signatures) != 1 or _hash(_in(spec, "payloadHash")) != hashlib.sha256(found.payload).hexdigest():
        return False
    signed = strict.mapping(signatures[0], "signatures[0]")
    return strict.base64(signed.get("signature"), "signature") == found.signature and maker.is_pem(
        signed.get("verifier"), "verifier"
    )


def _names_encoding(spec: strict.Members, found: Bundle, maker: Maker) -> bool:
    """A body of version 2, which knows no envelopes: it is about the bytes that were signed."""
    entry = _in(spec, "hashedRekordV002")
    data, signature = _in(entry, "data"), _in(entry, "signature")
    encoding = hashlib.sha256(statement.pae(found.payload, found.payload_type)).digest()
    return (
        data.get("algorithm") == "SHA2_256"
        and strict.base64(data.get("digest"), "data.digest") == encoding
        and strict.base64(signature.get("content"), "signature.content") == found.signature
        and maker.is_der(_in(signature, "verifier"))
    )


def _spec(entry: LogEntry, kind: str, version: str) -> strict.Members:
    """What the body of an entry says, if it is of this kind."""
    body = strict.document(entry.body, "the body of the log entry")
    if (body.get("kind"), body.get("apiVersion")) != (kind, version):
        raise Rejected(Reason.UNSUPPORTED, f"the body of its log entry is not {kind} {version}")
    return _in(body, "spec")


def _of_another() -> Rejected:
    return Rejected(Reason.LOG, "the log entry is of another payload, signature or signer")


def _in(members: strict.Members, name: str) -> strict.Members:
    return strict.mapping(members.get(name), name)


def _hash(value: strict.Members) -> str:
    """The digits of a SHA-256; nothing for another algorithm."""
    return strict.text(value.get("value"), "value") if value.get("algorithm") == "sha256" else ""
