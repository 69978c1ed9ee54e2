# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.layout: an OCI image layout keeps the rules of a registry."""

import json
import os
import threading
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest

from kubeoci import artifact, digest
from kubeoci.artifact import INDEX, MANIFEST, Descriptor
from kubeoci.errors import KubeociError, RegistryError, Stopped
from kubeoci.registry import folder
from kubeoci.registry.entries import REF_NAME
from kubeoci.registry.layout import Layouts
from kubeoci.registry.protocols import Folder
from kubeoci.registry.transport import Limits
from simulator.folders import LAYER, blob, machine, make, named, rewrite, send


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the layout is going to be."""
    return tmp_path / "deep" / "layout"


@pytest.fixture
def place(root: Path) -> Folder:
    """The same as a place."""
    return Folder(str(root))


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[..., Layouts]:
    """A client with an empty cache of its own, as another machine has it."""
    return partial(machine, tmp_path)


def test_first_push_makes_a_layout(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Marker, index and three blobs, nothing else; the index names the manifest by its tag."""
    send(fresh(), place, make(), "v1")
    assert {"imageLayoutVersion": "1.0.0"} == json.loads((root / "oci-layout").read_text())
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [named(make(), "v1")]}
    assert index == json.loads((root / "index.json").read_text())
    blobs = {make().digest, make().layer.digest, make().config_descriptor.digest}
    assert blobs == {f"sha256:{path.name}" for path in (root / "blobs" / "sha256").iterdir()}
    assert {"oci-layout", "index.json", "blobs"} == {path.name for path in root.iterdir()}


