# SPDX-License-Identifier: Apache-2.0
"""What the README shows is what a user sees."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kubeoci.trust import keys
from project import Project
from rig import Rig

ROOT = Path(__file__).resolve().parents[2]
NewProject = Callable[[str, Mapping[str, str]], Project]


@pytest.fixture
def project(new_project: NewProject, rig: Rig) -> Project:
    """The quickstart on the plugin, applied."""
    made = new_project("quickstart-plugin", {"shop-plugin:url": f"{rig.registry}/readme/app"})
    made.up("--skip-preview")
    return made


def test_blocks_are_real_output(project: Project) -> None:
    """Two edits and a deleted file give the README's rows and fields, two broken files its messages."""
    deploy = project.folder / "deploy"
    edit(deploy / "web.yaml", "replicas: 3", "replicas: 5")
    edit(deploy / "flags.yaml", 'checkout: "on"', 'checkout: "off"')
    (deploy / "service.yaml").unlink()
    rows, fields, messages = blocks()
    assert [] == [line for line in rows if line not in neutral(project.preview())]
    assert [] == [line for line in fields if line not in neutral(project.preview("--diff"))]
    (deploy / "bad.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n\n  labels: {a: b\ndata: {}\n"
    )
    (deploy / "dup.yaml").write_text((deploy / "web.yaml").read_text())
    failure = project.preview(is_failure=True)
    assert [] == [line for line in messages if line not in failure]
    project.destroy("--skip-preview")


def test_program_is_the_example() -> None:
    """The program in the README is the quickstart's."""
    program = (ROOT / "examples" / "quickstart" / "__main__.py").read_text().partition('"""\n\n')[2]
    assert program in (ROOT / "README.md").read_text()


def test_signed_program_is_the_example(new_project: NewProject, rig: Rig) -> None:
    """So is the one that signs, and its block is what the wrong key gives."""
    readme = (ROOT / "README.md").read_text()
    program = (ROOT / "examples" / "sign-and-verify" / "__main__.py").read_text()
    assert program[program.index("artifact =") : program.index("\npulumi.export")] in readme
    project = new_project("sign-and-verify", {"shop-signed:url": f"{rig.registry}/readme/signed"})
    ours, other = keys.generate("pw"), keys.generate("pw")
    project.environment["COSIGN_PASSWORD"] = "pw"
    (project.folder / "cosign.key").write_text(ours.private)
    (project.folder / "cosign.pub").write_text(ours.public)
    project.up("--skip-preview")
    (project.folder / "cosign.pub").write_text(other.public)
    (message,) = re.findall(r"(no matching signatures .*)\n```", readme)
    assert nameless(message) in nameless(project.preview(is_failure=True))
    (project.folder / "cosign.pub").write_text(ours.public)
    project.destroy("--skip-preview")


def nameless(text: str) -> str:
    """A text without the place, and without fingerprints and digests, which are new each time."""
    return re.sub(r"\b[0-9a-f]{12,64}\b", "N", re.sub(r"'\S+@", "'", text))


def edit(path: Path, before: str, after: str) -> None:
    """Replace text in a file."""
    path.write_text(path.read_text().replace(before, after))


def neutral(text: str) -> list[str]:
    """Lines without what depends on the machine's compressor: digests and the size of a layer."""
    text = re.sub(r"; [\d,]+ bytes", "; N bytes", re.sub(r"sha256:[0-9a-f]+", "sha256:N", text))
    return [line.rstrip() for line in text.splitlines()]


def blocks() -> tuple[list[str], list[str], list[str]]:
    """The three blocks of output, by what they hold."""
    found = re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    rows, fields = (next(block for block in found if mark in block) for mark in ("OCIArtifact app", "~ objects"))
    messages = next(block for block in found if "manifest.invalid" in block)
    return neutral(rows), neutral(fields), messages.splitlines()
