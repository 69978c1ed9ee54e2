# SPDX-License-Identifier: Apache-2.0
"""Make cosign.key, encrypted with COSIGN_PASSWORD, and cosign.pub: the files that `cosign generate-key-pair` makes."""

import os
from pathlib import Path

from kubeoci.trust.keys import generate

if Path("cosign.key").exists():
    raise SystemExit("cosign.key exists already")
pair = generate(os.environ["COSIGN_PASSWORD"])
Path("cosign.key").touch(mode=0o600)
Path("cosign.key").write_text(pair.private, "utf-8")
Path("cosign.pub").write_text(pair.public, "utf-8")
