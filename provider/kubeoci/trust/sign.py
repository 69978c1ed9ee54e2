# SPDX-License-Identifier: Apache-2.0
"""Signing a digest that a registry holds, so that cosign and Flux find it. What is signed already is not signed again.

Rules:
- a signature counts once it was read back and verified with the signer's own policy;
- what others have put there stays, and nothing is written where it cannot be read what is there.
"""

import contextlib
import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from typing import Generic, TypeVar

from kubeoci import digest as digests
from kubeoci.artifact import CREATED, MANIFEST, Descriptor, canonical
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError, TrustError
from kubeoci.reference import Repository
from kubeoci.trust import bundle, simplesigning, statement
from kubeoci.trust.discover import BUNDLE, LEGACY, PREDICATE_TYPE, Search, guarded
from kubeoci.trust.evidence import Rejected
from kubeoci.trust.faults import bad_policy, no_signature, sign_registry
from kubeoci.trust.judge import Leaf, judge
from kubeoci.trust.material import LegacySignature
from kubeoci.trust.policy import FORMATS
from kubeoci.trust.protocols import Target
from kubeoci.trust.signers import Signer
from kubeoci.trust.sigtag import SignatureTag
from kubeoci.trust.verify import verify

_CONTENT = "dev.sigstore.bundle.content"
_NOTHING = b"{}"
_CONFIG = Descriptor("application/vnd.oci.empty.v1+json", digests.of(_NOTHING), 2, artifact_type=bundle.MEDIA_TYPE)
_AGAIN = "run again: what holds already is not signed twice"
_UNSIGNED = frozenset({"trust.no_signature", "trust.no_match"})

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class SignatureRecord:
    """What a state keeps of one signature of `digest`; nothing of it is secret. Who signed is told as by `Evidence`.

    `manifest` held the signature when it was read back. That of a legacy one changes whenever somebody else signs, so
    `signature`, the hexadecimal SHA-256 of its bytes, tells which it is; it is "" for a bundle. `policy_hash` is that
    of the signer's own policy, which it met.
    """

    digest: Digest
    format: str
    manifest: Digest
    policy_hash: str
    signature: str = ""
    key_fingerprint: str | None = None
    identity: str | None = None
    issuer: str | None = None

    def document(self) -> dict[str, str]:
        """The fields that apply, for JSON; names as here."""
        return {name: value for name, value in asdict(self).items() if value}


def record(document: Mapping[str, str]) -> SignatureRecord:
    """What `SignatureRecord.document` wrote; names of other versions are passed over.

    Raises `reference.invalid` for a digest that is none.
    """
    return SignatureRecord(
        digest=digests.parse(document.get("digest", "")),
        format=document.get("format", ""),
        manifest=digests.parse(document.get("manifest", "")),
        policy_hash=document.get("policy_hash", ""),
        signature=document.get("signature", ""),
        key_fingerprint=document.get("key_fingerprint"),
        identity=document.get("identity"),
        issuer=document.get("issuer"),
    )


def sign(
    registry: Target[P],
    place: P,
    subject: Descriptor,
    signer: Signer,
    *,
    formats: Sequence[str] = (BUNDLE,),
    annotations: Mapping[str, str] | None = None,
    reference: str = "",
    recorded: Collection[SignatureRecord] = (),
) -> list[SignatureRecord]:
    """Have `subject`, the manifest of an artifact in `place`, signed by `signer` in each of `formats`.

    `reference` is what the signature calls the place: `<registry>/<repository>` of a repository if left out, nothing
    of a folder. `recorded` is what this returned before; where it has the signature, nothing is asked.

    Raises `trust.bad_policy` before anything is asked; `trust.unavailable` and `trust.limit` before anything is
    written; `trust.sign_registry` where the signature cannot be stored or is not found again; what `signer` raises,
    and what `registry` raises for answers that it does not believe.
    """
    if not formats or set(formats) - set(FORMATS):
        raise bad_policy(f"a signature has one of the formats {' and '.join(FORMATS)}", "set `formats` to one or both")
    name = reference or (str(place) if isinstance(place, Repository) else "")
    task = _Signing(registry, place, subject, signer, dict(annotations or {}), name)
    policies = [task.policy(form) for form in dict.fromkeys(formats)]
    drafts = [(policy, task.payload(policy)) for policy in policies]
    return [task.run(policy, payload, recorded) for policy, payload in drafts]


