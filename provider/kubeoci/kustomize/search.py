# SPDX-License-Identifier: Apache-2.0
"""Everything that a kustomization reads, found before kustomize runs, and refused where it lies outside the artifact.

Each kustomization that can be reached is read by our own YAML reader and written anew as JSON, with every path as it
was understood here: `./x` or `../x`, which kustomize takes for a file and nothing else. Only the files that were found
are given to kustomize, so what this search does not see cannot be read.
"""

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kubeoci import manifest, yaml
from kubeoci.discovery import KUSTOMIZATIONS
from kubeoci.errors import KubeociError, ManifestError
from kubeoci.kustomize import parts
from kubeoci.kustomize.overlay import Kustomization

MAX_VISITS = 1_000
"""Folders that kustomize would build; one that is named twice is built twice."""
MAX_DEPTH = 32
"""Folders that are built on top of each other."""

_REMOTE = re.compile(r"://|^git@|^git::|[?&]ref=|^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+[:/]")
_ENCRYPTED = re.compile(rb"(?m)^\s*\"?mac\"?\s*:\s*\"?ENC\[|^sops_mac=ENC\[")
_USER = re.compile(r"//[^/@]*@")
_SHORT = 4  # shorter texts are not taken for secrets: they stand everywhere
_PACKED = "put a copy of it into the artifact"


