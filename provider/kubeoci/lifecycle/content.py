# SPDX-License-Identifier: Apache-2.0
"""What an OCIRepository refers to: the digest that a reference means now, its files, and the objects in them."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from kubeoci import digest as digests
from kubeoci import ignore, objects, ranges
from kubeoci.cluster.display import documents
from kubeoci.cluster.mask import Masks
from kubeoci.cluster.rest import Access
from kubeoci.digest import Digest
from kubeoci.errors import ClusterError, RegistryError
from kubeoci.lifecycle import command
from kubeoci.lifecycle.contract import Call
from kubeoci.lifecycle.pull import Pulled, open_store, pull
from kubeoci.lifecycle.settings import RepositoryInputs
from kubeoci.objects import Object
from kubeoci.registry.protocols import Place, Resolver

_COMMAND_SECONDS = 24 * 3600.0  # no command lives longer, and a restored machine may have the same ids again


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
    """One artifact, loaded: `files` maps each path to `sha256:<hex>`, `documents` each object's id to masked YAML."""

    annotations: Mapping[str, str]
    files: dict[str, str]
    objects: tuple[Object, ...]
    documents: dict[str, str]
    warnings: tuple[str, ...]


def resolve(call: Call, given: RepositoryInputs) -> Resolved:
    """What `ref` means now; asked once per `pulumi` command, so that an update applies what its preview showed."""
    if given.ref.digest:
        return Resolved(digests.parse(given.ref.digest), "")
    run, cache = command.ident(), call.session.cache
    key = f"{run} {given.repository} {given.ref!r}"
    note = cache.recall("resolved", key) if run else None
    if note is not None and abs(time.time() - float(str(note["at"]))) < _COMMAND_SECONDS:
        return Resolved(digests.parse(str(note["digest"])), str(note["tag"]))
    found = _ask(call, given)
    if run:
        cache.note("resolved", key, {"digest": found.digest, "tag": found.tag, "at": time.time()})
    return found


def _ask(call: Call, given: RepositoryInputs) -> Resolved:
    store = open_store(call, given.access, given.repository)
    if given.ref.semver:
        return _select(store.tags(given.repository), store, given)
    return Resolved(_named(store, given.repository, given.ref.tag), given.ref.tag)


def _named(store: Resolver[Place], place: Place, tag: str) -> Digest:
    """What a tag means now. Raises `registry.not_found`."""
    found = store.tag(place, tag)
    if found is None:
        advice = "push it first, or give ref.digest the digest of the OCIArtifact that this program pushes"
        raise RegistryError("registry.not_found", f"no tag {tag!r} in {place}", where=f"{place}:{tag}", advice=advice)
    return found


def _select(tags: list[str], store: Resolver[Place], given: RepositoryInputs) -> Resolved:
    """The highest tag in the range. Tags of equal precedence (`1.0.0+a`, `1.0.0+b`) must name the same artifact."""
    selection = ranges.select(tags, ranges.parse(given.ref.semver), given.ref.semver_filter)
    tags = [selection.tag, *selection.tied]
    found = {tag: _named(store, given.repository, tag) for tag in tags}
    if len(set(found.values())) > 1:
        raise RegistryError(
            "range.no_match",
            f"the tags {', '.join(tags)} have the same precedence and name different artifacts",
            where="ref.semver",
            advice="narrow it with ref.semverFilter",
        )
    return Resolved(found[selection.tag], selection.tag)


def load(call: Call, given: RepositoryInputs, digest: Digest, *, ask_cluster: bool = True) -> Content:
    """The content of the artifact `digest`. Loaded once per process and set of settings that shape it.

    Args:
        call: where to keep it.
        given: the settings.
        digest: which artifact.
        ask_cluster: whether the scope of a kind that nobody here knows may be asked of the API server.
    """
    place = access(given) if ask_cluster else None
    source = (digest, given.layer_media_type, given.path, given.ignore)
    shape = (*source, given.namespace, given.target_namespace, place)
    found = call.session.contents.get(shape)
    if found is None:
        pulled = pull(
            open_store(call, given.access, given.repository), given.repository, digest, given.layer_media_type
        )
        found = _build(call, given, pulled, ask_cluster=ask_cluster)
        call.session.contents.put(shape, found)
    return found


def _build(call: Call, given: RepositoryInputs, pulled: Pulled, *, ask_cluster: bool) -> Content:
    everything = {path: entry.data for path, entry in pulled.contents.files.items()}
    patterns = ignore.for_source(ignore.collect(everything) + ignore.compile_patterns(given.ignore))
    files = {path: data for path, data in everything.items() if not patterns.ignores(path, is_dir=False)}
    scopes = _Scopes(call, given, ask_cluster=ask_cluster)
    loaded = objects.load(
        files,
        path=given.path,
        namespace=given.namespace,
        target_namespace=given.target_namespace,
        namespaced=scopes.namespaced,
    )
    return Content(
        annotations=dict(pulled.manifest.annotations),
        files={path: f"sha256:{hashlib.sha256(data).hexdigest()}" for path, data in sorted(files.items())},
        objects=loaded.objects,
        documents=documents(loaded.objects, Masks(item.body for item in loaded.objects)),
        warnings=(*patterns.warnings, *pulled.contents.warnings, *loaded.warnings),
    )


class _Scopes:
    """Asks the API server whether a kind is namespaced: at most once per load, and only if nobody else knows."""

    def __init__(self, call: Call, given: RepositoryInputs, *, ask_cluster: bool) -> None:
        self._call = call
        self._given = given
        self._ask = ask_cluster

    def namespaced(self, group: str, kind: str) -> bool | None:
        if not self._ask:
            return None
        try:
            return self._call.session.mapper(access(self._given)).namespaced(group, kind)
        except ClusterError:
            self._ask = False  # an unreachable cluster is told by plan and apply; here it only leaves the scope open
            return None


def access(given: RepositoryInputs) -> Access:
    """How to reach the cluster of these settings."""
    return Access(given.kubeconfig, given.context)
