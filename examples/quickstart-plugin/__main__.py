# SPDX-License-Identifier: Apache-2.0
"""Ship ./deploy as an OCI artifact and apply it to the cluster of the current kubeconfig, by the plugin."""

import pulumi
from pulumi_kubeoci import plugin as kubeoci

url = pulumi.Config().require("url")

artifact = kubeoci.OCIArtifact("app", url=url, path="deploy", tags=["dev"])
app = kubeoci.OCIRepository("app", url=url, ref={"digest": artifact.digest})

pulumi.export("reference", artifact.reference)
pulumi.export("revision", app.revision)
