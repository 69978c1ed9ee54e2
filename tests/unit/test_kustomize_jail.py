# SPDX-License-Identifier: Apache-2.0
"""A program that builds objects sees its files and nothing else, and ends in time whatever it does."""

import os
import sys
import threading
from pathlib import Path

import pytest

from kubeoci.errors import ManifestError, Stopped
from kubeoci.kustomize import jail
from kubeoci.kustomize.jail import Done

SHELL = "/bin/sh"
BOUNDED = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process bound another one")


def run(script: str, files: dict[str, bytes] | None = None, seconds: float = 20.0) -> Done:
    """What a shell script does in the jail."""
    return jail.run([SHELL, "-c", script], files, seconds=seconds, stop=threading.Event())


def refusal(script: str, seconds: float = 20.0) -> str:
    """What is told of a script that is ended."""
    with pytest.raises(ManifestError) as caught:
        run(script, seconds=seconds)
    return str(caught.value)


def test_output_and_complaints_are_told_apart() -> None:
    """Exit code, output as bytes, complaints as text."""
    assert Done(3, b"out", "no") == run("printf out; echo no >&2; exit 3")


def test_the_folder_has_the_files_that_were_given() -> None:
    """And folders for them."""
    assert b"./a/b\n./c\n" == run("PATH=/bin:/usr/bin; find . -type f | sort", {"a/b": b"", "c": b""}).output


def test_the_environment_has_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials of the user, no program to start, and proxies that lead nowhere."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    found = run("export -p; command -v git || echo none").output.decode()
    assert "hunter2" not in found
    assert found.endswith("none\n")
    assert "127.0.0.1:9" in found


def test_the_folder_is_gone_afterwards() -> None:
    """Nothing of the artifact stays on the disk."""
    assert not Path(run("pwd").output.decode().strip()).exists()


def test_what_a_killed_run_left_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, and nothing else does: neither what is in use nor what only looks like it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old, new, other = (tmp_path / name for name in ("kubeoci-build-a", "kubeoci-build-b", "other"))
    for folder in (old, new, other):
        (folder / "work").mkdir(parents=True)
    for folder in (old, other):
        os.utime(folder, (0, 0))
    (tmp_path / "kubeoci-build-link").symlink_to(other)
    run("true")
    assert (False, True, True) == (old.exists(), new.exists(), (other / "work").exists())


def test_paths_are_told_as_the_user_knows_them() -> None:
    """The private folder is left out."""
    assert "a/b is wrong" == run('echo "$PWD/a/b is wrong" >&2').told


def test_too_much_output() -> None:
    """It is ended as soon as it wrote more than one could use."""
    assert f"{SHELL} wrote over {jail.MAX_OUTPUT_BYTES} bytes" in refusal("while :; do printf '%09999d' 1; done")


def test_too_many_complaints_are_cut() -> None:
    """At the end of a line: half of a secret could not be recognised."""
    told = run("i=0; while [ $i -lt 9999 ]; do echo 0123456789 >&2; i=$((i+1)); done").told
    assert {"0123456789"} == set(told.splitlines())


def test_a_program_that_hangs() -> None:
    """It is ended, and so is what it started and what holds its output open."""
    assert f"{SHELL} took over 0 s" in refusal("(while :; do :; done) & while :; do :; done", seconds=0.2)


def test_a_child_that_outlives_it() -> None:
    """The output counts as complete when everybody has closed it, or the time is over."""
    assert "took over 0 s" in refusal("(while :; do :; done) &", seconds=0.2)


def test_stop() -> None:
    """The user's wish ends it at once."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        jail.run([SHELL, "-c", "while :; do :; done"], seconds=60.0, stop=stop)


def test_a_program_that_is_none(tmp_path: Path) -> None:
    """The system says why it cannot be started."""
    with pytest.raises(ManifestError, match="absent cannot be started: "):
        jail.run([str(tmp_path / "absent")], seconds=1.0, stop=threading.Event())


@BOUNDED
def test_nothing_is_written() -> None:
    """A file stays empty."""
    assert run("echo x > f").status


@BOUNDED
def test_memory_is_bounded() -> None:
    """A build cannot use up the machine."""
    script = f"exec {sys.executable} -c 'bytearray({jail.MAX_MEMORY_BYTES})'"
    assert "MemoryError" in run(script).told


@BOUNDED
def test_no_core_is_dumped() -> None:
    """It would have the secrets in it."""
    assert b"0\n" == run("ulimit -c").output


def test_descriptors_are_closed() -> None:
    """No pipe is left open in this process; what other threads of it open meanwhile is less than one for each run."""
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        run("echo x")
    assert len(list(Path("/dev/fd").iterdir())) - before < 20
