# SPDX-License-Identifier: Apache-2.0
"""From the files of an artifact to the Kubernetes objects that they describe.

What Flux does with a folder that has no kustomization file: every manifest below it, lists taken apart, each object
in the namespace where it belongs and with the metadata that all have in common. Whatever is wrong with any of them is
told at once, with file and line.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeoci import kinds, manifest, namespaces
from kubeoci.commonmetadata import NONE, CommonMetadata
from kubeoci.discovery import discover
from kubeoci.errors import KubeociError, ManifestError
from kubeoci.identity import ObjectId
from kubeoci.manifest import Raw
from kubeoci.normalise import at

_KUSTOMIZED = "a folder with a kustomization must be built by kustomize first"
_NATIVE = "leave `build` at auto, or remove this file"


@dataclass(frozen=True, slots=True)
class Object:
    """One object as it will be applied: normalised, with its namespace settled.

    `version` is bare (`v1`), `source` is `file:line` below the artifact's root.
    """

    id: ObjectId
    version: str
    body: dict[str, Any]
    source: str

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.id.group}/{self.version}" if self.id.group else self.version

    @property
    def gvk(self) -> tuple[str, str, str]:
        """Group, version and kind."""
        return self.id.group, self.version, self.id.kind


@dataclass(frozen=True, slots=True)
class Loaded:
    """All objects of an artifact in the order of their files, and what a user should know about them.

    `builder` is the program that built them and its version, such as `kustomize v5.8.1`; empty when none was needed.
    """

    objects: tuple[Object, ...]
    warnings: tuple[str, ...]
    builder: str = ""


Scope = Callable[[str, str], bool | None]
"""(group, kind) -> whether its objects live in a namespace; None when it is not known."""


def nobody_knows(_group: str, _kind: str) -> None:
    """The scope of every kind, where there is nobody to ask."""


def load(
    files: Mapping[str, bytes],
    *,
    path: str = "",
    namespace: str = "default",
    target_namespace: str = "",
    common_metadata: CommonMetadata = NONE,
    namespaced: Scope = nobody_knows,
) -> Loaded:
    """Every object in the manifests below `path`, a folder of the artifact.

    The namespace of an object is `target_namespace` if given, else its own, else `namespace`. Its scope is told by
    the CustomResourceDefinitions of the artifact, the built-in kinds, `namespaced`, in this order; a kind that
    nobody knows lives in a namespace.

    Raises one ExceptionGroup of ManifestError with every fault: `manifest.invalid`, `manifest.duplicate`,
    `manifest.unsupported`.
    """
    faults: list[KubeociError] = []
    raws = [raw for name in _select(files, path, faults) for raw in manifest.read(name, files[name], faults)]
    if target_namespace:
        namespaces.follow(raws, target_namespace)
    return settle(
        raws,
        faults,
        namespace=namespace,
        target_namespace=target_namespace,
        common_metadata=common_metadata,
        namespaced=namespaced,
    )


def settle(
    raws: Sequence[Raw],
    faults: list[KubeociError],
    *,
    namespace: str = "default",
    target_namespace: str = "",
    common_metadata: CommonMetadata = NONE,
    namespaced: Scope = nobody_knows,
) -> Loaded:
    """Objects that were read, each put where it belongs. Raises what `load` raises, `faults` first."""
    scopes = _Scopes(raws, namespaced)
    objects = [_settle(raw, scopes, target_namespace or raw.namespace or namespace) for raw in raws]
    for item in objects:
        common_metadata.put_on(item.body)
    faults += _duplicates(objects)
    if faults:
        raise ExceptionGroup("the manifests cannot be used", faults)
    return Loaded(tuple(objects), tuple(_warnings(raws, objects)))


def _select(files: Mapping[str, bytes], path: str, faults: list[KubeociError]) -> tuple[str, ...]:
    """The names of the manifests below `path`, in byte order; nothing once a file needs another tool."""
    try:
        found = discover(files, path)
    except ManifestError as error:
        faults.append(error)
        return ()
    built = [name for name in (found.kustomization, *found.kustomized) if name]
    faults += [manifest.unsupported(name, _KUSTOMIZED, _NATIVE) for name in built]
    faults += map(chart, found.charts)
    return () if built or found.charts else found.manifests


def chart(name: str) -> ManifestError:
    """The error for a file that makes its folder a Helm chart."""
    return manifest.unsupported(name, "this is a Helm chart", "pack the output of `helm template`")


class _Scopes:
    """Whether kinds live in namespaces, told by who knows best."""

    def __init__(self, raws: Iterable[Raw], ask: Scope) -> None:
        self._ask = ask
        self._known: dict[tuple[str, str], bool] = {}
        for raw in raws:
            if (raw.group, raw.kind) == ("apiextensions.k8s.io", "CustomResourceDefinition"):
                spec = raw.body.get("spec")
                self._known[str(at(spec, "group")), str(at(spec, "names", "kind"))] = at(spec, "scope") != "Cluster"

    def is_namespaced(self, raw: Raw) -> bool:
        """Definitions in the artifact know best, then the built-in table, then the cluster; else it is assumed."""
        key = raw.group, raw.kind
        if key not in self._known:
            told = kinds.namespaced(*key)
            told = self._ask(*key) if told is None else told
            self._known[key] = told is not False
        return self._known[key]


def _settle(raw: Raw, scopes: _Scopes, namespace: str) -> Object:
    meta = raw.body["metadata"]
    home = namespace if scopes.is_namespaced(raw) else ""
    if home:
        meta["namespace"] = home
    else:
        meta.pop("namespace", None)
    return Object(ObjectId(raw.group, raw.kind, home, raw.name), raw.version, raw.body, raw.source)


def _duplicates(objects: Iterable[Object]) -> list[ManifestError]:
    seen: dict[ObjectId, str] = {}
    found = []
    for item in objects:
        if item.id in seen:
            what = f"{item.id.short} is described here and at {seen[item.id]}"
            found.append(ManifestError("manifest.duplicate", what, where=item.source, advice="remove one of them"))
        seen.setdefault(item.id, item.source)
    return found


def _warnings(raws: Sequence[Raw], objects: Sequence[Object]) -> Iterable[str]:
    for raw, item in zip(raws, objects, strict=True):
        if raw.dropped:
            yield f"{raw.source}: {item.id.short}: {', '.join(raw.dropped)} left out, only the server can say that"
        if raw.namespace and not item.id.namespace:
            yield f"{raw.source}: {item.id.short}: namespace {raw.namespace} left out, the kind is cluster-scoped"
    variables = [raw.source for raw in raws if raw.has_variable]
    if variables:
        more = f" and {len(variables) - 1} more" if len(variables) > 1 else ""
        yield f"{variables[0]}{more}: ${{…}} is sent as it is, variables are not substituted"
