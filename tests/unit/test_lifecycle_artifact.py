# SPDX-License-Identifier: Apache-2.0
"""OCIArtifact from check to delete, against a registry in memory."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubeoci.lifecycle import artifact
from kubeoci.lifecycle.contract import Call, Kind
from kubeoci.lifecycle.session import Session
from kubeoci.lifecycle.values import UNKNOWN, Secret
from simulator.registry import RegistrySimulator


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    """An empty registry."""
    with RegistrySimulator() as simulator:
        yield simulator


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A session with a cache of its own, in a project folder with `deploy/a.yaml` and `deploy/b.yaml`."""
    monkeypatch.setenv("KUBEOCI_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy").mkdir()
    for name in "ab":
        (tmp_path / "deploy" / f"{name}.yaml").write_text(f"name: {name}\n")
    return Call(Session())


def program(registry: RegistrySimulator, **extra: object) -> dict[str, Any]:
    """The inputs of a small program."""
    return {"url": f"oci://{registry.host}/app", "path": "deploy", "tags": ["dev"], **extra}


def checked(call: Call, registry: RegistrySimulator, **extra: object) -> dict[str, Any]:
    """Inputs with their facts; the check must hold."""
    result = artifact.check(call, {}, program(registry, **extra))
    assert () == result.failures
    return result.inputs


def test_facts_are_known_before_the_push(call: Call, registry: RegistrySimulator) -> None:
    """Check gives digest and files of a registry that has nothing, with one HEAD."""
    facts = checked(call, registry)
    assert ["a.yaml", "b.yaml"] == sorted(facts["files"])
    assert facts["digest"].startswith("sha256:")
    assert ["HEAD /v2/app/manifests/dev"] == registry.requests


def test_create_pushes_what_was_planned(call: Call, registry: RegistrySimulator) -> None:
    """The digest of the plan is the digest in the registry, under the tag."""
    facts = checked(call, registry)
    stored = artifact.create(call, facts)
    assert facts["digest"] == registry.tags["app"]["dev"]
    assert f"{registry.host}/app@{facts['digest']}" == stored.id == stored.outputs["reference"]


def test_unchanged_update_is_one_request(call: Call, registry: RegistrySimulator) -> None:
    """Pushing what is there asks once and sends nothing."""
    facts = checked(call, registry)
    stored = artifact.create(call, facts)
    registry.requests.clear()
    artifact.update(call, stored.id, stored.outputs, facts)
    assert ["HEAD /v2/app/manifests/dev"] == registry.requests


def test_edit_shows_the_file(call: Call, registry: RegistrySimulator) -> None:
    """After an edit exactly the digest and that file differ."""
    before = checked(call, registry)
    Path("deploy/a.yaml").write_text("name: other\n")
    found = artifact.diff(before, checked(call, registry))
    assert {("digest",): Kind.UPDATE, ("files", "a.yaml"): Kind.UPDATE} == found.entries
    assert () == found.replaces


def test_plan_says_it_in_words(call: Call, registry: RegistrySimulator) -> None:
    """The message counts files and names the step from digest to digest."""
    before = checked(call, registry)
    Path("deploy/a.yaml").unlink()
    planned = artifact.plan(call, "id", before, checked(call, registry))
    assert "1 file: 1 removed, 1 unchanged" in planned.message
    assert " -> sha256:" in planned.message


def test_other_host_replaces(call: Call, registry: RegistrySimulator) -> None:
    """Another repository is another artifact."""
    olds = checked(call, registry)
    assert ("url",) == artifact.diff(olds, {**olds, "url": f"{registry.host}/other"}).replaces


def test_scheme_in_url_does_not_replace(call: Call, registry: RegistrySimulator) -> None:
    """The same place in another spelling is an update."""
    olds = checked(call, registry)
    assert () == artifact.diff(olds, {**olds, "url": f"{registry.host}/app"}).replaces


def test_same_tree_with_derived_revision_is_kept(call: Call, registry: RegistrySimulator) -> None:
    """A new commit without a change in the tree keeps the digest that is published."""
    first = checked(call, registry)
    artifact.create(call, first)
    git = Path(".git")
    git.mkdir()
    (git / "HEAD").write_text("f" * 40)
    (git / "config").write_text("")
    assert first["digest"] == checked(call, registry)["digest"]


def test_explicit_revision_is_worth_a_push(call: Call, registry: RegistrySimulator) -> None:
    """A revision that the user names changes the artifact."""
    first = checked(call, registry)
    artifact.create(call, first)
    assert first["digest"] != checked(call, registry, revision="v2")["digest"]


def test_a_false_claim_is_not_believed(call: Call, registry: RegistrySimulator) -> None:
    """A published artifact that only claims our tree digest is replaced."""
    ours = checked(call, registry, revision="v1")
    artifact.create(call, ours)
    manifest = registry.manifests["app"][ours["digest"]][1]
    Path("deploy/a.yaml").write_text("name: evil\n")
    evil = checked(call, registry, revision="v1")
    artifact.create(call, evil)
    assert manifest != registry.manifests["app"][evil["digest"]][1]
    assert evil["digest"] != ours["digest"]


def test_a_foreign_tag_is_just_another_artifact(call: Call, registry: RegistrySimulator) -> None:
    """A tag on something that we cannot read does not keep us from pushing."""
    raw = b'{"schemaVersion": 2}'
    digest = "sha256:" + hashlib.sha256(raw).hexdigest()
    registry.manifests["app"] = {digest: ("application/vnd.oci.image.manifest.v1+json", raw)}
    registry.tags["app"] = {"dev": digest}
    assert digest != checked(call, registry)["digest"]


