# SPDX-License-Identifier: Apache-2.0
"""From the files of an artifact to the Kubernetes objects that they describe.

What Flux does with a folder that has no kustomization file: every manifest below it, lists taken apart, each object
in the namespace where it belongs. Whatever is wrong with any of them is told at once, with file and line.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from kubeoci import kinds, manifest, namespaces
from kubeoci.errors import KubeociError, ManifestError
from kubeoci.identity import ObjectId
from kubeoci.manifest import Raw
from kubeoci.normalise import at

SUFFIXES = (".yaml", ".yml", ".json")
"""Endings of files that hold manifests."""

_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})


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
    """All objects of an artifact in the order of their files, and what a user should know about them."""

    objects: tuple[Object, ...]
    warnings: tuple[str, ...]


Scope = Callable[[str, str], bool | None]
"""(group, kind) -> whether its objects live in a namespace; None when it is not known."""


def load(
    files: Mapping[str, bytes],
    *,
    path: str = "",
    namespace: str = "default",
    target_namespace: str = "",
    namespaced: Scope = lambda _group, _kind: None,
) -> Loaded:
    """Every object in the manifests below `path`, a folder of the artifact.

    The namespace of an object is `target_namespace` if given, else its own, else `namespace`. Its scope is told by
    the CustomResourceDefinitions of the artifact, the built-in kinds, `namespaced`, in this order; a kind that
    nobody knows lives in a namespace.

    Raises one ExceptionGroup of ManifestError with every fault: `manifest.invalid`, `manifest.duplicate`,
    `manifest.unsupported`.
    """
    faults: list[KubeociError] = []
    chosen = _select(files, path, faults)
    raws = [raw for name in chosen for raw in manifest.read(name, files[name], faults)]
    scopes = _Scopes(raws, namespaced)
    if target_namespace:
        namespaces.follow(raws, target_namespace)
    objects = [_settle(raw, scopes, target_namespace or raw.namespace or namespace) for raw in raws]
    faults += _duplicates(objects)
    if faults:
        raise ExceptionGroup("the manifests cannot be used", faults)
    return Loaded(tuple(objects), tuple(_warnings(raws, objects)))


def _select(files: Mapping[str, bytes], path: str, faults: list[KubeociError]) -> list[str]:
    """The names of the manifests below `path`, in byte order; nothing once a file needs another tool."""
    parts = [part for part in PurePosixPath(path).parts if part != "/"]
    prefix = "".join(f"{part}/" for part in parts)
    below = sorted((name for name in files if name.startswith(prefix)), key=str.encode)
    if ".." in parts:
        faults.append(_no_folder(path, "leads out of the artifact"))
        return []
    if parts and not below:
        is_file = prefix.removesuffix("/") in files
        folders = ", ".join(sorted({name.split("/")[0] for name in files if "/" in name})[:10])
        faults.append(
            _no_folder(path, "is a file, a folder is needed" if is_file else "is not in the artifact", folders)
        )
    built = [error for name in below if (error := _needs_tool(name))]
    faults += built
    return [] if built else [name for name in below if name.endswith(SUFFIXES)]


def _no_folder(path: str, what: str, folders: str = "") -> ManifestError:
    advice = f"its folders are {folders}" if folders else ""
    return ManifestError("manifest.invalid", f"folder {path!r} {what}", where="path", advice=advice)


def _needs_tool(name: str) -> ManifestError | None:
    """The error for a file that makes its folder the input of another tool."""
    last = name.rpartition("/")[2]
    if last in _KUSTOMIZATIONS:
        what = "a folder with a kustomization must be built by kustomize first"
        return manifest.unsupported(name, what, "pack the output of `kustomize build`, or remove this file")
    if last == "Chart.yaml":
        return manifest.unsupported(name, "this is a Helm chart", "pack the output of `helm template`")
    return None


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
