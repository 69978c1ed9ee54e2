# SPDX-License-Identifier: Apache-2.0
"""OCIArtifact: a directory, packed reproducibly and pushed.

Rules:
- check packs; `digest` and `files` are facts of the content, so a preview shows them before anything is pushed;
- an artifact behind the first tag with the same tree, format and explicit annotations *is* the artifact: its digest
  is kept, whoever compressed it;
- what is signed is signed before a tag names it, and a signature that is recorded is not made again;
- tags move last; another host or repository replaces the resource, everything else updates it in place.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from kubeoci import artifact as artifacts
from kubeoci import digest as digests
from kubeoci import tree as trees
from kubeoci.artifact import Artifact, Descriptor, Manifest
from kubeoci.digest import Digest
from kubeoci.errors import ArchiveError, FilesError, KubeociError, RegistryError, flatten
from kubeoci.lifecycle import access, pack, settings, signing, verifying
from kubeoci.lifecycle.contract import Call, Checked, Difference, Planned, Severity, Stored, Unfinished
from kubeoci.lifecycle.difference import compare
from kubeoci.lifecycle.inputs import Reader, settled
from kubeoci.lifecycle.pull import open_store, pull
from kubeoci.lifecycle.settings import ArtifactInputs
from kubeoci.lifecycle.values import UNKNOWN, Value, Values, reveal, veiled
from kubeoci.registry import protocols
from kubeoci.registry.protocols import Fetcher, Folder, Located, Place, Store
from kubeoci.registry.push import push
from kubeoci.tree import Tree

INPUTS: Final = settings.ARTIFACT
FACTS: Final = frozenset({"digest", "files"})
SECRET: Final = access.SECRET | {"sign"}


def check(call: Call, olds: Values, news: Values) -> Checked:  # noqa: ARG001 - nothing may depend on the old inputs
    """Validate, pack into the content cache and ask the registry once. Faults of all kinds are told together."""
    program = {name: value for name, value in news.items() if name not in FACTS}
    given, reader = settings.artifact(program, call.session.config)
    tree: Tree | None = None
    if "path" not in reader.pending and given.path and not reader.pending & {"ignore", "sourceignore"}:
        try:
            tree = _read(given)
        except (KubeociError, ExceptionGroup) as error:
            reader.adopt("path", error)
    if reader.faults:
        return Checked(dict(news), tuple(str(fault) for fault in reader.faults))
    facts: dict[str, Value] = dict.fromkeys(FACTS, UNKNOWN)
    if tree is not None:
        facts["files"] = dict(tree.listing())
        for warning in tree.warnings:
            call.log(Severity.WARNING, warning)
    if tree is not None and not reader.pending:
        try:
            digest = _settle(call, given, tree)
            verifying.promise(call, given.repository, digest, signing.names(given.sign) if given.sign else ())
            facts["digest"] = digest
        except (KubeociError, ExceptionGroup) as error:
            return Checked(dict(news), tuple(str(fault) for fault in flatten(error)))
    if program.get("tags") is None and "url" not in reader.pending:
        program["tags"] = veiled(list(given.tags), program["url"])  # the tag in the url, or the default
    return Checked({**program, **facts})


def diff(olds: Values, news: Values) -> Difference:
    """What differs in the inputs; another host or repository replaces. Who may sign again is no other signer."""
    entries = {path: kind for path, kind in compare(olds, news, INPUTS | FACTS).items() if path not in _TRANSIENT}
    moved = ("url",) in entries and _place(olds) != _place(news)
    return Difference(entries, ("url",) if moved else ())


def plan(call: Call, ident: str, olds: Values, news: Values) -> Planned:  # noqa: ARG001 - the shape of `Resource`
    """The outputs as they will be, and in one line how many files differ."""
    digest, files = news.get("digest"), news.get("files")
    if not isinstance(digest, str) or not isinstance(files, dict):
        return Planned({**news, **dict.fromkeys(_OUTPUTS, UNKNOWN)}, message="known after apply")
    given = _given(call, news)
    built = pack.held(call.session.cache, digests.parse(digest))
    outputs = {**news, **dict.fromkeys(_OUTPUTS, UNKNOWN), "reference": _reference(news, given, digest)}
    outputs |= {} if given.sign else {"signatures": []}
    if built is not None:
        outputs |= _described(built)
    return Planned(outputs, message=_message(given, built, olds, news))


def create(call: Call, news: Values) -> Stored:
    """Push what check packed, then move the tags. What is there already is not sent again."""
    return _pushed(call, news, {})


def update(call: Call, ident: str, olds: Values, news: Values) -> Stored:  # noqa: ARG001 - the shape of `Resource`
    """The same as create: a push is safe to repeat."""
    return _pushed(call, news, olds)


def read(call: Call, ident: str, outputs: Values, inputs: Values) -> Stored | None:
    """The artifact as the registry has it: None when its digest is gone; only tags that still point to it are kept."""
    place = protocols.parse(str(reveal(outputs.get("reference")) or ident))  # an id stays that of the first push
    if place.digest is None:
        raise RegistryError(
            "reference.invalid", "names no digest", where=ident, advice="write host/repository@sha256:…"
        )
    given = _given(call, inputs, is_stored=True) if inputs else None
    reach = given.access if given else access.read(Reader({}), place, call.session.config)
    store = open_store(call, reach, place.place)
    if not store.exists(place.place, place.digest):
        return None
    if given is None:
        pulled = pull(store, place.place, place.digest)
        found = {
            "url": str(place.place) if isinstance(place.place, Folder) else f"oci://{place.place}",
            "digest": place.digest,
            "files": dict(pulled.contents.tree().listing()),
        }
        return Stored(ident, {**found, "reference": ident}, dict(found))
    pointing = [tag for tag in given.tags if store.tag(place.place, tag) == place.digest]
    live = {**inputs, "tags": pointing}
    signatures = [each for each in _recorded(outputs, outputs) if _is_there(store, place, each)]
    if given.sign and len(signatures) < len(given.sign.formats):
        live.pop("sign", None)  # so that the next update signs again
    return Stored(ident, {**outputs, **live, "signatures": signatures}, live)


def delete(call: Call, ident: str, outputs: Values) -> None:
    """Nothing by default: published artifacts stay. `onDelete: delete` removes it and our tags that point to it."""
    # the output `annotations` is the manifest's own, with keys that an input may not have
    said = {name: value for name, value in outputs.items() if name != "annotations"}
    given = _given(call, said, is_stored=True)
    place = protocols.parse(str(reveal(outputs.get("reference")) or ident))
    if given.on_delete == "keep" or place.digest is None:
        call.log(Severity.INFO, f"{place} stays in the registry (onDelete: keep)")
        return
    store = open_store(call, given.access, place.place)
    for tag in given.tags:
        if store.tag(place.place, tag) == place.digest:
            store.delete_tag(place.place, tag)
    if signatures := _recorded(outputs, outputs):
        signing.remove(store, place.place, place.digest, signatures)
    store.delete_manifest(place.place, place.digest)


def abandon(call: Call, failure: Unfinished) -> tuple[str, ...]:  # noqa: ARG001 - the shape of `Resource`
    """Nothing to undo: tags move last, and what a push left behind is found by the next one."""
    return failure.reasons


_OUTPUTS: Final = ("reference", "treeDigest", "size", "annotations", "signatures", "previousDigest")
_TRANSIENT: Final = frozenset({("sign", "identityToken"), ("sign", "password")})
"""Parts of `sign` that are new in each run, or that open the same key."""


def _given(call: Call, values: Values, *, is_stored: bool = False) -> ArtifactInputs:
    """The settings inside the inputs of a resource that was checked before. Raises what is wrong with them."""
    own = {name: value for name, value in values.items() if name in INPUTS}
    given, reader = settings.artifact(own, call.session.config, is_stored=is_stored)
    settled(reader)
    return given


def _read(given: ArtifactInputs) -> Tree:
    return trees.read(Path(given.path), ignore=given.ignore, sourceignore=given.sourceignore)


def _settle(call: Call, given: ArtifactInputs, tree: Tree) -> Digest:
    """Our digest of this tree, or the one behind the first tag if that is the same artifact by other hands."""
    built = pack.pack(call.session.cache, tree, given)
    store = open_store(call, given.access, given.repository)
    remote = store.tag(given.repository, given.tags[0])
    if remote is None or remote == built.digest or not _same(store, given, remote, built):
        return built.digest
    return remote


def _same(store: Fetcher[Place], given: ArtifactInputs, remote: Digest, built: Artifact) -> bool:
    """Whether `remote` has our tree, format and explicit annotations. Its own word for its tree is only a claim."""
    try:
        manifest = artifacts.parse(store.manifest(given.repository, remote))
        return _claims(manifest, given, built) and _tree_digest(store, given, remote) == built.tree_digest
    except (RegistryError, ArchiveError) as error:
        if error.code in {"registry.unsupported", "registry.too_large", "archive.unsafe"}:
            return False  # somebody else's artifact, whatever it is
        raise


def _claims(manifest: Manifest, given: ArtifactInputs, built: Artifact) -> bool:
    """Whether a manifest says of itself what ours says: cheap to ask, and not yet believed."""
    wanted = {**pack.explicit_annotations(given), artifacts.TREE_DIGEST: built.tree_digest}
    said = [layer.media_type for layer in manifest.layers]
    said += [manifest.config.media_type if manifest.config else ""]
    is_alike = said == [built.layer.media_type, built.config_descriptor.media_type]
    return is_alike and all(manifest.annotations.get(key) == value for key, value in wanted.items())


def _tree_digest(store: Fetcher[Place], given: ArtifactInputs, remote: Digest) -> Digest:
    return pull(store, given.repository, remote).contents.tree().digest


def _pushed(call: Call, news: Values, olds: Values) -> Stored:
    given, digest = _given(call, news), digests.parse(str(news["digest"]))
    cache, store = call.session.cache, open_store(call, given.access, given.repository)
    built = pack.held(cache, digest)
    if built is None:
        built = pack.pack(cache, _read(given), given)
    if built.digest != digest:
        raise FilesError(
            "files.changed", f"what was planned is {digest}, what is there now is {built.digest}", where=given.path,
            advice="run again",
        )  # fmt: skip
    signatures: list[Value] = []

    def seal() -> None:
        """Sign what is in the registry under its digest, before a tag points at it."""
        assert given.sign  # noqa: S101 - it is passed on only then
        subject = Descriptor(artifacts.MANIFEST, digest, len(built.manifest))
        signatures[:] = signing.sign(store, given.repository, subject, given.sign, _recorded(olds, news), cache.folder)

    pushed = push(
        store,
        given.repository,
        built,
        lambda: store.blob(given.repository, built.layer),
        given.tags,
        immutable_tags=given.immutable_tags,
        seal=seal if given.sign else None,
    )
    before = str(olds.get("digest") or pushed.previous.get(given.tags[0]) or "")
    outputs = {
        **news,
        **_described(built),
        "reference": _reference(news, given, digest),
        "signatures": signatures,
        "previousDigest": before if before != digest else "",
    }
    return Stored(f"{given.repository}@{digest}", outputs, dict(news))


def _recorded(olds: Values, news: Values) -> list[Mapping[str, str]]:
    """The signatures that were made for the same annotations; a state without any has none."""
    old, new = (reveal(values.get("sign")) for values in (olds, news))
    asked = [each.get("annotations") or {} if isinstance(each, dict) else {} for each in (old, new)]
    found = reveal(olds.get("signatures"))
    return cast("list[Mapping[str, str]]", found) if isinstance(found, list) and asked[0] == asked[1] else []


def _is_there(store: Store[Place], place: Located, signature: Mapping[str, str]) -> bool:
    """Whether the manifest of a signature is there."""
    return store.exists(place.place, digests.parse(signature["manifest"]))


def _reference(news: Values, given: ArtifactInputs, digest: str) -> Value:
    return veiled(f"{given.repository}@{digest}", news.get("url"))


def _described(built: Artifact) -> dict[str, Value]:
    """The outputs that follow from the artifact alone."""
    return {
        "treeDigest": str(built.tree_digest),
        "size": built.layer.size,
        "annotations": dict(built.annotations),
    }


def _message(given: ArtifactInputs, built: Artifact | None, olds: Values, news: Values) -> str:
    """`dev: sha256:1f… -> sha256:9a…; 4 files: 1 added, 1 changed, 2 unchanged; 1,204 bytes`."""
    old, new = olds.get("files") or {}, news["files"]
    assert isinstance(old, dict)  # noqa: S101 - tells the type checker what plan has checked
    assert isinstance(new, dict)  # noqa: S101
    counts = {
        "added": len(new.keys() - old.keys()),
        "changed": sum(old[path] != new[path] for path in new.keys() & old.keys()),
        "removed": len(old.keys() - new.keys()),
        "unchanged": sum(old[path] == new[path] for path in new.keys() & old.keys()),
    }
    words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    before, after = str(olds.get("digest") or ""), str(news["digest"])
    step = after[:19] if before in ("", after) else f"{before[:19]} -> {after[:19]}"
    size = f"; {built.layer.size:,} bytes" if built else ""
    total = "1 file" if len(new) == 1 else f"{len(new)} files"
    return f"{', '.join(given.tags)}: {step}; {total}: {words}{size}"


def _place(values: Values) -> str:
    """Host and repository of a resource's `url`, or the real path of its folder."""
    url = reveal(values.get("url"))
    place = protocols.parse(url).place if isinstance(url, str) else ""
    return os.path.realpath(place.path) if isinstance(place, Folder) else str(place)