def test_what_reveals_a_secret_is_one(call: Call, registry: RegistrySimulator) -> None:
    """A secret url and secret tags stay secret in facts and outputs."""
    result = artifact.check(call, {}, program(registry, url=Secret(f"{registry.host}/app:v1"), tags=None))
    assert ((), Secret(["v1"])) == (result.failures, result.inputs["tags"])
    stored = artifact.create(call, result.inputs)
    assert isinstance(stored.outputs["reference"], Secret)
    assert Secret(["dev"]) == artifact.check(call, {}, program(registry, tags=Secret(["dev"]))).inputs["tags"]


def test_all_faults_together(call: Call, registry: RegistrySimulator) -> None:
    """A missing folder and a wrong format are told at once, before anything is asked."""
    result = artifact.check(call, {}, program(registry, path="missing", format="zip"))
    assert ["format", "path"] == sorted(failure.partition(":")[0] for failure in result.failures)
    assert [] == registry.requests


def test_empty_folder_is_a_failure(call: Call, registry: RegistrySimulator) -> None:
    """There is nothing to push in an empty folder."""
    Path("empty").mkdir()
    result = artifact.check(call, {}, program(registry, path="empty"))
    assert "files.empty" in result.failures[0]


def test_unknown_url_keeps_the_files(call: Call, registry: RegistrySimulator) -> None:
    """What does not depend on the unknown is known."""
    result = artifact.check(call, {}, program(registry, url=UNKNOWN))
    assert ((), UNKNOWN) == (result.failures, result.inputs["digest"])
    assert ["a.yaml", "b.yaml"] == sorted(result.inputs["files"])


def test_wrong_credentials_fail_the_check(call: Call) -> None:
    """A registry that refuses the credentials is told in the preview, without them."""
    with RegistrySimulator(username="ann", password="right") as registry:
        secret = {"username": "ann", "password": "wrong-password"}
        result = artifact.check(call, {}, program(registry, credentials=secret))
    assert "registry.unauthorized" in result.failures[0]
    assert "wrong-password" not in result.failures[0]


def test_unreachable_registry_fails_the_check(call: Call, registry: RegistrySimulator) -> None:
    """Nobody listening is told with the host."""
    result = artifact.check(call, {}, program(registry, url="127.0.0.1:1/app"))
    assert "127.0.0.1:1" in result.failures[0]
    assert "registry.unreachable" in result.failures[0]


def test_changed_file_between_plan_and_push(call: Call, registry: RegistrySimulator, tmp_path: Path) -> None:
    """What is pushed is what was planned, or nothing."""
    facts = checked(call, registry)
    Path("deploy/a.yaml").write_text("name: later\n")
    artifact.create(call, facts)
    assert facts["digest"] == registry.tags["app"]["dev"]
    assert (tmp_path / "cache").is_dir()


def test_read_tells_gone_from_moved(call: Call, registry: RegistrySimulator) -> None:
    """A tag that moved shows as drift; a manifest that is gone means gone."""
    facts = checked(call, registry)
    stored = artifact.create(call, facts)
    registry.tags["app"]["dev"] = "sha256:" + "0" * 64
    live = artifact.read(call, stored.id, stored.outputs, facts)
    assert live is not None
    assert [] == live.inputs["tags"]
    registry.manifests["app"].clear()
    assert artifact.read(call, stored.id, stored.outputs, facts) is None


def test_state_without_tags_is_read_and_deleted(call: Call, registry: RegistrySimulator) -> None:
    """After a refresh found all tags moved away, another refresh and a destroy still work."""
    stored = artifact.create(call, checked(call, registry, onDelete="delete"))
    registry.tags["app"]["dev"] = "sha256:" + "0" * 64
    first = artifact.read(call, stored.id, stored.outputs, stored.inputs)
    assert first is not None
    second = artifact.read(call, stored.id, first.outputs, first.inputs)
    assert first == second
    artifact.delete(call, stored.id, first.outputs)
    assert stored.outputs["digest"] not in registry.manifests["app"]


def test_read_follows_the_digest_of_the_last_push(call: Call, registry: RegistrySimulator) -> None:
    """An id keeps the digest of the first push; what is read is the last."""
    first = artifact.create(call, checked(call, registry))
    Path("deploy/a.yaml").write_text("name: other\n")
    second = artifact.update(call, first.id, first.outputs, checked(call, registry))
    del registry.manifests["app"][second.outputs["digest"]]
    assert artifact.read(call, first.id, second.outputs, second.inputs) is None


def test_import_reads_the_files(call: Call, registry: RegistrySimulator) -> None:
    """The id is enough to know url, digest and files."""
    facts = checked(call, registry)
    stored = artifact.create(call, facts)
    found = artifact.read(call, stored.id, {}, {})
    assert found is not None
    assert (facts["digest"], facts["files"]) == (found.inputs["digest"], found.inputs["files"])


def test_delete_keeps_by_default(call: Call, registry: RegistrySimulator) -> None:
    """Published artifacts stay, and nothing is asked."""
    stored = artifact.create(call, checked(call, registry))
    registry.requests.clear()
    artifact.delete(call, stored.id, stored.outputs)
    assert [] == registry.requests


def test_delete_on_request_spares_moved_tags(call: Call, registry: RegistrySimulator) -> None:
    """`onDelete: delete` removes the manifest and the tags that still point to it."""
    stored = artifact.create(call, checked(call, registry, tags=["dev", "old"], onDelete="delete"))
    other = "sha256:" + "0" * 64
    registry.tags["app"]["old"] = other
    artifact.delete(call, stored.id, stored.outputs)
    assert {"old": other} == registry.tags["app"]
    assert stored.outputs["digest"] not in registry.manifests["app"]
