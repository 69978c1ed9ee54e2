# SPDX-License-Identifier: Apache-2.0
"""The resources of this package by their type token."""

from typing import Final

from kubeoci.lifecycle import artifact, repository
from kubeoci.lifecycle.contract import Resource

RESOURCES: Final[dict[str, Resource]] = {
    "kubeoci:index:OCIArtifact": artifact,
    "kubeoci:index:OCIRepository": repository,
}
