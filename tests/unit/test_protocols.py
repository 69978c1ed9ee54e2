# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.protocols: who plays which role, as a type checker sees it, and how a place is written."""

import subprocess
import sys
from pathlib import Path

import pytest

from kubeoci.errors import KubeociError
from kubeoci.reference import Repository
from kubeoci.registry import protocols
from kubeoci.registry.protocols import Folder, Located

ROOT = Path(__file__).parents[2]
HEX = "a" * 64
ROLES = """
from kubeoci.reference import Repository
from kubeoci.registry.layout import Layouts
from kubeoci.registry.memory import MemoryRegistry
from kubeoci.registry.protocols import Folder, Store
from kubeoci.registry.remote import Registry
from kubeoci.trust.protocols import Source, Target

def stores(remote: Registry, layouts: Layouts, memory: MemoryRegistry) -> None:
    registries: list[Store[Repository]] = [remote, memory]
    folders: list[Store[Folder]] = [layouts]
    signed: list[Target[Repository]] = [remote, memory]
    here: Target[Folder] = layouts
    read: Source[Folder] = layouts
    wrong: Store[Folder] = remote  # type: ignore[assignment]
    other: Store[Repository] = layouts  # type: ignore[assignment]
"""


def test_all_three_play_all_roles(tmp_path: Path) -> None:
    """A type checker finds that each serves its own kind of place, and no other."""
    (tmp_path / "roles.py").write_text(ROLES)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
    run = subprocess.run([*command, str(tmp_path / "roles.py")], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "Success: no issues found in 1 source file\n" == run.stdout


@pytest.mark.parametrize(
    ("text", "located"),
    [
        ("oci-layout:out", Located(Folder("out"))),
        ("oci-layout:./out/app", Located(Folder("./out/app"))),
        ("oci-layout:/srv/app", Located(Folder("/srv/app"))),
        ("oci-layout:C:\\out", Located(Folder("C:\\out"))),
        (f"oci-layout:out@sha256:{HEX}", Located(Folder("out"), None, protocols.digests.parse(f"sha256:{HEX}"))),
        ("oci://host.io/app:v1", Located(Repository("host.io", "app"), "v1")),
    ],
)
def test_places_are_read_and_written(text: str, located: Located) -> None:
    """What is read prints as it was written, but for the scheme of a registry."""
    assert located == protocols.parse(text)
    assert text.removeprefix("oci://") == str(located)


@pytest.mark.parametrize("path", ["", "out:v1", "//host/app", "a\nb", "C:out", "out@", "out@sha256:zz", "a@b@c"])
def test_what_is_no_path_is_refused(path: str) -> None:
    """Nothing that could be meant as a tag, a host or a digest is taken for a folder."""
    with pytest.raises(KubeociError, match=r"reference\.invalid"):
        protocols.parse(f"oci-layout:{path}")
