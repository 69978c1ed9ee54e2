# SPDX-License-Identifier: Apache-2.0
"""Who has to have signed, and what the signature has to say: values that are checked when they are made.

Rules:
- a policy that anybody would meet, or nobody, is refused: no keys, no identities, an empty `AnyOf` or `AllOf`;
- so is a setting that would have no effect;
- what accepts without asking is called `UnsafeUnverified`, and stands alone.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeAlias, Union

from kubeoci.artifact import canonical
from kubeoci.trust.faults import bad_policy
from kubeoci.trust.keys import PublicKey
from kubeoci.trust.matching import IdentityMatch
from kubeoci.trust.statement import SIGN

if TYPE_CHECKING:
    from kubeoci.trust.roots import TrustedRoot

FORMATS = ("bundle", "legacy")

_SHORT = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of what a registry lists is looked at, in each format, and of what size. They can only be lowered."""

    max_candidates: int = 64
    max_referrer_bytes: int = 1 << 20
    max_bundle_bytes: int = 1 << 20
    max_payload_bytes: int = 64 << 10

    def __post_init__(self) -> None:
        for each in fields(self):
            if not 0 < getattr(self, each.name) <= each.default:
                raise bad_policy(f"the limit {each.name} is not from 1 to {each.default}", "leave it out")


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """Signed with one of `keys`. Raises `trust.bad_policy`.

    The log counts with `require_tlog` only, and needs a `trusted_root` then. A bundle must be of one of `predicates`; a
    signature must have all `annotations` and, where it is given, be about `reference` (`<registry>/<repository>`).
    """

    keys: tuple[PublicKey, ...]
    require_tlog: bool = False
    trusted_root: "TrustedRoot | None" = None
    predicates: tuple[str, ...] = (SIGN,)
    annotations: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    formats: tuple[str, ...] = FORMATS
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.keys:
            raise bad_policy("the policy names no key", "name at least one public key")
        if self.require_tlog and self.trusted_root is None:
            raise bad_policy("the log is required, and none is trusted", "give a trusted root")
        if self.trusted_root is not None and not self.require_tlog:
            raise bad_policy("a trusted root has no effect on keys", "leave it out, or require the log")
        _check_claims(self)

    @property
    def hash(self) -> str:
        """The hexadecimal SHA-256 of all that decides; equal policies have the same, however they were written."""
        return _hash("key", self, {"keys": sorted({key.fingerprint for key in self.keys})})

    def describe(self) -> str:
        """One line for people."""
        names = " or ".join(f"{key.fingerprint[:_SHORT]}…" for key in self.keys)
        return f"key {names}{' in the log' if self.require_tlog else ''}{_described(self)}"


