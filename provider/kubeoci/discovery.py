# SPDX-License-Identifier: Apache-2.0
"""Which files of an artifact are its manifests: the rule by which Flux finds them below `path`.

A folder with a kustomization file of its own is one unit, built by kustomize and not searched. Everything else is
searched to the bottom.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from kubeoci.errors import ManifestError

SUFFIXES = (".yaml", ".yml", ".json")
"""Endings of files that hold manifests; `.json` is read here, though Flux passes it over."""
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names that a kustomization file can have, as kustomize looks for them."""

_MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class Discovery:
    """What lies below one folder, by paths from the artifact's root in byte order.

    Attributes:
        folder: the folder, without slashes around it; empty for the root.
        kustomization: its own kustomization file, empty when it has none. Nothing else is searched for if it has.
        manifests: the manifests outside of `kustomized` folders.
        kustomized: the kustomization file of each sub-folder that is built as one unit.
        charts: files that make a folder a Helm chart.
    """

    folder: str
    kustomization: str = ""
    manifests: tuple[str, ...] = ()
    kustomized: tuple[str, ...] = ()
    charts: tuple[str, ...] = ()

    @property
    def needs_kustomize(self) -> bool:
        """Whether some file here is the input of kustomize."""
        return bool(self.kustomization or self.kustomized)


def discover(files: Collection[str], path: str = "") -> Discovery:
    """Search the folder `path` of an artifact with these files.

    Raises ManifestError (`manifest.invalid`) for a path that is missing, a file, or outside of the artifact, and for
    a folder with two kustomization files.
    """
    parts = [part for part in PurePosixPath(path).parts if part != "/"]
    if ".." in parts:
        raise _no_folder(path, "leads out of the artifact")
    folder = "/".join(parts)
    below = sorted((name for name in files if not parts or name.startswith(f"{folder}/")), key=str.encode)
    if parts and not below:
        folders = ", ".join(sorted({name.split("/")[0] for name in files if "/" in name})[:_MAX_NAMED])
        what = "is a file, a folder is needed" if folder in files else "is not in the artifact"
        raise _no_folder(path, what, f"its folders are {folders}" if folders else "")
    units = _units(below)
    if folder in units:
        return Discovery(folder, units[folder])
    inside = {home for home in units if not any(parent in units for parent in _parents(home))}
    free = [name for name in below if not any(parent in inside for parent in _parents(name))]
    return Discovery(
        folder,
        manifests=tuple(name for name in free if name.endswith(SUFFIXES) and not _is_chart(name)),
        kustomized=tuple(sorted((units[home] for home in inside), key=str.encode)),
        charts=tuple(filter(_is_chart, free)),
    )


def _units(files: Collection[str]) -> dict[str, str]:
    """The kustomization file of each folder that has one."""
    found: dict[str, str] = {}
    for name in files:
        home, _, last = name.rpartition("/")
        if last not in KUSTOMIZATIONS:
            continue
        if home in found:
            what = f"{found[home].rpartition('/')[2]} lies beside it, and kustomize takes one"
            raise ManifestError("manifest.invalid", what, where=name, advice="remove one of them")
        found[home] = name
    return found


def _parents(name: str) -> Iterator[str]:
    """Every folder that holds `name`, the root last."""
    while name:
        name = name.rpartition("/")[0]
        yield name


def _is_chart(name: str) -> bool:
    return name.rpartition("/")[2] == "Chart.yaml"


def _no_folder(path: str, what: str, advice: str = "") -> ManifestError:
    return ManifestError("manifest.invalid", f"folder {path!r} {what}", where="path", advice=advice)
