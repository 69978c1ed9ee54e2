# SPDX-License-Identifier: Apache-2.0
"""What belongs to an artifact: signatures, attestations and anything else whose manifest names it as its `subject`.

Registries either list referrers themselves, or clients keep an index of them under a tag made from the digest, as the
distribution specification has it. Nobody guards that tag: two writers can lose each other's entries. So a writer here
looks again after a moment, and puts back what got lost.
"""

import json
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from kubeoci import artifact
from kubeoci import digest as digests
from kubeoci.artifact import INDEX, MANIFEST, Descriptor, canonical
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError
from kubeoci.reference import Repository
from kubeoci.registry.answer import Answer, failure
from kubeoci.registry.protocols import PULL, PUSH
from kubeoci.registry.tags import next_page

if TYPE_CHECKING:
    from kubeoci.registry.remote import Registry

_OK = 200
_GONE = 404
_UNKNOWN = frozenset({400, 404, 406})
_MAX_PAGES = 16
_MAX_BYTES = 8 << 20
_TRIES = 5
_PAUSE_SECONDS = (0.05, 0.25)
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_PLAIN = frozenset({"schemaVersion", "mediaType", "manifests"})

Entry = dict[str, object]
_Found = tuple[Entry, list[Entry]]
"""An index as it is, and its entries; both empty where there is none."""


def fallback_tag(subject: Digest) -> str:
    """The tag under which clients keep the index of referrers: `sha256-<hex>`, cut as the specification says."""
    return f"{digests.algorithm(subject)[:32]}-{digests.hexadecimal(subject)[:64]}"


def subject_of(raw: bytes) -> Digest | None:
    """What a manifest refers to; None for anything that names no subject by its digest."""
    try:
        return digests.parse(json.loads(raw)["subject"]["digest"])
    except (KubeociError, ValueError, TypeError, LookupError, RecursionError):
        return None


def required_subject(raw: bytes) -> Digest:
    """As `subject_of`. Raises `registry.unsupported` where there is none."""
    subject = subject_of(raw)
    if subject is None:
        what = "a manifest without `subject` cannot be attached to anything"
        raise RegistryError("registry.unsupported", what)
    return subject


def described(raw: bytes, digest: Digest, media_type: str = "") -> Descriptor:
    """A manifest as a list of referrers has it: with its annotations, and the type of its config if it has no own."""
    manifest = artifact.parse(raw, media_type)
    kind = manifest.artifact_type or (manifest.config.media_type if manifest.config else "")
    return Descriptor(manifest.media_type, digest, len(raw), manifest.annotations, kind)


def entry_of(raw: bytes, digest: Digest) -> Descriptor:
    """As `described`; what cannot be read is listed as well, without a type, for whoever fetches it to judge."""
    try:
        return described(raw, digest)
    except RegistryError:
        return Descriptor(MANIFEST, digest, len(raw))


def read(registry: "Registry", repository: Repository, subject: Digest, *, merged: bool = False) -> list[Descriptor]:
    """The referrers of `subject` as they are listed, in the order of the registry; no manifest is read.

    What the registry itself lists is complete, unless `merged` asks for the fallback tag as well: a registry that
    learned to list may have forgotten what was attached before. Only a 404 means that there are none.

    Raises `registry.too_large`, `registry.unsupported` for a list that cannot be read, and what `Registry` raises.
    """
    found = _from_api(registry, repository, subject, PULL)
    if found is None or merged:
        _, entries = _from_tag(registry, repository, subject, PULL)
        found = _united(found or (), entries)
    return [_descriptor(entry) for entry in found]


def list_referrers(
    registry: "Registry", repository: Repository, subject: Digest, *, artifact_type: str = "", merged: bool = False
) -> list[Descriptor]:
    """As `read`, all types or one; where the list lacks a type, the manifest is asked: one request for each.

    What is listed, but gone, keeps the type that the list has.
    """
    found = [_typed(registry, repository, entry) for entry in read(registry, repository, subject, merged=merged)]
    return [entry for entry in found if artifact_type in {"", entry.artifact_type}]


def attach(registry: "Registry", repository: Repository, raw: bytes, media_type: str = MANIFEST) -> Digest:
    """Store the manifest `raw`, whose blobs are there, as a referrer of its `subject`; its digest.

    Raises `registry.unsupported` when it has no subject, `registry.conflict` when others keep writing, or the fallback
    tag names something else than an index: the manifest is stored then, and doing it again repairs the index.
    """
    own, subject = described(raw, digests.of(raw), media_type), required_subject(raw)
    answer = registry.store_manifest(repository, own.digest, raw, media_type)
    if answer.header("oci-subject") == subject or _lists(registry, repository, subject):
        return own.digest
    with registry.turn(repository, subject):
        _Index(registry, repository, subject).add(own.document())
    return own.digest


def detach(registry: "Registry", repository: Repository, subject: Digest, referrers: Collection[Digest]) -> None:
    """Remove these manifests, then their entries from the index under the fallback tag, if there is one.

    In this order, since another writer puts back into the index whatever still has its manifest. The tag goes with
    its last entry, where the registry can remove tags. There may be one even where the registry has a list: some
    clients write both.

    Raises `registry.unsupported` where manifests cannot be deleted, `registry.conflict` as `attach` does.
    """
    for digest in referrers:
        registry.delete_manifest(repository, digest)
    with registry.turn(repository, subject):
        _Index(registry, repository, subject).remove(frozenset(referrers))


