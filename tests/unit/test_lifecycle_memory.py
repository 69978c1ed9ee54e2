# SPDX-License-Identifier: Apache-2.0
"""kubeoci.lifecycle.memory: what one process of a command leaves for the next."""

import os
import time
from pathlib import Path

import pytest

from kubeoci.lifecycle import command, memory
from kubeoci.lifecycle.contract import Call
from kubeoci.lifecycle.session import Session


@pytest.fixture(params=["7-42", ""])
def call(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A call below a `pulumi` command, and one below none, with an empty cache."""
    monkeypatch.setenv("KUBEOCI_CACHE", str(tmp_path))
    monkeypatch.setattr(command, "ident", lambda: request.param)
    return Call(Session())


def test_note_is_recalled(call: Call) -> None:
    """What was noted is there, under its kind and key only."""
    memory.note(call, "resolved", "app:dev", {"digest": "sha256:1"})
    found = memory.recall(call, "resolved", "app:dev") or {}
    assert "sha256:1" == found["digest"]
    assert memory.recall(call, "resolved", "app:prod") is memory.recall(call, "verified", "app:dev") is None


def test_note_of_a_command_is_seen_by_its_next_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another session below the same command knows it; one below another command does not."""
    monkeypatch.setenv("KUBEOCI_CACHE", str(tmp_path))
    monkeypatch.setattr(command, "ident", lambda: "7-42")
    memory.note(Call(Session()), "resolved", "app:dev", {"digest": "sha256:1"})
    assert memory.recall(Call(Session()), "resolved", "app:dev")
    monkeypatch.setattr(command, "ident", lambda: "8-43")
    assert memory.recall(Call(Session()), "resolved", "app:dev") is None


def test_old_notes_are_forgotten(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restored machine may give a new command the identity of an old one."""
    memory.note(call, "resolved", "app:dev", {})
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert memory.recall(call, "resolved", "app:dev") is None


def test_second_look_is_that_of_another_process(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that looked first may look again; the next one is the update."""
    assert [False, False] == [memory.is_second_look(call, "Secret a/b") for _ in range(2)]
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert memory.is_second_look(call, "Secret a/b")
