# SPDX-License-Identifier: Apache-2.0
"""What an OCIRepository refers to: the digest that a reference means now, its files, and the objects in them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from kubeoci import artifact, ignore, ranges
from kubeoci import digest as digests
from kubeoci.cluster.display import documents
from kubeoci.cluster.mask import Masks
from kubeoci.digest import Digest
from kubeoci.errors import ClusterError, RegistryError
from kubeoci.kustomize import build
from kubeoci.lifecycle import command, memory, reach, secrets, verifying
from kubeoci.lifecycle.contract import Call
from kubeoci.lifecycle.pull import Pulled, open_store, pull
from kubeoci.lifecycle.secrets import Pending
from kubeoci.lifecycle.settings import RepositoryInputs
from kubeoci.lifecycle.values import Value
from kubeoci.objects import Object
from kubeoci.registry.protocols import Place, Resolver, Store


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the reference means: a digest, and the tag it was found under (empty for a digest)."""

    digest: Digest
    tag: str

    @property
    def revision(self) -> str:
        """`6.0.4@sha256:…`, or the digest alone, as Flux writes it."""
        return f"{self.tag}@{self.digest}" if self.tag else self.digest


@dataclass(frozen=True, slots=True)
class Content:
    """One artifact, loaded: `files` maps each path to `sha256:<hex>`, `documents` each object's id to masked YAML.

    `builder` is the program that built the objects, empty when none was needed.
    """

    annotations: Mapping[str, str]
    files: dict[str, str]
    objects: tuple[Object, ...]
    documents: dict[str, str]
    warnings: tuple[str, ...]
    builder: str = ""


def resolve(call: Call, given: RepositoryInputs) -> Resolved:
    """What `ref` means now; asked once per `pulumi` command, so that an update applies what its preview showed."""
    if given.ref.digest:
        return Resolved(digests.parse(given.ref.digest), "")
    if not command.ident():  # a process that many commands share must ask anew
        return _ask(call, given)
    key = f"{given.repository} {given.ref!r}"
    known = memory.recall(call, "resolved", key)
    if known is not None:
        return Resolved(digests.parse(str(known["digest"])), str(known["tag"]))
    found = _ask(call, given)
    memory.note(call, "resolved", key, {"digest": found.digest, "tag": found.tag})
    return found


def evidence(call: Call, given: RepositoryInputs, digest: Digest, *, may_wait: bool = False) -> dict[str, Value] | None:
    """Proof that the artifact is signed as `verify` demands; None where nothing is demanded, or it may still come.

    Only a check may wait for it. Raises `TrustError`, `RegistryError`, `ClusterError`, and `Pending` as `store`.
    """
    if given.verify is None:
        return None
    place = verifying.Signed(store(call, given, may_wait=may_wait), given.repository, digest)
    try:
        return verifying.evidence(call, given.verify, _keeper(given), place, may_wait=may_wait)
    except Pending as pending:
        if may_wait:
            raise
        raise pending.error from pending


def store(call: Call, given: RepositoryInputs, *, may_wait: bool = False) -> Store[Place]:
    """Who serves the place of the artifact, reached with what the Secrets of the cluster add.

    Raises `Pending` for a Secret that is not there, if the caller `may_wait` for it.
    """
    try:
        settings = reach.filled(call, _keeper(given), given.secrets, given.access, given.repository)
    except Pending as pending:
        if may_wait:
            raise
        raise pending.error from pending
    return open_store(call, settings, given.repository)


def _keeper(given: RepositoryInputs) -> secrets.Keeper:
    return secrets.Keeper(given.cluster if given.is_cluster_known else None, given.applying.namespace)


def _ask(call: Call, given: RepositoryInputs) -> Resolved:
    registry = store(call, given, may_wait=True)
    if given.ref.semver:
        return _select(registry.tags(given.repository), registry, given)
    return Resolved(_named(registry, given.repository, given.ref.tag), given.ref.tag)


def _named(registry: Resolver[Place], place: Place, tag: str) -> Digest:
    """What a tag means now. Raises `registry.not_found`."""
    found = registry.tag(place, tag)
    if found is None:
        advice = "push it first, or give ref.digest the digest of the OCIArtifact that this program pushes"
        raise RegistryError("registry.not_found", f"no tag {tag!r} in {place}", where=f"{place}:{tag}", advice=advice)
    return found


