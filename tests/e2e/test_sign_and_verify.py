# SPDX-License-Identifier: Apache-2.0
"""The example sign-and-verify on the real engine: what is not signed by the right key fails the preview."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from e2e.recorder import Recorder
from kubeoci.trust import keys
from project import Project
from rig import Rig

NewProject = Callable[[str, Mapping[str, str]], Project]

FLAGS = "/api/v1/namespaces/signed/configmaps/flags"


@dataclass(frozen=True)
class Story:
    """A copy of the example between two recorders."""

    project: Project
    registry: Recorder
    cluster: Recorder

    def keys(self, signs: keys.KeyPair, verifies: keys.KeyPair) -> None:
        """Sign with one pair and verify with another."""
        (self.project.folder / "cosign.key").write_text(signs.private)
        (self.project.folder / "cosign.pub").write_text(verifies.public)

    def replace(self, file: str, before: str, after: str) -> None:
        """Replace text in a file of the program."""
        path = self.project.folder / file
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def writes(self) -> list[str]:
        """Everything that was changed anywhere since it was asked last."""
        found = self.registry.writes() + self.cluster.writes()
        self.registry.requests.clear()
        self.cluster.requests.clear()
        return found


@pytest.fixture(params=[pytest.param("dynamic", marks=pytest.mark.long), "plugin"])
def story(
    request: pytest.FixtureRequest, new_project: NewProject, registry_recorder: Recorder, cluster_recorder: Recorder
) -> Iterator[Story]:
    """The example on either front end, with an own namespace."""
    url = f"{registry_recorder.address}/signed/{request.function.__name__.removeprefix('test_')}/{request.param}"
    project = new_project("sign-and-verify", {"shop-signed:url": url})
    project.environment.update(KUBECONFIG=str(cluster_recorder.kubeconfig), COSIGN_PASSWORD="correct-horse")
    found = Story(project, registry_recorder, cluster_recorder)
    found.replace("deploy/shop.yaml", "signed", f"signed-{request.param}")
    if request.param == "plugin":
        found.replace("__main__.py", "import pulumi_kubeoci as kubeoci", "from pulumi_kubeoci import plugin as kubeoci")
    yield found
    project.destroy("--skip-preview")


def flags(story: Story, rig: Rig) -> str:
    """The colour in the cluster."""
    front = story.project.run("config", "get", "shop-signed:url").strip().rpartition("/")[2]
    found = rig.api.get(FLAGS.replace("signed", f"signed-{front}"))
    return str(found["data"]["color"])


def test_whole_story(story: Story, rig: Rig) -> None:
    """Preview, up, nothing to do, wrong key, no key: each says who signed, or why nothing is applied."""
    ours, other = keys.generate("correct-horse"), keys.generate("correct-horse")
    ours_print, other_print = (keys.public_key(pair.public, "").fingerprint for pair in (ours, other))
    story.keys(ours, ours)
    assert "not signed yet" in story.project.preview()
    assert [] == story.writes()
    assert f"signed by key {ours_print[:8]}" in story.project.up()
    verified = story.project.document("stack", "output", "--json")["verified"]
    assert ("cosign", "bundle", ours_print) == tuple(
        verified[name] for name in ("provider", "format", "keyFingerprint")
    )
    story.writes()
    story.project.up("--expect-no-changes")
    assert [] == story.writes()
    story.keys(ours, other)
    story.replace("deploy/shop.yaml", "red", "blue")
    told = story.project.preview(is_failure=True)
    assert "trust.no_signature" in told or "trust.no_match" in told
    story.keys(ours, ours)
    story.project.up("--skip-preview")
    assert "blue" == flags(story, rig)
    story.writes()
    story.keys(ours, other)
    told = story.project.preview(is_failure=True)
    assert [True, True, True] == [text in told for text in ("trust.no_match", ours_print[:12], other_print[:12])]
    assert "correct-horse" not in told
    assert [] == story.writes()


def test_unsigned_artifact_is_not_applied(story: Story, rig: Rig) -> None:
    """Without `sign` the preview fails; a tag that somebody moves to it after a good preview changes nothing."""
    pair = keys.generate("correct-horse")
    story.keys(pair, pair)
    after = 'ref={"tag": "prod"}, opts=pulumi.ResourceOptions(depends_on=[artifact])'
    story.replace("__main__.py", 'ref={"digest": artifact.digest}', after)
    story.project.up("--skip-preview")
    story.project.preview()
    story.replace("__main__.py", ', sign={"key": key}', "")
    story.replace("deploy/shop.yaml", "red", "blue")
    story.project.up("--skip-preview", "--target", "**OCIArtifact::app")
    story.writes()
    assert "trust.no_signature" in story.project.preview(is_failure=True)
    assert "trust.no_signature" in story.project.up("--skip-preview", is_failure=True)
    assert [] == story.writes()
    assert "red" == flags(story, rig)
