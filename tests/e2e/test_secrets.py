# SPDX-License-Identifier: Apache-2.0
"""Planted values of Secrets are found in no output, log, state or error of the real engine, whatever happens."""

import base64
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from project import Project
from rig import Rig

NewProject = Callable[[str, Mapping[str, str]], Project]
NAMES = {"quickstart": "shop", "quickstart-plugin": "shop-plugin"}

PLANTED = (
    "swordfish-one",
    "swordfish-two",
    "-----BEGIN KEY-----\nswordfish-three\n-----END KEY-----\n",
    "swordfish-four",
)
FIRST, SECOND, KEY, LIVE = PLANTED
NEEDLES = sorted({"swordfish", *(base64.b64encode(text.encode()).decode().rstrip("=")[:-2] for text in PLANTED)})

SECRET = """
apiVersion: v1
kind: Secret
metadata: {{name: login, namespace: shop{more}}}
stringData: {{password: {password}, again: {password}}}
data: {{key: {key}}}
"""
COPY = """
apiVersion: v1
kind: ConfigMap
metadata: {{name: copy, namespace: shop}}
data: {{config: "user=ann password={password}"}}
"""
BAD = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: bad, namespace: shop}}\nspec: {{replicas: {password}}}\n"
)


class Story:
    """A project with Secrets among its manifests, and all that was ever shown of it."""

    def __init__(self, project: Project, logs: Path) -> None:
        self.project, self.logs = project, logs
        self.shown: list[str] = []

    def write(self, password: str, more: str = "") -> None:
        """Put the Secret, and a ConfigMap with the same value, among the manifests."""
        key = base64.b64encode(KEY.encode()).decode()
        deploy = self.project.folder / "deploy"
        (deploy / "secret.yaml").write_text(SECRET.format(password=password, key=key, more=more))
        (deploy / "copy.yaml").write_text(COPY.format(password=password))

    def tell(self, *arguments: str, is_failure: bool = False) -> str:
        """Run `pulumi` and keep what it prints."""
        text = self.project.run(*arguments, "--suppress-progress", is_failure=is_failure)
        self.shown.append(text)
        return text

    def finds(self) -> list[str]:
        """Where a planted value is seen: in what was shown, in the state, in a log."""
        places = {f"output {number}": text for number, text in enumerate(self.shown)}
        places["state"] = self.project.run("stack", "export")
        places["state with secrets"] = self.project.run("stack", "export", "--show-secrets")
        found = [path for path in self.logs.rglob("*") if path.is_file()]
        assert found, "nothing was logged"
        places |= {str(path): path.read_text(errors="replace") for path in found}
        return [f"{needle} in {place}" for place, text in places.items() for needle in NEEDLES if needle in text]


@pytest.fixture(params=[pytest.param("quickstart", marks=pytest.mark.long), "quickstart-plugin"])
def story(request: pytest.FixtureRequest, new_project: NewProject, rig: Rig, tmp_path: Path) -> Iterator[Story]:
    """The example, with the engine's log in a folder of its own."""
    example = request.param
    project = new_project(example, {f"{NAMES[example]}:url": f"{rig.registry}/{example}/secrets"})
    logs = tmp_path / "logs"
    logs.mkdir()
    project.environment["TMPDIR"] = str(logs)
    project.environment["KUBECONFIG"] = str(rig.kubeconfig)
    yield Story(project, logs)
    project.destroy("--skip-preview")


def test_planted_values_are_never_seen(story: Story, rig: Rig) -> None:
    """In previews, updates, refreshes, failures, and a destroy."""
    story.write(FIRST)
    story.tell("preview", "--diff")
    story.tell("up", "--yes", "--diff", "--logflow", "-v=9", "--logtostderr=false")
    story.write(SECOND)
    assert "secret.yaml" in story.tell("preview", "--diff")
    story.tell("up", "--yes", "--skip-preview", "--diff")
    change = {"stringData": {"password": LIVE, "more": LIVE}}
    rig.api.request("PATCH", "/api/v1/namespaces/shop/secrets/login", change)
    story.tell("refresh", "--yes", "--skip-preview", "--diff")
    story.tell("preview", "--diff")
    assert [] == story.finds()


@pytest.mark.long
def test_planted_values_are_not_in_failures(story: Story) -> None:
    """The API server and our own checks quote what they refuse; we do not."""
    story.write(FIRST)
    story.tell("up", "--yes", "--skip-preview", "-v=9")
    deploy = story.project.folder / "deploy"
    (deploy / "bad.yaml").write_text(BAD.format(password=FIRST))
    assert "Deployment/shop/bad" in story.tell("up", "--yes", "--skip-preview", "--diff", is_failure=True)
    (deploy / "bad.yaml").unlink()
    story.write(SECOND, more=", labels: {a: not/valid/at/all}")
    story.tell("up", "--yes", "--skip-preview", "--diff", is_failure=True)
    (deploy / "secret.yaml").write_text(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\ndata: {{a: [{FIRST}\n")
    story.tell("preview", "--diff", is_failure=True)
    (deploy / "secret.yaml").write_text(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\ndata: {{a: {FIRST}}}\n")
    story.tell("preview", "--diff", is_failure=True)
    story.write(FIRST)
    assert [] == story.finds()
