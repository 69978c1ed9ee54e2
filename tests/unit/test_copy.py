# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.copy: the same digest at the other end, with all that belongs to it, and tags last."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeoci import digest, reference
from kubeoci.artifact import INDEX, MANIFEST, canonical
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError
from kubeoci.registry import referrers
from kubeoci.registry.cache import Cache
from kubeoci.registry.copy import Copied, End, promote
from kubeoci.registry.keychain import Credentials
from kubeoci.registry.layout import Layouts
from kubeoci.registry.protocols import Folder
from kubeoci.registry.remote import Shared
from kubeoci.registry.transport import Settings
from simulator.client import QUICK, connect
from simulator.registry import Fault, RegistrySimulator


def descriptor(raw: bytes, media_type: str = "a/b") -> dict[str, object]:
    """What points to `raw`."""
    return {"mediaType": media_type, "digest": digest.of(raw), "size": len(raw)}


def manifest(*layers: bytes, subject: bytes = b"") -> bytes:
    """A manifest of blobs, the first of them its config."""
    fields = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(layers[0])}
    fields |= {"layers": [descriptor(layer) for layer in layers[1:]]}
    return canonical(fields | ({"subject": descriptor(subject, MANIFEST)} if subject else {}))


def index(*children: bytes, media_type: str = MANIFEST) -> bytes:
    """An index of manifests."""
    entries = [descriptor(child, media_type) for child in children]
    return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})


