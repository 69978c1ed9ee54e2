# SPDX-License-Identifier: Apache-2.0
"""The errors of this package, each with its code and what can be done."""

from collections.abc import Sequence

from kubeoci.errors import RegistryError, TrustError
from kubeoci.trust.evidence import Attempt


class NoMatch(TrustError):  # noqa: N818 - it is a verdict
    """None of the signatures holds; `attempts` has the verdict on each."""

    attempts: tuple[Attempt, ...] = ()


def bad_policy(what: str, advice: str = "") -> TrustError:
    """A policy that would accept anything, nothing, or something else than its words say."""
    return TrustError("trust.bad_policy", what, advice=advice)


def bad_key(name: str, what: str, advice: str = "") -> TrustError:
    """A key that cannot be used. `name` says which one; the key itself is never told."""
    return TrustError("trust.bad_key", what, where=name, advice=advice)


def trust_root(what: str, advice: str = "") -> TrustError:
    """A trusted root that cannot be read, or holds nothing to trust."""
    return TrustError("trust.trust_root", what, advice=advice)


def unavailable(where: str, cause: RegistryError) -> TrustError:
    """The registry could not be asked for signatures; that is never the same as "not signed"."""
    return TrustError(
        "trust.unavailable", f"the signatures could not be read: {cause}", where=where, advice="try again later"
    )


def limit(where: str, what: str) -> TrustError:
    """More candidates than are looked at, none of which held."""
    return TrustError("trust.limit", what, where=where, advice="remove referrers that are no signatures")


def no_signature(where: str) -> TrustError:
    """Nothing was found that claims to be a signature."""
    return TrustError(
        "trust.no_signature",
        f"no matching signatures were found for '{where}': there is no signature at all",
        advice="sign it, or correct the reference",
    )


def no_match(where: str, attempts: Sequence[Attempt]) -> TrustError:
    """There are signatures, and none of them is by whom the policy names."""
    told = "; ".join(str(attempt) for attempt in attempts)
    error = NoMatch(
        "trust.no_match", f"no matching signatures were found for '{where}': {told}",
        advice="have it signed by whom the policy names, or correct `verify`",
    )  # fmt: skip
    error.attempts = tuple(attempts)
    return error


def sign_token(what: str, advice: str = "") -> TrustError:
    """There is no identity token, or none that can sign."""
    return TrustError("trust.sign_token", what, advice=advice)


def sign_service(what: str, advice: str = "") -> TrustError:
    """A certificate authority, log or time stamp authority failed; nothing was pushed."""
    return TrustError("trust.sign_service", what, advice=advice)


def sign_registry(where: str, what: str, advice: str = "") -> TrustError:
    """The signature could not be stored, or what is stored there already must not be overwritten."""
    return TrustError("trust.sign_registry", what, where=where, advice=advice)
