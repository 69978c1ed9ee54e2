# SPDX-License-Identifier: Apache-2.0
"""Both resources with `url: oci-layout:PATH`: a folder in the place of a registry."""

import json
from pathlib import Path
from typing import Any

import pytest

from kubeoci.errors import RegistryError
from kubeoci.lifecycle import artifact, command, repository, settings
from kubeoci.lifecycle.contract import Call, Stored
from kubeoci.lifecycle.session import Session
from kubeoci.lifecycle.values import UNKNOWN
from simulator.cluster import ClusterSimulator
from simulator.shop import FLAGS, NAMESPACE

URL = "oci-layout:out"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with one manifest, a cache of its own, and no `pulumi` command around us."""
    monkeypatch.setenv("KUBEOCI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "ident", lambda: "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "a.yaml").write_text(NAMESPACE)
    return tmp_path


def call() -> Call:
    """A call in a process of its own."""
    return Call(Session())


def checked(**extra: object) -> dict[str, Any]:
    """The inputs of an OCIArtifact with their facts; the check must hold."""
    result = artifact.check(call(), {}, {"url": URL, "path": "deploy", "tags": ["dev"], **extra})
    assert () == result.failures
    return result.inputs


def up(**extra: object) -> Stored:
    """Check and create an OCIArtifact."""
    return artifact.create(call(), checked(**extra))


def refer(*, url: str = URL, **ref: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Inputs and failures of the check of an OCIRepository, by a process without the cache of the others."""
    result = repository.check(call(), {}, {"url": url, "inventoryName": "app", "ref": ref})
    return result.inputs, result.failures


def names() -> list[str]:
    """The tags in the index, None for entries without."""
    entries = json.loads(Path("out/index.json").read_text())["manifests"]
    return [entry.get("annotations", {}).get("org.opencontainers.image.ref.name") for entry in entries]


def test_preview_writes_nothing(project: Path) -> None:
    """Check knows the digest before there is a layout, and makes none."""
    assert checked()["digest"].startswith("sha256:")
    assert not (project / "out").exists()


def test_create_writes_the_layout() -> None:
    """The digest of the plan is in the index, under the tag, and in the reference."""
    stored = up()
    assert ["dev"] == names()
    assert f"{URL}@{stored.outputs['digest']}" == stored.id == stored.outputs["reference"]
    assert stored.outputs["digest"][7:] in {path.name for path in Path("out/blobs/sha256").iterdir()}


def test_same_tree_is_kept() -> None:
    """Another annotation of Git's makes no new artifact, as in a registry."""
    first = up()
    (git := Path(".git")).mkdir()
    (git / "HEAD").write_text("f" * 40)
    (git / "config").write_text("")
    assert first.outputs["digest"] == checked()["digest"]


def test_read_sees_what_is_there() -> None:
    """Tags that still name the artifact are kept; an artifact that is gone is None."""
    stored = up(tags=["dev", "v1"])
    Path("deploy/a.yaml").write_text(FLAGS)
    up(tags=["dev"])
    live = artifact.read(call(), stored.id, stored.outputs, stored.inputs)
    assert live is not None
    assert ["v1"] == live.inputs["tags"]
    Path("out/index.json").unlink()
    assert artifact.read(call(), stored.id, stored.outputs, stored.inputs) is None


def test_import_reads_a_layout() -> None:
    """An id is enough to know url and files."""
    stored = up()
    found = artifact.read(call(), stored.id, {}, {})
    assert found is not None
    assert (URL, ["a.yaml"]) == (found.inputs["url"], list(found.inputs["files"]))


@pytest.mark.parametrize(("on_delete", "left"), [("keep", ["dev"]), ("delete", [])])
def test_delete(on_delete: str, left: list[str]) -> None:
    """Published artifacts stay, unless the program says otherwise."""
    stored = up(onDelete=on_delete)
    artifact.delete(call(), stored.id, stored.outputs)
    assert left == names()


def test_another_folder_replaces(project: Path) -> None:
    """The same folder in another spelling does not."""
    olds = checked()
    assert () == artifact.diff(olds, {**olds, "url": f"oci-layout:{project}/out/"}).replaces
    assert ("url",) == artifact.diff(olds, {**olds, "url": "oci-layout:other"}).replaces
    assert ("url",) == artifact.diff(olds, {**olds, "url": "oci://localhost:5000/out"}).replaces


