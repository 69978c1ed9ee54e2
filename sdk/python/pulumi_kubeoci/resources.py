# SPDX-License-Identifier: Apache-2.0
"""The resources as dynamic ones: they need nothing but this package."""

from typing import Unpack

import pulumi
from pulumi import dynamic
from pulumi_kubeoci import outputs
from pulumi_kubeoci.arguments import (
    OCIArtifactArgs,
    OCIRepositoryArgs,
    artifact_properties,
    options,
    repository_properties,
)
from pulumi_kubeoci.providers import ArtifactProvider, RepositoryProvider


class OCIArtifact(outputs.ArtifactOutputs, dynamic.Resource, module="kubeoci", name="OCIArtifact"):
    """A directory of manifests, packed reproducibly and pushed to an OCI registry.

    Args:
        resource_name: its name in the stack.
        opts: options as for every Pulumi resource; property paths in snake_case.
        args: see `OCIArtifactArgs`. An argument that does not exist raises TypeError.
    """

    def __init__(
        self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **args: Unpack[OCIArtifactArgs]
    ) -> None:
        properties = outputs.awaited(artifact_properties(args), outputs.ARTIFACT)
        super().__init__(ArtifactProvider(), resource_name, properties, options(opts))


class OCIRepository(outputs.RepositoryOutputs, dynamic.Resource, module="kubeoci", name="OCIRepository"):
    """An artifact of an OCI registry, applied to a Kubernetes cluster with inventory, prune and wait.

    Args:
        resource_name: its name in the stack, and part of the default `inventory_name`.
        opts: options as for every Pulumi resource; property paths in snake_case.
        args: see `OCIRepositoryArgs`. An argument that does not exist raises TypeError.
    """

    def __init__(
        self, resource_name: str, opts: pulumi.ResourceOptions | None = None, **args: Unpack[OCIRepositoryArgs]
    ) -> None:
        properties = outputs.awaited(repository_properties(resource_name, args), outputs.REPOSITORY)
        super().__init__(RepositoryProvider(), resource_name, properties, options(opts))
