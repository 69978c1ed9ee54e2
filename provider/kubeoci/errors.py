# SPDX-License-Identifier: Apache-2.0
"""Everything that kubeoci raises on purpose.

    KubeociError                 a code, what failed, where, and what to do
    ├── InputError               a setting of the user's program
    ├── FilesError               the directory that is packed
    ├── ManifestError            a Kubernetes manifest: file and line
    ├── RegistryError            a registry, or what it answered
    ├── ArchiveError             the bytes of a layer
    ├── TrustError               a signature, or its absence
    ├── ClusterError             a Kubernetes API server, or one object there
    └── Stopped                  the user or a deadline ended the operation

Faults of an argument are collected in an `ExceptionGroup`; a fault of the outside world is raised at once.
"""

CODES: dict[str, str] = {
    "input.invalid": "a property has a value that it cannot have",
    "input.unknown": "a property that does not exist, or has no effect here",
    "reference.invalid": "a registry reference, tag or digest breaks the grammar",
    "range.invalid": "a semver range or filter cannot be read",
    "range.no_match": "no tag of the repository lies in the range",
    "files.missing": "the path to pack does not exist",
    "files.empty": "nothing is left to pack",
    "files.invalid": "a file cannot be packed: its name, its type or its permissions",
    "files.changed": "a file changed while it was read",
    "manifest.invalid": "a file is no valid Kubernetes manifest",
    "manifest.duplicate": "two documents describe the same object",
    "manifest.unsupported": "a manifest needs a feature that kubeoci does not have",
    "manifest.build_failed": "kustomize is missing, or cannot build the objects",
    "registry.not_found": "the repository, tag or digest does not exist",
    "registry.unauthorized": "the registry wants credentials, or refuses the ones it got",
    "registry.denied": "the credentials are valid but may not do this",
    "registry.rate_limited": "the registry asks to come back later than we may wait",
    "registry.unreachable": "no connection to the registry",
    "registry.failed": "the registry answered with a failure of its own",
    "registry.digest_mismatch": "the registry sent other bytes than the digest names",
    "registry.too_large": "an answer is larger than its limit",
    "registry.unsafe_redirect": "the registry points to a place where we must not go",
    "registry.unsupported": "the artifact or the registry lacks what this needs",
    "registry.immutable_tag": "the tag exists with another digest and must not move",
    "registry.conflict": "another writer changed the same thing",
    "registry.layout": "a folder is no OCI image layout, a broken one, or cannot be used",
    "registry.credentials": "a credential source cannot be read",
    "archive.unsafe": "a layer holds something that must not be unpacked",
    "trust.bad_policy": "a verification policy is empty, contradicts itself, or has a part without effect",
    "trust.bad_key": "a key cannot be read or used",
    "trust.trust_root": "a trusted root cannot be read, is too old, or holds nothing to trust",
    "trust.unavailable": "the registry could not be asked for signatures",
    "trust.limit": "there are more candidates than are looked at, and none of them held",
    "trust.no_signature": "the artifact is not signed",
    "trust.no_match": "the artifact is signed, but not by whom the policy names",
    "trust.sign_token": "there is no identity token to sign with",
    "trust.sign_service": "a service that keyless signing needs failed",
    "trust.sign_registry": "a signature cannot be stored",
    "cluster.unreachable": "no connection to the Kubernetes API server",
    "cluster.config": "the kubeconfig cannot be used",
    "cluster.unauthorized": "the API server does not accept the credentials",
    "cluster.forbidden": "the credentials may not do this",
    "cluster.kind_missing": "the API server does not serve this kind",
    "cluster.namespace_missing": "the namespace does not exist and nothing here makes it",
    "cluster.invalid": "the API server refuses the object",
    "cluster.conflict": "another field manager owns the field",
    "cluster.owned": "the object belongs to somebody else",
    "cluster.inventory": "the inventory in the cluster is damaged or too large",
    "cluster.busy": "another run works on the same inventory",
    "cluster.moved": "this is another cluster than the one recorded",
    "cluster.not_ready": "objects did not become ready",
    "cluster.failed": "the API server answered with a failure of its own",
    "cluster.prune_refused": "pruning would delete more than allowed",
    "cluster.incomplete": "some objects could not be applied or deleted",
    "stopped.cancelled": "the operation was stopped on request",
    "stopped.deadline": "the operation ran out of time",
}
"""Each stable code with what it means. `docs/reference/errors.md` has one entry per code."""


class KubeociError(Exception):
    """A failure with a stable code, told in one or two sentences.

    Args:
        code: one of `CODES`.
        what: what failed and why, without a full stop.
        where: property path, `file:line`, URL without query, or object; put in front of the text.
        advice: what the user can do about it, without a full stop.
    """

    def __init__(self, code: str, what: str, *, where: str = "", advice: str = "") -> None:
        if code not in CODES:
            raise LookupError(f"no such error code: {code}")
        super().__init__(code, what)
        self.code = code
        self.what = what
        self.where = where
        self.advice = advice

    def __str__(self) -> str:
        """`where: what; advice (code)`, on one line where `what` is."""
        place = f"{self.where}: " if self.where else ""
        advice = f"; {self.advice}" if self.advice else ""
        return f"{place}{self.what}{advice} ({self.code})"

    def at(self, where: str) -> "KubeociError":
        """The same error, told of another place: a property path in front of the one it has."""
        place = f"{where}: {self.where}" if self.where else where
        return type(self)(self.code, self.what, where=place, advice=self.advice)


class InputError(KubeociError):
    """A setting of the user's program is wrong."""


class FilesError(KubeociError):
    """The directory or file to pack is not what it should be."""


class ManifestError(KubeociError):
    """A Kubernetes manifest cannot be read or used."""


class RegistryError(KubeociError):
    """A registry refused, failed, or sent something else than it should."""


class ArchiveError(KubeociError):
    """A layer cannot be unpacked safely."""


class TrustError(KubeociError):
    """An artifact is not trusted."""


class ClusterError(KubeociError):
    """A Kubernetes API server refused, failed, or cannot be asked."""


class Stopped(KubeociError):  # noqa: N818 - it is an end, not an error
    """The operation ended early: a deadline or the user's wish."""


def flatten(error: BaseException) -> list[KubeociError]:
    """Every `KubeociError` inside a possibly nested `ExceptionGroup`, in order; anything else is raised again."""
    if isinstance(error, KubeociError):
        return [error]
    if isinstance(error, BaseExceptionGroup):
        return [leaf for child in error.exceptions for leaf in flatten(child)]
    raise error
