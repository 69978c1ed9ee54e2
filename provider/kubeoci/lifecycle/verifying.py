# SPDX-License-Identifier: Apache-2.0
"""`verify` of an OCIRepository: from the inputs to a policy, and from a digest to the evidence that it holds.

Rules:
- verification is part of check, so what is not trusted fails the preview; and the apply verifies what it applies;
- evidence is gathered once per `pulumi` command and policy;
- a preview puts it off only where nothing is pushed yet and this program does not push it unsigned, or where this
  program will sign it as the policy demands.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypedDict, cast

from kubeoci.digest import Digest
from kubeoci.errors import TrustError
from kubeoci.lifecycle import memory, secrets
from kubeoci.lifecycle.contract import Call
from kubeoci.lifecycle.inputs import Reader
from kubeoci.lifecycle.secrets import Keeper
from kubeoci.lifecycle.values import Value
from kubeoci.registry.protocols import Place, Store
from kubeoci.trust.evidence import Reason
from kubeoci.trust.faults import NoMatch

if TYPE_CHECKING:
    from kubeoci.trust.policy import KeylessPolicy, KeyPolicy
    from kubeoci.trust.roots import TrustedRoot

_KEYS: Final = ("keys", "secretRef", "requireTlog")
_KEYLESS: Final = ("matchOIDCIdentity", "trustedRoot", "trustedRootSecretRef")
_CLAIMS: Final = ("predicates", "annotations", "reference", "formats")
_INPUTS: Final = ("provider", *_KEYS, *_KEYLESS, *_CLAIMS)
_PUBLIC: Final = ".pub"
_ROOT: Final = "trusted_root.json"  # as Flux names it
_PROMISED: Final = "promised"
_NAMES: Final = {
    "signature_manifest": "signatureManifest",
    "policy_hash": "policyHash",
    "key_fingerprint": "keyFingerprint",
    "signed_at": "signedAt",
    "log_index": "logIndex",
    "trust_root": "trustRoot",
}


@dataclass(frozen=True, slots=True)
class Verify:
    """The settings under `verify`; what is empty or None was not given.

    `identities` are pairs of regular expressions: of the issuer and of the subject.
    """

    keys: tuple[str, ...] = ()
    secret: str = ""
    identities: tuple[tuple[str, str], ...] = ()
    trusted_root: str = field(default="", repr=False)
    root_secret: str = ""
    require_tlog: bool = False
    predicates: tuple[str, ...] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    formats: tuple[str, ...] | None = None


class _Claims(TypedDict):
    """What a signature has to say, as each policy takes it."""

    predicates: tuple[str, ...]
    annotations: Mapping[str, str]
    reference: str | None
    formats: tuple[str, ...]


def read(reader: Reader) -> Verify | None:
    """The settings, None where there is no `verify`. Every fault, also in a key or pattern, goes to `reader`."""
    section = reader.section("verify", _INPUTS)
    if section is None:
        return None
    if section.text("provider") == "notation":
        section.fault("provider", "notation is not in this release", "use cosign", code="trust.bad_policy")
    else:
        section.choice("provider", ("cosign",), "cosign")
    found = Verify(
        keys=section.texts("keys"),
        secret=secrets.name_of(section, "secretRef"),
        identities=_identities(section),
        trusted_root=section.text("trustedRoot"),
        root_secret=secrets.name_of(section, "trustedRootSecretRef"),
        require_tlog=section.boolean("requireTlog", default=False),
        predicates=section.texts("predicates") if section.raw("predicates") is not None else None,
        annotations=section.table("annotations"),
        reference=section.text("reference") if section.raw("reference") is not None else None,
        formats=section.texts("formats") if section.raw("formats") is not None else None,
    )
    if section.pending:  # so `verify` is pending in `reader` as well
        return None
    _check_sources(section, found)
    _check_parts(section, found)
    return found


@dataclass(frozen=True, slots=True)
class Signed:
    """The artifact that is to be verified, and who serves it."""

    store: Store[Place]
    place: Place
    digest: Digest

    def __str__(self) -> str:
        return f"{self.place}@{self.digest}"


def evidence(call: Call, given: Verify, keeper: Keeper, what: Signed, *, may_wait: bool) -> dict[str, Value] | None:
    """Proof, as the output `verified` has it, that an artifact is signed as `given` demands.

    None only if `may_wait`, in the preview of a program that will sign it. Raises `TrustError`, `RegistryError`,
    `ClusterError`, and `Pending` while the Secret with the keys is not there.
    """
    from kubeoci.trust.verify import verify  # noqa: PLC0415 - loads cryptography

    try:
        policy = _policy(call, given, keeper)
    except TrustError as error:
        raise error if error.where else error.at("verify") from error
    key = f"{what} {policy.hash}"
    known = memory.recall(call, "verified", key)
    if known is not None:
        return cast("dict[str, Value]", known["evidence"])
    try:
        found = verify(what.store, what.place, what.digest, policy)
    except TrustError as error:
        if may_wait and _may_come(call, policy, what, error) and not memory.is_second_look(call, f"unsigned {key}"):
            return None
        raise
    proof = {_NAMES.get(name, name): value for name, value in found.document().items() if name != "digest"}
    memory.note(call, "verified", key, {"evidence": proof})
    return proof


def told(proof: Value) -> str:
    """`, signed by key 3f2a0b1c…` for the line that sums up a plan; nothing without evidence."""
    if not isinstance(proof, dict):
        return ""
    key = str(proof.get("keyFingerprint") or "")
    return f", signed by key {key[:8]}…" if key else f", signed by {proof.get('identity')}"


def promise(call: Call, place: Place, digest: Digest, signers: tuple[str, ...]) -> None:
    """Note that this command will push `digest`, signed by these fingerprints, or by `keyless`; by nobody if empty."""
    memory.note(call, _PROMISED, f"{place}@{digest}", {"signers": list(signers)})


def _may_come(call: Call, policy: "KeyPolicy | KeylessPolicy", what: Signed, error: TrustError) -> bool:
    """Whether what is missing now may be there once the update comes to it."""
    if error.code not in {"trust.no_signature", "trust.no_match"}:
        return False
    promised = memory.recall(call, _PROMISED, str(what))
    if promised is None:
        return error.code == "trust.no_signature" and not what.store.exists(what.place, what.digest)
    signers, keys = cast("list[str]", promised["signers"]), getattr(policy, "keys", ())
    if keys:
        return not {key.fingerprint for key in keys}.isdisjoint(signers)
    # whom a token names is known once it signs: so nothing there may be signed without a key yet
    attempts = error.attempts if isinstance(error, NoMatch) else ()
    return "keyless" in signers and all(attempt.reason is Reason.KIND for attempt in attempts)


def _policy(call: Call, given: Verify, keeper: Keeper) -> "KeyPolicy | KeylessPolicy":
    """The policy. Raises `TrustError` for keys of a Secret that cannot be used, and what reading the Secret raises."""
    from kubeoci.trust import keys, matching, policy, statement  # noqa: PLC0415 - loads cryptography

    claims: _Claims = {
        "predicates": (statement.SIGN,) if given.predicates is None else given.predicates,
        "annotations": given.annotations,
        "reference": given.reference,
        "formats": policy.FORMATS if given.formats is None else given.formats,
    }
    if given.identities:
        matches = tuple(matching.IdentityMatch(issuer_regex=one, subject_regex=two) for one, two in given.identities)
        return policy.KeylessPolicy(matches, _root(call, given, keeper), **claims)
    texts = {f"verify.keys[{index}]": text for index, text in enumerate(given.keys)}
    texts |= _of_secret(call, given, keeper) if given.secret else {}
    found = tuple(keys.public_key(text, name) for name, text in texts.items())
    root = _root(call, given, keeper) if given.require_tlog else None
    return policy.KeyPolicy(found, given.require_tlog, root, **claims)


def _of_secret(call: Call, given: Verify, keeper: Keeper) -> dict[str, str]:
    """The keys of the Secret that end with `.pub`, by name. Raises `trust.bad_policy` when there is none."""
    found = secrets.wanted(call, keeper, given.secret, "verify.secretRef")
    names = sorted(name for name in found.data if name.endswith(_PUBLIC))
    if not names:
        raise TrustError(
            "trust.bad_policy", f"{found} has no key that ends with {_PUBLIC}", where="verify.secretRef",
            advice="store each public key under a name such as cosign.pub",
        )  # fmt: skip
    return {f"{found}, {name}": found.text(name) for name in names}


def _identities(section: Reader) -> tuple[tuple[str, str], ...]:
    """`matchOIDCIdentity` as pairs; each has both halves, or the other one would match anybody."""
    return tuple(
        (each.text("issuer", required=True), each.text("subject", required=True))
        for each in section.sections("matchOIDCIdentity", ("issuer", "subject"))
    )


def _check_sources(section: Reader, found: Verify) -> None:
    """Exactly one source of trust, and no setting that it does not use."""
    named = [name for name in ("keys", "secretRef", "matchOIDCIdentity") if section.values.get(name) is not None]
    code = "trust.bad_policy"
    if len(named) != 1:
        what = f"names {' and '.join(named)}" if named else "names neither keys nor identities"
        section.fault("", what, "give one of keys, secretRef and matchOIDCIdentity", code)
        return
    if (named == ["keys"] and not found.keys) or (named == ["matchOIDCIdentity"] and not found.identities):
        section.fault(named[0], "is empty: nobody could have signed", "name at least one", code)
    for name in ("trustedRoot", "trustedRootSecretRef"):
        if section.values.get(name) is not None and not (found.identities or found.require_tlog):
            section.fault(name, "has no effect on keys without requireTlog", "leave it out", code)
    if found.trusted_root and found.root_secret:
        section.fault("trustedRoot", "trustedRootSecretRef is given as well", "give one of the two", code)
    if found.identities and section.values.get("requireTlog") is not None:
        section.fault("requireTlog", "has no effect on identities: their log is always checked", "leave it out", code)


def _check_parts(section: Reader, found: Verify) -> None:
    """Keys, patterns, roots and claims as the policy reads them, each fault at its place."""
    if section.faults:
        return
    from kubeoci.trust import keys, matching, roots  # noqa: PLC0415 - loads cryptography

    def check(name: str, part: Callable[[], object]) -> None:
        """Take the fault of one part to its place; what is well-formed is thrown away."""
        try:
            part()
        except TrustError as error:
            section.faults.append(type(error)(error.code, error.what, where=section.path(name), advice=error.advice))

    for index, text in enumerate(found.keys):
        check(f"keys[{index}]", lambda text=text: keys.public_key(text, ""))  # type: ignore[misc]  # binds the loop's variable
    for index, (issuer, subject) in enumerate(found.identities):
        check(
            f"matchOIDCIdentity[{index}]",
            lambda one=issuer, two=subject: matching.IdentityMatch(issuer_regex=one, subject_regex=two),  # type: ignore[misc]
        )
    if found.trusted_root:
        check("trustedRoot", lambda: roots.read(found.trusted_root, source="verify.trustedRoot", is_users=True))


def _root(call: Call, given: Verify, keeper: Keeper) -> "TrustedRoot":
    """The trusted root that is given, as text or in a Secret, else that of the public Sigstore."""
    from kubeoci.trust import refresh, roots  # noqa: PLC0415 - loads cryptography

    if given.root_secret:
        found = secrets.wanted(call, keeper, given.root_secret, "verify.trustedRootSecretRef")
        if not (text := found.text(_ROOT)):
            what = f"{found} has no key {_ROOT}"
            raise TrustError("trust.trust_root", what, where="verify.trustedRootSecretRef", advice="store it there")
        return roots.read(text, source=str(found), is_users=True)
    if not given.trusted_root:
        return refresh.published(refresh.public(), call.session.cache.folder / "trust").trusted_root()
    return roots.read(given.trusted_root, source="verify.trustedRoot", is_users=True)
