# SPDX-License-Identifier: Apache-2.0
"""Signatures by an identity: certificate, log and time stamps, judged at the times that somebody vouches for.

Our own checks come first, each with its reason; sigstore's library then judges a bundle once more. Of the trusted root
both see only what counts at every time that is claimed: a forged one can but shrink it, and is rejected in the end.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from kubeoci.artifact import canonical
from kubeoci.trust import certificates, log, matching, statement
from kubeoci.trust.certificates import Identity, Leaf
from kubeoci.trust.evidence import Reason, Rejected, Signer
from kubeoci.trust.log import Maker
from kubeoci.trust.material import Bundle, LegacySignature, LogEntry
from kubeoci.trust.policy import KeylessPolicy
from kubeoci.trust.roots import Authority, TrustedRoot

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

_NO_SERVICES = {
    "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    "caUrls": [],
    "oidcUrls": [],
    "rekorTlogUrls": [],
    "rekorTlogConfig": {"selector": "ANY"},
    "tsaUrls": [],
    "tsaConfig": {"selector": "ANY"},
}


def judge_bundle(found: Bundle, policy: KeylessPolicy) -> Signer:
    """Who signed. Raises `Rejected`: `identity`, `chain`, `sct`, `time`, `log`, `signature`, and for broken parts."""
    leaf, entry = certificates.read(found.certificate or b""), log.only(found)
    leaf.verify(found.signature, statement.pae(found.payload, found.payload_type))
    stamps = [_response(stamp) for stamp in found.timestamps]
    times = _claimed(entry, [stamp.tst_info.gen_time for stamp in stamps])
    root = policy.trusted_root.pruned(times)
    log.check_bundle(entry, found, Maker(leaf.der, is_certificate=True))
    entry = log.check(entry, root.logs, min(times))
    identity = _identity(leaf, root, times, policy)
    for stamp in stamps:  # after the identity: strangers must not keep us busy with their time stamps
        _check_stamp(stamp, found.signature, root.stampers)
    _check_again(found, root)
    only = entry.promise or len(times) == 1
    return Signer(None, identity.subject, identity.issuer, int(times[0].timestamp()) if only else None, entry.log_index)


def judge_legacy(found: LegacySignature, policy: KeylessPolicy) -> Signer:
    """Who signed. Raises `Rejected` as `judge_bundle` does. The log's promise vouches for the time."""
    entry = found.entry
    if entry is None:
        raise Rejected(Reason.LOG, "it has no log entry")
    leaf, times = certificates.read(found.certificate or b""), _claimed(entry)
    root = policy.trusted_root.pruned(times)
    log.check(entry, root.logs)
    log.check_legacy(entry, found, Maker(leaf.der, is_certificate=True))
    identity = _identity(leaf, root, times, policy)
    leaf.verify(found.signature, found.payload)
    return Signer(None, identity.subject, identity.issuer, entry.integrated_time, entry.log_index)


def _identity(leaf: Leaf, root: TrustedRoot, times: Sequence[datetime], policy: KeylessPolicy) -> Identity:
    """Whom the certificate names, if it was good at each of these times and the policy wants him."""
    for time in times:
        issued_by = certificates.issuer(leaf, root.authorities, time)
        certificates.check_scts(leaf, issued_by, root.ct_logs)
    certificates.check_usage(leaf)
    found = certificates.identity(leaf)
    matching.check(policy.identities, found.subject, found.issuer, found.extensions)
    return found


def _claimed(entry: LogEntry, stamps: Sequence[datetime] = ()) -> list[datetime]:
    """Every time that is claimed of the signature, at least one. Raises `Rejected` (`time`)."""
    promised = log.promised_time(entry)
    times = [*([promised] if promised else []), *stamps]
    if not times:
        raise Rejected(Reason.TIME, "nobody vouches for the time of the signature: no promise of a log, no time stamp")
    return times


def _response(stamp: bytes) -> "TimeStampResponse":
    """A time stamp, believed by nobody yet."""
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - few bundles have any

    try:
        return decode_timestamp_response(stamp)
    except ValueError:
        raise Rejected(Reason.MALFORMED, "a time stamp cannot be read") from None


def _check_stamp(stamp: "TimeStampResponse", signature: bytes, stampers: Iterable[Authority]) -> None:
    """One of these authorities stamped this signature. Raises `Rejected` (`time`)."""
    from rfc3161_client import VerificationError, VerifierBuilder  # noqa: PLC0415 - few bundles have any

    verdicts = []
    for first, *between, last in (authority.chain for authority in stampers if len(authority.chain) > 1):
        try:
            VerifierBuilder(None, first, between, [last]).build().verify_message(stamp, signature)
        except (VerificationError, ValueError) as error:
            verdicts.append(str(error))
        else:
            return
    told = "; ".join(dict.fromkeys(verdicts)) or "no authority counts at its time"
    raise Rejected(Reason.TIME, f"a time stamp is not by a trusted authority over this signature: {told:.300}")


def _check_again(found: Bundle, root: TrustedRoot) -> None:
    """What sigstore's library says. Our own checks hold by now, so nothing should be left for it to find."""
    from sigstore import models  # noqa: PLC0415 - loads slowly
    from sigstore.verify import Verifier  # noqa: PLC0415 - loads slowly

    config = {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": root.document(),
        "signingConfig": _NO_SERVICES,
    }
    try:
        verifier = Verifier(trusted_root=models.ClientTrustConfig.from_json(canonical(config).decode()).trusted_root)
        verifier.verify_dsse(models.Bundle.from_json(found.raw), _Anybody())
    except Exception as error:  # noqa: BLE001 - whatever the library says is a verdict
        raise Rejected(Reason.UNSUPPORTED, f"sigstore's library rejects it: {error!s:.300}") from None


class _Anybody:
    """The policy for the library: whom a certificate names was judged before."""

    def verify(self, cert: object) -> None:
        """Accept it."""
