# SPDX-License-Identifier: Apache-2.0
"""Sigstore's bundle v0.3 around a DSSE envelope: read with a closed list of members at every level, and written.

The library for keyless signatures reads bundles as well, and less strictly. What passes here has one meaning only, so
that it and we never see two things.
"""

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from kubeoci.artifact import canonical
from kubeoci.trust import strict
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.material import Bundle, InclusionProof, LogEntry
from kubeoci.trust.statement import PAYLOAD_TYPE

if TYPE_CHECKING:
    from kubeoci.trust.keys import PublicKey

TYPE_PREFIX = "application/vnd.dev.sigstore.bundle"
MEDIA_TYPE = f"{TYPE_PREFIX}.v0.3+json"
MAX_BYTES = 1 << 20
MAX_TIMESTAMPS = 32
MAX_HASHES = 64

_TYPES = frozenset({MEDIA_TYPE, f"{TYPE_PREFIX}+json;version=0.3"})
_MATERIAL = "verificationMaterial"

T = TypeVar("T")


def read(raw: bytes) -> Bundle:
    """The bundle in `raw`, judged by nobody yet. Raises `Rejected`: `malformed`, `unsupported`, `limit`."""
    if len(raw) > MAX_BYTES:
        strict.exceeded("the bundle", f"is larger than {MAX_BYTES} bytes")
    document = strict.document(raw, "the bundle")
    _check_type(document)
    found = strict.members(document, "the bundle", ["mediaType", _MATERIAL, "dsseEnvelope"])
    names = ["certificate", "publicKey", "tlogEntries", "timestampVerificationData"]
    material = strict.members(found[_MATERIAL], _MATERIAL, optional=names)
    certificate, hint = _signer(material)
    payload_type, payload, signature = _envelope(found["dsseEnvelope"])
    return Bundle(
        raw=raw.decode(),
        payload=payload,
        payload_type=payload_type,
        signature=signature,
        certificate=certificate,
        key_hint=hint,
        entries=_each(material.get("tlogEntries", []), f"{_MATERIAL}.tlogEntries", _entry),
        timestamps=_timestamps(material.get("timestampVerificationData", {})),
    )


def write_key(payload: bytes, signature: bytes, key: "PublicKey") -> bytes:
    """The bundle for a statement whose encoding (`statement.pae`) was signed with the private half of `key`."""
    envelope = {
        "payload": _base64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": _base64(signature)}],
    }
    material = {"publicKey": {"hint": key.hint}}
    return canonical({"mediaType": MEDIA_TYPE, _MATERIAL: material, "dsseEnvelope": envelope})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _check_type(document: strict.Members) -> None:
    kind = strict.text(document.get("mediaType"), "mediaType")
    if kind not in _TYPES:
        reason = Reason.UNSUPPORTED if kind.startswith(TYPE_PREFIX) else Reason.MALFORMED
        raise Rejected(reason, f"the bundle is of type {kind!r:.80}, and only version 0.3 is read")
    if "messageSignature" in document and "dsseEnvelope" not in document:
        raise Rejected(Reason.UNSUPPORTED, "the bundle signs a message, and only statements are read")


def _signer(material: strict.Members) -> tuple[bytes | None, str | None]:
    """The certificate as DER, or the hint at the key."""
    if ("certificate" in material) == ("publicKey" in material):
        strict.malformed(_MATERIAL, "has not exactly one of certificate and publicKey")
    if "publicKey" in material:
        where = f"{_MATERIAL}.publicKey"
        return None, strict.text(strict.members(material["publicKey"], where, ["hint"])["hint"], f"{where}.hint")
    return _bytes(material["certificate"], "rawBytes", f"{_MATERIAL}.certificate"), None


