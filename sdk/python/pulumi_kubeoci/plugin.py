# SPDX-License-Identifier: Apache-2.0
"""The resources on the plugin `pulumi-resource-kubeoci`: rows per object in previews, and drift seen by each of them.

A resource that was made by `pulumi_kubeoci` moves here in place: change the import, keep its name.
"""

from typing import Any, Unpack

import pulumi
from pulumi_kubeoci import outputs
from pulumi_kubeoci.arguments import (
    OCIArtifactArgs,
    OCIRepositoryArgs,
    artifact_properties,
    by_host,
    nested,
    options,
    repository_properties,
)
from pulumi_kubeoci.building import (
    IgnoreRuleArgs,
    IgnoreRuleArgsDict,
    ImageArgs,
    ImageArgsDict,
    PatchArgs,
    PatchArgsDict,
    SelectorArgs,
    SelectorArgsDict,
)
from pulumi_kubeoci.nested import (
    ClientCertificateArgs,
    ClientCertificateArgsDict,
    Cluster,
    ClusterArgs,
    ClusterArgsDict,
    CommonMetadataArgs,
    CommonMetadataArgsDict,
    CredentialsArgs,
    CredentialsArgsDict,
    HealthCheckArgs,
    HealthCheckArgsDict,
    HealthCheckExprArgs,
    HealthCheckExprArgsDict,
    ImpersonateArgs,
    ImpersonateArgsDict,
    LayerSelectorArgs,
    LayerSelectorArgsDict,
    OIDCIdentityArgs,
    OIDCIdentityArgsDict,
    RefArgs,
    RefArgsDict,
    Registries,
    RegistryArgs,
    RegistryArgsDict,
    SecretRefArgs,
    SecretRefArgsDict,
    SignArgs,
    SignArgsDict,
    VerifyArgs,
    VerifyArgsDict,
)

__all__ = [
    "ClientCertificateArgs",
    "ClientCertificateArgsDict",
    "ClusterArgs",
    "ClusterArgsDict",
    "CommonMetadataArgs",
    "CommonMetadataArgsDict",
    "CredentialsArgs",
    "CredentialsArgsDict",
    "HealthCheckArgs",
    "HealthCheckArgsDict",
    "HealthCheckExprArgs",
    "HealthCheckExprArgsDict",
    "IgnoreRuleArgs",
    "IgnoreRuleArgsDict",
    "ImageArgs",
    "ImageArgsDict",
    "ImpersonateArgs",
    "ImpersonateArgsDict",
    "LayerSelectorArgs",
    "LayerSelectorArgsDict",
    "OCIArtifact",
    "OCIArtifactArgs",
    "OCIRepository",
    "OCIRepositoryArgs",
    "OIDCIdentityArgs",
    "OIDCIdentityArgsDict",
    "PatchArgs",
    "PatchArgsDict",
    "Provider",
    "RefArgs",
    "RefArgsDict",
    "RegistryArgs",
    "RegistryArgsDict",
    "SecretRefArgs",
    "SecretRefArgsDict",
    "SelectorArgs",
    "SelectorArgsDict",
    "SignArgs",
    "SignArgsDict",
    "VerifyArgs",
    "VerifyArgsDict",
]


class OCIArtifact(outputs.ArtifactOutputs, pulumi.CustomResource):
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
        super().__init__("kubeoci:index:OCIArtifact", resource_name, properties, _moved(opts, "OCIArtifact"))


class OCIRepository(outputs.RepositoryOutputs, pulumi.CustomResource):
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
        super().__init__("kubeoci:index:OCIRepository", resource_name, properties, _moved(opts, "OCIRepository"))


class Provider(pulumi.ProviderResource):
    """A configured plugin, given to resources by `opts=ResourceOptions(provider=…)`.

    Args:
        resource_name: its name in the stack.
        opts: options as for every Pulumi resource.
        cluster: default for `cluster` of each OCIRepository. What is not known in a preview keeps the engine from
            asking the plugin at all; give such a kubeconfig to the resource instead.
        namespace: default for `namespace` of each OCIRepository.
        registries: by host, such as `ghcr.io`: how to reach it, where a resource does not say it itself.
    """

    def __init__(
        self,
        resource_name: str,
        opts: pulumi.ResourceOptions | None = None,
        *,
        cluster: Cluster | None = None,
        namespace: pulumi.Input[str] | None = None,
        registries: Registries | None = None,
    ) -> None:
        reached = None if registries is None else pulumi.Output.from_input(registries).apply(by_host)
        properties = {
            "cluster": _text(None if cluster is None else nested("cluster", cluster)),
            "namespace": namespace,
            "registries": _text(reached),
        }
        super().__init__("kubeoci", resource_name, properties, opts)


def _text(value: Any) -> pulumi.Output[str] | None:  # noqa: ANN401 - any object
    """Configuration travels as text, objects as JSON; both of ours may hold secrets."""
    return None if value is None else pulumi.Output.secret(pulumi.Output.json_dumps(value))


def _moved(opts: pulumi.ResourceOptions | None, kind: str) -> pulumi.ResourceOptions:
    """`opts` with the type that the resource had as a dynamic one."""
    return options(opts, aliases=[pulumi.Alias(type_=f"pulumi-python:dynamic/kubeoci:{kind}")])
