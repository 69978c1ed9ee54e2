# SPDX-License-Identifier: Apache-2.0
"""Manifests: how a layer becomes an artifact, and what may be read from an artifact that somebody else made.

Our own JSON is canonical (sorted keys, no white space, UTF-8), so equal content has an equal digest. The identity of
a manifest that was fetched is the hash of its raw bytes: it is never written anew.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn

from kubeoci import digest as digests
from kubeoci.archive import Layer
from kubeoci.digest import Digest
from kubeoci.errors import InputError, KubeociError, RegistryError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPT = f"{MANIFEST}, {INDEX}, {DOCKER_MANIFEST}, {DOCKER_LIST}"
"""The one `Accept` header of every request for a manifest."""
INDEXES = frozenset({INDEX, DOCKER_LIST})
"""The types of manifests that only list others."""

MAX_MANIFEST_BYTES = 4 << 20
"""Larger manifests are neither read nor made: registries refuse them too."""

OWN_PREFIX = "dev.kubeoci."
TREE_DIGEST = f"{OWN_PREFIX}tree-digest"
DIFF_ID = f"{OWN_PREFIX}diff-id"
CREATED = "org.opencontainers.image.created"
SOURCE = "org.opencontainers.image.source"
REVISION = "org.opencontainers.image.revision"

HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
"""The layer of a Helm chart. Where it is selected, tags are read as those of charts (`ranges.select`)."""

_KNOWN = frozenset({MANIFEST, DOCKER_MANIFEST}) | INDEXES
_ATTESTATION = "vnd.docker.reference.type"  # BuildKit's mark on what it says about another child
_SHOWN = 5
_MAX_DEPTH = 16
_MAX_SIZE = 1 << 62
_FLUX_CONFIG = (
    b'{"architecture":"","created":"0001-01-01T00:00:00Z","os":"",'
    b'"rootfs":{"type":"layers","diff_ids":null},"config":{}}'
)


class Format(StrEnum):
    """Whose media types an artifact carries: `oci` is read by Flux and Argo CD, `flux` is what the Flux CLI pushes."""

    OCI = "oci"
    FLUX = "flux"

    @property
    def config_type(self) -> str:
        """Media type of the config blob."""
        return _TYPES[self][0]

    @property
    def layer_type(self) -> str:
        """Media type of the one layer."""
        return _TYPES[self][1]


_TYPES = {
    Format.OCI: ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"),
    Format.FLUX: ("application/vnd.cncf.flux.config.v1+json", "application/vnd.cncf.flux.content.v1.tar+gzip"),
}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to bytes: media type, digest, size in bytes. A list of referrers says their artifact type as well."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""

    def document(self) -> dict[str, object]:
        """The descriptor as JSON has it; empty annotations are left out."""
        fields: dict[str, object] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        fields |= {"annotations": dict(self.annotations)} if self.annotations else {}
        return fields | ({"artifactType": self.artifact_type} if self.artifact_type else {})


@dataclass(frozen=True, slots=True)
class Artifact:
    """Everything that is pushed besides the layer's bytes. `digest` is that of `manifest`."""

    manifest: bytes
    digest: Digest
    config: bytes
    config_descriptor: Descriptor
    layer: Descriptor
    annotations: dict[str, str]
    tree_digest: Digest


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says. An index has `children`, an image manifest `config` and `layers`."""

    media_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str]
    artifact_type: str
    children: tuple[Descriptor, ...]


def build(
    layer: Layer,
    tree_digest: Digest,
    *,
    format: str = Format.OCI,  # noqa: A002 - the name of the property
    annotations: Mapping[str, str] | None = None,
) -> Artifact:
    """The artifact of one layer. `annotations` are those of the user; ours (`dev.kubeoci.…`) are added.

    Raises an `ExceptionGroup` with an `InputError` for each annotation, and for a format, that cannot be used.
    """
    given = dict(annotations or {})
    if faults := [*_format_faults(format), *annotation_faults(given)]:
        raise ExceptionGroup("the artifact cannot be made", faults)
    kind = Format(format)
    config = _config(kind, layer)
    config_descriptor = Descriptor(kind.config_type, digests.of(config), len(config))
    descriptor = Descriptor(kind.layer_type, layer.digest, layer.size)
    notes = given | {TREE_DIGEST: tree_digest, DIFF_ID: layer.diff_id}
    raw = _manifest(config_descriptor, descriptor, notes)
    return Artifact(raw, digests.of(raw), config, config_descriptor, descriptor, notes, tree_digest)


def annotation_faults(annotations: Mapping[str, str]) -> list[KubeociError]:
    """What is wrong with annotations that a user gives, each fault with the place `annotations["key"]`."""
    faults = []
    for key, value in annotations.items():
        if what := _annotation_fault(key, value):
            faults.append(InputError("input.invalid", what, where=f'annotations["{key}"]'))
    if len(canonical(dict(annotations), errors="replace")) > MAX_MANIFEST_BYTES // 2:
        faults.append(InputError("input.invalid", "all annotations together are over 2 MiB", where="annotations"))
    return [*faults]


def canonical(value: object, *, errors: str = "strict") -> bytes:
    """`value` as JSON with sorted keys and no white space, in UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode(errors=errors)