APP = manifest(b"config", b"layer", b"layer")
DIGEST = digest.of(APP)
BLOBS = {digest.of(blob): blob for blob in (b"config", b"layer")}
COSIGN = f"sha256-{digest.hexadecimal(DIGEST)}.sig"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for other writers long."""
    monkeypatch.setattr(referrers, "_PAUSE_SECONDS", (0.001, 0.002))


@pytest.fixture(params=[False, True], ids=["tags", "api"])
def source(request: pytest.FixtureRequest) -> Iterator[RegistrySimulator]:
    """A registry with one artifact."""
    with RegistrySimulator(referrers=request.param) as server:
        server.add("app", "v1", APP, MANIFEST, *BLOBS.values())
        yield server


@pytest.fixture(params=[False, True], ids=["tags", "api"])
def target(request: pytest.FixtureRequest) -> Iterator[RegistrySimulator]:
    """An empty registry."""
    with RegistrySimulator(referrers=request.param) as server:
        yield server


def end(server: RegistrySimulator, home: Path, name: str = "app", settings: Settings | None = None) -> End:
    """One end, with a cache of its own."""
    folder = home / server.host / name
    folder.mkdir(parents=True, exist_ok=True)
    repository = reference.parse(f"{server.host}/{name}").repository
    return End(connect(folder, settings, shared=Shared()), repository)


def copy(source: RegistrySimulator, target: RegistrySimulator, home: Path, what: Digest = DIGEST) -> Copied:
    """Promote from `app` to `prod`, under two tags."""
    return promote(end(source, home), what, end(target, home, "prod"), ["v1", "stable"])


def test_bytes_are_the_same(source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path) -> None:
    """Manifest and blobs; a digest that is named twice goes once; the second time there is nothing to do."""
    copied = copy(source, target, tmp_path)
    assert Copied(DIGEST, {"v1": None, "stable": None}, (DIGEST,)) == copied
    assert (MANIFEST, APP) == target.manifests["prod"][DIGEST]
    assert (BLOBS, {"v1": DIGEST, "stable": DIGEST}) == (target.blobs["prod"], target.tags["prod"])
    target.clear()
    assert Copied(DIGEST, {"v1": DIGEST, "stable": DIGEST}) == copy(source, target, tmp_path)
    assert [] == [line for line in target.requests if not line.startswith(("HEAD", "GET"))]


def test_order(source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path) -> None:
    """Blobs, then the manifest by its digest, then tags."""
    copy(source, target, tmp_path)
    writes = [line.rpartition("/")[2] for line in target.requests if line.startswith("PUT")]
    assert [DIGEST, "v1", "stable"] == writes[-3:]
    assert 5 == len(writes)


def test_index_comes_after_its_children(source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path) -> None:
    """All of them, with their blobs."""
    other = manifest(b"config", b"other")
    both = index(APP, other)
    source.add("app", "t", other, MANIFEST, b"other")
    source.add("app", "multi", both, INDEX)
    copied = copy(source, target, tmp_path, digest.of(both))
    assert (DIGEST, digest.of(other), digest.of(both)) == copied.manifests
    assert {*BLOBS, digest.of(b"other")} == set(target.blobs["prod"])


def test_deep_index_is_refused(source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path) -> None:
    """Nobody nests them on purpose."""
    raw = index(APP)
    for _ in range(4):
        source.add("app", "x", raw, INDEX)
        raw = index(raw, media_type=INDEX)
    with pytest.raises(RegistryError, match="nested more than 4 levels"):
        copy(source, target, tmp_path, Digest(source.tags["app"]["x"]))
    assert {} == target.tags.get("prod", {})


MANY = [b"%d" % number for number in range(1000)]


@pytest.fixture
def pair() -> Iterator[tuple[RegistrySimulator, RegistrySimulator]]:
    """A registry with an artifact of a thousand blobs, and an empty one."""
    with RegistrySimulator() as source, RegistrySimulator() as target:
        source.add("app", "many", manifest(*MANY), MANIFEST, *MANY)
        yield source, target


def test_all_blobs_are_asked_for_and_none_is_sent(
    pair: tuple[RegistrySimulator, RegistrySimulator], tmp_path: Path
) -> None:
    """A thousand that the target has cost a question each, nothing is read at the source."""
    (source, target), name = pair, digest.of(manifest(*MANY))
    target.blobs["prod"] = dict(source.blobs["app"])
    promote(end(source, tmp_path), name, end(target, tmp_path, "prod"), ["v1"], with_referrers=False)
    asked = [f"HEAD /v2/prod/manifests/{ref}" for ref in ("v1", name)]
    stored = [f"PUT /v2/prod/manifests/{ref}" for ref in (name, "v1")]
    assert (asked, stored) == (target.requests[:2], target.requests[-2:])
    assert sorted(f"HEAD /v2/prod/blobs/{digest.of(blob)}" for blob in MANY) == sorted(target.requests[2:-2])
    assert [f"GET /v2/app/manifests/{name}"] == source.requests


def test_copy_stops_at_the_first_refusal(pair: tuple[RegistrySimulator, RegistrySimulator], tmp_path: Path) -> None:
    """A registry that denies one question is not asked a thousand."""
    source, target = pair
    target.fail("HEAD /v2/prod/blobs", Fault(status=403), times=1000)
    with pytest.raises(RegistryError, match=r"registry\.denied"):
        copy(source, target, tmp_path, digest.of(manifest(*MANY)))
    assert len([line for line in target.requests if "/blobs/" in line]) <= 32


def test_blobs_are_mounted_on_one_registry(source: RegistrySimulator, tmp_path: Path) -> None:
    """Nothing is downloaded, nothing sent."""
    copy(source, source, tmp_path)
    assert BLOBS == source.blobs["prod"]
    assert [] == [line for line in source.requests if "/blobs/" in line and line.startswith(("GET", "PUT"))]


def test_referrers_go_along(source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path) -> None:
    """And what refers to them; not what refers to that. The target lists them in its own way."""
    chain = [APP]
    here, there = end(source, tmp_path), end(target, tmp_path, "prod")
    for number in range(3):
        blob = b"%d" % number
        chain.append(manifest(blob, subject=chain[-1]))
        source.blobs["app"][digest.of(blob)] = blob
        here.store.attach(here.place, chain[-1], MANIFEST)
    assert tuple(digest.of(raw) for raw in chain[:3]) == copy(source, target, tmp_path).manifests
    for subject, raw, expected in ((chain[0], chain[1], 1), (chain[1], chain[2], 1), (chain[2], chain[3], 0)):
        found = there.store.referrers(there.place, digest.of(subject))
        assert [digest.of(raw)] * expected == [referrer.digest for referrer in found]
    assert () == copy(source, target, tmp_path).manifests


def test_what_refers_to_children_goes_along(
    source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path
) -> None:
    """The signature of an image of an index, in both forms, and of one in an index of that; the second time nothing."""
    inner = index(APP)
    outer = index(inner, media_type=INDEX)
    here, there = end(source, tmp_path), end(target, tmp_path, "prod")
    for raw in (inner, outer):
        source.add("app", "x", raw, INDEX)
    note = manifest(b"config", subject=APP)
    here.store.attach(here.place, note, MANIFEST)
    source.add("app", COSIGN, manifest(b"config", b"one"), MANIFEST, b"one")
    copied = copy(source, target, tmp_path, digest.of(outer))
    assert {digest.of(raw) for raw in (APP, inner, outer, note, manifest(b"config", b"one"))} == set(copied.manifests)
    assert [digest.of(note)] == [found.digest for found in there.store.referrers(there.place, DIGEST)]
    assert COSIGN in target.tags["prod"]
    assert () == copy(source, target, tmp_path, digest.of(outer)).manifests


def test_what_is_listed_but_gone_is_passed_over(target: RegistrySimulator, tmp_path: Path) -> None:
    """A list under the fallback tag may outlive what it names."""
    with RegistrySimulator() as source:
        source.add("app", "v1", APP, MANIFEST, *BLOBS.values())
        gone, note = (manifest(name, subject=APP) for name in (b"config", b"layer"))
        here = end(source, tmp_path)
        for raw in (gone, note):
            here.store.attach(here.place, raw, MANIFEST)
        del source.manifests["app"][digest.of(gone)]
        assert (DIGEST, digest.of(note)) == copy(source, target, tmp_path).manifests


def test_both_lists_of_the_source_count(target: RegistrySimulator, tmp_path: Path) -> None:
    """A registry that learned to list forgets what was attached before; the old index has it."""
    note = manifest(b"config", subject=APP)
    with RegistrySimulator() as source:
        source.add("app", "v1", APP, MANIFEST, *BLOBS.values())
        source.add("app", "t", note, MANIFEST)
        source.add("app", f"sha256-{DIGEST[7:]}", index(note), INDEX)
        source.fail("GET /v2/app/referrers", Fault(status=200, headers={"Content-Type": INDEX}, body=index()))
        assert (DIGEST, digest.of(note)) == copy(source, target, tmp_path).manifests


def test_what_is_there_gets_listed(source: RegistrySimulator, tmp_path: Path) -> None:
    """A first run that ended between manifest and list is finished by the second."""
    here, note = end(source, tmp_path), manifest(b"config", subject=APP)
    here.store.attach(here.place, note, MANIFEST)
    with RegistrySimulator() as target:
        copy(source, target, tmp_path)
        del target.tags["prod"][f"sha256-{DIGEST[7:]}"]
        there = end(target, tmp_path, "prod")
        assert [] == there.store.referrers(there.place, DIGEST)
        assert () == copy(source, target, tmp_path).manifests
        assert [digest.of(note)] == [one.digest for one in there.store.referrers(there.place, DIGEST)]


def test_what_refers_to_something_else_stays(target: RegistrySimulator, tmp_path: Path) -> None:
    """A list is only a list: what has no business in it, with another subject or none, is not carried along."""
    with RegistrySimulator() as source:
        source.add("app", "v1", APP, MANIFEST, *BLOBS.values())
        others = [
            manifest(b"config"),
            manifest(b"config", subject=manifest(b"config")),
            manifest(b"layer", subject=APP),
        ]
        for raw in others:
            source.add("app", "t", raw, MANIFEST)
        source.add("app", f"sha256-{DIGEST[7:]}", index(*others), INDEX)
        assert (DIGEST, digest.of(others[-1])) == copy(source, target, tmp_path).manifests


@pytest.mark.parametrize("status", [403, 500])
def test_what_cannot_be_read_is_told(
    source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path, status: int
) -> None:
    """A signature that is there, but cannot be had, is not left behind in silence."""
    here, note = end(source, tmp_path), manifest(b"config", subject=APP)
    here.store.attach(here.place, note, MANIFEST)
    source.fail(f"GET /v2/app/manifests/{digest.of(note)}", Fault(status=status), times=5)
    with pytest.raises(RegistryError):
        copy(source, target, tmp_path)
    assert {} == {tag: name for tag, name in target.tags.get("prod", {}).items() if tag == "v1"}


def test_blobs_of_a_referrer_that_vanished_are_sent_again(
    source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path
) -> None:
    """As those of the artifact itself."""
    note = manifest(b"note", subject=APP)
    source.blobs["app"][digest.of(b"note")] = b"note"
    here = end(source, tmp_path)
    here.store.attach(here.place, note, MANIFEST)
    target.fail(f"HEAD /v2/prod/blobs/{digest.of(b'note')}", Fault(status=200))
    copy(source, target, tmp_path)
    assert b"note" == target.blobs["prod"][digest.of(b"note")]


def test_through_a_folder(source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path) -> None:
    """From a registry into a folder and from there into another registry: the same bytes, referrers and signatures."""
    here, there = end(source, tmp_path), end(target, tmp_path, "prod")
    note = manifest(b"config", subject=APP)
    here.store.attach(here.place, note, MANIFEST)
    source.add("app", COSIGN, manifest(b"config", b"one"), MANIFEST, b"one")
    (tmp_path / "cache").mkdir()
    folder = End(Layouts(Cache(tmp_path / "cache")), Folder(str(tmp_path / "folder")))
    copied = promote(here, DIGEST, folder, ["v1"])
    assert copied == promote(folder, DIGEST, there, ["v1"])
    assert {"v1": DIGEST, COSIGN: digest.of(manifest(b"config", b"one"))} == {
        tag: name for tag, name in target.tags["prod"].items() if not tag.endswith(DIGEST[7:])
    }
    assert [digest.of(note)] == [found.digest for found in there.store.referrers(there.place, DIGEST)]


def test_cosign_tags_go_along(source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path) -> None:
    """With what they name. A signature more at the source is fine."""
    for layers in ((b"config", b"one"), (b"config", b"one", b"two")):
        signed = manifest(*layers)
        source.add("app", COSIGN, signed, MANIFEST, *layers)
        copy(source, target, tmp_path)
        assert digest.of(signed) == target.tags["prod"][COSIGN]


def test_other_signatures_are_not_overwritten(
    source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path
) -> None:
    """A signature that only the target has would be lost; and no tag moves before that is known."""
    source.add("app", COSIGN, manifest(b"config", b"one"), MANIFEST, b"one")
    theirs = target.add("prod", COSIGN, manifest(b"config", b"two"), MANIFEST, b"config", b"two")
    with pytest.raises(RegistryError, match=r"registry\.conflict"):
        copy(source, target, tmp_path)
    assert {COSIGN: theirs} == target.tags["prod"]


def test_without_referrers(source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path) -> None:
    """Nothing is asked about them."""
    promote(end(source, tmp_path), DIGEST, end(target, tmp_path, "prod"), ["v1"], with_referrers=False)
    assert [] == [line for line in source.requests if "referrers" in line or "sha256-" in line]


def test_wrong_bytes_go_nowhere(source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path) -> None:
    """They are hashed as a whole before the first one is sent."""
    source.fail("GET /v2/app/blobs", Fault(body=b"evil"), times=2)
    with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
        copy(source, target, tmp_path)
    assert ({}, {}) == (target.blobs, target.tags.get("prod", {}))


def test_blobs_that_vanished_are_sent_again(
    source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path
) -> None:
    """A registry that says it has the blobs, but refuses the manifest without them, gets them once more."""
    target.fail("HEAD /v2/prod/blobs/", Fault(status=200), times=2)
    copy(source, target, tmp_path)
    assert BLOBS == target.blobs["prod"]


@pytest.mark.parametrize("step", ["HEAD", "POST", "PUT /v2/prod/blobs", "PUT /v2/prod/manifests"])
def test_interrupted_copy_can_be_repeated(
    source: RegistrySimulator, target: RegistrySimulator, tmp_path: Path, step: str
) -> None:
    """No tag names half of something."""
    target.fail(step, Fault(status=403), times=3)
    with pytest.raises(KubeociError, match=r"registry\.denied"):
        copy(source, target, tmp_path)
    assert {} == target.tags.get("prod", {})
    target.heal()
    copy(source, target, tmp_path)
    assert {"v1": DIGEST, "stable": DIGEST} == target.tags["prod"]


def test_no_credential_crosses(tmp_path: Path) -> None:
    """Each end has its own."""
    ends, seen = [], []
    names = (("ann", "app"), ("eve", "prod"))
    with RegistrySimulator(username="ann", password="a") as one, RegistrySimulator(username="eve", password="e") as two:
        one.add("app", "v1", APP, MANIFEST, *BLOBS.values())
        for server, (name, path) in zip((one, two), names, strict=True):
            given = Credentials(name, name[0])
            ends.append(end(server, tmp_path, path, Settings(credentials=given, limits=QUICK)))
            seen.append({"", given.basic})
        promote(ends[0], DIGEST, ends[1], ["v1"])
        assert seen == [set(one.secrets), set(two.secrets)]
