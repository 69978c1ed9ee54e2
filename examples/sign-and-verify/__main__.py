# SPDX-License-Identifier: Apache-2.0
"""Sign ./deploy when it is pushed, and apply it only if the key in cosign.pub signed it.

Run `COSIGN_PASSWORD=… python make_keys.py` once; `pulumi up` reads the same password to open the key.
"""

from pathlib import Path

import pulumi
import pulumi_kubeoci as kubeoci

url = pulumi.Config().require("url")
key, public = pulumi.Output.secret(Path("cosign.key").read_text("utf-8")), Path("cosign.pub").read_text("utf-8")

artifact = kubeoci.OCIArtifact("app", url=url, path="deploy", tags=["prod"], sign={"key": key})
app = kubeoci.OCIRepository("app", url=url, ref={"digest": artifact.digest}, verify={"keys": [public]})

pulumi.export("reference", artifact.reference)
pulumi.export("verified", app.verified)
