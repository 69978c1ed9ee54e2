# SPDX-License-Identifier: Apache-2.0
"""Where the signatures of a digest lie: bundles among its referrers, legacy ones under the tag `sha256-<hex>.sig`.

Rules:
- whatever is not "there is none" in so many words is an error, never "unsigned";
- what a list says of its entries orders them and nothing else: the manifest that was fetched decides;
- what is not looked at, because there is too much of it, is told as a candidate that was rejected for it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from kubeoci import artifact
from kubeoci import digest as digests
from kubeoci.artifact import DOCKER_MANIFEST, MANIFEST, Descriptor, Manifest
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError
from kubeoci.trust import bundle, simplesigning, strict
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.faults import unavailable
from kubeoci.trust.material import Bundle, LegacySignature
from kubeoci.trust.policy import Limits
from kubeoci.trust.protocols import Source

BUNDLE = "bundle"
LEGACY = "legacy"
PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"

_OWN_NOTES = "dev.sigstore.bundle."
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"  # go-containerregistry before 0.21.6 wrote the config's type
_ATTACHED_LEGACY = "application/vnd.dev.cosign.artifact.sig.v1+json"
_TOO_LARGE = {"registry.too_large": Reason.LIMIT}
_LIES = frozenset({"registry.digest_mismatch", "registry.unsafe_redirect"})
_NOT_TO_BE_ASKED = frozenset(
    {
        "registry.unauthorized",
        "registry.denied",
        "registry.rate_limited",
        "registry.unreachable",
        "registry.failed",
        "registry.credentials",
    }
)

P = TypeVar("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What claims to be a signature: its format, its manifest ("" where none was read), and what is in it.

    `found` is the verdict where it could not be read.
    """

    format: str
    manifest: str
    found: Bundle | LegacySignature | Rejected


@dataclass(frozen=True, slots=True)
class Search(Generic[P]):
    """For the signatures of `digest` in `place`, lazily: nothing is asked before it is wanted. `where` is for people.

    Methods raise `trust.unavailable`, `Stopped`, and `registry.digest_mismatch`, `registry.too_large`,
    `registry.unsafe_redirect` for a registry that sends something else than it should.
    """

    registry: Source[P]
    place: P
    digest: Digest
    where: str
    limits: Limits

    def bundles(self, predicates: Collection[str]) -> Iterator[Candidate]:
        """Among the referrers, those first that are said to be of one of `predicates`, then those without a word."""
        listed = self._listed(lambda: self.registry.referrers(self.place, self.digest), _TOO_LARGE)
        if isinstance(listed, Rejected):
            yield Candidate(BUNDLE, "", listed)
            return
        likely = [entry for entry in listed if _may_be_bundle(entry.artifact_type)]
        likely.sort(key=lambda entry: _rank(entry, predicates))
        most = self.limits.max_candidates
        for entry in likely[:most]:
            found = guarded(partial(self._bundle, entry), (KubeociError,))
            if found is not None:
                yield Candidate(BUNDLE, entry.digest, found)
        if len(likely) > most:
            yield _too_many(BUNDLE, len(likely), f"first {most}")
        for entry in listed:
            if entry.artifact_type == _ATTACHED_LEGACY:
                what = "it is in cosign's experimental OCI 1.1 mode"
                yield Candidate(LEGACY, entry.digest, Rejected(Reason.UNSUPPORTED, what))

    def legacy(self) -> Iterator[Candidate]:
        """Under the tag, the newest first: writers append."""
        tag = simplesigning.tag(self.digest)
        told = _TOO_LARGE | {"registry.unsupported": Reason.MALFORMED}
        raw = self._listed(lambda: self.registry.tagged(self.place, tag), told)
        if raw is None:
            return
        manifest = "" if isinstance(raw, Rejected) else digests.of(raw)
        layers = raw if isinstance(raw, Rejected) else guarded(partial(_signature_layers, raw))
        if isinstance(layers, Rejected):
            yield Candidate(LEGACY, manifest, layers)
            return
        most = self.limits.max_candidates
        for layer in reversed(layers[-most:]):
            yield Candidate(LEGACY, manifest, guarded(partial(self._legacy, layer), (KubeociError,)))
        if len(layers) > most:
            yield _too_many(LEGACY, len(layers), f"last {most}")

    def _bundle(self, entry: Descriptor) -> Bundle | None:
        """The bundle of a referrer; None where nothing says that there is one."""
        _check_size("the manifest", entry, self.limits.max_referrer_bytes)
        raw = self._fetched(lambda: self.registry.manifest(self.place, entry.digest))
        if len(raw) != entry.size:
            what = f"the manifest has {len(raw)} bytes, and is listed with {entry.size}"
            raise RegistryError("registry.digest_mismatch", what, where=f"{self.place}@{entry.digest}")
        document, manifest = _parsed(raw)
        if not (entry.artifact_type.startswith(bundle.TYPE_PREFIX) or _says_bundle(manifest)):
            return None
        return bundle.read(self._blob(_bundle_layer(document, manifest, self.digest), self.limits.max_bundle_bytes))

    def _legacy(self, layer: Descriptor) -> LegacySignature:
        return simplesigning.read(self._blob(layer, self.limits.max_payload_bytes), layer.annotations)

    def _blob(self, layer: Descriptor, max_bytes: int) -> bytes:
        _check_size("its content", layer, max_bytes)
        with self._fetched(lambda: self.registry.blob(self.place, layer)) as stream:
            return stream.read(max_bytes + 1)

    def _listed(self, ask: Callable[[], T], told: Mapping[str, Reason]) -> T | Rejected:
        """What is there. The codes in `told` are reasons against a candidate; what cannot be had ends the search."""
        try:
            return ask()
        except RegistryError as error:
            if error.code in told:
                return Rejected(told[error.code], f"the list was not read: {error.what}")
            if error.code in _LIES:
                raise
            raise unavailable(self.where, error) from error

    def _fetched(self, ask: Callable[[], T]) -> T:
        """What is listed. Raises `Rejected` where it is not there, or is no manifest at all."""
        try:
            return ask()
        except RegistryError as error:
            if error.code == "registry.not_found":
                raise Rejected(Reason.MISSING, "it is listed, and not there") from error
            if error.code == "registry.unsupported":
                raise Rejected(Reason.MALFORMED, error.what) from error
            if error.code in _NOT_TO_BE_ASKED:
                raise unavailable(self.where, error) from error
            raise


