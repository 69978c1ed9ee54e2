# SPDX-License-Identifier: Apache-2.0
"""The inputs of both resources as typed values, and every fault in them with its property path."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kubeoci import commonmetadata, digest, ignore, ranges, reference
from kubeoci.artifact import Format, annotation_faults
from kubeoci.cluster.rest import Access
from kubeoci.cluster.target import Settings as Applying
from kubeoci.commonmetadata import CommonMetadata
from kubeoci.errors import KubeociError, flatten
from kubeoci.kustomize.build import Building
from kubeoci.lifecycle import access, applying, building, reach, signing, verifying
from kubeoci.lifecycle.inputs import Reader, uncarriable
from kubeoci.lifecycle.signing import Sign
from kubeoci.lifecycle.values import Values, reveal
from kubeoci.lifecycle.verifying import Verify
from kubeoci.reference import Repository
from kubeoci.registry import protocols
from kubeoci.registry.protocols import Folder, Located, Place
from kubeoci.registry.transport import Settings

_PACKING: Final = ("path", "tags", "ignore", "sourceignore", "format", "sign", "immutableTags", "onDelete")
_DESCRIPTION: Final = ("source", "revision", "annotations", "created")
_SELECTION: Final = (
    "ref",
    "layerSelector",
    "verify",
    "path",
    "ignore",
    "targetNamespace",
    "commonMetadata",
    "interval",
    "suspend",
)
_CLUSTER: Final = ("cluster", "namespace", "inventoryName", "owner", "deleteUnreachable", "driftDetection")

ARTIFACT: Final = frozenset(("url", *access.INPUTS, *_PACKING, *_DESCRIPTION))
REPOSITORY: Final = frozenset(
    ("url", *access.INPUTS, *reach.INPUTS, *_SELECTION, *building.INPUTS, *applying.INPUTS, *_CLUSTER)
)
NOWHERE: Final = Repository("localhost", "unknown")
"""Stands for a repository that is not known yet or not valid; nothing is ever asked of it."""

_CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, slots=True)
class ArtifactInputs:
    """The inputs of an OCIArtifact. `source` and `revision` are None where Git decides; `created` is empty for none."""

    repository: Place
    access: Settings
    path: str
    tags: tuple[str, ...]
    ignore: tuple[str, ...]
    sourceignore: bool
    source: str | None
    revision: str | None
    created: str
    annotations: Mapping[str, str]
    format: str
    sign: Sign | None
    immutable_tags: bool
    on_delete: str


@dataclass(frozen=True, slots=True)
class RepositoryInputs:
    """The inputs of an OCIRepository. `namespace` and the kubeconfig fall back to the provider's configuration.

    `access` is what the program says itself, `secrets` names what the cluster has to add. The `timeout` of the program
    is in `applying`, and bounds the registry's part as well.
    """

    repository: Place
    access: Settings
    secrets: reach.Names
    ref: "Ref"
    layer_media_type: str
    is_copied: bool
    verify: Verify | None
    path: str
    ignore: tuple[str, ...]
    interval: str
    suspend: bool
    target_namespace: str
    common_metadata: CommonMetadata
    building: Building
    applying: Applying
    cluster: Access
    is_cluster_known: bool
    delete_unreachable: bool
    drift_detection: bool


@dataclass(frozen=True, slots=True)
class Ref:
    """Which artifact: digest before semver before tag, `latest` when nothing is said, as in Flux."""

    tag: str = "latest"
    semver: str = ""
    semver_filter: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return self.digest or self.semver or self.tag


def artifact(values: Values, config: Values | None = None, *, is_stored: bool = False) -> tuple[ArtifactInputs, Reader]:
    """The settings of an OCIArtifact with the provider's `config` below them; faults and pending in the reader.

    A program names at least one tag. What `is_stored` may have none: a refresh keeps those that still point to us.
    """
    reader = Reader(values)
    reader.known(ARTIFACT)
    reader.faults += uncarriable(reveal(dict(values)))
    place = _place(reader)
    tags = _tags(reader, place, is_stored=is_stored)
    path = reader.text("path", required=True)
    if place and path and _swallows(path, place.place):
        reader.fault("url", "lies in the folder that is packed: each update would pack the last", "put it elsewhere")
    settings = ArtifactInputs(
        repository=place.place if place else NOWHERE,
        access=access.read(reader, place, config),
        path=path,
        tags=tags,
        ignore=_ignore(reader),
        sourceignore=reader.boolean("sourceignore", default=True),
        source=reader.text("source") if reader.raw("source") is not None else None,
        revision=reader.text("revision") if reader.raw("revision") is not None else None,
        created=_created(reader),
        annotations=_annotations(reader),
        format=reader.choice("format", tuple(Format), "oci"),
        sign=signing.read(reader),
        immutable_tags=reader.boolean("immutableTags", default=False),
        on_delete=reader.choice("onDelete", ("keep", "delete"), "keep"),
    )
    return settings, reader


def repository(values: Values, config: Values) -> tuple[RepositoryInputs, Reader]:
    """The settings of an OCIRepository with the provider's `config` below them; faults and pending in the reader."""
    reader = Reader(values)
    reader.known(REPOSITORY)
    reader.faults += uncarriable(reveal(dict(values)))
    place = _place(reader)
    if place and (place.tag or place.digest):
        reader.fault("url", "names a tag or digest", "give it as ref.tag or ref.digest")
    cluster = applying.cluster(reader, config)
    media_type, operation = _selector(reader)
    if operation == "copy" and reader.raw("ignore"):
        reader.fault("ignore", "has no effect on a layer that is copied", "leave it out", code="input.unknown")
    interval = reader.text("interval")
    reader.seconds("interval", 0.0)
    settings = RepositoryInputs(
        repository=place.place if place else NOWHERE,
        access=access.read(reader, place, config),
        secrets=reach.read(reader, place),
        ref=_ref(reader),
        layer_media_type=media_type,
        is_copied=operation == "copy",
        verify=verifying.read(reader),
        path=reader.text("path"),
        ignore=_ignore(reader),
        interval=interval,
        suspend=reader.boolean("suspend", default=False),
        target_namespace=applying.label(reader, "targetNamespace", ""),
        common_metadata=_common_metadata(reader),
        building=building.read(reader),
        applying=applying.read(reader, config),
        cluster=cluster,
        is_cluster_known="cluster" not in reader.pending,
        delete_unreachable=reader.boolean("deleteUnreachable", default=_forgets()),
        drift_detection=reader.boolean("driftDetection", default=True),
    )
    return settings, reader