def _select(tags: list[str], registry: Resolver[Place], given: RepositoryInputs) -> Resolved:
    """The highest tag in the range. Tags of equal precedence (`1.0.0+a`, `1.0.0+b`) must name the same artifact."""
    are_charts = given.layer_media_type == artifact.HELM_CHART
    selection = ranges.select(tags, ranges.parse(given.ref.semver), given.ref.semver_filter, are_charts=are_charts)
    tags = [selection.tag, *selection.tied]
    found = {tag: _named(registry, given.repository, tag) for tag in tags}
    if len(set(found.values())) > 1:
        raise RegistryError(
            "range.no_match",
            f"the tags {', '.join(tags)} have the same precedence and name different artifacts",
            where="ref.semver",
            advice="narrow it with ref.semverFilter",
        )
    return Resolved(found[selection.tag], selection.tag)


def load(
    call: Call, given: RepositoryInputs, digest: Digest, *, ask_cluster: bool = True, may_wait: bool = False
) -> Content:
    """The content of the artifact `digest`. Loaded once per process and set of settings that shape it.

    Args:
        call: where to keep it.
        given: the settings.
        digest: which artifact.
        ask_cluster: whether the scope of a kind that nobody here knows may be asked of the API server.
        may_wait: whether `Pending` is raised for a Secret that is not there.
    """
    place = given.cluster if ask_cluster else None
    source = (digest, given.layer_media_type, given.is_copied, given.path, given.ignore, given.building)
    shape = (*source, given.applying.namespace, given.target_namespace, repr(given.common_metadata), place)
    found = call.session.contents.get(shape)
    if found is None:
        pulled = pull(store(call, given, may_wait=may_wait), given.repository, digest, given.layer_media_type)
        found = _build(call, given, pulled, ask_cluster=ask_cluster)
        call.session.contents.put(shape, found)
    return found


def _build(call: Call, given: RepositoryInputs, pulled: Pulled, *, ask_cluster: bool) -> Content:
    files, warnings = _chosen(given, {path: entry.data for path, entry in pulled.contents.files.items()})
    scopes = _Scopes(call, given, ask_cluster=ask_cluster)
    loaded = build.load(
        files,
        given.building,
        path=given.path,
        namespace=given.applying.namespace,
        target_namespace=given.target_namespace,
        common_metadata=given.common_metadata,
        namespaced=scopes.namespaced,
        stop=call.session.stop,
    )
    return Content(
        annotations=dict(pulled.manifest.annotations),
        files={path: f"sha256:{hashlib.sha256(data).hexdigest()}" for path, data in sorted(files.items())},
        objects=loaded.objects,
        documents=documents(loaded.objects, Masks(item.body for item in loaded.objects)),
        warnings=(*warnings, *pulled.contents.warnings, *loaded.warnings),
        builder=loaded.builder,
    )


def _chosen(given: RepositoryInputs, everything: dict[str, bytes]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files that count, and what is odd about the patterns; a layer that is copied is taken as it is."""
    if given.is_copied:
        return everything, ()
    patterns = ignore.for_source(ignore.collect(everything) + ignore.compile_patterns(given.ignore))
    files = {path: data for path, data in everything.items() if not patterns.ignores(path, is_dir=False)}
    return files, tuple(patterns.warnings)


class _Scopes:
    """Asks the API server whether a kind is namespaced: at most once per load, and only if nobody else knows."""

    def __init__(self, call: Call, given: RepositoryInputs, *, ask_cluster: bool) -> None:
        self._call = call
        self._given = given
        self._ask = ask_cluster

    def namespaced(self, group: str, kind: str) -> bool | None:
        """As the API server says; None when it does not know the kind, or may not be asked."""
        if not self._ask:
            return None
        try:
            return self._call.session.mapper(self._given.cluster).namespaced(group, kind)
        except ClusterError:
            self._ask = False  # an unreachable cluster is told by plan and apply; here it only leaves the scope open
            return None
