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


def test_credentials_from_the_cluster(new_project: NewProject, rig: Rig) -> None:
    """A Secret of the cluster lets the puller in where this machine knows nobody; a missing one is told."""
    host, secrets = rig.private_registry, "/api/v1/namespaces/default/secrets"
    project = new_project("quickstart", {"shop:url": f"{host}/private/pulled"})
    log_in(project, host, *LOGIN)
    project.up("--skip-preview", "--target", "**OCIArtifact::app")
    (Path(project.environment["DOCKER_CONFIG"]) / "config.json").unlink()
    program = project.folder / "__main__.py"
    start, mark, _ = program.read_text().partition("artifact = ")
    program.write_text(
        f'{start}kubeoci.OCIRepository("app", url=url, ref={{"tag": "dev"}}, secret_ref={{"name": "regcred"}})'
    )
    assert mark
    assert "pending: secretRef: there is no Secret default/regcred" in project.preview(
        "--target", "**OCIRepository::app"
    )
    entry = {"auths": {host: {"username": LOGIN[0], "password": LOGIN[1]}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(entry).encode()).decode()}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "regcred"},
        "type": "kubernetes.io/dockerconfigjson",
    }
    rig.api.request("POST", secrets, {**body, "data": data})
    project.up("--target", "**OCIRepository::app")
    assert LOGIN[1] not in json.dumps(project.document("stack", "export"))
    log_in(project, host, *LOGIN)  # the artifact that the program no longer has is destroyed too
    project.destroy("--skip-preview")
    rig.api.request("DELETE", f"{secrets}/regcred")
