# SPDX-License-Identifier: Apache-2.0
"""Engines over each front end, with the made-up resource or the real ones behind it."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from contract.engine import Engine
from contract.provider import Provider
from contract.services import Services

HOST = str(Path(__file__).with_name("host.py"))


class Front(Protocol):
    """Makes an engine over one front end; `environment` is that of its provider processes."""

    def __call__(self, config: dict[str, object] | None = None, **environment: str) -> Engine:
        """An engine with this provider configuration."""
        ...


@pytest.fixture
def services() -> Iterator[Services]:
    """What the engine serves."""
    services = Services()
    yield services
    services.stop()


@pytest.fixture(params=["plugin", "dynamic"])
def front(request: pytest.FixtureRequest) -> str:
    """Each front end in turn."""
    return str(request.param)


@pytest.fixture
def madeup(front: str, services: Services, tmp_path: Path) -> Iterator[Engine]:
    """An engine over the made-up resource."""
    world = str(tmp_path / "world.json")
    command = [sys.executable, HOST, front]
    engine = Engine(lambda: Provider(command, dynamic=front == "dynamic", services=services, MADEUP_WORLD=world))
    yield engine
    engine.close()


@pytest.fixture
def real(front: str, services: Services) -> Iterator[Front]:
    """Makes engines over the real resources."""
    module = {"plugin": "pulumi_kubeoci", "dynamic": "pulumi.dynamic"}[front]
    command = [sys.executable, "-u", "-m", module]
    made: list[Engine] = []

    def make(config: dict[str, object] | None = None, **environment: str) -> Engine:
        spawn = partial(Provider, command, dynamic=front == "dynamic", services=services, **environment)
        made.append(Engine(spawn, config))
        return made[-1]

    yield make
    for engine in made:
        engine.close()