def guarded(judge: Callable[[], T], passing: tuple[type[Exception], ...] = ()) -> T | Rejected:
    """What `judge` returns, or why the candidate is rejected: also where it breaks the code that looks at it."""
    try:
        return judge()
    except Rejected as verdict:
        return verdict
    except passing:
        raise
    except BaseException as error:  # a panic of a library in Rust is no `Exception`
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        return Rejected(Reason.MALFORMED, f"it cannot be judged ({type(error).__name__})")


def _may_be_bundle(kind: str) -> bool:
    return kind.startswith(bundle.TYPE_PREFIX) or kind in {"", _EMPTY_TYPE}


def _rank(entry: Descriptor, predicates: Collection[str]) -> int:
    said = entry.annotations.get(PREDICATE_TYPE)
    return 0 if said in predicates else 1 if said is None else 2


def _too_many(format_: str, count: int, which: str) -> Candidate:
    what = f"there are {count}, and only the {which} are looked at"
    return Candidate(format_, "", Rejected(Reason.LIMIT, what))


def _check_size(what: str, descriptor: Descriptor, max_bytes: int) -> None:
    if descriptor.size > max_bytes:
        strict.exceeded(what, f"has {descriptor.size} bytes, and {max_bytes} are read")


def _parsed(raw: bytes) -> tuple[strict.Members, Manifest]:
    """A manifest whose names are unique in any case: all of it, and what is known of it. Raises `Rejected`."""
    try:
        return strict.document(raw, "the manifest"), artifact.parse(raw)
    except RegistryError as error:
        raise Rejected(Reason.MALFORMED, error.what) from error


def _says_bundle(manifest: Manifest) -> bool:
    types = [manifest.artifact_type, *(layer.media_type for layer in manifest.layers)]
    return any(kind.startswith(bundle.TYPE_PREFIX) for kind in types) or any(
        name.startswith(_OWN_NOTES) for name in manifest.annotations
    )


def _bundle_layer(document: strict.Members, manifest: Manifest, digest: Digest) -> Descriptor:
    """The one layer of an image manifest whose subject is `digest`. Raises `Rejected`."""
    if manifest.media_type != MANIFEST:
        strict.malformed("the manifest", "is no image manifest")
    subject = strict.mapping(document.get("subject"), "the manifest's subject")
    if subject.get("digest") != digest:
        strict.malformed("the manifest's subject", "is another artifact")
    if len(manifest.layers) != 1 or not manifest.layers[0].media_type.startswith(bundle.TYPE_PREFIX):
        strict.malformed("the manifest", "has not exactly one layer, and that a bundle")
    return manifest.layers[0]


def _signature_layers(raw: bytes) -> list[Descriptor]:
    """The layers of the manifest under the tag that are signatures. Raises `Rejected`."""
    _, manifest = _parsed(raw)
    if manifest.media_type not in {MANIFEST, DOCKER_MANIFEST}:
        strict.malformed("the manifest", "is no image manifest")
    return [layer for layer in manifest.layers if layer.media_type == simplesigning.LAYER_TYPE]
