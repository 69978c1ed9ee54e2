# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.layout: what belongs to an artifact of a folder, and what goes with it."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest

from kubeoci import digest
from kubeoci.artifact import INDEX, MANIFEST, Descriptor, canonical
from kubeoci.errors import RegistryError, Stopped
from kubeoci.registry import layout
from kubeoci.registry.layout import Layouts
from kubeoci.registry.protocols import Folder
from kubeoci.registry.transport import Limits
from simulator.folders import EMPTY, LAYER, attach, bare, blob, files, machine, make, named, rewrite, send


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


def test_attached_is_listed(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """By an entry of the index without a name, and found by another client with type and annotations."""
    layouts = fresh()
    assert [] == layouts.referrers(place, make().digest)
    send(layouts, place, make(), "v1", "v2")
    name = attach(layouts, place, make())
    (found,) = fresh().referrers(place, make().digest)
    assert (name, "a/sig", {"n": "1"}) == (found.digest, found.artifact_type, found.annotations)
    assert {"mediaType", "digest", "size"} == json.loads((root / "index.json").read_text())["manifests"][-1].keys()


def test_other_things_in_the_index_refer_to_nothing(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Neither what is of an unknown type, nor what is listed without its file; both may be in an honest folder."""
    send(fresh(), place, make(), "v1")
    strange = Descriptor("application/x", digest.of(b"x" * 5000), 5000)
    fresh().put_blob(place, strange, lambda: BytesIO(b"x" * 5000))
    rewrite(root, strange.document(), named(make(team="shop"), "gone"), named(make(), "v1"))
    name = attach(fresh(), place, make())
    reader = fresh(limits=Limits(max_manifest_bytes=1000))
    assert [name] == [found.digest for found in reader.referrers(place, make().digest)]


def test_each_manifest_is_read_once(
    place: Folder, fresh: Callable[..., Layouts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many names it has."""
    layouts = fresh()
    send(layouts, place, make(), "v1", "v2", "v3")
    monkeypatch.setattr(layout, "_MAX_SEARCHED_BYTES", len(make().manifest))
    assert [] == layouts.referrers(place, digest.of(b"x"))


def test_damaged_manifest_is_told(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """It may be a signature: it is an error, not one referrer less."""
    send(fresh(), place, make(), "v1")
    path = blob(root, attach(fresh(), place, make()))
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
        fresh().referrers(place, make().digest)


def test_search_is_bounded(place: Folder, fresh: Callable[..., Layouts], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one manifest nor all of them together are read beyond the limit."""
    send(fresh(), place, make(), "v1")
    attach(fresh(), place, make())
    for limits in (Limits(max_manifest_bytes=100), None):
        with pytest.raises(RegistryError, match=r"registry\.too_large"):
            fresh(limits=limits).referrers(place, make().digest)
        monkeypatch.setattr(layout, "_MAX_SEARCHED_BYTES", len(make().manifest))


def test_only_what_has_a_subject_is_attached(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Not even a folder is made else."""
    with pytest.raises(RegistryError, match="without `subject`"):
        fresh().attach(place, make().manifest)
    assert not root.exists()


def test_tagged_is_the_manifest_or_nothing(place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Its raw bytes, by the name that it has now."""
    send(fresh(), place, make(), "v1")
    assert (make().manifest, None) == (fresh().tagged(place, "v1"), fresh().tagged(place, "v2"))


def test_detached_goes_with_what_only_it_named(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """The other attachment keeps the blob that both have; twice is fine."""
    layouts = fresh()
    send(layouts, place, make(), "v1")
    one, two = (attach(layouts, place, make(), data) for data in (b"one", b"two"))
    for _ in range(2):
        layouts.detach(place, make().digest, [one])
    assert [two] == [found.digest for found in layouts.referrers(place, make().digest)]
    gone = {one, digest.of(b"one")}
    there = {make().digest, make().layer.digest, make().config_descriptor.digest, two, digest.of(b"two"), EMPTY.digest}
    assert (there, set()) == (files(root), files(root) & gone)


def test_shared_blobs_stay(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Two artifacts with one layer: the layer and the config go with the last of them."""
    layouts = fresh()
    for what in (make(), make(team="shop")):
        send(layouts, place, what, what.digest[7:17])
    layouts.delete_manifest(place, make().digest)
    other = make(team="shop")
    assert {other.digest, other.layer.digest, other.config_descriptor.digest} == files(root)
    layouts.delete_manifest(place, other.digest)
    assert set() == files(root)


def test_an_index_takes_the_children_that_nobody_lists(
    root: Path, place: Folder, fresh: Callable[..., Layouts]
) -> None:
    """A child with a name of its own stays; so does all of one that another index has."""
    layouts, children = fresh(), [make(), make(team="shop")]
    for what in children:
        send(layouts, place, what, what.digest[7:17])
    raw = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [bare(what) for what in children]})
    layouts.put_manifest(place, "multi", raw, INDEX)
    document = json.loads((root / "index.json").read_text())
    rewrite(root, *[entry for entry in document["manifests"] if entry["digest"] != children[1].digest])
    layouts.delete_manifest(place, children[0].digest)
    assert {what.digest for what in children} < files(root)
    send(layouts, place, children[0], "v1")
    layouts.delete_manifest(place, digest.of(raw))
    assert (True, False) == tuple(what.digest in files(root) for what in children)


def test_a_note_that_outlives_its_artifact(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """It keeps nothing of what it was about, and does not keep later deletions from cleaning up."""
    layouts = fresh()
    for what in (make(), make(team="shop")):
        send(layouts, place, what, what.digest[7:17])
    note = attach(layouts, place, make())
    for what in (make(), make(team="shop")):
        layouts.delete_manifest(place, what.digest)
    assert {note, digest.of(b"signed"), EMPTY.digest} == files(root)


@pytest.mark.parametrize("kind", ["strange", "missing", "damaged"])
def test_nothing_goes_where_not_all_can_be_read(
    root: Path, place: Folder, fresh: Callable[..., Layouts], kind: str
) -> None:
    """Something else is listed, and nobody can tell what it names: it may be any blob."""
    send(fresh(), place, make(), "v1")
    other = blob(root, make(team="shop").digest)
    if kind != "missing":
        other.write_bytes(make(team="shop").manifest + (b" " if kind == "damaged" else b""))
    entry = named(make(team="shop"), "other") | ({"mediaType": "application/x"} if kind == "strange" else {})
    if kind == "strange":
        raw = make(team="shop").manifest.replace(MANIFEST.encode(), b"application/x")
        entry |= {"digest": digest.of(raw), "size": len(raw)}
        blob(root, digest.of(raw)).write_bytes(raw)
    rewrite(root, entry, named(make(), "v1"))
    before = files(root)
    fresh().delete_manifest(place, make().digest)
    assert (before, False) == (files(root), fresh().exists(place, make().digest))


def test_damaged_manifest_can_be_deleted(root: Path, place: Folder, fresh: Callable[..., Layouts]) -> None:
    """It goes itself; what it named before is not known any more."""
    send(fresh(), place, make(), "v1")
    blob(root, make().digest).write_bytes(b"{}")
    fresh().delete_manifest(place, make().digest)
    assert {make().layer.digest, make().config_descriptor.digest} == files(root)


WRITER = """
import sys
from io import BytesIO
from pathlib import Path
from kubeoci import digest
from kubeoci.artifact import MANIFEST, Descriptor, canonical
from kubeoci.registry.cache import Cache
from kubeoci.registry.layout import Layouts
from kubeoci.registry.protocols import Folder

name, folder, cache = sys.argv[1:]
layouts, place = Layouts(Cache(Path(cache))), Folder(folder)
empty = Descriptor("application/vnd.oci.empty.v1+json", digest.of(b"{}"), 2)
subject = Descriptor(MANIFEST, digest.of(b"subject"), 7).document()
fields = {"schemaVersion": 2, "mediaType": MANIFEST, "config": empty.document(), "layers": [], "subject": subject}
layouts.put_blob(place, empty, lambda: BytesIO(b"{}"))
print("ready", flush=True)
sys.stdin.read(1)
for number in range(25):
    layouts.attach(place, canonical({**fields, "annotations": {"n": f"{name}-{number}"}}))
"""


def test_processes_lose_nothing(root: Path, place: Folder, fresh: Callable[..., Layouts], tmp_path: Path) -> None:
    """Two programs that begin at the same moment attach twenty-five things each to one artifact."""
    writers = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        command = [sys.executable, "-c", WRITER, name, str(root), str(tmp_path / name)]
        writers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for writer in writers:
        assert writer.stdout
        assert "ready\n" == writer.stdout.readline()
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("x")
        writer.stdin.flush()
    assert ["", ""] == [writer.communicate(timeout=60)[0] for writer in writers]
    assert 50 == len(fresh().referrers(place, digest.of(b"subject")))


def test_what_vanishes_under_a_push_is_sent_again(
    root: Path, place: Folder, fresh: Callable[..., Layouts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process deletes the only artifact with the layer after we looked for the layer."""
    send(fresh(), place, make(), "v1")
    has_blob, rival = Layouts.has_blob, [fresh()]

    def look(self: Layouts, where: Folder, name: digest.Digest) -> bool:
        found = has_blob(self, where, name)
        if rival and name == make().config_descriptor.digest:
            rival.pop().delete_manifest(where, make().digest)
        return found

    monkeypatch.setattr(Layouts, "has_blob", look)
    send(fresh(), place, make(team="shop"), "v2")
    assert LAYER == blob(root, make().layer.digest).read_bytes()
    assert ["v2"] == fresh().tags(place)


def test_turns_end_with_the_deadline(place: Folder, fresh: Callable[..., Layouts]) -> None:
    """Two clients of a process take turns at one subject, however the folder is spelled; a pause is bounded too."""
    same = Folder(f"{place.path}/../layout")
    with fresh().turn(place, make().digest):
        with fresh().turn(place, make(team="shop").digest):
            fresh().pause(0.0)
        with pytest.raises(Stopped, match=r"stopped\.deadline"), fresh(timeout_seconds=0.1).turn(same, make().digest):
            pass
    with pytest.raises(Stopped, match=r"stopped\.deadline"):
        fresh(timeout_seconds=0.1).pause(9.0)