@dataclass(frozen=True, slots=True)
class _Index:
    """The fallback index of one subject, which others may be writing as well."""

    registry: "Registry"
    repository: Repository
    subject: Digest

    def add(self, entry: Entry) -> None:
        """Write until everything is in it that we wrote or saw."""
        self._change(self._read(), [entry], frozenset())

    def remove(self, gone: frozenset[Digest]) -> None:
        """Write until nothing of `gone` is in it, and no other entry got lost."""
        try:
            found = self._read()
        except RegistryError as error:
            if error.code != "registry.conflict":
                raise
            return  # the tag is somebody's own: nothing of ours is in it
        document, left = self._change(found, [], gone)
        if document.keys() == _PLAIN and not left:
            try:
                self.registry.delete_tag(self.repository, fallback_tag(self.subject))
            except RegistryError as error:
                if error.code != "registry.unsupported":  # an empty list does no harm
                    raise

    def _change(self, found: _Found, add: list[Entry], gone: frozenset[Digest]) -> _Found:
        """What is there in the end, when `found` is there in the beginning."""
        own, want, left = {entry["digest"] for entry in add}, add, _TRIES
        document, old = found
        while (new := [entry for entry in _united(old, want) if entry["digest"] not in gone]) != old:
            if not left:
                what = f"other writers keep replacing the tag {fallback_tag(self.subject)}"
                advice = "run again: only the list of referrers is not yet right"
                raise RegistryError("registry.conflict", what, where=str(self.repository), advice=advice)
            left -= 1
            self._write(document, new)
            self.registry.pause(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - no secret
            document, old = self._read()
            there = {entry["digest"] for entry in old}
            lost = [entry for entry in new if entry["digest"] not in there]
            want = [entry for entry in lost if entry["digest"] in own or self._exists(entry)]
        return document, old

    def _read(self) -> _Found:
        return _from_tag(self.registry, self.repository, self.subject, PUSH)

    def _write(self, document: Entry, entries: Sequence[Entry]) -> None:
        head = {"schemaVersion": 2, "mediaType": INDEX}
        raw = canonical({**head, **document, "manifests": list(entries)})
        if len(raw) > artifact.MAX_MANIFEST_BYTES:
            what = f"the list of referrers under {fallback_tag(self.subject)} is full"
            raise RegistryError("registry.conflict", what, where=str(self.repository))
        self.registry.put_manifest(self.repository, fallback_tag(self.subject), raw, INDEX)

    def _exists(self, entry: Entry) -> bool:
        """Whether an entry got lost by accident: what was deleted on purpose has no manifest."""
        return self.registry.exists(self.repository, digests.parse(str(entry["digest"])), actions=PUSH)


def _lists(registry: "Registry", repository: Repository, subject: Digest) -> bool:
    """Whether the registry keeps the list itself; asked once in a process."""
    known = registry.lists_referrers
    if repository not in known:
        known[repository] = _from_api(registry, repository, subject, PUSH) is not None
    return known[repository]


def _from_api(registry: "Registry", repository: Repository, subject: Digest, actions: str) -> list[Entry] | None:
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


def _from_tag(registry: "Registry", repository: Repository, subject: Digest, actions: str) -> _Found:
    """The index under the fallback tag, as it is and its entries; both empty when there is no such tag."""
    answer = _get(registry, repository, f"manifests/{fallback_tag(subject)}", actions)
    if answer.status == _GONE:
        return {}, []
    if answer.status == _OK and not _is_index(answer):
        what = f"the tag {fallback_tag(subject)} names no index of referrers"
        raise RegistryError("registry.conflict", what, where=answer.place, advice="it is not overwritten; remove it")
    return _entries(answer)


def _get(registry: "Registry", repository: Repository, path: str, actions: str) -> Answer:
    return registry.get(repository, path, actions=actions, accept=INDEX, max_bytes=_MAX_BYTES)


def _is_index(answer: Answer) -> bool:
    return answer.header("content-type").partition(";")[0].strip().lower() == INDEX


def _entries(answer: Answer) -> _Found:
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


def _descriptor(entry: Entry) -> Descriptor:
    notes = cast("Mapping[str, str] | None", entry.get("annotations")) or {}
    kind = cast("str | None", entry.get("artifactType")) or ""
    digest, size = digests.parse(str(entry["digest"])), cast("int", entry["size"])
    return Descriptor(str(entry["mediaType"]), digest, size, notes, kind)


def _typed(registry: "Registry", repository: Repository, entry: Descriptor) -> Descriptor:
    """An entry with its type; where it has none, its manifest says."""
    if entry.artifact_type not in {"", _EMPTY_TYPE}:
        return entry
    try:
        found = described(registry.manifest(repository, entry.digest), entry.digest)
    except RegistryError as error:
        if error.code != "registry.not_found":
            raise
        return entry
    return replace(entry, artifact_type=found.artifact_type)
