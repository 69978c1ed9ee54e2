# SPDX-License-Identifier: Apache-2.0
"""A provider that is killed in the middle of an apply: the next update converges, and destroy leaves nothing."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from e2e.recorder import Recorder
from project import Project
from rig import Rig

NewProject = Callable[[str, Mapping[str, str]], Project]

NAMES = {"quickstart": "shop", "quickstart-plugin": "shop-plugin"}
PROVIDERS = {"quickstart": "pulumi.dynamic", "quickstart-plugin": "pulumi-resource-kubeoci"}
FIRST_WRITE = "PATCH /api/v1/namespaces/shop?"
LAST_WRITE = "PATCH /apis/apps/v1/namespaces/shop/deployments/web?"


@pytest.mark.parametrize("example", list(NAMES))
@pytest.mark.parametrize(
    "moment", [FIRST_WRITE, pytest.param(LAST_WRITE, marks=pytest.mark.long)], ids=["first-write", "last-write"]
)
def test_killed_provider(
    new_project: NewProject, cluster_recorder: Recorder, rig: Rig, example: str, moment: str
) -> None:
    """SIGKILL right at a write: `up` again brings all objects, `destroy` takes all away."""
    project = new_project(example, {f"{NAMES[example]}:url": f"{rig.registry}/{example}/killed"})
    project.environment["KUBECONFIG"] = str(cluster_recorder.kubeconfig)
    with project.start("up", "--yes", "--skip-preview") as running:
        wait_for(lambda: any(is_write(request, moment) for request in cluster_recorder.requests))
        kill(running.pid, PROVIDERS[example])
        assert running.wait(60)
    project.up("--skip-preview")
    found = rig.api.get("/apis/apps/v1/namespaces/shop/deployments/web")
    assert found is not None
    assert 3 == found["status"]["readyReplicas"]
    project.destroy("--skip-preview")
    assert rig.api.get("/api/v1/namespaces/shop") is None
    assert [] == secrets(rig)


def is_write(request: str, moment: str) -> bool:
    """Whether this is the write that is waited for, not its dry-run."""
    return request.startswith(moment) and "dryRun" not in request


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Look every millisecond: the moment is short."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.001)


def kill(session: int, name: str) -> None:
    """SIGKILL every process of a session whose command line holds `name`."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and name in (folder / "cmdline").read_text():
                    os.kill(int(folder.name), signal.SIGKILL)


def secrets(rig: Rig) -> list[str]:
    """Names of the inventories in the cluster."""
    found = rig.api.get("/api/v1/namespaces/default/secrets")
    assert found is not None
    return [item["metadata"]["name"] for item in found["items"]]
