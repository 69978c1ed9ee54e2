# SPDX-License-Identifier: Apache-2.0
"""What a user gets wrong is told in the preview, by both front ends: what, where, how to mend it; nothing is sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import Front
from contract.engine import Engine
from kubeoci.lifecycle.values import Secret
from simulator.cluster import ClusterSimulator
from simulator.registry import RegistrySimulator

FLAGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\n"
NOWHERE = """{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: a, user: {}}]}"""
DIGEST = "sha256:" + "0" * 64

ARTIFACT: list[tuple[dict[str, Any], str]] = [
    ({"path": "missing"}, "path: missing: "),
    ({"path": "empty"}, "files.empty"),
    ({"url": "nginx"}, "url: "),
    ({"url": "oci://ghcr.io/Org/app"}, "reference.invalid"),
    ({"tags": ["a b"]}, "tags[0]: "),
    ({"url": "127.0.0.1:1/app"}, "127.0.0.1:1"),
    ({"sign": Secret({})}, "sign: names no key and is not keyless"),
    ({"sign": Secret({"key": "correct-horse"})}, "sign.key: "),
]
REPOSITORY: list[tuple[dict[str, Any], str]] = [
    ({"url": "nginx"}, "url: "),
    ({"ref": {"tag": "a b"}}, "ref.tag: "),
    ({"ref": {"digest": "sha256:zz"}}, "ref.digest: "),
    ({"ref": {"semver": "6.0.y"}}, "ref.semver: "),
    ({"ref": {"tag": "nobody-pushed-it"}}, "registry.not_found"),
    ({"ref": {"digest": DIGEST}}, "registry.not_found"),
    ({"url": "127.0.0.1:1/app"}, "registry.unreachable"),
    ({"verify": {}}, "verify: names neither keys nor identities"),
    ({"verify": {"keys": ["PEM"]}}, "verify.keys[0]: "),
    ({"verify": {"keys": [], "secretRef": {"name": "a"}}}, "verify: names keys and secretRef"),
    ({"secretRef": {"name": "a"}, "serviceAccountName": "b"}, "secretRef: serviceAccountName is given as well"),
]


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    """An empty registry."""
    with RegistrySimulator() as registry:
        yield registry


@pytest.fixture
def engine(real: Front, tmp_path: Path) -> Engine:
    """An engine with a cache of its own."""
    return real(KUBEOCI_CACHE=str(tmp_path / "cache"), DOCKER_CONFIG=str(tmp_path))


@pytest.fixture
def folder(tmp_path: Path, registry: RegistrySimulator) -> dict[str, Any]:
    """The inputs of an artifact with one manifest, beside an empty folder."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "deploy" / "flags.yaml").write_text(FLAGS)
    return {"url": f"{registry.host}/app", "path": str(tmp_path / "deploy"), "tags": ["dev"]}


def test_artifact(engine: Engine, folder: dict[str, Any], registry: RegistrySimulator, tmp_path: Path) -> None:
    """Each bad input of an OCIArtifact is one failure with its place."""
    for extra, text in ARTIFACT:
        own = {**extra, "path": str(tmp_path / extra["path"])} if "path" in extra else extra
        failures = engine.preview({**folder, **own}).failures
        assert [True] == [text.replace("path: missing", f"path: {tmp_path}/missing") in line for line in failures], text
    assert {} == registry.manifests


def test_repository(engine: Engine, registry: RegistrySimulator) -> None:
    """Each bad input of an OCIRepository is one failure with its place."""
    program = {"url": f"{registry.host}/app", "inventoryName": "app", "ref": {"tag": "dev"}}
    for extra, text in REPOSITORY:
        failures = engine.preview({**program, **extra}, "OCIRepository").failures
        assert [True] == [text in line for line in failures], text


def test_manifests(engine: Engine, folder: dict[str, Any], registry: RegistrySimulator) -> None:
    """Invalid YAML has file and line, an object in two files has both, and they come together."""
    deploy = Path(folder["path"])
    (deploy / "broken.yaml").write_text("a: 1\nb: [\n")
    (deploy / "twice.yaml").write_text(FLAGS)
    digest = engine.up(folder).outputs["digest"]
    program = {"url": folder["url"], "inventoryName": "app", "ref": {"digest": digest}}
    first, second = engine.preview(program, "OCIRepository").failures
    assert first.startswith("broken.yaml:")
    assert ["twice.yaml:1", "flags.yaml:1"] == [name for name in ("twice.yaml:1", "flags.yaml:1") if name in second]
    assert registry.tags["app"]["dev"] == digest


def test_credentials(engine: Engine) -> None:
    """A wrong password is told of both resources, and never quoted."""
    with RegistrySimulator(username="ann", password="right") as private:
        program = {"url": f"{private.host}/app", "credentials": Secret({"username": "ann", "password": "wrong-one"})}
        (failure,) = engine.preview({**program, "inventoryName": "app"}, "OCIRepository").failures
    assert "registry.unauthorized" in failure
    assert "wrong-one" not in failure


def test_unreachable_cluster(engine: Engine, folder: dict[str, Any], front: str) -> None:
    """Previews of a creation and an update go on, with a warning where the cluster would be asked; `up` fails."""
    digest = engine.up(folder).outputs["digest"]
    program = {"url": folder["url"], "inventoryName": "app", "ref": {"digest": digest}, "driftDetection": False}
    with ClusterSimulator() as cluster:
        engine.up({**program, "cluster": Secret({"kubeconfig": cluster.kubeconfig})}, "OCIRepository", "known")
    lost = {**program, "cluster": Secret({"kubeconfig": NOWHERE})}
    for name, op in (("app", "create"), ("known", "update")):
        preview = engine.preview(lost, "OCIRepository", name)
        assert (op, []) == (preview.op, preview.failures)
        assert (front == "plugin") == any("not checked against the cluster" in line for line in preview.lines)
        assert "cluster.unreachable" in engine.up(lost, "OCIRepository", name).error