@dataclass(slots=True)
class Search:
    """The search through the `files` of an artifact. `needed` are the files for kustomize, some of them rewritten.

    `secrets` are contents that become values of Secrets, `inline` the patches inside kustomizations. `faults` has
    everything that was refused.
    """

    files: Mapping[str, bytes]
    needed: dict[str, bytes] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    inline: set[str] = field(default_factory=set)
    faults: list[KubeociError] = field(default_factory=list)
    _visits: dict[str, int] = field(default_factory=dict)
    _folders: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._folders = frozenset(parent for name in self.files for parent in _parents(name))

    def start(self, folder: str, kustomization: Kustomization, file: str) -> None:
        """Search what the kustomization of `folder` reads; `file` is where it stands, for errors."""
        self._visit(folder, kustomization, file, ())

    def read(self, file: str) -> Kustomization:
        """The kustomization in `file`; an empty one, and a fault, for what is none."""
        try:
            documents = yaml.load(self.files[file], file)
        except ManifestError as error:
            self.faults.append(error)
            return {}
        if len(documents) != 1 or not isinstance(documents[0].value, dict):
            self.fault(file, "a kustomization is one mapping")
            return {}
        return {name: value for name, value in documents[0].value.items() if value is not None}

    def fault(self, where: str, what: str, advice: str = "") -> None:
        """Keep one fault."""
        self.faults.append(ManifestError("manifest.invalid", what, where=where, advice=advice))

    def take(self, place: "Place", entry: str, what: str, *, is_secret: bool = False) -> str:
        """The file that `entry` names, as kustomize shall read it; it is needed from now on."""
        target = self.find(place, entry, what)
        if target is not None and is_secret:
            self.keep_secret(self.files[target].decode(errors="replace"))
        return entry if target is None else self._need(place, target, what)

    def keep_secret(self, text: str) -> None:
        """Remember what becomes the values of a Secret: the text, its lines, and what stands behind `=` in each."""
        lines = [text, *text.splitlines()]
        found = {part.strip().strip("\"'") for line in lines for part in (line, line.partition("=")[2])}
        self.secrets |= {part for part in found if len(part) >= _SHORT}

    def find(self, place: "Place", entry: str, what: str) -> str | None:
        """The file that `entry` names, by its path in the artifact; None, and a fault, when there is none."""
        target = self._target(place, entry, what)
        if target is None or target in self.files:
            return target
        self._missing(place, entry, target, what)
        return None

    def enter(self, place: "Place", entry: str, what: str) -> str:
        """The file or folder that `entry` names; a folder is searched in turn."""
        target = self._target(place, entry, what)
        if target is None:
            return entry
        if target in self.files:
            return self._need(place, target, what)
        if target not in self._folders:
            self._missing(place, entry, target, what)
            return entry
        self._descend(place, target, what)
        return place.relative(target)

    def has(self, folder: str, entry: str) -> bool:
        """Whether `entry`, seen from `folder`, is a folder of the artifact."""
        return _joined(folder, entry) in self._folders

    def _target(self, place: "Place", entry: str, what: str) -> str | None:
        """The path in the artifact, None and a fault for what leads out of it."""
        target = _joined(place.folder, entry)
        if target is None:
            self.fault(place.file, f"{what}: {_shown(entry)} leads out of the artifact", _PACKED)
        return target

    def _need(self, place: "Place", target: str, what: str) -> str:
        data = self.files[target]
        if _ENCRYPTED.search(data):
            text = f"{what}: {target} is encrypted with SOPS"
            self.faults.append(manifest.unsupported(place.file, text, "decrypt it before packing"))
        if self.needed.setdefault(target, data) is not data:
            self.fault(place.file, f"{what}: {target} is a kustomization, no input of one", "name its folder")
        return place.relative(target)

    def _missing(self, place: "Place", entry: str, target: str, what: str) -> None:
        if _REMOTE.search(entry):
            text = f"{what}: {_shown(entry)} is not in the artifact, and nothing is fetched from elsewhere"
            self.faults.append(manifest.unsupported(place.file, text, _PACKED))
        elif target in self._folders:
            self.fault(place.file, f"{what}: {_shown(entry)} is a folder, a file is needed")
        else:
            self.fault(place.file, f"{what}: {_shown(entry)} is not in the artifact", "correct the path, or pack it")

    def _descend(self, place: "Place", folder: str, what: str) -> None:
        chain = (*place.chain, place.folder)
        found = [name for name in KUSTOMIZATIONS if posixpath.join(folder, name) in self.files]
        if posixpath.join(folder, "Chart.yaml") in self.files and not found:
            text = f"{what}: {folder} is a Helm chart"
            self.faults.append(manifest.unsupported(place.file, text, "pack the output of `helm template`"))
        elif len(found) != 1:
            text = "has no kustomization file" if not found else f"has {' and '.join(found)}, kustomize takes one"
            self.fault(place.file, f"{what}: the folder {folder or '.'!r} {text}")
        elif folder in chain:
            ring = " -> ".join(each or "." for each in (*chain[chain.index(folder) :], folder))
            self.fault(place.file, f"{what}: folders include each other: {ring}")
        elif len(chain) > MAX_DEPTH:
            self.fault(place.file, f"{what}: over {MAX_DEPTH} folders are built on top of each other")
        else:
            file = posixpath.join(folder, found[0])
            if folder not in self._visits:
                self._visit(folder, self.read(file), file, chain)
            place.visits += self._visits.get(folder, 0)

    def _visit(self, folder: str, kustomization: Kustomization, file: str, chain: tuple[str, ...]) -> None:
        place = Place(self, folder, file, chain)
        rewritten = parts.rewrite(place, kustomization)
        self._visits[folder] = place.visits
        if place.visits > MAX_VISITS:
            self.fault(file, f"kustomize would have to build over {MAX_VISITS} folders")
        name = posixpath.join(folder, KUSTOMIZATIONS[0])
        if name in self.needed:
            self.fault(file, f"{name} is a kustomization, no input of one", "name its folder")
        self.needed[name] = json.dumps(rewritten, ensure_ascii=False).encode()


@dataclass(slots=True)
class Place:
    """One kustomization during the search: its `folder`, its `file`, and the `chain` of those that led here."""

    search: Search
    folder: str
    file: str
    chain: tuple[str, ...] = ()
    visits: int = 1

    def relative(self, target: str) -> str:
        """The path from this folder, so that it cannot be taken for anything but a path."""
        path = posixpath.relpath(f"/{target}", f"/{self.folder}")
        return path if path.startswith("..") else f"./{path}"


def _joined(folder: str, entry: str) -> str | None:
    """The normal form of `entry` below the root, None for one that leads out of it or names nothing."""
    if entry.startswith("/") or not entry or "\\" in entry or "\0" in entry:
        return None
    path = posixpath.normpath(posixpath.join(folder, entry))
    return None if path == ".." or path.startswith("../") else "" if path == "." else path


def _parents(name: str) -> list[str]:
    found = [""]
    while "/" in name:
        name = name.rpartition("/")[0]
        found.append(name)
    return found


def _shown(entry: str) -> str:
    """An entry as it can be printed: short, and without a password."""
    text = _USER.sub("//***@", entry)
    return repr(text if len(text) <= 100 else f"{text[:100]}…")  # noqa: PLR2004 - a path that one can read
