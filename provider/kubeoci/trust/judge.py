# SPDX-License-Identifier: Apache-2.0
"""One signature against one policy: who made it, and whether it says what it should.

Nothing that was signed is parsed before the signature over it holds.
"""

import base64

from kubeoci.digest import Digest
from kubeoci.trust import simplesigning, statement
from kubeoci.trust.claims import Claims
from kubeoci.trust.evidence import Reason, Rejected, Signer
from kubeoci.trust.keys import PublicKey
from kubeoci.trust.material import Bundle, LegacySignature, LogEntry
from kubeoci.trust.policy import KeylessPolicy, KeyPolicy

Signature = Bundle | LegacySignature
Leaf = KeyPolicy | KeylessPolicy

_FINGERPRINT = 64  # hexadecimal digits of a SHA-256
_SHORT = 12


def judge(found: Signature, policy: Leaf, digest: Digest) -> Signer:
    """Who signed `digest`, as `policy` demands it. Raises `Rejected`, for any reason that there is."""
    signed = _signed(found)
    signer = _by_key(found, signed, policy) if isinstance(policy, KeyPolicy) else _by_identity(found, policy)
    claims = Claims(digest, policy.predicates, policy.annotations, policy.reference)
    if isinstance(found, Bundle):
        statement.check(found.payload, claims)
    else:
        simplesigning.check(found.payload, claims)
    return signer


def _signed(found: Signature) -> bytes:
    """The bytes under the signature."""
    if isinstance(found, LegacySignature):
        return found.payload
    statement.check_type(found.payload_type)
    return statement.pae(found.payload)


def _by_key(found: Signature, signed: bytes, policy: KeyPolicy) -> Signer:
    """The key that made it, and the log's word for it where that is required."""
    if found.certificate is not None:
        raise Rejected(Reason.KIND, "it was made with a certificate, and the policy names keys")
    try:
        key = _maker(found.signature, signed, policy.keys)
    except Rejected as verdict:
        raise Rejected(verdict.reason, f"{verdict.text}{_hint(found)}") from None
    if not policy.require_tlog:
        return Signer(key_fingerprint=key.fingerprint)
    entry = _logged(found, key, policy)
    return Signer(
        key.fingerprint, signed_at=entry.integrated_time if entry.promise else None, log_index=entry.log_index
    )


def _maker(signature: bytes, signed: bytes, keys: tuple[PublicKey, ...]) -> PublicKey:
    """The key that made the signature. Each is tried: what a bundle hints at, anybody can write."""
    verdicts = []
    for key in keys:
        try:
            key.verify(signature, signed)
        except Rejected as verdict:
            verdicts.append(verdict)
        else:
            return key
    reasons = {verdict.reason for verdict in verdicts} - {Reason.SIGNATURE}
    raise Rejected(min(reasons, default=Reason.SIGNATURE), "; ".join(verdict.text for verdict in verdicts))


def _hint(found: Signature) -> str:
    """The key that a bundle says it was made with: whoever compares fingerprints wants to see both."""
    text = found.key_hint if isinstance(found, Bundle) else None
    try:
        fingerprint = base64.b64decode(text or "", validate=True).hex()
    except ValueError:  # hints are free text
        return ""
    return f"; it names the key {fingerprint[:_SHORT]}" if len(fingerprint) == _FINGERPRINT else ""


def _logged(found: Signature, key: PublicKey, policy: KeyPolicy) -> LogEntry:
    """The checked entry of the log."""
    from kubeoci.trust import log  # noqa: PLC0415 - few policies demand it

    if policy.trusted_root is None:
        raise Rejected(Reason.LOG, "there is no trusted root that names a log")
    if isinstance(found, Bundle):
        return log.judge_bundle(found, key, policy.trusted_root)
    return log.judge_legacy(found, key, policy.trusted_root)


def _by_identity(found: Signature, policy: KeylessPolicy) -> Signer:
    """The identity in the certificate that made it."""
    if found.certificate is None:
        raise Rejected(Reason.KIND, "it was made with a key, and the policy names identities")
    from kubeoci.trust import keyless  # noqa: PLC0415 - policies of keys have no need of it

    if isinstance(found, Bundle):
        return keyless.judge_bundle(found, policy)
    return keyless.judge_legacy(found, policy)
