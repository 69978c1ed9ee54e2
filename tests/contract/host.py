# SPDX-License-Identifier: Apache-2.0
"""Start a front end with the made-up resource in the place of the real ones: `host.py plugin|dynamic [ADDRESS]`."""

import runpy
import sys
from pathlib import Path
from types import ModuleType


def main() -> None:
    """Put the made-up resources where both front ends look, then become one of them."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from contract import madeup  # noqa: PLC0415 - found through the line above

    resources = ModuleType("kubeoci.lifecycle.resources")
    names = ("kubeoci:index:OCIArtifact", "kubeoci:index:OCIRepository")
    vars(resources)["RESOURCES"] = dict.fromkeys(names, madeup)
    sys.modules["kubeoci.lifecycle.resources"] = resources
    front_end = {"plugin": "pulumi_kubeoci", "dynamic": "pulumi.dynamic"}[sys.argv.pop(1)]
    runpy.run_module(front_end, run_name="__main__")


if __name__ == "__main__":
    main()
