# SPDX-License-Identifier: Apache-2.0
"""What belongs to an artifact: signatures, attestations and anything else whose manifest names it as its `subject`.

Registries either list referrers themselves, or clients keep an index of them under a tag made from the digest, as the
distribution specification has it. Nobody guards that tag: two writers can lose each other's entries. So a writer here
looks again after a moment, and puts back what got lost.
"""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from kubeoci import artifact
from kubeoci import digest as digests
from kubeoci.artifact import INDEX, MANIFEST, Descriptor, canonical
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry.answer import Answer, failure
from kubeoci.registry.remote import PULL, PUSH, Registry
from kubeoci.registry.tags import next_page

_OK = 200
_GONE = 404
_UNKNOWN = frozenset({400, 404, 406})
_MAX_PAGES = 16
_MAX_BYTES = 8 << 20
_TRIES = 5
_PAUSE_SECONDS = (0.05, 0.25)
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"

Entry = dict[str, object]


@dataclass(frozen=True, slots=True)
class Referrer:
    """One artifact that refers to another. `artifact_type` says what it is."""

    descriptor: Descriptor
    artifact_type: str


def fallback_tag(subject: Digest) -> str:
    """The tag under which clients keep the index of referrers: `sha256-<hex>`, cut as the specification says."""
    return f"{digests.algorithm(subject)[:32]}-{digests.hexadecimal(subject)[:64]}"


def list_referrers(
    registry: Registry, repository: Repository, subject: Digest, *, artifact_type: str = "", merged: bool = False
) -> list[Referrer]:
    """The referrers of `subject`, of all types or of one, in the order of the registry.

    What the registry itself lists is complete, unless `merged` asks for the fallback tag as well: a registry that
    learned to list may have forgotten what was attached before. Only a 404 means that there are none.

    Raises `registry.too_large`, `registry.unsupported` for a list that cannot be read, and what `Registry` raises.
    """
    found = _from_api(registry, repository, subject, PULL)
    if found is None or merged:
        _, entries = _from_tag(registry, repository, subject, PULL)
        found = _united(found or (), entries)
    listed = [_referrer(registry, repository, entry) for entry in found]
    return [referrer for referrer in listed if artifact_type in {"", referrer.artifact_type}]


def attach(registry: Registry, repository: Repository, raw: bytes, media_type: str = MANIFEST) -> Digest:
    """Store the manifest `raw`, whose blobs are there, as a referrer of its `subject`; its digest.

    Raises `registry.unsupported` when it has no subject, `registry.conflict` when others keep writing, or the fallback
    tag names something else than an index: the manifest is stored then, and doing it again repairs the index.
    """
    manifest, document = artifact.parse(raw, media_type), json.loads(raw)
    subject, own = _subject(document), digests.of(raw)
    answer = registry.store_manifest(repository, own, raw, media_type)
    if answer.header("oci-subject") == subject or _lists(registry, repository, subject):
        return own
    config = manifest.config.media_type if manifest.config else ""
    entry: Entry = {"mediaType": manifest.media_type, "digest": own, "size": len(raw)}
    entry |= {"artifactType": manifest.artifact_type or config}
    entry |= {"annotations": manifest.annotations} if manifest.annotations else {}
    with registry.turn(repository, subject):
        _Index(registry, repository, subject).add(entry)
    return own


