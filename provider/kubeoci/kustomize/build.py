# SPDX-License-Identifier: Apache-2.0
"""The objects of an artifact, built by kustomize where a kustomization is among its files or in the user's settings.

Everything else is read by `kubeoci.objects` alone, without starting a program.
"""

import posixpath
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from kubeoci import manifest, namespaces, objects, yaml
from kubeoci.commonmetadata import NONE as NO_METADATA
from kubeoci.commonmetadata import CommonMetadata
from kubeoci.discovery import KUSTOMIZATIONS, Discovery, discover
from kubeoci.errors import KubeociError, ManifestError
from kubeoci.kustomize import jail, overlay, program, unused
from kubeoci.kustomize.overlay import Kustomization, Overlay
from kubeoci.kustomize.run import run
from kubeoci.kustomize.search import Search
from kubeoci.manifest import Raw
from kubeoci.objects import Loaded, Scope, nobody_knows

MODES: Final = ("auto", "none", "kustomize")

_HEADER: Final = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
_ORIGIN = "config.kubernetes.io/origin"
_ORIGINS = "originAnnotations"
_OUTPUT_LIMITS = yaml.Limits(max_bytes=jail.MAX_OUTPUT_BYTES)


@dataclass(frozen=True, slots=True)
class Building:
    """How objects are made of files.

    `mode`: `auto` starts kustomize only where a kustomization is below `path` or the overlay adds something; `none`
    refuses that, `kustomize` always starts it. `program` is a name or a path.
    """

    mode: str = "auto"
    overlay: Overlay = overlay.NONE
    program: str = ""
    seconds: float = 60.0


def load(
    files: Mapping[str, bytes],
    building: Building,
    *,
    path: str = "",
    namespace: str = "default",
    target_namespace: str = "",
    common_metadata: CommonMetadata = NO_METADATA,
    namespaced: Scope = nobody_knows,
    stop: threading.Event,
) -> Loaded:
    """Every object below `path`, as `objects.load` gives them, and who built them.

    Raises `Stopped`, ManifestError (`manifest.build_failed`), or one ExceptionGroup of all faults in the files.
    """
    if not _needs_kustomize(files, path, building):
        return objects.load(
            files,
            path=path,
            namespace=namespace,
            target_namespace=target_namespace,
            common_metadata=common_metadata,
            namespaced=namespaced,
        )
    faults: list[KubeociError] = []
    raws, name = _build(files, path, building, target_namespace, faults, stop)
    if target_namespace:
        namespaces.follow(raws, target_namespace)
    loaded = objects.settle(
        raws,
        faults,
        namespace=namespace,
        target_namespace=target_namespace,
        common_metadata=common_metadata,
        namespaced=namespaced,
    )
    idle = unused.warnings(building.overlay, (item.body for item in loaded.objects))
    return replace(loaded, builder=name, warnings=(*loaded.warnings, *idle))


def _needs_kustomize(files: Mapping[str, bytes], path: str, building: Building) -> bool:
    if building.mode != "auto":
        return building.mode == "kustomize"
    if not building.overlay.is_empty:
        return True
    try:
        return discover(files, path).needs_kustomize
    except ManifestError:
        return False  # told by the reader, together with what else is wrong


def _build(
    files: Mapping[str, bytes],
    path: str,
    building: Building,
    namespace: str,
    faults: list[KubeociError],
    stop: threading.Event,
) -> tuple[list[Raw], str]:
    """The objects that kustomize makes, and its name; none of both after a fault."""
    try:
        found = discover(files, path)
    except ManifestError as error:
        faults.append(error)
        return [], ""
    search = Search(files)
    top = _top(search, found)
    search.faults += map(objects.chart, found.charts)
    if not top and not search.faults:
        return [], ""  # no manifest at all: nothing to build
    file = found.kustomization or posixpath.join(found.folder, KUSTOMIZATIONS[0])
    added = _present(search, found.folder, building.overlay)
    search.start(found.folder, _asking_for_origins(added.onto(top, namespace)), file)
    if search.faults:
        faults += search.faults
        return [], ""
    used = program.find(building.program, stop=stop)
    done = run(used, search, file, seconds=building.seconds, stop=stop)
    keeps = _ORIGINS in _texts(top.get("buildMetadata"))
    return list(_read(done, _Origins(found.folder, file, keeps=keeps), faults)), used.name


def _top(search: Search, found: Discovery) -> Kustomization:
    """The kustomization of the folder; where it has none, the one that Flux would write. Empty: no manifests."""
    if found.kustomization:
        return search.read(found.kustomization)
    names = [*found.manifests, *(posixpath.dirname(name) for name in found.kustomized)]
    below = [posixpath.relpath(f"/{name}", f"/{found.folder}") for name in names]
    return {**_HEADER, "resources": below} if below else {}


def _present(search: Search, folder: str, added: Overlay) -> Overlay:
    """The overlay without the components that are missing, where the user does not mind."""
    if not added.ignore_missing_components:
        return added
    return replace(added, components=tuple(each for each in added.components if search.has(folder, each)))


def _asking_for_origins(top: Kustomization) -> Kustomization:
    """The kustomization, so that each object says which file it comes from."""
    return {**top, "buildMetadata": [*dict.fromkeys([*_texts(top.get("buildMetadata")), _ORIGINS])]}


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any YAML value
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _read(output: bytes, origins: "_Origins", faults: list[KubeociError]) -> Iterator[Raw]:
    """The objects in the output of kustomize, each with the file that it comes from."""
    found: list[Raw] = []
    for document in yaml.load(output, "output of kustomize", _OUTPUT_LIMITS):
        found += manifest.take(document.value, origins.take(document.value), faults)
    yield from manifest.without_templates(found, faults) if b"{{" in output or b"${" in output else found


class _Origins:
    """Where an object comes from, as kustomize notes it in an annotation; it goes unless the user wants it."""

    def __init__(self, folder: str, file: str, *, keeps: bool) -> None:
        self._folder = folder
        self._file = file
        self._keeps = keeps

    def take(self, body: Any) -> str:  # noqa: ANN401 - any YAML value
        """The file in the artifact; that of the kustomization when nothing is noted."""
        meta = body.get("metadata") if isinstance(body, dict) else None
        notes = meta.get("annotations") if isinstance(meta, dict) else None
        text = notes.get(_ORIGIN) if isinstance(notes, dict) else None
        if not isinstance(text, str) or not isinstance(notes, dict):
            return self._file
        if not self._keeps:
            del notes[_ORIGIN]
        origin = yaml.load(text.encode(), _ORIGIN)[0].value
        path = origin.get("path") or origin.get("configuredIn") if isinstance(origin, dict) else None
        return posixpath.normpath(posixpath.join(self._folder, path)) if isinstance(path, str) else self._file
