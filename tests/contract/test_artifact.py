# SPDX-License-Identifier: Apache-2.0
"""OCIArtifact through both front ends, against a registry in memory that records every request."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import Front
from contract.engine import Engine
from kubeoci.lifecycle.values import UNKNOWN, Secret
from simulator.registry import RegistrySimulator

MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags, namespace: shop}\ndata: {beta: off}\n"
PASSWORD = "correct horse"


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    """A registry that wants a password."""
    with RegistrySimulator(username="shopkeeper", password=PASSWORD) as registry:
        yield registry


@pytest.fixture
def engine(real: Front, tmp_path: Path) -> Engine:
    """An engine whose providers have nothing of this machine."""
    place = str(tmp_path)
    return real(KUBEOCI_CACHE=f"{place}/cache", HOME=place, DOCKER_CONFIG=place)


@pytest.fixture
def inputs(registry: RegistrySimulator, tmp_path: Path) -> dict[str, Any]:
    """A directory with two files, and where to push it."""
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    (deploy / "flags.yaml").write_text(MANIFEST)
    (deploy / "more.yaml").write_text(MANIFEST.replace("flags", "more"))
    credentials = Secret({"username": "shopkeeper", "password": PASSWORD})
    return {"url": f"oci://{registry.host}/app", "path": str(deploy), "credentials": credentials}


def edit(tmp_path: Path) -> None:
    """Change one of the files."""
    (tmp_path / "deploy" / "flags.yaml").write_text(MANIFEST.replace("off", "on"))


def reads(registry: RegistrySimulator) -> bool:
    """Whether nothing but reads was asked."""
    return all(request.split()[0] in {"GET", "HEAD"} for request in registry.requests)


def test_first_preview_knows_the_digest_and_sends_nothing(
    engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any]
) -> None:
    """What will be pushed is known from the files alone."""
    preview = engine.preview(inputs)
    assert ("create", ["flags.yaml", "more.yaml"], True) == (
        preview.op,
        sorted(preview.outputs["files"]),
        reads(registry),
    )
    assert engine.up(inputs).outputs["digest"] == preview.outputs["digest"]


def test_id_is_the_reference(engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any]) -> None:
    """Import has nothing else."""
    outputs = engine.up(inputs).outputs
    digest = registry.tags["app"]["latest"]
    assert (f"{registry.host}/app@{digest}", digest) == (engine.state().id, outputs["digest"])


def test_unchanged_push_is_one_request(engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any]) -> None:
    """Once the registry knows us: one HEAD of the tag in check, and no update."""
    engine.up(inputs)
    registry.clear()
    assert "same" == engine.up(inputs).op
    assert ["HEAD /v2/app/manifests/latest"] == registry.requests


def test_changed_file_shows_in_the_preview(
    engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any], tmp_path: Path
) -> None:
    """By its path; nothing is written to the registry."""
    engine.up(inputs)
    registry.clear()
    edit(tmp_path)
    preview = engine.preview(inputs)
    assert ("update", {"digest": "update", 'files["flags.yaml"]': "update"}) == (preview.op, preview.paths)
    assert reads(registry)


def test_update_moves_the_tag(
    engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any], tmp_path: Path
) -> None:
    """And tells what it pointed to before."""
    before = engine.up(inputs).outputs["digest"]
    edit(tmp_path)
    outputs = engine.up(inputs).outputs
    assert (before, registry.tags["app"]["latest"]) == (outputs["previousDigest"], outputs["digest"])


def test_all_faults_come_at_once(engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any]) -> None:
    """Each with its path and a way out; nothing is asked."""
    wrong = {**inputs, "path": "/nowhere", "tags": ["a b"], "onDelete": "burn", "sign": {}}
    failures = engine.up(wrong).failures
    assert ["onDelete", "path", "sign", "tags[0]"] == sorted(failure.partition(":")[0] for failure in failures)
    assert [] == registry.requests


def test_unknown_url_keeps_the_files_known(engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any]) -> None:
    """A registry that is made in the same update is no failure of the preview."""
    preview = engine.preview({**inputs, "url": UNKNOWN})
    assert ("create", UNKNOWN, 2) == (preview.op, preview.outputs["digest"], len(preview.outputs["files"]))
    assert [] == registry.requests


def test_wrong_password_is_told_and_never_quoted(engine: Engine, inputs: dict[str, Any]) -> None:
    """The engine of these tests finds a secret in whatever is told."""
    wrong = {**inputs, "credentials": Secret({"username": "shopkeeper", "password": "wrong battery"})}
    result = engine.up(wrong)
    assert "registry.unauthorized" in result.error + "".join(result.failures)


def test_refresh_without_drift(engine: Engine, inputs: dict[str, Any], tmp_path: Path) -> None:
    """Also after an update: the id still names the first digest."""
    engine.up({**inputs, "annotations": {"team": "shop"}})
    edit(tmp_path)
    engine.up({**inputs, "annotations": {"team": "shop"}})
    assert ("same", {}) == (engine.refresh().op, engine.refresh().paths)
    assert "same" == engine.up({**inputs, "annotations": {"team": "shop"}}).op


def test_moved_tag_is_drift(engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any]) -> None:
    """Somebody else's tag is not ours any more; the next up moves it back."""
    digest = engine.up(inputs).outputs["digest"]
    config = {"mediaType": "application/vnd.example.config.v1+json", "digest": f"sha256:{'0' * 64}", "size": 2}
    raw = json.dumps({"schemaVersion": 2, "config": config, "layers": []}).encode()
    registry.add("app", "latest", raw, "application/vnd.oci.image.manifest.v1+json")
    assert ["tags[0]"] == list(engine.refresh().paths)
    result = engine.up(inputs)
    assert ("update", [], "") == (result.op, result.failures, result.error)
    assert digest == registry.tags["app"]["latest"]


def test_artifact_that_is_gone_is_made_again(
    engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any]
) -> None:
    """Only a digest that the registry does not know is gone."""
    engine.up(inputs)
    registry.manifests.clear()
    registry.tags.clear()
    assert ("gone", "create") == (engine.refresh().op, engine.up(inputs).op)


def test_other_url_replaces(engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any]) -> None:
    """The old repository keeps what was published."""
    engine.up(inputs)
    result = engine.up({**inputs, "url": f"oci://{registry.host}/other"})
    assert ("replace", ["app", "other"]) == (result.op, sorted(registry.tags))


@pytest.mark.parametrize(("policy", "left"), [("keep", True), ("delete", False)])
def test_destroy(
    engine: Engine, registry: RegistrySimulator, inputs: dict[str, Any], policy: str, *, left: bool
) -> None:
    """Published artifacts stay unless the program says otherwise."""
    engine.up({**inputs, "onDelete": policy})
    assert ("delete", "") == (engine.destroy().op, engine.destroy().error)
    assert left == bool(registry.tags.get("app"))
