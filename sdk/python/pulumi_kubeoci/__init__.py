# SPDX-License-Identifier: Apache-2.0
"""Push, preview and apply Kubernetes manifests as OCI artifacts from Pulumi.

import pulumi_kubeoci as kubeoci

app = kubeoci.OCIArtifact("app", url="oci://registry.example.com/shop/app", path="deploy")
kubeoci.OCIRepository("app", url=app.url, ref={"digest": app.digest})

These are dynamic resources: the wheel is all they need. `pulumi_kubeoci.plugin` has the same ones on the plugin.
"""

from pulumi_kubeoci.arguments import (
    OCIArtifactArgs,
    OCIRepositoryArgs,
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
    SecretRefArgs,
    SecretRefArgsDict,
    SignArgs,
    SignArgsDict,
    VerifyArgs,
    VerifyArgsDict,
)
from pulumi_kubeoci.resources import OCIArtifact, OCIRepository

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
    "RefArgs",
    "RefArgsDict",
    "SecretRefArgs",
    "SecretRefArgsDict",
    "SelectorArgs",
    "SelectorArgsDict",
    "SignArgs",
    "SignArgsDict",
    "VerifyArgs",
    "VerifyArgsDict",
]
