# SPDX-License-Identifier: Apache-2.0
"""What a verification ends in: evidence, or the reasons why each candidate was rejected."""

from dataclasses import asdict, dataclass
from enum import StrEnum

from kubeoci.digest import Digest


class Reason(StrEnum):
    """Why one candidate was rejected; stable words, meant to be searched for."""

    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    MISSING = "missing"
    LIMIT = "limit"
    KIND = "kind"
    SIGNATURE = "signature"
    DIGEST = "digest"
    TYPE = "type"
    PREDICATE = "predicate"
    REFERENCE = "reference"
    ANNOTATION = "annotation"
    IDENTITY = "identity"
    CHAIN = "chain"
    SCT = "sct"
    TIME = "time"
    LOG = "log"


class Rejected(Exception):  # noqa: N818 - it is a verdict on one candidate, and another one may pass
    """One candidate does not hold. `text` says what was tried and why it failed, without a full stop."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(reason, text)
        self.reason = reason
        self.text = text


@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate that was looked at: its format, its manifest ("" where none was read), the verdict."""

    format: str
    manifest: str
    reason: Reason
    text: str

    def __str__(self) -> str:
        place = f" {self.manifest[:19]}" if self.manifest else ""
        return f"{self.format}{place}: {self.reason}: {self.text}"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Proof that `digest` was signed as the policy demands. What does not apply is None.

    `provider` is `cosign` or `cosign-keyless`, `format` is `bundle` or `legacy`. `key_fingerprint` is the hexadecimal
    SHA-256 of the key's SPKI. `signed_at` is seconds since 1970 and only ever an authenticated time; `log_index` is
    that of a checked entry; `signature_manifest` the digest of the manifest that holds the signature. `trust_root` says
    where the trusted root came from. Under a policy that verifies nothing, format and manifest are empty.
    """

    digest: Digest
    provider: str
    format: str
    signature_manifest: Digest
    policy_hash: str
    key_fingerprint: str | None = None
    identity: str | None = None
    issuer: str | None = None
    signed_at: int | None = None
    log_index: int | None = None
    trust_root: str | None = None

    def document(self) -> dict[str, object]:
        """The fields that apply, for JSON; names as here."""
        return {name: value for name, value in asdict(self).items() if value not in {None, ""}}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who made the signature that held: a key, or an identity with its issuer. The other fields as in `Evidence`."""

    key_fingerprint: str | None = None
    identity: str | None = None
    issuer: str | None = None
    signed_at: int | None = None
    log_index: int | None = None