def test_repository_reads_a_tag_a_range_and_a_digest(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    """A process on another machine finds the artifact by each of them, and knows its objects."""
    digest = up(tags=["1.2.0", "1.3.0-rc.1"]).outputs["digest"]
    for ref, revision in [
        ({"tag": "1.2.0"}, f"1.2.0@{digest}"),
        ({"semver": "1.x"}, f"1.2.0@{digest}"),
        ({"digest": digest}, digest),
    ]:
        monkeypatch.setenv("KUBEOCI_CACHE", str(project / f"cache-{len(ref)}-{next(iter(ref))}"))
        inputs, failures = refer(**ref)
        assert ((), revision, ["a.yaml"]) == (failures, inputs["revision"], list(inputs["files"]))


def test_repository_applies_from_a_layout() -> None:
    """What lies in the folder reaches the cluster."""
    up()
    with ClusterSimulator() as cluster:
        program = {"url": URL, "inventoryName": "app", "ref": {"tag": "dev"}}
        inputs = repository.check(call(), {}, {**program, "cluster": {"kubeconfig": cluster.kubeconfig}}).inputs
        stored = repository.create(call(), inputs)
    assert ["Namespace/shop"] == list(stored.outputs["objects"])


@pytest.mark.parametrize(
    ("ref", "what"),
    [({"tag": "v9"}, "no tag 'v9' in oci-layout:out"), ({"semver": "9.x"}, r"range\.no_match")],
)
def test_missing_version_is_told(ref: dict[str, str], what: str) -> None:
    """A tag or range without a match says where it was looked for."""
    up()
    [failure] = refer(**ref)[1]
    assert what.replace("\\", "") in failure


def test_missing_layout_is_told() -> None:
    """Nothing is there, by tag and by range."""
    assert "no tag 'dev'" in refer(tag="dev")[1][0]
    assert "no OCI image layout is there" in refer(semver="1.x")[1][0]


def test_damaged_layer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine never reads bytes that have not their digest."""
    stored = up()
    for path in Path("out/blobs/sha256").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    monkeypatch.setenv("KUBEOCI_CACHE", str(Path("elsewhere").absolute()))
    assert "registry.digest_mismatch" in refer(digest=stored.outputs["digest"])[1][0]


def test_immutable_tag_does_not_move() -> None:
    """The rule of registries holds."""
    up(immutableTags=True)
    Path("deploy/a.yaml").write_text(FLAGS)
    facts = checked(immutableTags=True)
    with pytest.raises(RegistryError, match=r"registry\.immutable_tag"):
        artifact.create(call(), facts)


@pytest.mark.parametrize(
    "extra",
    [
        {"credentials": {"username": "ann", "password": "pw"}},
        {"credentials": UNKNOWN},
        {"insecure": False},
        {"ca": "-----BEGIN CERTIFICATE-----"},
    ],
)
def test_settings_of_registries_are_refused(extra: dict[str, Any]) -> None:
    """What has no effect on a folder is a fault, in both resources."""
    [name] = extra
    for reader in (
        settings.artifact({"url": URL, "path": "deploy", **extra})[1],
        settings.repository({"url": URL, "inventoryName": "app", **extra}, {})[1],
    ):
        assert [(name, "input.unknown")] == [(fault.where, fault.code) for fault in reader.faults]


@pytest.mark.parametrize("url", ["oci-layout:", "oci-layout:out:v1", f"oci-layout:out@sha256:{'0' * 64}"])
def test_tags_and_digests_are_not_part_of_the_url(url: str) -> None:
    """They are given apart."""
    assert ["url"] == [fault.where for fault in settings.artifact({"url": url, "path": "deploy"})[1].faults]
    failures = settings.repository({"url": url, "inventoryName": "app"}, {})[1].faults
    assert ["url"] == [fault.where for fault in failures]


@pytest.mark.parametrize(
    ("url", "path", "code"),
    [("oci-layout:circle", "deploy", "registry.layout"), (URL, "de\0ploy", "files.missing")],
)
def test_paths_that_cannot_be_followed_are_told(url: str, path: str, code: str) -> None:
    """A link to itself and a NUL end as failures of the check, not as crashes."""
    Path("circle").symlink_to("circle")
    result = artifact.check(call(), {}, {"url": url, "path": path})
    assert [code] == [failure.rpartition("(")[2].rstrip(")") for failure in result.failures]


@pytest.mark.parametrize("url", ["oci-layout:deploy", "oci-layout:deploy/../deploy/out"])
def test_a_layout_is_not_packed_into_itself(url: str) -> None:
    """Each update would make the next one differ."""
    result = artifact.check(call(), {}, {"url": url, "path": "deploy"})
    assert "lies in the folder that is packed" in result.failures[0]