def _place(reader: Reader) -> Located | None:
    """The parsed `url`, None when it is missing, pending or wrong."""
    url = reader.text("url", required=True)
    if not url:
        return None
    try:
        return protocols.parse(url)
    except KubeociError as error:
        reader.adopt("url", error)
        return None


def _swallows(path: str, place: Place) -> bool:
    """Whether packing `path` packs the layout that it goes to."""
    try:
        return isinstance(place, Folder) and Path(place.path).resolve().is_relative_to(Path(path).resolve())
    except (ValueError, RuntimeError):  # a NUL, or links that lead in a circle: who opens it will tell
        return False


def _tags(reader: Reader, place: Located | None, *, is_stored: bool) -> tuple[str, ...]:
    """The tags to move: from `tags`, or the one in `url`; never both."""
    tags = reader.texts("tags", ["latest"])
    if place and place.digest:
        reader.fault("url", "names a digest; what is pushed decides the digest", "leave the digest out")
    if place and place.tag:
        if reader.raw("tags") is not None and tags != (place.tag,):
            reader.fault("tags", "the url names a tag as well", "give the tag in one place")
        tags = (place.tag,)
    for index, tag in enumerate(tags):
        try:
            reference.check_tag(tag)
        except KubeociError as error:
            reader.adopt(f"tags[{index}]", error)
    if len(set(tags)) != len(tags):
        reader.fault("tags", "names a tag twice")
    if not tags and not is_stored:
        reader.fault("tags", "is empty", "leave it out for latest")
    return tags


def _annotations(reader: Reader) -> dict[str, str]:
    table = reader.table("annotations")
    reader.faults += annotation_faults(table)
    return table


def _ignore(reader: Reader) -> tuple[str, ...]:
    """Extra patterns in the grammar of gitignore; a malformed one would leave nothing out, so it is a fault."""
    lines = reader.texts("ignore")
    try:
        for warning in ignore.compile_patterns(lines).warnings:
            reader.fault("ignore", warning)
    except ExceptionGroup as error:
        reader.adopt("ignore", error)
    return lines


def _created(reader: Reader) -> str:
    return reader.matching("created", _CREATED, "no UTC time", "write it like 2026-01-31T12:00:00Z")


def _ref(reader: Reader) -> Ref:
    """`ref`, each part checked by its own grammar; a filter without a range has no effect and is a fault."""
    section = reader.section("ref", ("tag", "semver", "semverFilter", "digest"))
    if section is None:
        return Ref()
    ref = Ref(
        tag=section.text("tag") or "latest",
        semver=section.text("semver"),
        semver_filter=section.text("semverFilter"),
        digest=section.text("digest"),
    )
    checks: dict[str, Callable[[str], object]] = {
        "tag": reference.check_tag,
        "semver": ranges.parse,
        "semverFilter": ranges.compile_filter,
        "digest": digest.parse,
    }
    for name, check in checks.items():
        value = section.text(name)
        try:
            if value:
                check(value)
        except KubeociError as error:
            section.adopt(name, error)
    if ref.semver_filter and not ref.semver and "ref" not in reader.pending:
        section.fault("semverFilter", "has no effect without ref.semver", code="input.unknown")
    return ref


def _selector(reader: Reader) -> tuple[str, str]:
    """(media type, operation) of `layerSelector`."""
    section = reader.section("layerSelector", ("mediaType", "operation"))
    if section is None:
        return "", "extract"
    return section.text("mediaType"), section.choice("operation", ("extract", "copy"), "extract")


def _common_metadata(reader: Reader) -> CommonMetadata:
    """Labels and annotations for every object."""
    section = reader.section("commonMetadata", ("labels", "annotations"))
    if section is None:
        return commonmetadata.NONE
    labels, annotations = section.table("labels"), section.table("annotations")
    try:
        return CommonMetadata(labels, annotations)
    except ExceptionGroup as error:
        reader.faults += flatten(error)
        return commonmetadata.NONE


def _forgets() -> bool:
    """`KUBEOCI_DELETE_UNREACHABLE=true`: the way out when the state of a lost cluster says otherwise."""
    return os.environ.get("KUBEOCI_DELETE_UNREACHABLE", "").lower() in {"1", "true"}
