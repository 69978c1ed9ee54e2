# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.policy: what cannot be built, what a policy is known by, and how it is told."""

import hashlib
import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from kubeoci.errors import TrustError
from kubeoci.trust import keys, roots
from kubeoci.trust.matching import IdentityMatch
from kubeoci.trust.policy import AllOf, AnyOf, KeylessPolicy, KeyPolicy, Limits, Policy, UnsafeUnverified
from kubeoci.trust.statement import SIGN
from simulator.sigstore import Sigstore

KEY, OTHER = (
    keys.public_key(f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n", "a.pub")
    for body in (
        "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "MCowBQYDK2VwAyEAPUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
    )
)
ROOT = roots.read(json.dumps(Sigstore().trusted_root()), source="inline", is_users=True)
JO = IdentityMatch(issuer="https://issuer", subject_regex="^jo@.*$")
ANN = IdentityMatch(issuer="https://issuer", subject="ann@example.com")
SLSA = "https://slsa.dev/provenance/v1"
BY_KEY = KeyPolicy((KEY,))
BY_IDENTITY = KeylessPolicy((JO,), ROOT)


def hashed(document: dict[str, object]) -> str:
    """The hash of a policy with this content."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: KeyPolicy(()), "names no key"),
        (lambda: KeylessPolicy((), ROOT), "names no identity"),
        (lambda: AnyOf(()), "a policy of several has none"),
        (lambda: AllOf(()), "a policy of several has none"),
        (lambda: AnyOf((BY_KEY, UnsafeUnverified())), "beside UnsafeUnverified has no effect"),
        (lambda: AllOf((UnsafeUnverified(),)), "beside UnsafeUnverified has no effect"),
        (lambda: KeyPolicy((KEY,), trusted_root=ROOT), "a trusted root has no effect on keys"),
        (lambda: KeyPolicy((KEY,), require_tlog=True), "the log is required, and none is trusted"),
        (lambda: KeyPolicy((KEY,), predicates=()), "predicates is empty"),
        (lambda: KeyPolicy((KEY,), predicates=("",)), "predicates is empty"),
        (lambda: KeyPolicy((KEY,), predicates=SIGN), "predicates is empty"),
        (lambda: KeyPolicy((KEY,), predicates=(SIGN, SIGN)), "predicates names the same twice"),
        (lambda: KeyPolicy((KEY,), predicates=(SLSA,), formats=("legacy",)), "no effect on the legacy format"),
        (lambda: KeyPolicy((KEY,), formats=()), "formats is empty"),
        (lambda: KeyPolicy((KEY,), formats=("bundle", "bundle")), "formats names the same twice"),
        (lambda: KeyPolicy((KEY,), formats=("notation",)), "there is no format 'notation'"),
        (lambda: KeyPolicy((KEY,), reference=""), "the reference is empty"),
        (lambda: KeyPolicy((KEY,), annotations={"": "x"}), "an annotation has no name"),
        (lambda: KeylessPolicy((JO,), ROOT, formats=()), "formats is empty"),
        (lambda: Limits(max_candidates=0), "the limit max_candidates is not from 1 to 64"),
        (lambda: Limits(max_payload_bytes=1 << 30), "the limit max_payload_bytes is not from 1 to 65536"),
    ],
)
def test_policies_that_cannot_be(build: Callable[[], object], told: str) -> None:
    """What anybody would meet, nobody could, or has no effect; each says what to do."""
    with pytest.raises(TrustError, match=told) as caught:
        build()
    assert "trust.bad_policy" == caught.value.code
    assert caught.value.advice


def test_hash_of_a_key_policy() -> None:
    """SHA-256 over all that decides, as sorted compact JSON."""
    document: dict[str, object] = {
        "kind": "key",
        "keys": [KEY.fingerprint],
        "identities": [],
        "root": None,
        "predicates": [SIGN],
        "annotations": {},
        "reference": None,
        "formats": ["bundle", "legacy"],
        "require_tlog": False,
    }
    assert hashed(document) == BY_KEY.hash


def test_hash_of_a_keyless_policy() -> None:
    """The root counts by what is in it, an identity by what was given."""
    jo = {"issuer": "https://issuer", "issuer_regex": None, "subject": None, "subject_regex": "^jo@.*$"}
    document: dict[str, object] = {
        "kind": "keyless",
        "keys": [],
        "identities": [{**jo, "extensions": {}}],
        "root": ROOT.digest,
        "predicates": [SIGN],
        "annotations": {"env": "prod"},
        "reference": "reg.io/app",
        "formats": ["legacy"],
        "require_tlog": False,
    }
    policy = KeylessPolicy((JO,), ROOT, annotations={"env": "prod"}, reference="reg.io/app", formats=("legacy",))
    assert hashed(document) == policy.hash


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (KeyPolicy((KEY, OTHER)), KeyPolicy((OTHER, KEY))),
        (KeyPolicy((KEY, KEY)), BY_KEY),
        (KeyPolicy((KEY,), formats=("legacy", "bundle")), BY_KEY),
        (KeylessPolicy((JO, ANN), ROOT), KeylessPolicy((ANN, JO), ROOT)),
        (AnyOf((BY_KEY, BY_IDENTITY)), AnyOf((BY_IDENTITY, BY_KEY))),
    ],
)
def test_order_is_not_in_the_hash(one: Policy, two: Policy) -> None:
    """The same policy in other words."""
    assert one.hash == two.hash


def test_all_that_decides_is_in_the_hash() -> None:
    """No two of these are the same."""
    changes: list[dict[str, Any]] = [
        {},
        {"keys": (OTHER,)},
        {"require_tlog": True, "trusted_root": ROOT},
        {"predicates": (SLSA,)},
        {"annotations": {"env": "prod"}},
        {"reference": "reg.io/app"},
        {"formats": ("bundle",)},
    ]
    policies: list[Policy] = [KeyPolicy(**{"keys": (KEY,), **change}) for change in changes]
    policies += [BY_IDENTITY, AnyOf((BY_KEY,)), AllOf((BY_KEY,)), AllOf((BY_KEY, BY_IDENTITY)), UnsafeUnverified()]
    assert len(policies) == len({policy.hash for policy in policies})


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (KeyPolicy((KEY, OTHER)), f"key {KEY.fingerprint[:8]}… or {OTHER.fingerprint[:8]}…"),
        (
            KeyPolicy((KEY,), require_tlog=True, trusted_root=ROOT, formats=("legacy",)),
            f"key {KEY.fingerprint[:8]}… in the log, in the legacy format",
        ),
        (BY_IDENTITY, "identity ^jo@.*$ of issuer https://issuer"),
        (
            KeylessPolicy((JO,), ROOT, (SIGN, SLSA), {"env": "prod"}, "reg.io/app"),
            f"identity {JO}, as {SIGN} or {SLSA}, annotated env=prod, about reg.io/app",
        ),
        (AnyOf((BY_KEY, BY_IDENTITY)), f"{BY_KEY.describe()} or {BY_IDENTITY.describe()}"),
        (
            AllOf((BY_KEY, AnyOf((BY_KEY, BY_IDENTITY)))),
            f"{BY_KEY.describe()} and ({BY_KEY.describe()} or identity {JO})",
        ),
        (AllOf((AnyOf((BY_KEY,)),)), BY_KEY.describe()),
        (UnsafeUnverified(), "anybody, unverified"),
    ],
    ids=count(),
)
def test_is_told_in_one_line(policy: Policy, expected: str) -> None:
    """By whom, and what differs from the default."""
    assert expected == policy.describe()


def test_annotations_are_copied() -> None:
    """What the caller does with his table later changes no policy."""
    table = {"env": "prod"}
    policy = KeyPolicy((KEY,), annotations=table)
    table.clear()
    assert {"env": "prod"} == policy.annotations