def test_what_is_pushed_can_be_read_elsewhere(place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Tag, manifest and layer come back byte for byte."""
    send(fresh(), place, make(), "v1", "v2")
    reader = fresh()
    assert (make().digest, ["v1", "v2"]) == (reader.tag(place, "v2"), reader.tags(place))
    assert make().manifest == reader.manifest(place, make().digest)
    with reader.blob(place, make().layer) as stream:
        assert stream.read() == LAYER


def test_unchanged_push_writes_nothing(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """The files stay the very same."""
    send(fresh(), place, make(), "v1")
    before = {path: path.stat().st_ino for path in root.rglob("*")}
    assert 0 == send(fresh(), place, make(), "v1")
    assert before == {path: path.stat().st_ino for path in root.rglob("*")}


def test_a_moved_tag_leaves_the_old_artifact(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """What the tag named before is still listed by its digest."""
    layouts = fresh()
    send(layouts, place, make(), "v1")
    send(layouts, place, make(team="shop"), "v1")
    assert make(team="shop").digest == layouts.tag(place, "v1")
    assert layouts.exists(place, make().digest)
    assert [None, "v1"] == [
        entry.get("annotations", {}).get(REF_NAME)
        for entry in json.loads((root / "index.json").read_text())["manifests"]
    ]
    send(layouts, place, make(), "v1")
    assert 2 == len(json.loads((root / "index.json").read_text())["manifests"])


def test_what_other_tools_wrote_is_kept(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Members, entries and names that are not ours survive a push."""
    layouts = fresh()
    send(layouts, place, make(), "v1")
    other = {**named(make(team="shop"), "docker.io/library/app:v9"), "platform": {"os": "linux", "architecture": "arm"}}
    rewrite(root, other, named(make(), "v1"), annotations={"tool": "x"})
    send(layouts, place, make(), "v2")
    document = json.loads((root / "index.json").read_text())
    assert [other, named(make(), "v1"), named(make(), "v2")] == document["manifests"]
    assert {"tool": "x"} == document["annotations"]
    assert ["v1", "v2"] == layouts.tags(place)


def test_push_by_digest_is_listed(place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Without a tag the index lists the digest, once; a tag later takes that entry over."""
    layouts = fresh()
    send(layouts, place, make())
    send(layouts, place, make())
    assert ([], True) == (layouts.tags(place), layouts.exists(place, make().digest))
    send(layouts, place, make(), "v1")
    assert make().digest == layouts.tag(place, "v1")


def test_storing_twice_changes_nothing(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """A manifest under the tag that it has, or by its digest, leaves the index as it is; blobs are not sent again."""
    layouts = fresh()
    send(layouts, place, make(), "v1")
    before = (root / "index.json").read_text()
    for ref in ("v1", make().digest):
        layouts.put_manifest(place, ref, make().manifest, MANIFEST)
    assert before == (root / "index.json").read_text()
    assert not layouts.put_blob(place, make().layer, lambda: BytesIO(LAYER))


def test_deletion(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """A tag goes alone; a manifest takes its tags and blobs along; twice is fine."""
    layouts = fresh()
    layouts.delete_tag(place, "v1")
    layouts.delete_manifest(place, make().digest)
    assert not root.exists()
    send(layouts, place, make(), "v1", "v2")
    for _ in range(2):
        layouts.delete_tag(place, "v1")
    assert (["v2"], True) == (layouts.tags(place), layouts.exists(place, make().digest))
    for _ in range(2):
        layouts.delete_manifest(place, make().digest)
    assert ([], False) == (layouts.tags(place), layouts.exists(place, make().digest))
    assert [] == list(root.glob("blobs/*/*"))


@pytest.mark.parametrize("data", [LAYER[:-1] + b"?", LAYER[:-1], LAYER + b"!", b""])
def test_damaged_blob_is_never_read(root: Path, place: Folder, fresh: Callable[..., Layouts], data: bytes) -> None:
    """Other, shorter and longer bytes are `registry.digest_mismatch`, and are not kept."""
    send(fresh(), place, make(), "v1")
    blob(root, make().layer.digest).write_bytes(data)
    reader = fresh()
    with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
        reader.blob(place, make().layer)
    assert reader.cache.get(make().layer.digest) is None


def test_damaged_manifest_is_never_read(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """A manifest is what its digest says, or an error."""
    send(fresh(), place, make(), "v1")
    blob(root, make().digest).write_bytes(make(team="shop").manifest)
    with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
        fresh().manifest(place, make().digest)


def test_cut_blob_is_written_again(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """A push to a layout with half a layer mends it."""
    send(fresh(), place, make(), "v1")
    blob(root, make().layer.digest).write_bytes(LAYER[:9])
    send(fresh(), place, make(team="shop"), "v1")
    assert blob(root, make().layer.digest).read_bytes() == LAYER


def test_sizes_are_bounded(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Larger manifests and blobs than the limits are `registry.too_large` before they are read."""
    send(fresh(), place, make(), "v1")
    small = Limits(max_manifest_bytes=100, max_blob_bytes=100)
    for ask in (
        lambda: fresh(limits=small).manifest(place, make().digest),
        lambda: fresh(limits=small).blob(place, make().layer),
    ):
        with pytest.raises(RegistryError, match=r"registry\.too_large"):
            ask()
    (root / "index.json").write_text(" " * (5 << 20))
    with pytest.raises(RegistryError, match=r"larger than .*registry\.layout"):
        fresh().tags(place)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("oci-layout", "{", "cannot be read"),
        ("oci-layout", "[]", "cannot be read"),
        ("oci-layout", '{"imageLayoutVersion": "2.0.0"}', "version '2.0.0'"),
        ("index.json", "[]", "no JSON object"),
        ("index.json", '{"schemaVersion": 2, "manifests": [{"size": 1, "digest": "sha256:../../x"}]}', "no digest"),
        ("index.json", '{"schemaVersion": 2, "manifests": {}}', "no list"),
        ("index.json", f'{{"schemaVersion": 2, "mediaType": "{MANIFEST}"}}', "no descriptor"),
    ],
)
def test_broken_layouts_are_told(
    root: Path, place: Folder, fresh: Callable[..., Layouts], name: str, text: str, what: str
) -> None:
    """A damaged marker or index is `registry.layout`, for readers and for writers."""
    send(fresh(), place, make(), "v1")
    (root / name).write_text(text)
    for ask in (lambda: fresh().tag(place, "v1"), lambda: send(fresh(), place, make(), "v2")):
        with pytest.raises(RegistryError, match=rf"{what}.*registry\.layout"):
            ask()
    assert text == (root / name).read_text()


