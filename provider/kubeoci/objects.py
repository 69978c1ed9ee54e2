# SPDX-License-Identifier: Apache-2.0
"""From the files of an artifact to the Kubernetes objects that they describe."""

from dataclasses import dataclass
from typing import Any

from kubeoci.identity import ObjectId


@dataclass(frozen=True, slots=True)
class Object:
    """One object as it will be applied: normalised, with its namespace settled.

    `version` is bare (`v1`), `source` is `file:line` below the artifact's root.
    """

    id: ObjectId
    version: str
    body: dict[str, Any]
    source: str

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.id.group}/{self.version}" if self.id.group else self.version

    @property
    def gvk(self) -> tuple[str, str, str]:
        """Group, version and kind."""
        return self.id.group, self.version, self.id.kind


@dataclass(frozen=True, slots=True)
class Loaded:
    """All objects of an artifact in the order of their files, and what a user should know about them."""

    objects: tuple[Object, ...]
    warnings: tuple[str, ...]
