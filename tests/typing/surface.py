# SPDX-License-Identifier: Apache-2.0
"""What a type checker must accept, and refuse, in a program. Checked, never run; an ignore without an error is one."""

from typing import assert_type

import pulumi
import pulumi_kubeoci as kubeoci
from pulumi_kubeoci import plugin

artifact = kubeoci.OCIArtifact(
    "app",
    url="oci://registry.example.com/app",
    path="deploy",
    tags=["latest", pulumi.Output.from_input("v1")],
    annotations={"team": "shop"},
    credentials=kubeoci.CredentialsArgs(username="ann", password=pulumi.Output.secret("pw")),
    on_delete=None,
    opts=pulumi.ResourceOptions(protect=True),
)
assert_type(artifact.digest, pulumi.Output[str])
assert_type(artifact.size, pulumi.Output[int])
assert_type(artifact.files, pulumi.Output[dict[str, str]])
assert_type(artifact.tags, pulumi.Output[list[str]])
assert_type(artifact.tree_digest, pulumi.Output[str])
assert_type(artifact.id, pulumi.Output[str])

repository = kubeoci.OCIRepository(
    "app",
    url=artifact.url,
    ref={"digest": artifact.digest},
    layer_selector=kubeoci.LayerSelectorArgs(media_type="application/vnd.example.layer"),
    cluster={"kubeconfig": pulumi.Output.secret("text")},
    verify={"provider": "cosign", "match_oidc_identity": [kubeoci.OIDCIdentityArgs(issuer="a", subject="b")]},
    secret_ref=kubeoci.SecretRefArgs(name="regcred"),
    patches=[kubeoci.PatchArgs(patch="a: 1", target={"kind": "Deployment"})],
    images=[{"name": "nginx", "new_tag": pulumi.Output.from_input("1.2")}],
    prune=False,
    timeout="90s",
)
assert_type(repository.objects, pulumi.Output[dict[str, str]])
assert_type(repository.ready, pulumi.Output[bool])
assert_type(repository.cluster_uid, pulumi.Output[str])
assert_type(repository.inventory_id, pulumi.Output[str])

kubeoci.OCIArtifact("no path", url="oci://registry.example.com/app")  # type: ignore[call-arg]
kubeoci.OCIArtifact("no such word", url="a", path="b", tag="c")  # type: ignore[call-arg]
kubeoci.OCIArtifact("of a later version", url="a", path="b", post_build={})  # type: ignore[call-arg]
kubeoci.OCIArtifact("no such key of sign", url="a", path="b", sign={"pem": "x"})  # type: ignore[arg-type]
kubeoci.OCIArtifact("number", url="a", path="b", tags=3)  # type: ignore[arg-type]
kubeoci.OCIRepository("no such key", url="a", ref={"branch": "main"})  # type: ignore[arg-type]
kubeoci.OCIRepository("no such field", url="a", ref=kubeoci.RefArgs(branch="main"))  # type: ignore[call-arg]
artifact.digest = repository.digest  # type: ignore[assignment]

provider = plugin.Provider("prod", cluster=plugin.ClusterArgs(context="prod"), namespace="shop")
moved = plugin.OCIArtifact("app", url="a", path="b", opts=pulumi.ResourceOptions(provider=provider))
assert_type(moved.digest, pulumi.Output[str])