def test_one_tag_for_two_artifacts_is_refused(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """The specification leaves open which one counts, so none does."""
    send(fresh(), place, make(), "v1")
    rewrite(root, named(make(), "v1"), named(make(team="shop"), "v1"))
    with pytest.raises(RegistryError, match="gives the tag 'v1' to 2 artifacts"):
        fresh().tag(place, "v1")


def test_a_folder_of_other_things_is_left_alone(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Nothing is written next to somebody's files."""
    root.mkdir(parents=True)
    (root / "notes.txt").write_text("mine")
    with pytest.raises(RegistryError, match="holds other things"):
        send(fresh(), place, make(), "v1")
    assert ["notes.txt"] == [path.name for path in root.iterdir()]


def test_nothing_is_made_by_asking(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """A layout that is not there has no tags and no blobs, and is not made by looking for it."""
    layouts = fresh()
    assert (None, False) == (layouts.tag(place, "v1"), layouts.exists(place, make().digest))
    for ask in (
        lambda: layouts.tags(place),
        lambda: layouts.blob(place, make().layer),
        lambda: layouts.manifest(place, make().digest),
    ):
        with pytest.raises(RegistryError, match=r"no OCI image layout.*registry\.not_found"):
            ask()
    assert not root.exists()


def test_missing_blob_is_told(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """A layout without the blob says which file is not there."""
    send(fresh(), place, make(), "v1")
    blob(root, make().layer.digest).unlink()
    with pytest.raises(RegistryError, match=rf"no file {make().layer.digest[7:]}.*registry\.not_found"):
        fresh().blob(place, make().layer)


def test_a_pipe_does_not_hold_us_up(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """What is no regular file is refused at once."""
    send(fresh(), place, make(), "v1")
    blob(root, make().layer.digest).unlink()
    os.mkfifo(blob(root, make().layer.digest))
    with pytest.raises(RegistryError, match="is no file"):
        fresh().blob(place, make().layer)


@pytest.mark.parametrize("name", ["../../etc/passwd", "sha256:../../x", "sha256:" + "A" * 64, ""])
def test_only_digests_and_tags_become_names(place: Folder, fresh: Callable[..., Layouts], name: str) -> None:
    """Neither a digest nor a tag of a caller can leave the folder."""
    layouts = fresh()
    for ask in (
        lambda: layouts.has_blob(place, digest.Digest(name)),
        lambda: layouts.put_manifest(place, name, make().manifest, MANIFEST),
    ):
        with pytest.raises(KubeociError, match=r"reference\.invalid"):
            ask()


def test_wrong_bytes_are_not_stored(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """A source that changed meanwhile, and a manifest under another digest, leave no file behind."""
    layouts = fresh()
    for ask in (
        lambda: layouts.put_blob(place, make().layer, lambda: BytesIO(b"other")),
        lambda: layouts.put_manifest(place, make().digest, make(team="shop").manifest, MANIFEST),
    ):
        with pytest.raises(RegistryError, match=r"registry\.(digest_mismatch|not_found)"):
            ask()
    assert [] == list(root.rglob("blobs/*/*"))


def test_many_writers_lose_nothing(place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Sixteen threads with clients of their own: each tag is there at the end."""
    tags = [f"v{number}" for number in range(16)]
    threads = [threading.Thread(target=send, args=(fresh(), place, make(), tag)) for tag in tags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tags) == sorted(fresh().tags(place))


def test_a_lock_that_is_held_ends_with_the_deadline(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Another process may write for long; our time is ours."""
    fcntl = pytest.importorskip("fcntl")
    send(fresh(), place, make(), "v1")
    handle = os.open(root, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(Stopped, match=r"stopped\.deadline"):
        send(fresh(timeout_seconds=0.2), place, make(), "v2")
    os.close(handle)


def test_threads_take_turns_without_file_locks(
    place: Folder, fresh: Callable[..., Layouts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no such locks a push works as well, and other threads of the process wait."""
    monkeypatch.setattr(folder, "fcntl", None)
    send(fresh(), place, make(), "v1")
    assert ["v1"] == fresh().tags(place)
    with folder._TURN, pytest.raises(Stopped, match=r"stopped\.deadline"):  # noqa: SLF001 - another thread's turn
        send(fresh(timeout_seconds=0.1), place, make(), "v2")


def test_a_layout_without_an_index_is_empty(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """A push that ended before its last step left one: it has no tags, and the next push finishes."""
    send(fresh(), place, make(), "v1")
    (root / "index.json").unlink()
    assert ([], None) == (fresh().tags(place), fresh().tag(place, "v1"))
    assert 0 == send(fresh(), place, make(), "v1")
    assert make().digest == fresh().tag(place, "v1")


def test_an_index_of_another_kind_is_refused(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """A list of Docker's is no index of a layout."""
    send(fresh(), place, make(), "v1")
    rewrite(root, named(make(), "v1"), mediaType=artifact.DOCKER_LIST)
    with pytest.raises(RegistryError, match=r"is of type .*registry\.layout"):
        fresh().tags(place)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, fresh: Callable[..., Layouts]) -> None:
    """A file in the way is `registry.layout` with the reason of the system."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryError, match=r"cannot be used: .*registry\.layout"):
        send(fresh(), Folder(str(tmp_path / "file" / "layout")), make(), "v1")


def test_sha512_is_read_and_written(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Each algorithm has its folder, and is checked by its own hash."""
    name = digest.parse("sha512:" + digest.hashlib.sha512(LAYER).hexdigest())
    large = Descriptor("application/x", name, len(LAYER))
    fresh().put_blob(place, large, lambda: BytesIO(LAYER))
    assert blob(root, name).read_bytes() == LAYER
    with fresh().blob(place, large) as stream:
        assert stream.read() == LAYER
