# SPDX-License-Identifier: Apache-2.0
"""What a candidate holds, read strictly and judged by nobody yet. Times are seconds since 1970."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That an entry is in a log of `tree_size` entries. Hashes are raw; `checkpoint` is the signed note."""

    log_index: int
    root_hash: bytes
    tree_size: int
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of a transparency log. `log_id` and `promise` (the signed entry timestamp, maybe empty) are raw.

    `body` is the canonical body as it was logged; `kind` and `version` are what the bundle says of it, "" in the
    legacy format. `integrated_time` is nobody's word where there is no promise; 0 where it is missing.
    """

    log_index: int
    log_id: bytes
    integrated_time: int
    promise: bytes
    body: bytes
    kind: str = ""
    version: str = ""
    proof: InclusionProof | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle v0.3 around one DSSE envelope with one signature. `raw` is its JSON text, checked member by member.

    One of `certificate` (DER) and `key_hint` (untrusted) is not None. `timestamps` are DER time stamp responses.
    """

    raw: str = field(repr=False)
    payload: bytes
    payload_type: str
    signature: bytes
    certificate: bytes | None
    key_hint: str | None
    entries: tuple[LogEntry, ...] = ()
    timestamps: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class LegacySignature:
    """One layer of a `.sig` manifest. `payload` is what was signed; `certificate` (DER) is None under a key.

    `entry` is the log entry of the `bundle` annotation; its proof is always None.
    """

    payload: bytes
    signature: bytes
    certificate: bytes | None = None
    entry: LogEntry | None = None
