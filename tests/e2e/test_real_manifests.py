# SPDX-License-Identifier: Apache-2.0
"""Manifests that nobody here wrote: push, preview, up, up again, destroy."""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from e2e.recorder import Recorder
from project import Project
from rig import Rig

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
API_SERVICE = "prometheusAdapter-apiService.yaml"
NAMES = {"quickstart": "shop", "quickstart-plugin": "shop-plugin"}

NewProject = Callable[[str, Mapping[str, str]], Project]
long = pytest.mark.long

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the folder shared/data is not beside the project")


def ship(project: Project, source: Path, *left_out: str) -> None:
    """Put the manifests of `source` into the project, in place of the example's."""
    deploy = project.folder / "deploy"
    shutil.rmtree(deploy)
    shutil.copytree(source, deploy, ignore=lambda _, names: [name for name in names if name in left_out])


@pytest.mark.parametrize(
    ("example", "source", "left_out", "objects"),
    [
        pytest.param("quickstart", "podinfo/kustomize", "", 3, marks=long),
        ("quickstart-plugin", "kube-prometheus/manifests", API_SERVICE, 130),
        pytest.param("quickstart-plugin", "podinfo/kustomize", "", 3, marks=long),
        pytest.param("quickstart", "kube-prometheus/manifests", API_SERVICE, 130, marks=long),
    ],
)
def test_whole_life(
    new_project: NewProject, registry_recorder: Recorder, cluster_recorder: Recorder,
    example: str, source: str, left_out: str, objects: int,
) -> None:  # fmt: skip
    """A preview writes nothing, an update applies all, the next one writes nothing, and destroy leaves nothing."""
    project = new_project(example, {f"{NAMES[example]}:url": f"{registry_recorder.address}/{example}/data"})
    project.environment["KUBECONFIG"] = str(cluster_recorder.kubeconfig)
    ship(project, DATA / source, left_out)
    project.preview()
    assert [] == registry_recorder.writes() + cluster_recorder.writes()
    project.up("--skip-preview")
    assert objects == len(inventory(project))
    registry_recorder.requests.clear()
    cluster_recorder.requests.clear()
    project.up("--expect-no-changes")
    assert [] == registry_recorder.writes() + cluster_recorder.writes()
    project.destroy("--skip-preview")
    assert [] == left(cluster_recorder, project)


@long
def test_api_service_without_server(new_project: NewProject, rig: Rig) -> None:
    """An APIService that nothing serves fails the update by name, and destroy is clean."""
    project = new_project("quickstart", {"shop:url": f"{rig.registry}/shop/adapter"})
    ship(project, DATA / "kube-prometheus" / "manifests", *everything_but(API_SERVICE))
    program = project.folder / "__main__.py"
    program.write_text(program.read_text().replace('ref={"digest"', 'timeout="15s", ref={"digest"'))
    failure = project.up("--skip-preview", is_failure=True)
    assert "APIService/v1beta1.metrics.k8s.io" in failure
    assert "Available=False" in failure
    project.destroy("--skip-preview")
    assert rig.api.get("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io") is None


def everything_but(*names: str) -> list[str]:
    """The names in kube-prometheus' manifests without these."""
    return [path.name for path in (DATA / "kube-prometheus" / "manifests").iterdir() if path.name not in names]


def inventory(project: Project) -> list[dict[str, str]]:
    """The inventory in the state."""
    resources = project.document("stack", "export")["deployment"]["resources"]
    return list(next(item["outputs"]["inventory"] for item in resources if item["urn"].endswith("OCIRepository::app")))


def left(cluster: Recorder, project: Project) -> list[str]:
    """Objects that still carry a label of ours, as kubectl names them."""
    kinds = "namespaces,deployments,services,configmaps,secrets,clusterroles,customresourcedefinitions,daemonsets"
    command = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", "get", kinds, "--all-namespaces", "--output=name",
               "--selector=applyset.kubernetes.io/part-of"]  # fmt: skip
    return subprocess.run(command, env=project.environment, capture_output=True, text=True, check=True).stdout.split()