@dataclass(frozen=True, slots=True)
class KeylessPolicy:
    """Signed by one of `identities`, as `trusted_root` vouches. The other fields as of `KeyPolicy`."""

    identities: tuple[IdentityMatch, ...]
    trusted_root: "TrustedRoot"
    predicates: tuple[str, ...] = (SIGN,)
    annotations: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    formats: tuple[str, ...] = FORMATS
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.identities:
            raise bad_policy("the policy names no identity", "name at least one issuer with its subject")
        _check_claims(self)

    @property
    def hash(self) -> str:
        """As of `KeyPolicy`."""
        identities = sorted((match.document() for match in self.identities), key=canonical)
        return _hash("keyless", self, {"identities": identities})

    def describe(self) -> str:
        """One line for people."""
        return f"identity {' or '.join(map(str, self.identities))}{_described(self)}"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of `policies` holds. Raises `trust.bad_policy` where there is none."""

    policies: tuple["Policy", ...]

    def __post_init__(self) -> None:
        _check_parts(self.policies)

    @property
    def hash(self) -> str:
        """As of `KeyPolicy`."""
        return _digest({"kind": "any-of", "policies": sorted({policy.hash for policy in self.policies})})

    def describe(self) -> str:
        """One line for people."""
        return " or ".join(_parts(self.policies))


@dataclass(frozen=True, slots=True)
class AllOf:
    """Each of `policies` holds, be it by different signatures. Raises `trust.bad_policy` where there is none."""

    policies: tuple["Policy", ...]

    def __post_init__(self) -> None:
        _check_parts(self.policies)  # an empty "all" would accept everything

    @property
    def hash(self) -> str:
        """As of `KeyPolicy`."""
        return _digest({"kind": "all-of", "policies": sorted({policy.hash for policy in self.policies})})

    def describe(self) -> str:
        """One line for people."""
        return " and ".join(_parts(self.policies))


@dataclass(frozen=True, slots=True)
class UnsafeUnverified:
    """Accepts everything, asks nobody, and says so in its evidence."""

    @property
    def hash(self) -> str:
        """As of `KeyPolicy`."""
        return _digest({"kind": "unverified"})

    def describe(self) -> str:
        """One line for people."""
        return "anybody, unverified"


Policy: TypeAlias = Union[KeyPolicy, KeylessPolicy, AnyOf, AllOf, UnsafeUnverified]  # noqa: UP007 - names later classes


def _check_claims(policy: KeyPolicy | KeylessPolicy) -> None:
    """What both kinds demand of a signature."""
    _check_names("predicates", policy.predicates)
    _check_names("formats", policy.formats)
    if unknown := sorted(set(policy.formats) - set(FORMATS)):
        raise bad_policy(f"there is no format {unknown[0]!r:.80}", f"take {' or '.join(FORMATS)}, or both")
    if "bundle" not in policy.formats and policy.predicates != (SIGN,):
        raise bad_policy("predicates have no effect on the legacy format", "leave them out, or accept bundles")
    if policy.reference == "":
        raise bad_policy("the reference is empty", "leave it out, or write <registry>/<repository>")
    if "" in policy.annotations:
        raise bad_policy("an annotation has no name", "name each of them")
    object.__setattr__(policy, "annotations", dict(policy.annotations))


def _check_names(what: str, names: Collection[str]) -> None:
    if isinstance(names, str) or not names or "" in names:
        raise bad_policy(f"{what} is empty or holds an empty text: nothing could hold", "leave it out, or name some")
    if len(set(names)) < len(names):
        raise bad_policy(f"{what} names the same twice", "name each once")


def _check_parts(policies: Collection["Policy"]) -> None:
    if not policies:
        raise bad_policy("a policy of several has none", "name at least one")
    if any(isinstance(policy, UnsafeUnverified) for policy in policies):
        raise bad_policy("a policy beside UnsafeUnverified has no effect", "take one of them alone")


def _parts(policies: Collection["Policy"]) -> Iterator[str]:
    """Each as a line for people, in brackets where it has several parts itself."""
    for policy in policies:
        told = policy.describe()
        yield f"({told})" if isinstance(policy, AnyOf | AllOf) and len(policies) > 1 else told


def _described(policy: KeyPolicy | KeylessPolicy) -> str:
    """What else is demanded, as far as it is not the default."""
    kinds = "" if policy.predicates == (SIGN,) else f", as {' or '.join(policy.predicates)}"
    notes = "".join(f", annotated {name}={value}" for name, value in sorted(policy.annotations.items()))
    about = "" if policy.reference is None else f", about {policy.reference}"
    only = "" if len(policy.formats) == len(FORMATS) else f", in the {policy.formats[0]} format"
    return f"{kinds}{notes}{about}{only}"


def _hash(kind: str, policy: KeyPolicy | KeylessPolicy, signers: Mapping[str, object]) -> str:
    root = policy.trusted_root
    return _digest(
        {
            "kind": kind,
            "keys": [],
            "identities": [],
            "root": None if root is None else root.digest,
            "predicates": sorted(policy.predicates),
            "annotations": policy.annotations,
            "reference": policy.reference,
            "formats": sorted(policy.formats),
            "require_tlog": getattr(policy, "require_tlog", False),
            **signers,
        }
    )


def _digest(document: Mapping[str, object]) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()
