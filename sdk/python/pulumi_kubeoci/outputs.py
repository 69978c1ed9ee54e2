# SPDX-License-Identifier: Apache-2.0
"""The outputs of each resource, the same on both front ends."""

from collections.abc import Callable
from typing import Any, Final, Generic, Never, TypeVar, overload

import pulumi

Known = TypeVar("Known")


class Property(Generic[Known]):
    """An output as an attribute of a resource; `name` is its name on the wire.

    Pulumi keeps the outputs of a resource in its `__dict__` under the name that they were sent by.
    """

    def __init__(self, name: str, convert: Callable[[Any], Known] | None = None) -> None:
        self.name = name
        self._convert = convert

    @overload
    def __get__(self, resource: None, owner: type) -> "Property[Known]": ...
    @overload
    def __get__(self, resource: object, owner: type) -> pulumi.Output[Known]: ...
    def __get__(self, resource: object, owner: type) -> "pulumi.Output[Known] | Property[Known]":
        """The output of `resource`; this description of it when asked of the class."""
        if resource is None:
            return self
        output: pulumi.Output[Any] = resource.__dict__[self.name]
        return output.apply(self._convert) if self._convert else output

    def __set__(self, resource: object, value: Never) -> None:
        raise AttributeError(f"{self.name} is an output and cannot be set")


def _whole(number: float) -> int:
    """Numbers travel as doubles."""
    return int(number)


class ArtifactOutputs:
    """What an OCIArtifact knows once it is pushed; `digest` and `files` already in a preview."""

    url = Property[str]("url")
    """Where it is pushed to, as given."""
    tags = Property[list[str]]("tags")
    """The tags that point to it."""
    digest = Property[str]("digest")
    """Digest of the manifest, `sha256:…`."""
    files = Property[dict[str, str]]("files")
    """SHA-256 of each packed file by its path."""
    reference = Property[str]("reference")
    """`host/repository@sha256:…`."""
    tree_digest = Property[str]("treeDigest")
    """Digest of the files alone, whoever packs them."""
    size = Property[int]("size", _whole)
    """Bytes of the compressed layer."""
    annotations = Property[dict[str, str]]("annotations")
    """Annotations of the manifest."""
    signatures = Property[list[dict[str, Any]]]("signatures")
    """The signatures that were made: `format`, `digest`, and `keyFingerprint` or `identity` and `issuer`."""
    previous_digest = Property[str]("previousDigest")
    """What the first tag pointed to before, empty when nothing changed."""


class RepositoryOutputs:
    """What an OCIRepository knows once applied; `digest`, `revision`, `files` and `objects` already in a preview."""

    url = Property[str]("url")
    """Where it is pulled from, as given."""
    digest = Property[str]("digest")
    """Digest of the manifest that was applied, `sha256:…`."""
    tag = Property[str]("tag")
    """The tag that was chosen, empty when a digest was asked for."""
    revision = Property[str]("revision")
    """`6.0.4@sha256:…`."""
    verified = Property[dict[str, Any] | None]("verified")
    """Evidence of `verify`: `format`, `keyFingerprint` or `identity` and `issuer`; None without `verify`."""
    files = Property[dict[str, str]]("files")
    """SHA-256 of each file of the artifact by its path."""
    objects = Property[dict[str, str]]("objects")
    """Each object as masked YAML, by `Deployment.apps/namespace/name`."""
    inventory = Property[list[Any]]("inventory")
    """What was applied and will be pruned or deleted."""
    inventory_id = Property[str]("inventoryId")
    """`namespace/inventoryName`, the Secret that holds the inventory: the id for an import."""
    owner = Property[str]("owner")
    """Whose inventory it is: `project/stack/name`; another resource cannot take it over."""
    cluster_uid = Property[str]("clusterUid")
    """Which cluster it was applied to: the uid of its namespace kube-system."""
    ready = Property[bool]("ready")
    """Whether all objects were waited for and became ready."""
    annotations = Property[dict[str, str]]("annotations")
    """Annotations of the manifest."""


ARTIFACT: Final = (
    "digest",
    "files",
    "reference",
    "treeDigest",
    "size",
    "tags",
    "annotations",
    "signatures",
    "previousDigest",
)
REPOSITORY: Final = (
    "digest",
    "tag",
    "revision",
    "verified",
    "files",
    "objects",
    "inventory",
    "inventoryId",
    "owner",
    "clusterUid",
    "ready",
    "annotations",
)


def awaited(properties: dict[str, pulumi.Input[Any]], outputs: tuple[str, ...]) -> dict[str, pulumi.Input[Any]]:
    """`properties` with an empty place for each of `outputs` that is not given: Pulumi makes an attribute of each."""
    return {**dict.fromkeys(outputs), **properties}
