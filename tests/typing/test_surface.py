# SPDX-License-Identifier: Apache-2.0
"""The types of the public surface, as a program's author sees them."""

import subprocess
import sys
from pathlib import Path

SURFACE = Path(__file__).with_name("surface.py")


def test_surface_has_the_types_that_it_promises() -> None:
    """A type checker agrees with each line of surface.py: the accepted ones and the refused ones."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(SURFACE.parents[2] / "pyproject.toml")]
    run = subprocess.run([*command, str(SURFACE)], capture_output=True, text=True, check=False, cwd=SURFACE.parents[2])
    assert "Success: no issues found in 1 source file\n" == run.stdout
