# SPDX-License-Identifier: Apache-2.0
"""A transparency log in memory: a real Merkle tree, checkpoints, and in version 1 signed entry timestamps.

Version 1 numbers its entries from 100 on, as a log with older shards does; version 2 gives no promise and no time.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from simulator.sigstore_ca import spki

_OFFSET = 100
ORIGIN = "rekor.fake.dev"
_TREE = 1193050959916656506


@dataclass(frozen=True)
class Logged:
    """One entry, as the log tells it."""

    body: bytes
    log_id: bytes
    index: int
    time: int
    promise: bytes
    leaf: int
    size: int
    root: bytes
    path: tuple[bytes, ...]
    checkpoint: str

    def item(self) -> dict[str, Any]:
        """As a bundle holds it, and as version 2 answers."""
        content = json.loads(self.body)
        promised = {"inclusionPromise": {"signedEntryTimestamp": b64(self.promise)}} if self.promise else {}
        return {
            "logIndex": str(self.index),
            "logId": {"keyId": b64(self.log_id)},
            "kindVersion": {"kind": content["kind"], "version": content["apiVersion"]},
            "integratedTime": str(self.time),
            **promised,
            "inclusionProof": {
                "logIndex": str(self.leaf),
                "rootHash": b64(self.root),
                "treeSize": str(self.size),
                "hashes": [*map(b64, self.path)],
                "checkpoint": {"envelope": self.checkpoint},
            },
            "canonicalizedBody": b64(self.body),
        }

    def answer(self) -> dict[str, Any]:
        """As version 1 answers."""
        proof = {
            "logIndex": self.leaf,
            "rootHash": self.root.hex(),
            "treeSize": self.size,
            "hashes": [digest.hex() for digest in self.path],
            "checkpoint": self.checkpoint,
        }
        verification = {"signedEntryTimestamp": b64(self.promise), "inclusionProof": proof}
        return {hashlib.sha256(self.body).hexdigest(): self.payload() | {"verification": verification}}

    def payload(self) -> dict[str, Any]:
        """What a promise signs."""
        return {
            "body": b64(self.body),
            "integratedTime": self.time,
            "logID": self.log_id.hex(),
            "logIndex": self.index,
        }

    def annotation(self) -> str:
        """As the legacy format holds it."""
        return json.dumps({"SignedEntryTimestamp": b64(self.promise), "Payload": self.payload()})


class Log:
    """Appends bodies. `version` 1 or 2."""

    def __init__(
        self, version: int = 1, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | None = None
    ) -> None:
        self.version = version
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.id = hashlib.sha256(spki(self.key.public_key())).digest()
        self.leaves: list[bytes] = []

    def add(self, body: bytes, time: int) -> Logged:
        """The entry that is made of a body."""
        self.leaves.append(hashlib.sha256(b"\0" + body).digest())
        leaf, size, root = len(self.leaves) - 1, len(self.leaves), tree(self.leaves)
        index, stated = (leaf + _OFFSET, time) if self.version == 1 else (leaf, 0)
        path = tuple(audit(leaf, self.leaves))
        entry = Logged(body, self.id, index, stated, b"", leaf, size, root, path, self.checkpoint(size, root))
        return self.promised(entry) if self.version == 1 else entry

    def promised(self, entry: Logged) -> Logged:
        """The same with this log's promise for what it says."""
        text = json.dumps(entry.payload(), sort_keys=True, separators=(",", ":"))
        return replace(entry, promise=self.sign(text.encode()))

    def checkpoint(self, size: int, root: bytes, more: str = "") -> str:
        """A signed note about the whole tree."""
        origin = ORIGIN if self.version > 1 else f"{ORIGIN} - {_TREE}"
        text = f"{origin}\n{size}\n{b64(root)}\n{more}"
        return f"{text}\n\u2014 {ORIGIN} {b64(self.id[:4] + self.sign(text.encode()))}\n"

    def sign(self, data: bytes) -> bytes:
        """A signature by the log's key."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(data)
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


def hashedrekord(digest: str, signature: bytes, verifier: bytes) -> bytes:
    """A body for a signature over a blob: version 1; `verifier` is a PEM."""
    spec = {
        "data": {"hash": {"algorithm": "sha256", "value": digest}},
        "signature": {"content": b64(signature), "publicKey": {"content": b64(verifier)}},
    }
    return _body("0.0.1", "hashedrekord", spec)


def dsse(payload: bytes, signature: bytes, verifier: bytes) -> bytes:
    """A body for an envelope: version 1; `verifier` is a PEM."""
    envelope = hashlib.sha256(payload + signature).hexdigest()
    spec = {
        "envelopeHash": {"algorithm": "sha256", "value": envelope},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
        "signatures": [{"signature": b64(signature), "verifier": b64(verifier)}],
    }
    return _body("0.0.1", "dsse", spec)


def hashedrekord_v2(digest: bytes, signature: dict[str, Any]) -> bytes:
    """A body of version 2; `signature` as the request has it: content and verifier."""
    data = {"algorithm": "SHA2_256", "digest": b64(digest)}
    return _body("0.0.2", "hashedrekord", {"hashedRekordV002": {"data": data, "signature": signature}})


def tree(leaves: Sequence[bytes]) -> bytes:
    """The root over hashed leaves, at least one: RFC 9162 2.1.1."""
    if len(leaves) == 1:
        return leaves[0]
    cut = _cut(len(leaves))
    return hashlib.sha256(b"\1" + tree(leaves[:cut]) + tree(leaves[cut:])).digest()


def audit(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """The path from a leaf to the root: RFC 9162 2.1.3.1."""
    if len(leaves) == 1:
        return []
    cut = _cut(len(leaves))
    if index < cut:
        return [*audit(index, leaves[:cut]), tree(leaves[cut:])]
    return [*audit(index - cut, leaves[cut:]), tree(leaves[:cut])]


def b64(data: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(data).decode()


def _cut(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _body(version: str, kind: str, spec: dict[str, Any]) -> bytes:
    document = {"apiVersion": version, "kind": kind, "spec": spec}
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()  # cosign makes the same anew
