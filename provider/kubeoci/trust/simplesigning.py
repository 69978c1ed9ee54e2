# SPDX-License-Identifier: Apache-2.0
"""The legacy format: a payload named after simple signing, signed as it is, with all the rest in annotations.

One manifest under the tag `sha256-<hex>.sig` holds the signatures of a digest, one to a layer. Its config is an image
config that says nothing; we write the same bytes as cosign.
"""

import base64
import json
from collections.abc import Mapping, Sequence

from kubeoci import digest as digests
from kubeoci.digest import Digest
from kubeoci.trust import strict
from kubeoci.trust.claims import Claims
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.material import LegacySignature, LogEntry

LAYER_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"

SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
CHAIN = "dev.sigstore.cosign/chain"
BUNDLE = "dev.sigstore.cosign/bundle"

_TYPE = "cosign container image signature"
_NO_TIME = "0001-01-01T00:00:00Z"


def tag(digest: Digest) -> str:
    """The tag under which the signatures of `digest` lie."""
    return f"{digests.algorithm(digest)}-{digests.hexadecimal(digest)}.sig"


def payload(digest: Digest, reference: str, annotations: Mapping[str, str] | None = None) -> bytes:
    """What is signed: that `digest` lies in `reference`, which is `<registry>/<repository>`."""
    critical = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": digest},
        "type": _TYPE,
    }
    return _compact({"critical": critical, "optional": dict(sorted((annotations or {}).items())) or None})


def config(layers: Sequence[Digest]) -> bytes:
    """The config blob of the manifest whose layers have these digests."""
    return _compact(
        {
            "architecture": "",
            "created": _NO_TIME,
            "history": [{"created": _NO_TIME} for _ in layers],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": list(layers)},
            "config": {},
        }
    )


def annotations(
    signature: bytes, *, certificate: str = "", chain: str = "", entry: LogEntry | None = None
) -> dict[str, str]:
    """The annotations of a layer. `certificate` and `chain` are PEM; all but the signature are for keyless ones."""
    notes = {SIGNATURE: _base64(signature), CERTIFICATE: certificate, CHAIN: chain}
    if entry:
        bundle = {"SignedEntryTimestamp": _base64(entry.promise), "Payload": _entry(entry)}
        notes[BUNDLE] = _compact(bundle).decode()
    return {name: value for name, value in notes.items() if value}


def promised(entry: LogEntry) -> bytes:
    """The bytes that a signed entry timestamp signs of this entry (RFC 8785: sorted and compact)."""
    return _compact(_entry(entry))


def read(raw: bytes, notes: Mapping[str, str]) -> LegacySignature:
    """One layer: `raw` is its content, `notes` are its annotations. Raises `Rejected` (`malformed`, `limit`).

    Empty annotations are as good as none: old clients wrote them. The chain is never an anchor, so it is not read.
    """
    certificate, bundle = notes.get(CERTIFICATE), notes.get(BUNDLE)
    return LegacySignature(
        raw,
        strict.base64(notes.get(SIGNATURE), SIGNATURE),
        strict.pem(certificate, "CERTIFICATE", CERTIFICATE) if certificate else None,
        _read_bundle(bundle) if bundle else None,
    )


def check(raw: bytes, claims: Claims) -> None:
    """The payload `raw` says what it should. The signature over it is to be checked before.

    Raises `Rejected`: `malformed`, `type`, `digest`, `reference`, `annotation`.
    """
    found = strict.members(strict.document(raw, "the payload"), "the payload", ["critical"], ["optional"])
    optional = found.get("optional")
    notes = {} if optional is None else strict.mapping(optional, "optional")
    kind, digest, reference = _critical(found["critical"])
    if kind != _TYPE:
        raise Rejected(Reason.TYPE, f"the payload is of type {kind!r:.80}, not {_TYPE!r}")
    if digest != claims.digest:
        raise Rejected(Reason.DIGEST, f"the payload is about {digest!r:.120}, not {claims.digest}")
    claims.check_reference(reference)
    claims.check_annotations(notes)


def _critical(value: object) -> tuple[str, str, str]:
    """Type, digest and reference. What is critical and unknown cannot be passed over."""
    found = strict.members(value, "critical", ["identity", "image", "type"])
    image, identity = found["image"], found["identity"]
    return (
        strict.text(found["type"], "critical.type"),
        _only(image, "critical.image", "docker-manifest-digest"),
        _only(identity, "critical.identity", "docker-reference"),
    )


def _only(value: object, where: str, name: str) -> str:
    return strict.text(strict.members(value, where, [name])[name], f"{where}.{name}")


def _read_bundle(written: str) -> LogEntry:
    """The annotation that holds a log entry with its promise."""
    found = strict.members(
        strict.document(written.encode(errors="surrogatepass"), BUNDLE), BUNDLE, ["SignedEntryTimestamp", "Payload"]
    )
    entry = strict.members(found["Payload"], "Payload", ["body", "integratedTime", "logID", "logIndex"])
    return LogEntry(
        log_index=strict.integer(entry["logIndex"], "Payload.logIndex"),
        log_id=strict.hexadecimal(entry["logID"], "Payload.logID"),
        integrated_time=strict.integer(entry["integratedTime"], "Payload.integratedTime"),
        promise=strict.base64(found["SignedEntryTimestamp"], "SignedEntryTimestamp"),
        body=strict.base64(entry["body"], "Payload.body"),
    )


def _entry(entry: LogEntry) -> dict[str, object]:
    return {
        "body": _base64(entry.body),
        "integratedTime": entry.integrated_time,
        "logID": entry.log_id.hex(),
        "logIndex": entry.log_index,
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
