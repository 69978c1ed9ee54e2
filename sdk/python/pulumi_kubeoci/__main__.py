# SPDX-License-Identifier: Apache-2.0
"""`python -m pulumi_kubeoci` serves the plugin, as Pulumi's runner of plugin packages expects."""

import sys

from kubeoci.plugin.server import main

if __name__ == "__main__":
    sys.exit(main())
