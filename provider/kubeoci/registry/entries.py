# SPDX-License-Identifier: Apache-2.0
"""The index of an OCI image layout: what it lists, and how a list becomes another one.

A tag is the annotation `org.opencontainers.image.ref.name` of an entry. Entries and members of other tools are kept.
"""

import json
from pathlib import Path
from typing import Any

from kubeoci import artifact, reference
from kubeoci import digest as digests
from kubeoci.artifact import INDEX, Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError
from kubeoci.registry.folder import broken, opened
from kubeoci.registry.protocols import Folder

REF_NAME = "org.opencontainers.image.ref.name"
VERSION = "1.0.0"

_DRAFT = ".oci-layout."
_MAX_MARKER_BYTES = 4096

Entry = dict[str, Any]


def read(place: Folder) -> list[Entry] | None:
    """The entries of the index; None where there is nothing yet. Raises `registry.layout` for anything else."""
    root = Path(place.path)
    try:
        with opened(root / "oci-layout", str(place)) as file:
            marker = file.read(_MAX_MARKER_BYTES)
    except RegistryError as error:
        if error.code != "registry.not_found":
            raise
        strangers = root.is_dir() and any(not path.name.startswith(_DRAFT) for path in root.iterdir())
        if strangers and (root / "oci-layout").exists():  # another writer made it just now
            return read(place)
        if strangers:
            advice = "name an empty folder, a new one, or an OCI image layout"
            raise broken("the folder holds other things and no `oci-layout`", place, advice) from None
        return None
    _check_version(marker, place)
    entries: list[Entry] = index(place)["manifests"]
    return entries


def _check_version(marker: bytes, place: Folder) -> None:
    try:
        version = json.loads(marker)["imageLayoutVersion"]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise broken("`oci-layout` cannot be read", place) from None
    if version != VERSION:
        raise broken(f"the layout is of version {version!r:.40}, and only {VERSION} is known", place)


def index(place: Folder) -> Entry:
    """`index.json`; an empty one while it was never written. Raises `registry.layout`."""
    try:
        with opened(Path(place.path) / "index.json", str(place)) as file:
            raw = file.read(artifact.MAX_MANIFEST_BYTES + 1)
    except RegistryError as error:
        if error.code != "registry.not_found":
            raise
        return {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    try:
        parsed = artifact.parse(raw)
    except RegistryError as error:
        raise broken(f"`index.json`: {error.what}", place) from error
    if parsed.media_type != INDEX:
        raise broken(f"`index.json` is of type {parsed.media_type}, not {INDEX}", place)
    document: Entry = json.loads(raw)
    return document


def is_tag(text: str) -> bool:
    """Whether a name can be asked for; other tools write others."""
    try:
        return bool(reference.check_tag(text))
    except KubeociError:
        return False


def name(entry: Entry) -> str:
    """The name of an entry, maybe no tag, maybe empty."""
    return str((entry.get("annotations") or {}).get(REF_NAME, ""))


def named(entries: list[Entry], tag: str, place: Folder) -> Digest | None:
    """What `tag` names. Raises `registry.layout` where it names two artifacts."""
    found = {entry["digest"] for entry in entries if name(entry) == tag}
    if len(found) > 1:
        raise broken(f"`index.json` gives the tag {tag!r} to {len(found)} artifacts", place, "remove all but one")
    return digests.parse(found.pop()) if found else None


def _unnamed(entry: Entry) -> Entry:
    """The entry without its name."""
    notes = {key: value for key, value in (entry.get("annotations") or {}).items() if key != REF_NAME}
    bare = {key: value for key, value in entry.items() if key != "annotations"}
    return bare | ({"annotations": notes} if notes else {})


def added(entries: list[Entry], descriptor: Descriptor, tag: str | None) -> list[Entry]:
    """`entries` with the tag moved to the descriptor; without a tag, with the descriptor among them."""
    known = [entry for entry in entries if entry["digest"] == descriptor.digest]
    if any(name(entry) == (tag or name(entry)) for entry in known):
        freed = [_unnamed(e) if name(e) == tag and e["digest"] != descriptor.digest else e for e in entries]
        return _tidy(freed)
    new: Entry = _unnamed(known[0]) if known else descriptor.document()
    if tag:
        new = {**new, "annotations": {**new.get("annotations", {}), REF_NAME: tag}}
    return _tidy([*(_unnamed(entry) if tag and name(entry) == tag else entry for entry in entries), new])


def without_name(entries: list[Entry], tag: str) -> list[Entry]:
    """`entries` without the tag; what it named stays."""
    return _tidy([_unnamed(entry) if name(entry) == tag else entry for entry in entries])


def _tidy(entries: list[Entry]) -> list[Entry]:
    """Without nameless entries of what is listed by a name, or twice."""
    listed = {entry["digest"] for entry in entries if name(entry)}
    kept: list[Entry] = []
    for entry in entries:
        if name(entry) or (entry["digest"] not in listed and entry not in kept):
            kept.append(entry)
    return kept
