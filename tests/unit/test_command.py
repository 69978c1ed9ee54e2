# SPDX-License-Identifier: Apache-2.0
"""Finding the `pulumi` command that we run under."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeoci.lifecycle import command


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A /proc of our own, and an empty memory."""
    monkeypatch.setattr(command, "_PROC", tmp_path)
    command.ident.cache_clear()
    yield tmp_path
    command.ident.cache_clear()


def process(proc: Path, pid: int, name: str, parent: int) -> None:
    """One process as proc(5) shows it, started at tick 42."""
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} " + "0 " * 17 + "42 0 0\n")


def test_nearest_pulumi_ancestor(proc: Path) -> None:
    """The command is found through shells and language hosts, whatever their names hold."""
    process(proc, os.getppid(), "python) (3", 900)
    process(proc, 900, "pulumi", 1)
    (proc / "sys/kernel/random").mkdir(parents=True)
    (proc / "sys/kernel/random/boot_id").write_text("b00t\n")
    assert "b00t-900-42" == command.ident()


def test_no_ancestor(proc: Path) -> None:
    """Outside of a command there is nothing to remember under."""
    process(proc, os.getppid(), "bash", 1)
    assert "" == command.ident()


def test_no_proc(proc: Path) -> None:  # noqa: ARG001 - an empty /proc
    """A system without /proc has no answer."""
    assert "" == command.ident()