def _envelope(value: object) -> tuple[str, bytes, bytes]:
    """Payload type, payload and the one signature."""
    where = "dsseEnvelope"
    found = strict.members(value, where, ["payload", "payloadType", "signatures"])
    signatures = strict.items(found["signatures"], f"{where}.signatures")
    if len(signatures) != 1:
        strict.malformed(f"{where}.signatures", f"has {len(signatures)} members, not one")
    place = f"{where}.signatures[0]"
    signed = strict.members(signatures[0], place, ["sig"], ["keyid"])
    strict.text(signed.get("keyid", ""), f"{place}.keyid")
    kind = strict.text(found["payloadType"], f"{where}.payloadType")
    payload = strict.base64(found["payload"], f"{where}.payload")
    return kind, payload, strict.base64(signed["sig"], f"{place}.sig")


def _entry(value: object, where: str) -> LogEntry:
    """One entry of a log. A number that is zero is left out by protobuf's JSON."""
    found = strict.members(
        value,
        where,
        ["logId", "kindVersion", "canonicalizedBody"],
        ["logIndex", "integratedTime", "inclusionPromise", "inclusionProof"],
    )
    kind = strict.members(found["kindVersion"], f"{where}.kindVersion", ["kind", "version"])
    return LogEntry(
        log_index=strict.numeral(found.get("logIndex", "0"), f"{where}.logIndex"),
        log_id=_bytes(found["logId"], "keyId", f"{where}.logId"),
        integrated_time=strict.numeral(found.get("integratedTime", "0"), f"{where}.integratedTime"),
        promise=_promise(found["inclusionPromise"], f"{where}.inclusionPromise")
        if "inclusionPromise" in found
        else b"",
        body=strict.base64(found["canonicalizedBody"], f"{where}.canonicalizedBody"),
        kind=strict.text(kind["kind"], f"{where}.kindVersion.kind"),
        version=strict.text(kind["version"], f"{where}.kindVersion.version"),
        proof=_proof(found["inclusionProof"], f"{where}.inclusionProof") if "inclusionProof" in found else None,
    )


def _promise(value: object, where: str) -> bytes:
    return _bytes(value, "signedEntryTimestamp", where)


def _proof(value: object, where: str) -> InclusionProof:
    found = strict.members(value, where, ["rootHash", "treeSize", "checkpoint"], ["logIndex", "hashes"])
    hashes = strict.items(found.get("hashes", []), f"{where}.hashes")
    if len(hashes) > MAX_HASHES:
        strict.exceeded(f"{where}.hashes", f"has {len(hashes)} members, {MAX_HASHES} are looked at")
    checkpoint = strict.members(found["checkpoint"], f"{where}.checkpoint", ["envelope"])
    return InclusionProof(
        log_index=strict.numeral(found.get("logIndex", "0"), f"{where}.logIndex"),
        root_hash=strict.base64(found["rootHash"], f"{where}.rootHash"),
        tree_size=strict.numeral(found["treeSize"], f"{where}.treeSize"),
        hashes=tuple(strict.base64(item, f"{where}.hashes[{index}]") for index, item in enumerate(hashes)),
        checkpoint=strict.text(checkpoint["envelope"], f"{where}.checkpoint.envelope"),
    )


def _timestamps(value: object) -> tuple[bytes, ...]:
    """Time stamp responses; one that stands there twice would count twice."""
    where = f"{_MATERIAL}.timestampVerificationData"
    found = strict.members(value, where, optional=["rfc3161Timestamps"]).get("rfc3161Timestamps", [])
    where = f"{where}.rfc3161Timestamps"
    if len(stamps := strict.items(found, where)) > MAX_TIMESTAMPS:
        strict.exceeded(where, f"has {len(stamps)} members, {MAX_TIMESTAMPS} are looked at")
    read = _each(stamps, where, lambda item, place: _bytes(item, "signedTimestamp", place))
    if len(set(read)) != len(read):
        strict.malformed(where, "has the same time stamp twice")
    return read


def _each(value: object, where: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
    return tuple(read(item, f"{where}[{index}]") for index, item in enumerate(strict.items(value, where)))


def _bytes(value: object, name: str, where: str) -> bytes:
    """The bytes in the only member of an object."""
    return strict.base64(strict.members(value, where, [name])[name], f"{where}.{name}")
