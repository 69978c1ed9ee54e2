# SPDX-License-Identifier: Apache-2.0
"""Others read what we push, byte for byte, and we read what they push: crane and oras on registries of every kind."""

import hashlib
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import pytest

from e2e.others import KINDS, Crane, Oras, Service, Services, had, services
from kubeoci import archive, artifact, reference, tree
from kubeoci import digest as digests
from kubeoci.artifact import Artifact, Descriptor
from kubeoci.errors import KubeociError
from kubeoci.lifecycle.pull import pull
from kubeoci.reference import Repository
from kubeoci.registry import referrers
from kubeoci.registry.cache import Cache
from kubeoci.registry.copy import End, promote
from kubeoci.registry.push import push
from kubeoci.registry.remote import Registry, Shared
from kubeoci.registry.transport import Settings

Other: TypeAlias = type[Crane] | type[Oras]
TREE = tree.of(
    {
        "a.yaml": b"kind: ConfigMap\n",
        "empty": b"",
        f"deep/{'long-' * 24}name/ünicode.yaml": b"x: 1\n" * 5000,
        "run.sh": b"#!/bin/sh\n",
    },
    {"run.sh"},
)
EMPTY = Descriptor("application/vnd.oci.empty.v1+json", digests.of(b"{}"), 2)
others = pytest.mark.parametrize("other", [Crane, Oras])
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def everywhere() -> Iterator[Services]:
    """Registries by kind."""
    with services() as started:
        yield started


@pytest.fixture
def service(everywhere: Services, kind: str) -> Service:
    """A registry of one kind; without its program the test is skipped, but not in CI."""
    return had(lambda: everywhere[kind])


def layer_file(folder: Path) -> Path:
    """Our layer of `TREE` as a file."""
    path = folder / "layer.tar.gz"
    with path.open("wb") as file:
        archive.write(TREE, file)
    return path


def push_ours(service: Service, name: str, folder: Path, *, format: str = "oci") -> tuple[Artifact, bytes]:  # noqa: A002 - the property's name
    """Push `TREE` as `name:v1`; the artifact and the bytes of its layer."""
    path = folder / "layer.tar.gz"
    with path.open("wb") as file:
        layer = archive.write(TREE, file)
    built = artifact.build(layer, TREE.digest, format=format)
    push(service.registry(folder / "cache"), repository(service, name), built, lambda: path.open("rb"), ["v1"])
    return built, path.read_bytes()


def repository(service: Service, name: str) -> Repository:
    """The repository with this name."""
    return reference.parse(f"{service.host}/{name}").repository


def test_tokens_of_a_real_service(everywhere: Services, tmp_path: Path) -> None:
    """With bearer tokens one token is asked for a push and one for a pull, by the user of the Docker configuration."""
    service = had(lambda: everywhere["token"])
    built, _ = push_ours(service, "team/ours", tmp_path)
    pulled = pull(service.registry(tmp_path / "other"), repository(service, "team/ours"), built.digest)
    assert TREE.digest == pulled.contents.tree().digest
    assert ["kubeoci repository:team/ours:pull,push", "kubeoci repository:team/ours:pull"] == everywhere.tokens.requests


def test_tokens_for_nobody(everywhere: Services, tmp_path: Path) -> None:
    """Without a login the token service lets us read what is public, and the rest is refused with a code."""
    service = had(lambda: everywhere["token"])
    built, _ = push_ours(service, "public/ours", tmp_path)
    nobody = Registry(Settings(), Cache(tmp_path / "other"), environment={"HOME": str(tmp_path)}, shared=Shared())
    assert built.manifest == nobody.manifest(repository(service, "public/ours"), built.digest)
    with pytest.raises(KubeociError) as caught:
        nobody.exists(repository(service, "team/ours"), built.digest)
    assert caught.value.code in {"registry.unauthorized", "registry.denied"}


def test_private_authority(everywhere: Services, tmp_path: Path) -> None:
    """A registry with a certificate of a private authority is read and written with `ca`, and refused without."""
    service = had(lambda: everywhere["tls"])
    built, _ = push_ours(service, "team/ours", tmp_path)
    pulled = pull(service.registry(tmp_path / "other"), repository(service, "team/ours"), built.digest)
    assert TREE.digest == pulled.contents.tree().digest
    stranger = Registry(Settings(insecure=False), Cache(tmp_path / "third"), environment={}, shared=Shared())
    with pytest.raises(KubeociError, match=r"registry\.unreachable"):
        stranger.manifest(repository(service, "team/ours"), built.digest)


@pytest.mark.long
@kinds
@others
@pytest.mark.parametrize("format", ["oci", "flux"])
def test_they_read_ours(service: Service, other: Other, format: str, tmp_path: Path) -> None:  # noqa: A002 - the property's name
    """Manifest, config and layer come out of the other client as we put them in."""
    name = f"ours/{other.__name__.lower()}-{format}"
    built, layer = push_ours(service, name, tmp_path, format=format)
    client, place = had(lambda: other(service, tmp_path)), f"{service.host}/{name}"
    assert built.manifest == client.manifest(f"{place}:v1")
    assert built.config == client.blob(f"{place}@{built.config_descriptor.digest}")
    assert layer == client.blob(f"{place}@{built.layer.digest}")


