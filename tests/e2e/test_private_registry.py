# SPDX-License-Identifier: Apache-2.0
"""A registry with passwords: the Docker configuration lets us in, and a wrong password is told in the preview."""

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from project import Project
from rig import LOGIN, Rig

NewProject = Callable[[str, Mapping[str, str]], Project]


def log_in(project: Project, host: str, user: str, password: str) -> None:
    """Write what `docker login` would write."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    folder = Path(project.environment["DOCKER_CONFIG"])
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


def test_docker_configuration(new_project: NewProject, rig: Rig) -> None:
    """Nothing, a wrong password, the right one: failure, failure without the password, success."""
    host = rig.private_registry
    project = new_project("quickstart", {"shop:url": f"{host}/private/app"})
    assert "registry.unauthorized" in project.preview(is_failure=True)
    log_in(project, host, LOGIN[0], "wrong-password")
    refused = project.preview(is_failure=True)
    assert "registry.unauthorized" in refused
    assert "wrong-password" not in refused
    log_in(project, host, *LOGIN)
    project.up("--skip-preview")
    assert LOGIN[1] not in json.dumps(project.document("stack", "export"))
    project.destroy("--skip-preview")
