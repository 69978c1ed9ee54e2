# SPDX-License-Identifier: Apache-2.0
"""The quickstart on the real engine, a real registry and a real API server, once per front end."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.recorder import Recorder
from project import Project
from rig import Rig

Steps = list[dict[str, Any]]
NewProject = Callable[[str, Mapping[str, str]], Project]

DEPLOYMENT = "/apis/apps/v1/namespaces/shop/deployments/web"
FLAGS = "/api/v1/namespaces/shop/configmaps/flags"
SERVICE = "/api/v1/namespaces/shop/services/web"
FILES = {"flags.yaml", "namespace.yaml", "service.yaml", "web.yaml"}
OBJECTS = {"ConfigMap/shop/flags", "Deployment.apps/shop/web", "Namespace/shop", "Service/shop/web"}


@dataclass(frozen=True)
class Story:
    """One copy of the example between two recorders; `is_plugin` tells the front end."""

    project: Project
    registry: Recorder
    cluster: Recorder
    is_plugin: bool

    def forget(self) -> None:
        """Start a new chapter: nothing was asked yet."""
        self.registry.requests.clear()
        self.cluster.requests.clear()

    def writes(self) -> list[str]:
        """Everything that was changed anywhere since the last chapter."""
        return self.registry.writes() + self.cluster.writes()

    def edit(self, name: str, before: str, after: str) -> None:
        """Replace text in one manifest."""
        path = self.project.folder / "deploy" / name
        path.write_text(path.read_text().replace(before, after))

    def plan(self) -> Steps:
        """The steps of a preview."""
        return list(self.project.document("preview", "--json")["steps"])


@pytest.fixture(params=["quickstart", "quickstart-plugin"])
def story(
    request: pytest.FixtureRequest, new_project: NewProject, registry_recorder: Recorder, cluster_recorder: Recorder
) -> Iterator[Story]:
    """The example on an empty registry repository and a cluster without the namespace `shop`."""
    name = {"quickstart": "shop", "quickstart-plugin": "shop-plugin"}[request.param]
    project = new_project(request.param, {f"{name}:url": f"{registry_recorder.address}/{name}/app"})
    project.environment["KUBECONFIG"] = str(cluster_recorder.kubeconfig)
    yield Story(project, registry_recorder, cluster_recorder, request.param.endswith("plugin"))
    project.destroy("--skip-preview")


def find(steps: Steps, ending: str) -> dict[str, Any]:
    """The one step whose URN ends so."""
    return next(step for step in steps if step["urn"].endswith(ending) and step["op"] != "refresh")


def changed(step: dict[str, Any]) -> set[str]:
    """The paths that differ, without the two that follow from every change."""
    return {path for path in step["detailedDiff"] if path not in {"digest", "revision", "ref.digest"}}


def test_whole_story(story: Story, rig: Rig) -> None:
    """Preview, up, edit, preview, up, remove, up, up again, drift, refresh, up: each says and does what it should."""
    preview_of_nothing(story)
    story.project.up("--skip-preview")
    assert (3, FILES) == (replicas(rig), set(artifact_files(story)))
    edit_is_previewed_and_applied(story, rig)
    removed_file_is_pruned(story, rig)
    nothing_to_do(story)
    drift_is_shown_and_mended(story, rig)
    story.project.destroy("--skip-preview")
    assert rig.api.get("/api/v1/namespaces/shop") is None


def preview_of_nothing(story: Story) -> None:
    """The first preview lists every file and object, and writes nothing anywhere."""
    steps = story.plan()
    artifact, repository = find(steps, "OCIArtifact::app"), find(steps, "OCIRepository::app")
    assert FILES == set(artifact["newState"]["inputs"]["files"])
    assert OBJECTS == set(repository["newState"]["inputs"]["objects"])
    assert artifact["newState"]["inputs"]["digest"] == repository["newState"]["inputs"]["digest"]
    rows = {step["urn"].rpartition("::")[2] for step in steps if "$kubernetes:" in step["urn"]}
    assert ({"app/shop", "app/shop/flags", "app/shop/web"} if story.is_plugin else set()) == rows
    text = story.project.preview("--diff")
    assert "replicas: 3" in text
    assert "web.yaml" in text
    assert [] == story.writes()


def edit_is_previewed_and_applied(story: Story, rig: Rig) -> None:
    """One edited file is one changed path per resource, and one changed field of one object."""
    story.edit("web.yaml", "replicas: 3", "replicas: 5")
    story.forget()
    steps = story.plan()
    assert {'files["web.yaml"]'} == changed(find(steps, "OCIArtifact::app"))
    expected = {'files["web.yaml"]', 'objects["Deployment.apps/shop/web"]'}
    assert expected == changed(find(steps, "OCIRepository::app"))
    if story.is_plugin:
        assert {"spec.replicas": "3 => 5"} == find(steps, "apps/v1:Deployment::app/shop/web")["newState"]["inputs"]
    assert "replicas: 3 => 5" in story.project.preview("--diff")
    assert [] == story.writes()
    story.project.up("--skip-preview")
    assert 5 == replicas(rig)
    applied = [request.partition("?")[0] for request in story.cluster.writes() if "/secrets/" not in request]
    assert [f"PATCH {DEPLOYMENT}"] == applied


def removed_file_is_pruned(story: Story, rig: Rig) -> None:
    """An object whose file is gone is announced, then deleted; the others are left alone."""
    (story.project.folder / "deploy" / "service.yaml").unlink()
    assert 'objects["Service/shop/web"]' in changed(find(story.plan(), "OCIRepository::app"))
    story.forget()
    story.project.up("--skip-preview")
    assert rig.api.get(SERVICE) is None
    assert [f"DELETE {SERVICE}"] == [request for request in story.cluster.writes() if "/secrets/" not in request]


def nothing_to_do(story: Story) -> None:
    """Without a change nothing is written, and the engine has nothing to do."""
    story.forget()
    assert "unchanged" in story.project.up("--expect-no-changes")
    assert [] == story.writes()


def drift_is_shown_and_mended(story: Story, rig: Rig) -> None:
    """What somebody changed or deleted shows in a refresh, with the plugin in any preview; an update mends it."""
    rig.api.request("PATCH", f"{DEPLOYMENT}?fieldManager=kubectl-edit", {"spec": {"replicas": 1}})
    rig.api.request("DELETE", FLAGS)
    if story.is_plugin:
        steps = story.plan()
        assert {"spec.replicas": "1 => 5"} == find(steps, "apps/v1:Deployment::app/shop/web")["newState"]["inputs"]
        assert "create" == find(steps, "v1:ConfigMap::app/shop/flags")["op"]
    story.project.refresh("--skip-preview")
    steps = story.plan()
    drifted = {'objects["Deployment.apps/shop/web"]', 'objects["ConfigMap/shop/flags"]'}
    assert drifted == changed(find(steps, "OCIRepository::app"))
    story.project.up("--skip-preview")
    assert 5 == replicas(rig)
    assert rig.api.get(FLAGS)


def replicas(rig: Rig) -> int:
    """How many replicas the Deployment in the cluster wants."""
    found = rig.api.get(DEPLOYMENT)
    return int(found["spec"]["replicas"])


def artifact_files(story: Story) -> dict[str, str]:
    """The files of the artifact as the state has them."""
    resources = story.project.document("stack", "export")["deployment"]["resources"]
    return next(item["outputs"]["files"] for item in resources if item["urn"].endswith("OCIArtifact::app"))