def parse(raw: bytes, content_type: str = "") -> Manifest:
    """Read a manifest or index, whoever made it; `content_type` is the header that came with it, if any.

    Raises `RegistryError`: `registry.too_large` over 4 MiB, else `registry.unsupported` for everything that two
    readers could understand differently: types that contradict each other, an index that is an image as well,
    a key given twice, deep nesting, sizes that are no sizes.
    """
    if len(raw) > MAX_MANIFEST_BYTES:
        raise RegistryError("registry.too_large", f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes")
    document = _document(raw)
    media_type = _media_type(document, content_type.partition(";")[0].strip().lower())
    is_index = media_type in INDEXES
    foreign = {"config", "layers"} if is_index else {"manifests"}
    if both := sorted(foreign & document.keys()):
        _unsupported(f"the manifest is of type {media_type} but has {' and '.join(both)}")
    return Manifest(
        media_type,
        None if is_index else _descriptor(document.get("config"), "config"),
        () if is_index else _descriptors(document.get("layers"), "layers"),
        _annotations(document.get("annotations"), "annotations"),
        _text(document.get("artifactType", ""), "artifactType"),
        _descriptors(document.get("manifests"), "manifests") if is_index else (),
    )


def select_layer(manifest: Manifest, media_type: str = "") -> Descriptor:
    """The first layer, or the first of `media_type`. Raises `registry.unsupported`, naming the types seen."""
    if manifest.media_type in INDEXES:
        _unsupported("this is an index of several artifacts, not an artifact")
    fitting = [layer for layer in manifest.layers if not media_type or layer.media_type == media_type]
    if not fitting:
        asked = f" of type {media_type}" if media_type else ""
        _unsupported(
            f"the artifact has no layer{asked}; its layers are: {_types(manifest.layers)}",
            "set layerSelector.mediaType to one of them" if manifest.layers else "",
        )
    return fitting[0]


def select_child(manifest: Manifest) -> Descriptor:
    """The one artifact of an index, attestations aside.

    Raises `registry.unsupported` when there is another number, naming the digest and type of each that could be meant.
    """
    fitting = [child for child in manifest.children if _ATTESTATION not in child.annotations]
    if len(fitting) != 1:
        named = [f"{child.digest} ({child.media_type})" for child in fitting[:_SHOWN]]
        more = [f"{len(fitting) - _SHOWN} more"] if len(fitting) > _SHOWN else []
        aside = len(manifest.children) - len(fitting)
        _unsupported(
            f"the index points to {len(fitting)} artifacts (attestations aside: {aside}), and only one could be meant: "
            f"{', '.join([*named, *more]) or 'there is none'}",
            "give the digest of one of them" if fitting else "",
        )
    return fitting[0]


def _types(descriptors: Iterable[Descriptor]) -> str:
    return ", ".join(dict.fromkeys(descriptor.media_type for descriptor in descriptors)) or "none"


def _format_faults(name: str) -> list[KubeociError]:
    if name in set(Format):
        return []
    known = " or ".join(Format)
    return [InputError("input.invalid", f"{name!r} is no format", where="format", advice=f"use {known}")]


def _annotation_fault(key: str, value: str) -> str:
    if not key:
        return "an annotation needs a name"
    if key.startswith(OWN_PREFIX):
        return f"names that start with {OWN_PREFIX} are set by kubeoci alone"
    try:
        f"{key}{value}".encode()
    except UnicodeEncodeError:
        return "the name or the value is not valid Unicode"
    return ""


def _config(kind: Format, layer: Layer) -> bytes:
    """The config blob: constant for Flux, which ignores it; the least that image tools accept for OCI."""
    if kind is Format.FLUX:
        return _FLUX_CONFIG
    rootfs = {"diff_ids": [layer.diff_id], "type": "layers"}
    return canonical({"architecture": "unknown", "config": {}, "os": "unknown", "rootfs": rootfs})


def _manifest(config: Descriptor, layer: Descriptor, annotations: Mapping[str, str]) -> bytes:
    return canonical(
        {
            "annotations": dict(annotations),
            "config": config.document(),
            "layers": [layer.document()],
            "mediaType": MANIFEST,
            "schemaVersion": 2,
        }
    )


def _unsupported(what: str, advice: str = "") -> NoReturn:
    raise RegistryError("registry.unsupported", what, advice=advice)


def _document(raw: bytes) -> dict[str, object]:
    """The JSON object in `raw`, strictly: UTF-8, no key twice, no NaN, not deep."""
    try:
        document = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise RegistryError("registry.unsupported", f"the manifest is no valid JSON: {reason}") from None
    if not isinstance(document, dict):
        _unsupported("the manifest is no JSON object")
    _check_depth(document)
    return document


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """One object; readers disagree on which of two equal keys counts."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key is given twice")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _check_depth(document: object) -> None:
    level = [document]
    for _ in range(_MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
    if level:
        _unsupported(f"the manifest is nested more than {_MAX_DEPTH} levels deep")


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _media_type(document: dict[str, object], header: str) -> str:
    """The type that header and document agree on; where both are silent, what the fields say."""
    if document.get("schemaVersion") != 2 or isinstance(document.get("schemaVersion"), float):  # noqa: PLR2004
        _unsupported(f"the manifest has schemaVersion {document.get('schemaVersion')!r}, not 2")
    written = _text(document.get("mediaType", ""), "mediaType")
    if header and written and header != written.lower():
        _unsupported(f"the manifest says mediaType {written!r}, the registry Content-Type {header!r}")
    media_type = written or header or (INDEX if "manifests" in document else MANIFEST)
    if media_type not in _KNOWN:
        _unsupported(f"the manifest is of type {media_type!r}, which is no image manifest and no index")
    return media_type


def _descriptors(value: object, where: str) -> tuple[Descriptor, ...]:
    if not isinstance(value, list):
        _unsupported(f"the manifest's {where} is no list")
    return tuple(_descriptor(item, f"{where}[{index}]") for index, item in enumerate(value))


def _descriptor(value: object, where: str) -> Descriptor:
    if not isinstance(value, dict):
        _unsupported(f"the manifest's {where} is no descriptor")
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_SIZE:
        _unsupported(f"the manifest's {where} has the size {size!r:.40}")
    try:
        digest = digests.parse(_text(value.get("digest"), f"{where}.digest"))
    except KubeociError as error:
        raise RegistryError("registry.unsupported", f"the manifest's {where}: {error.what}") from None
    notes = _annotations(value.get("annotations"), f"{where}.annotations")
    kind = value.get("artifactType")  # null and nothing are the same to Go
    kind = "" if kind is None else _text(kind, f"{where}.artifactType")
    return Descriptor(_text(value.get("mediaType"), f"{where}.mediaType"), digest, size, notes, kind)


def _annotations(value: object, where: str) -> dict[str, str]:
    """A map of texts; null, which Go writes for an empty map, is empty."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        _unsupported(f"the manifest's {where} is no map")
    return {_text(key, where): _text(item, f"{where}[{key!r:.80}]") for key, item in value.items()}


def _text(value: object, where: str) -> str:
    """A string that can be written again: JSON allows half of a surrogate pair, UTF-8 does not."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            _unsupported(f"the manifest's {where} is not valid Unicode")
        return value
    _unsupported(f"the manifest's {where} is no text")
