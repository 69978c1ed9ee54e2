# SPDX-License-Identifier: Apache-2.0
"""Verification: a digest and a policy go in; evidence comes out, or an error that tells of every signature tried.

Rules:
- there is no answer but `Evidence`: no boolean that could be forgotten, nothing that is skipped;
- the first signature that meets the policy is enough, in whichever format; a bad one beside it does no harm;
- whatever goes wrong while one is judged is a reason against that one: never a pass, never the end of the search.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, replace
from functools import partial
from typing import TypeVar

from kubeoci import digest as digests
from kubeoci.digest import Digest
from kubeoci.errors import TrustError
from kubeoci.trust import faults
from kubeoci.trust.discover import BUNDLE, LEGACY, Candidate, Search, guarded
from kubeoci.trust.evidence import Attempt, Evidence, Reason, Rejected
from kubeoci.trust.judge import Leaf, Signature, judge
from kubeoci.trust.policy import AllOf, AnyOf, KeylessPolicy, KeyPolicy, Limits, Policy, UnsafeUnverified
from kubeoci.trust.protocols import Source

P = TypeVar("P")


def verify(registry: Source[P], place: P, digest: Digest, policy: Policy, *, where: str = "") -> Evidence:
    """Proof that the artifact `digest` (a sha256 one) in `place` was signed as `policy` demands.

    `where` is the reference to tell people, `place@digest` if left out. Of a composed policy that needs several
    signatures the evidence is that of its first part. `UnsafeUnverified` gets evidence of nothing, unasked.

    Raises `trust.no_signature`, `trust.no_match`, `trust.limit`, `trust.unavailable`, `trust.bad_policy` for another
    kind of digest, `Stopped`, and `registry.digest_mismatch`, `registry.too_large`, `registry.unsafe_redirect` for a
    registry that sends something else than it should.
    """
    if isinstance(policy, UnsafeUnverified):
        return Evidence(digest, "unverified", "", Digest(""), policy.hash)
    return find(registry, place, digest, policy, where=where)[0]


def find(
    registry: Source[P], place: P, digest: Digest, policy: Policy, *, where: str = ""
) -> tuple[Evidence, Signature]:
    """As `verify`, with the signature that settled it; `UnsafeUnverified` is met by none."""
    if digests.algorithm(digest) != "sha256":
        what = f"{digest} is no sha256 digest, and signatures are about those"
        raise faults.bad_policy(what, "refer to the artifact by its sha256 digest")
    where = where or f"{place}@{digest}"
    leaves, met, attempts = _leaves(policy), dict[int, Evidence](), list[Attempt]()
    for candidate in _candidates(Search(registry, place, digest, where, _limits(leaves)), leaves):
        for leaf in leaves:
            if id(leaf) in met or candidate.format not in leaf.formats:
                continue
            outcome = _outcome(candidate, leaf, digest)
            if isinstance(outcome, Rejected):
                attempts.append(Attempt(candidate.format, candidate.manifest, outcome.reason, outcome.text))
            else:
                met[id(leaf)] = outcome
        if (evidence := _settled(policy, met)) and not isinstance(candidate.found, Rejected):
            return replace(evidence, policy_hash=policy.hash), candidate.found
    raise _failure(where, list(dict.fromkeys(attempts)))


def _leaves(policy: Policy) -> list[Leaf]:
    """The parts of a policy that are about one signature each."""
    if isinstance(policy, AnyOf | AllOf):
        return [leaf for child in policy.policies for leaf in _leaves(child)]
    return [policy] if isinstance(policy, KeyPolicy | KeylessPolicy) else []


def _limits(leaves: Sequence[Leaf]) -> Limits:
    """The lowest of all parts: they are held against the same signatures."""
    return Limits(*(min(values) for values in zip(*(astuple(leaf.limits) for leaf in leaves), strict=True)))


def _candidates(search: Search[P], leaves: Sequence[Leaf]) -> Iterator[Candidate]:
    """In the formats that somebody wants, bundles first."""
    formats = {name for leaf in leaves for name in leaf.formats}
    if BUNDLE in formats:
        yield from search.bundles({name for leaf in leaves for name in leaf.predicates})
    if LEGACY in formats:
        yield from search.legacy()


def _outcome(candidate: Candidate, leaf: Leaf, digest: Digest) -> Evidence | Rejected:
    """What comes of one signature under one part of the policy."""
    found = candidate.found
    signer = found if isinstance(found, Rejected) else guarded(partial(judge, found, leaf, digest))
    if isinstance(signer, Rejected):
        return signer
    by_key = isinstance(leaf, KeyPolicy)
    return Evidence(
        digest=digest,
        provider="cosign" if by_key else "cosign-keyless",
        format=candidate.format,
        signature_manifest=digests.parse(candidate.manifest),
        policy_hash=leaf.hash,
        trust_root=leaf.trusted_root.source if leaf.trusted_root else None,
        **asdict(signer),
    )


def _settled(policy: Policy, met: Mapping[int, Evidence]) -> Evidence | None:
    """The evidence for a policy of which some parts are met; None while it takes more."""
    if not isinstance(policy, AnyOf | AllOf):
        return met.get(id(policy))
    found = [_settled(child, met) for child in policy.policies]
    good = [evidence for evidence in found if evidence]
    return good[0] if len(good) >= (len(found) if isinstance(policy, AllOf) else 1) else None


def _failure(where: str, attempts: Sequence[Attempt]) -> TrustError:
    """Why there is no evidence. What was not looked at might have held, so that is told first."""
    if not attempts:
        return faults.no_signature(where)
    if unread := [str(attempt) for attempt in attempts if attempt.reason is Reason.LIMIT]:
        return faults.limit(
            where, f"no matching signatures were found, and not all were looked at: {'; '.join(unread)}"
        )
    return faults.no_match(where, attempts)
