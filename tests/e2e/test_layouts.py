# SPDX-License-Identifier: Apache-2.0
"""Folders in the OCI image layout, and folders inside artifacts: crane and oras read ours, and we read theirs."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

import toolbox
from e2e.others import Crane, Oras, Service, had, run, services
from kubeoci import archive, artifact, reference, tree
from kubeoci import digest as digests
from kubeoci.artifact import MANIFEST, Artifact, Descriptor, canonical
from kubeoci.digest import Digest
from kubeoci.lifecycle.pull import pull
from kubeoci.registry.cache import Cache
from kubeoci.registry.copy import End, promote
from kubeoci.registry.layout import Layouts
from kubeoci.registry.protocols import Folder
from kubeoci.registry.push import push
from kubeoci.registry.remote import Shared

TREE = tree.of({"a.yaml": b"kind: ConfigMap\n", "deep/run.sh": b"#!/bin/sh\n"}, {"deep/run.sh"})
TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
NOTE = "application/vnd.test.note"
EMPTY = Descriptor("application/vnd.oci.empty.v1+json", digests.of(b"{}"), 2)
Do = Callable[..., bytes]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """An open registry. Without the programs tests are skipped, but not in CI."""
    with services() as started:
        had(lambda: toolbox.locate(["crane", "oras"]))
        yield had(lambda: started["plain"])


@pytest.fixture
def do(service: Service, tmp_path: Path) -> Do:
    """Runs oras or crane in the test's folder."""
    return lambda program, *words: run(toolbox.locate([program])[program], words, service, tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Folder:
    """Where the layout is; other programs know it as `layout`."""
    return Folder(str(tmp_path / "layout"))


def fresh(tmp_path: Path) -> Layouts:
    """A client with an empty cache."""
    folder = tmp_path / f"cache-{os.urandom(4).hex()}"
    folder.mkdir()
    return Layouts(Cache(folder))


def written(tmp_path: Path, place: Folder, tag: str = "v1", **notes: str) -> tuple[Artifact, bytes]:
    """Our artifact of `TREE` in the layout; with the bytes of its layer."""
    stream = BytesIO()
    built = artifact.build(archive.write(TREE, stream), TREE.digest, annotations=notes)
    push(fresh(tmp_path), place, built, lambda: BytesIO(stream.getvalue()), [tag])
    return built, stream.getvalue()


def attached(layouts: Layouts, place: Folder, subject: Artifact) -> Digest:
    """A note that belongs to an artifact."""
    layouts.put_blob(place, EMPTY, lambda: BytesIO(b"{}"))
    own = Descriptor(MANIFEST, subject.digest, len(subject.manifest)).document()
    fields = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": NOTE, "config": EMPTY.document()}
    return layouts.attach(place, canonical({**fields, "layers": [EMPTY.document()], "subject": own}))


def discovered(do: Do, ref: str, *flags: str) -> set[str]:
    """The digests of what oras finds attached."""
    document = json.loads(do("oras", "discover", *flags, "--format", "json", "--depth", "1", ref))
    return {row["digest"] for row in document.get("referrers") or document.get("manifests") or []}


def test_oras_reads_our_folder(do: Do, place: Folder, tmp_path: Path) -> None:
    """Manifest, config and layer byte for byte, by tag and by digest, and what is attached."""
    built, layer = written(tmp_path, place)
    note = attached(fresh(tmp_path), place, built)
    assert built.manifest == do("oras", "manifest", "fetch", "--oci-layout", "layout:v1")
    for name, data in ((built.layer.digest, layer), (built.config_descriptor.digest, built.config)):
        assert data == do("oras", "blob", "fetch", "--oci-layout", "--output", "-", f"layout@{name}")
    assert {note} == discovered(do, "layout:v1", "--oci-layout")


def test_oras_and_crane_send_our_folder(do: Do, service: Service, place: Folder, tmp_path: Path) -> None:
    """It arrives under the digest that it has, and the attachment with it where that is asked for."""
    built, _ = written(tmp_path, place)
    do("crane", "push", "layout", f"{service.host}/sent/crane:v1")
    note = attached(fresh(tmp_path), place, built)
    do("oras", "cp", "-r", "--from-oci-layout", "--to-plain-http", "layout:v1", f"{service.host}/sent/oras:v1")
    registry = service.registry(tmp_path / "registry")
    for name in ("crane", "oras"):
        repository = reference.parse(f"{service.host}/sent/{name}").repository
        assert built.digest == registry.tag(repository, "v1")
        assert TREE.digest == pull(registry, repository, built.digest).contents.tree().digest
    assert {note} == discovered(do, f"{service.host}/sent/oras:v1", "--plain-http")


def test_we_read_the_folder_of_oras(do: Do, place: Folder, tmp_path: Path) -> None:
    """What it pushed and attached; and what we write beside it stays good for it."""
    with (tmp_path / "layer.tgz").open("wb") as file:
        archive.write(TREE, file)
    do("oras", "push", "--oci-layout", "layout:v1", f"layer.tgz:{TYPE}")
    do("oras", "attach", "--oci-layout", "--artifact-type", NOTE, "layout:v1", "layer.tgz:text/plain")
    raw = do("oras", "manifest", "fetch", "--oci-layout", "layout:v1")
    layouts, name = fresh(tmp_path), digests.of(raw)
    assert (name, raw, ["v1"]) == (layouts.tag(place, "v1"), layouts.manifest(place, name), layouts.tags(place))
    assert TREE.digest == pull(layouts, place, name).contents.tree().digest
    found = layouts.referrers(place, name)
    assert discovered(do, "layout:v1", "--oci-layout") == {one.digest for one in found}
    assert [NOTE] == [one.artifact_type for one in found]
    built, _ = written(tmp_path, place, "v2")
    assert built.manifest == do("oras", "manifest", "fetch", "--oci-layout", "layout:v2")
    assert raw == do("oras", "manifest", "fetch", "--oci-layout", "layout:v1")


def test_we_read_the_folder_of_crane(do: Do, service: Service, place: Folder, tmp_path: Path) -> None:
    """It names nothing by a tag; by its digest all is there."""
    with (tmp_path / "layer.tgz").open("wb") as file:
        archive.write(TREE, file)
    ref = f"{service.host}/read/crane:v1"
    Crane(service, tmp_path).push(ref, tmp_path / "layer.tgz")
    do("crane", "pull", "--format", "oci", ref, "layout")
    raw = Crane(service, tmp_path).manifest(ref)
    layouts, name = fresh(tmp_path), digests.of(raw)
    assert (True, raw) == (layouts.exists(place, name), layouts.manifest(place, name))
    assert TREE.digest == pull(layouts, place, name).contents.tree().digest


def test_promotion_through_a_folder(do: Do, service: Service, place: Folder, tmp_path: Path) -> None:
    """From a registry to a folder by us, from there to a registry by oras, with what oras attached."""
    (tmp_path / "app.yaml").write_text("app")
    start, goal = f"{service.host}/through/start:v1", f"{service.host}/through/goal:v1"
    do("oras", "push", "--plain-http", start, "app.yaml")
    Oras(service, tmp_path).attach(start, tmp_path / "app.yaml", NOTE)
    origin = End(service.registry(tmp_path / "registry"), reference.parse(start).repository)
    name = digests.parse("sha256:" + hashlib.sha256(do("oras", "manifest", "fetch", "--plain-http", start)).hexdigest())
    promote(origin, name, End(fresh(tmp_path), place), ["v1"])
    do("oras", "cp", "-r", "--from-oci-layout", "--to-plain-http", "layout:v1", goal)
    assert discovered(do, start, "--plain-http") == discovered(do, goal, "--plain-http")
    assert 1 == len(discovered(do, "layout:v1", "--oci-layout"))


def test_what_we_delete_leaves_a_good_folder(do: Do, place: Folder, tmp_path: Path) -> None:
    """An artifact with the same layer, and what is attached to it, can be read; what only the other had is gone."""
    gone, layer = written(tmp_path, place, "old", team="old")
    kept, _ = written(tmp_path, place, "new")
    layouts = fresh(tmp_path)
    notes = [attached(layouts, place, what) for what in (gone, kept)]
    layouts.detach(place, gone.digest, notes[:1])
    layouts.delete_manifest(place, gone.digest)
    assert kept.manifest == do("oras", "manifest", "fetch", "--oci-layout", "layout:new")
    assert layer == do("oras", "blob", "fetch", "--oci-layout", "--output", "-", f"layout@{kept.layer.digest}")
    assert set(notes[1:]) == discovered(do, "layout:new", "--oci-layout")
    expected = {kept.digest, kept.layer.digest, kept.config_descriptor.digest, notes[1], EMPTY.digest}
    assert expected == {f"sha256:{path.name}" for path in Path(place.path).glob("blobs/sha256/*")}


def files(folder: Path) -> dict[str, tuple[bytes, bool]]:
    """Each file below a folder: its bytes, and whether it is a program."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), os.access(path, os.X_OK)) for path in found}


def test_folders_go_both_ways(do: Do, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through our class for oras-py and the oras program, with bits and all; the program takes nothing for a file."""
    from kubeoci.registry.oras import OciRegistry  # noqa: PLC0415 - loads oras-py

    for name, data in (("run.sh", "#!/bin/sh\n"), ("deep/er/a.yaml", "a: 1\n"), ("deep/.hidden", "")):
        path = tmp_path / "charts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data)
    (tmp_path / "charts" / "run.sh").chmod(0o755)
    (tmp_path / "note.txt").write_text("note")
    before = {name: files(tmp_path)[name] for name in files(tmp_path) if name.startswith(("charts", "note"))}
    monkeypatch.chdir(tmp_path)
    cache = Cache(tmp_path / "cache")
    client = OciRegistry(cache=cache, environment=service.environment, shared=Shared())
    ours, theirs = (f"{service.host}/folders/{name}:v1" for name in ("ours", "theirs"))
    client.push(ours, files=["charts", "note.txt"], quiet=True)
    do("oras", "pull", "--plain-http", "-o", "by-oras", ours)
    do("oras", "push", "--plain-http", theirs, "charts", "note.txt")
    client.pull(theirs, outdir=str(tmp_path / "by-us"))
    assert (before, before) == (files(tmp_path / "by-oras"), files(tmp_path / "by-us"))