@dataclass(frozen=True, slots=True)
class _Index:
    """The fallback index of one subject, which others may be writing as well."""

    registry: Registry
    repository: Repository
    subject: Digest

    def add(self, entry: Entry) -> None:
        """Write until everything is in it that we wrote or saw."""
        want: Sequence[Entry] = [entry]
        for _ in range(_TRIES):
            document, old = self._read()
            new = _united(old, want)
            if len(new) == len(old):
                return
            self._write(document, new)
            self.registry.deadline.wait(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - no secret
            lost = self._lost(new, {str(entry["digest"])})
            if not lost:
                return
            want = _united(want, lost)
        what = f"other writers keep replacing the tag {fallback_tag(self.subject)}"
        advice = "run again: the artifact itself is stored, only the list of referrers lacks it"
        raise RegistryError("registry.conflict", what, where=str(self.repository), advice=advice)

    def _read(self) -> tuple[Entry, list[Entry]]:
        return _from_tag(self.registry, self.repository, self.subject, PUSH)

    def _write(self, document: Entry, entries: Sequence[Entry]) -> None:
        head = {"schemaVersion": 2, "mediaType": INDEX}
        raw = canonical({**head, **document, "manifests": list(entries)})
        if len(raw) > artifact.MAX_MANIFEST_BYTES:
            what = f"the list of referrers under {fallback_tag(self.subject)} is full"
            raise RegistryError("registry.conflict", what, where=str(self.repository))
        self.registry.put_manifest(self.repository, fallback_tag(self.subject), raw, INDEX)

    def _lost(self, written: Iterable[Entry], own: set[str]) -> list[Entry]:
        """What another writer overwrote, but not what was deleted on purpose: its manifest is gone."""
        there = {entry["digest"] for entry in self._read()[1]}
        missing = [entry for entry in written if entry["digest"] not in there]
        return [entry for entry in missing if str(entry["digest"]) in own or self._exists(entry)]

    def _exists(self, entry: Entry) -> bool:
        return self.registry.exists(self.repository, digests.parse(str(entry["digest"])), actions=PUSH)


def _lists(registry: Registry, repository: Repository, subject: Digest) -> bool:
    """Whether the registry keeps the list itself; asked once in a process."""
    known = registry.lists_referrers
    if repository not in known:
        known[repository] = _from_api(registry, repository, subject, PUSH) is not None
    return known[repository]


def _from_api(registry: Registry, repository: Repository, subject: Digest, actions: str) -> list[Entry] | None:
    """What the registry lists, page after page; None when it does not know the question."""
    answer = _get(registry, repository, f"referrers/{subject}", actions)
    if answer.status in _UNKNOWN or (answer.status == _OK and not _is_index(answer)):
        return None
    found, seen, size = _entries(answer)[1], {answer.url}, len(answer.body)
    while following := next_page(answer, "referrers"):
        if following in seen or len(seen) >= _MAX_PAGES or size > _MAX_BYTES:
            what = f"the list of referrers has more than {len(seen)} pages or {_MAX_BYTES} bytes, or goes in a circle"
            raise RegistryError("registry.too_large", what, where=answer.place)
        seen.add(following)
        answer = registry.get(repository, following, actions=actions, max_bytes=_MAX_BYTES)
        size += len(answer.body)
        found += _entries(answer)[1]
    return found


def _from_tag(registry: Registry, repository: Repository, subject: Digest, actions: str) -> tuple[Entry, list[Entry]]:
    """The index under the fallback tag, as it is and its entries; both empty when there is no such tag."""
    answer = _get(registry, repository, f"manifests/{fallback_tag(subject)}", actions)
    if answer.status == _GONE:
        return {}, []
    if answer.status == _OK and not _is_index(answer):
        what = f"the tag {fallback_tag(subject)} names no index of referrers"
        raise RegistryError("registry.conflict", what, where=answer.place, advice="it is not overwritten; remove it")
    return _entries(answer)


def _get(registry: Registry, repository: Repository, path: str, actions: str) -> Answer:
    return registry.get(repository, path, actions=actions, accept=INDEX, max_bytes=_MAX_BYTES)


def _is_index(answer: Answer) -> bool:
    return answer.header("content-type").partition(";")[0].strip().lower() == INDEX


def _entries(answer: Answer) -> tuple[Entry, list[Entry]]:
    """An index, checked, as the members that it has, and its entries likewise: nothing unknown gets lost."""
    if answer.status != _OK:
        raise failure(answer)
    artifact.parse(answer.body, answer.header("content-type"))
    document = cast("Entry", json.loads(answer.body))
    return document, _united(cast("list[Entry]", document["manifests"]), ())


def _united(first: Iterable[Entry], second: Iterable[Entry]) -> list[Entry]:
    """The entries of both, one for each digest, in this order."""
    found: dict[object, Entry] = {}
    for entry in (*first, *second):
        found.setdefault(entry["digest"], entry)
    return list(found.values())


def _referrer(registry: Registry, repository: Repository, entry: Entry) -> Referrer:
    """An entry with its type; where it has none, its manifest says."""
    notes = cast("Mapping[str, str] | None", entry.get("annotations"))
    digest, size = digests.parse(str(entry["digest"])), cast("int", entry["size"])
    descriptor = Descriptor(str(entry["mediaType"]), digest, size, notes or {})
    kind = entry.get("artifactType")
    if not isinstance(kind, str) or kind in {"", _EMPTY_TYPE}:
        manifest = artifact.parse(registry.manifest(repository, digest))
        kind = manifest.artifact_type or (manifest.config.media_type if manifest.config else "")
    return Referrer(descriptor, kind)


def _subject(document: Mapping[str, object]) -> Digest:
    subject = document.get("subject")
    if isinstance(subject, dict) and isinstance(subject.get("digest"), str):
        return digests.parse(subject["digest"])
    raise RegistryError("registry.unsupported", "a manifest without `subject` cannot be attached to anything")
