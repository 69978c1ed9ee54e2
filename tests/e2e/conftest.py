# SPDX-License-Identifier: Apache-2.0
"""What end-to-end tests share: one rig per session, recorders before it, and Pulumi projects on it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from e2e.others import had
from e2e.recorder import Recorder, before_cluster, before_registry
from project import Project
from rig import Rig

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test below this folder is an end-to-end test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("e2e")


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """Two registries, one of them private, and a cluster. Without the programs tests are skipped, but not in CI."""
    with contextlib.ExitStack() as stack:
        yield had(lambda: stack.enter_context(Rig(private=True)))


@pytest.fixture
def registry_recorder(rig: Rig) -> Iterator[Recorder]:
    """A recording proxy before the open registry."""
    with before_registry(rig) as recorder:
        yield recorder


@pytest.fixture
def cluster_recorder(rig: Rig, tmp_path: Path) -> Iterator[Recorder]:
    """A recording proxy before the API server, with a kubeconfig of its own."""
    with before_cluster(rig, tmp_path) as recorder:
        yield recorder


@pytest.fixture
def new_project(rig: Rig, tmp_path: Path) -> Callable[[str, Mapping[str, str]], Project]:
    """A factory: the name of an example and its configuration give a project whose stack is empty."""

    def make(example: str, config: Mapping[str, str]) -> Project:
        return Project.copy(ROOT / "examples" / example, tmp_path / example, rig, config)

    return make
