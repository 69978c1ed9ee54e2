# SPDX-License-Identifier: Apache-2.0
"""A directory becomes an artifact whose blobs lie in the content cache, before anything is sent."""

import os
from datetime import UTC, datetime
from pathlib import Path

from kubeoci import archive, artifact
from kubeoci import digest as digests
from kubeoci.archive import Layer
from kubeoci.artifact import CREATED, REVISION, SOURCE, Artifact
from kubeoci.digest import Digest
from kubeoci.errors import InputError
from kubeoci.lifecycle import git
from kubeoci.lifecycle.settings import ArtifactInputs
from kubeoci.registry.cache import Cache
from kubeoci.tree import Tree


def explicit_annotations(settings: ArtifactInputs) -> dict[str, str]:
    """What the user asked for in words: a change here is worth a push, one in what Git says is not."""
    named = {SOURCE: settings.source, REVISION: settings.revision, CREATED: settings.created or _epoch()}
    return {**{key: value for key, value in named.items() if value}, **settings.annotations}


def annotations(settings: ArtifactInputs) -> dict[str, str]:
    """All annotations of the manifest but our own: Git's word, then the user's."""
    known = git.origin(Path(settings.path).absolute())
    derived = {SOURCE: known.source, REVISION: known.revision}
    if settings.source is not None:
        derived.pop(SOURCE)
    if settings.revision is not None:
        derived.pop(REVISION)
    return {**{key: value for key, value in derived.items() if value}, **explicit_annotations(settings)}


def pack(cache: Cache, packed: Tree, settings: ArtifactInputs) -> Artifact:
    """The artifact of a tree; its manifest, config and layer are in the cache afterwards. Equal trees, equal bytes."""
    layer = _remembered(cache, packed.digest) or _write(cache, packed)
    built = artifact.build(layer, packed.digest, format=settings.format, annotations=annotations(settings))
    cache.put(built.config)
    cache.put(built.manifest)
    return built


def held(cache: Cache, digest: Digest) -> Artifact | None:
    """The artifact with this digest if the cache has its manifest and config; a layer may still be missing."""
    raw = cache.get(digest)
    manifest = artifact.parse(raw) if raw else None
    config = cache.get(manifest.config.digest) if manifest and manifest.config else None
    if raw is None or manifest is None or manifest.config is None or config is None or len(manifest.layers) != 1:
        return None
    claimed = manifest.annotations.get(artifact.TREE_DIGEST, "")
    return Artifact(raw, digest, config, manifest.config, manifest.layers[0], manifest.annotations, Digest(claimed))


def _remembered(cache: Cache, tree_digest: Digest) -> Layer | None:
    """The layer that was made of this tree before, while the cache still holds it: nothing is compressed twice."""
    note = cache.recall("layer", tree_digest)
    if note is None:
        return None
    layer = Layer(digests.parse(str(note["digest"])), digests.parse(str(note["diff_id"])), int(str(note["size"])))
    blob = cache.open_blob(layer.digest)
    if blob is None:
        return None
    blob.close()
    return layer


def _write(cache: Cache, packed: Tree) -> Layer:
    with cache.stage() as stage:
        layer = archive.write(packed, stage.file)
        stage.commit(layer.digest)
    cache.note("layer", packed.digest, {"digest": layer.digest, "diff_id": layer.diff_id, "size": layer.size})
    return layer


def _epoch() -> str:
    """`SOURCE_DATE_EPOCH` as an annotation; empty when unset. Raises `InputError` for anything but seconds."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return ""
    try:
        return datetime.fromtimestamp(int(text), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as error:
        raise InputError("input.invalid", f"{text!r} is no time in seconds", where="SOURCE_DATE_EPOCH") from error