@pytest.mark.long
@kinds
@others
def test_we_read_theirs(service: Service, other: Other, tmp_path: Path) -> None:
    """The manifest has the bytes that the other client reads, and the layer's files are those that it was given."""
    name = f"theirs/{other.__name__.lower()}"
    client, path = had(lambda: other(service, tmp_path)), layer_file(tmp_path)
    client.push(f"{service.host}/{name}:v1", path)
    registry, place = service.registry(tmp_path / "cache"), repository(service, name)
    digest = registry.resolve(reference.parse(f"{service.host}/{name}:v1"))
    pulled = pull(registry, place, digest)
    assert client.manifest(f"{service.host}/{name}:v1") == registry.manifest(place, digest)
    assert TREE.digest == pulled.contents.tree().digest
    with registry.blob(place, pulled.manifest.layers[0]) as blob:
        assert path.read_bytes() == blob.read()


@pytest.mark.long
@kinds
@others
def test_they_replace_ours(service: Service, other: Other, tmp_path: Path) -> None:
    """A tag that the other client moved is told as what it named before, and moves back."""
    name = f"both/{other.__name__.lower()}"
    built, _ = push_ours(service, name, tmp_path)
    client, path, ref = had(lambda: other(service, tmp_path)), tmp_path / "layer.tar.gz", f"{service.host}/{name}:v1"
    client.push(ref, path)
    theirs = "sha256:" + hashlib.sha256(client.manifest(ref)).hexdigest()
    registry = service.registry(tmp_path / "second")
    pushed = push(registry, repository(service, name), built, lambda: path.open("rb"), ["v1"])
    assert {"v1": theirs} == pushed.previous
    assert json.loads(built.manifest) == json.loads(client.manifest(ref))


NOTE = "application/vnd.test.note"


def attach_ours(registry: Registry, place: Repository, subject: Artifact) -> str:
    """Attach an artifact without content to another one; its digest."""
    registry.put_blob(place, EMPTY, lambda: BytesIO(b"{}"))
    own = Descriptor(artifact.MANIFEST, subject.digest, len(subject.manifest)).document()
    fields = {"schemaVersion": 2, "mediaType": artifact.MANIFEST, "artifactType": NOTE, "config": EMPTY.document()}
    return registry.attach(place, artifact.canonical({**fields, "layers": [EMPTY.document()], "subject": own}))


@pytest.mark.long
@kinds
def test_attachments(service: Service, tmp_path: Path) -> None:
    """We list what oras attached, oras lists what we attached, and neither loses the other's."""
    built, _ = push_ours(service, "attached/both", tmp_path)
    client, ref = had(lambda: Oras(service, tmp_path)), f"{service.host}/attached/both:v1"
    registry, place = service.registry(tmp_path / "cache"), repository(service, "attached/both")
    client.attach(ref, tmp_path / "layer.tar.gz", "application/vnd.test.theirs")
    (theirs,) = client.discover(ref)
    ours = attach_ours(registry, place, built)
    client.attach(ref, tmp_path / "layer.tar.gz", "application/vnd.test.more")
    listed = referrers.list_referrers(registry, place, built.digest)
    assert {one.digest for one in listed} == client.discover(ref)
    assert {theirs, ours} < {one.digest for one in listed}
    assert {"theirs", "note", "more"} == {one.artifact_type.rpartition(".")[2] for one in listed}


@pytest.mark.long
@kinds
def test_detachment(service: Service, tmp_path: Path) -> None:
    """What we remove is gone for oras, what it attached stays, and in the end no list is left behind."""
    built, _ = push_ours(service, "detached/both", tmp_path)
    client, ref = had(lambda: Oras(service, tmp_path)), f"{service.host}/detached/both:v1"
    registry, place = service.registry(tmp_path / "cache"), repository(service, "detached/both")
    ours = attach_ours(registry, place, built)
    client.attach(ref, tmp_path / "layer.tar.gz", "application/vnd.test.theirs")
    (theirs,) = client.discover(ref) - {ours}
    for gone, left in ((ours, {theirs}), (ours, {theirs}), (theirs, set())):
        registry.detach(place, built.digest, [digests.parse(gone)])
        assert left == client.discover(ref)
    assert ["v1"] == registry.tags(place)


@pytest.mark.long
@pytest.mark.parametrize(("start", "end"), [("plain", "referrers"), ("referrers", "tls"), ("htpasswd", "token")])
def test_promotion(everywhere: Services, start: str, end: str, tmp_path: Path) -> None:
    """What goes to another registry has the same digest there, and oras sees the same attachments."""
    here, there = had(lambda: everywhere[start]), had(lambda: everywhere[end])
    built, _ = push_ours(here, "promoted/app", tmp_path)
    source, target = f"{here.host}/promoted/app:v1", f"{there.host}/promoted/app:v1"
    had(lambda: Oras(here, tmp_path)).attach(source, tmp_path / "layer.tar.gz", NOTE)
    ends = [End(one.registry(tmp_path / one.host), repository(one, "promoted/app")) for one in (here, there)]
    copied = promote(ends[0], built.digest, ends[1], ["v1"])
    assert built.digest == copied.digest
    assert (
        built.manifest == Oras(there, tmp_path).manifest(target) == had(lambda: Crane(there, tmp_path)).manifest(target)
    )
    assert Oras(here, tmp_path).discover(source) == Oras(there, tmp_path).discover(target)