@dataclass(frozen=True, slots=True)
class _Signing(Generic[P]):
    registry: Target[P]
    place: P
    subject: Descriptor
    signer: Signer
    annotations: dict[str, str]
    reference: str

    def policy(self, form: str) -> Leaf:
        """What the signature will have to hold to: that of the very key or identity that signs."""
        return self.signer.policy((form,), self.annotations, self.reference or None)

    def payload(self, policy: Leaf) -> bytes:
        """The bytes to sign. Raises TrustError when a verifier would refuse their length."""
        digest, name, notes = self.subject.digest, self.reference, self.annotations
        if BUNDLE in policy.formats:
            payload = statement.build(digest, name=name, annotations=notes)
        else:
            payload = simplesigning.payload(digest, name, notes)
        if len(payload) > policy.limits.max_payload_bytes:
            what = f"what would be signed has {len(payload)} bytes, and {policy.limits.max_payload_bytes} are read"
            raise bad_policy(what, "annotate less")
        return payload

    def run(self, policy: Leaf, payload: bytes, recorded: Collection[SignatureRecord]) -> SignatureRecord:
        """The record of a signature that holds: a known one, one that is there already, or a new one."""
        for known in recorded:
            if (known.digest, known.policy_hash) == (self.subject.digest, policy.hash):
                return known
        try:
            return self._verified(policy)
        except TrustError as error:
            if error.code not in _UNSIGNED:
                raise
        with self._kept():
            (self._write_bundle if BUNDLE in policy.formats else self._write_legacy)(payload)
            return self._verified(policy)

    @property
    def _where(self) -> str:
        return f"{self.place}@{self.subject.digest}"

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Tell what came between our signature and its place."""
        try:
            yield
        except RegistryError as error:
            raise sign_registry(self._where, f"the signature could not be stored: {error}", _AGAIN) from error
        except TrustError as error:
            if error.code not in _UNSIGNED:
                raise
            what = f"the signature was stored, and does not hold as it is found there: {error}"
            raise sign_registry(self._where, what, _AGAIN) from error

    def _verified(self, policy: Leaf) -> SignatureRecord:
        """The signature that meets the signer's own policy. Raises as `verify` does."""
        found = verify(self.registry, self.place, self.subject.digest, policy)
        which = self._which(policy) if found.format == LEGACY else ""
        who = found.key_fingerprint, found.identity, found.issuer
        return SignatureRecord(found.digest, found.format, found.signature_manifest, found.policy_hash, which, *who)

    def _which(self, policy: Leaf) -> str:
        """The hexadecimal SHA-256 of the newest legacy signature that meets the policy."""
        search = Search(self.registry, self.place, self.subject.digest, self._where, policy.limits)
        for candidate in search.legacy():
            found = candidate.found
            if isinstance(found, LegacySignature):
                verdict = guarded(partial(judge, found, policy, self.subject.digest))
                if not isinstance(verdict, Rejected):
                    return hashlib.sha256(found.signature).hexdigest()
        raise no_signature(self._where)

    def _write_bundle(self, payload: bytes) -> None:
        """A manifest of its own, listed as a referrer of the subject."""
        raw = self.signer.bundle(payload)
        layer = Descriptor(bundle.MEDIA_TYPE, digests.of(raw), len(raw))
        self.registry.put_blob(self.place, _CONFIG, lambda: BytesIO(_NOTHING))
        self.registry.put_blob(self.place, layer, lambda: BytesIO(raw), absent=True)
        self.registry.attach(self.place, _referrer(layer, self.subject), MANIFEST)

    def _write_legacy(self, payload: bytes) -> None:
        """A layer of the manifest that holds all of them."""
        notes = self.signer.legacy(payload)
        layer = Descriptor(simplesigning.LAYER_TYPE, digests.of(payload), len(payload), notes)
        self.registry.put_blob(self.place, layer, lambda: BytesIO(payload), absent=True)
        SignatureTag(self.registry, self.place, self.subject.digest).add(layer)


def _referrer(layer: Descriptor, subject: Descriptor) -> bytes:
    """The manifest of a bundle, as cosign 3.1 writes it."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": bundle.MEDIA_TYPE,
            "config": _CONFIG.document(),
            "layers": [layer.document()],
            "subject": Descriptor(subject.media_type, subject.digest, subject.size).document(),
            "annotations": {_CONTENT: "dsse-envelope", PREDICATE_TYPE: statement.SIGN, CREATED: now},
        }
    )
