# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.sigtag: one manifest for the signatures of many, of which no writer loses another's."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kubeoci import digest, reference
from kubeoci.artifact import INDEX, MANIFEST, Descriptor, canonical
from kubeoci.errors import RegistryError, TrustError
from kubeoci.reference import Repository
from kubeoci.registry.memory import MemoryRegistry
from kubeoci.trust import sigtag, simplesigning
from kubeoci.trust.sigtag import Layer, SignatureTag
from simulator.client import connect
from simulator.registry import Fault, RegistrySimulator

SUBJECT = digest.of(b"subject")
TAG = simplesigning.tag(SUBJECT)
PAYLOAD = simplesigning.payload(SUBJECT, "ghcr.io/org/app")
GET, PUT = f"GET /v2/app/manifests/{TAG}", f"PUT /v2/app/manifests/{TAG}"
UPLOADS = "/v2/app/blobs/uploads/"


def layer(name: str, **more: str) -> Descriptor:
    """The layer of a signature whose bytes are `name`."""
    notes = simplesigning.annotations(name.encode()) | more
    return Descriptor(simplesigning.LAYER_TYPE, digest.of(PAYLOAD), len(PAYLOAD), notes)


def manifest(*layers: Descriptor, **more: object) -> bytes:
    """A manifest as cosign leaves it."""
    raw = simplesigning.config([one.digest for one in layers])
    config = Descriptor(simplesigning.CONFIG_TYPE, digest.of(raw), len(raw)).document()
    rest = {"layers": [one.document() for one in layers], **more}
    return canonical({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, **rest})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for other writers long."""
    monkeypatch.setattr(sigtag, "_PAUSE_SECONDS", (0.001, 0.005))


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """A registry that has the payload."""
    with RegistrySimulator() as simulator:
        simulator.blobs["app"] = {digest.of(PAYLOAD): PAYLOAD}
        yield simulator


def app(server: RegistrySimulator) -> Repository:
    """`app` in the simulator."""
    return reference.parse(f"{server.host}/app").repository


def opened(server: RegistrySimulator, home: Path) -> SignatureTag[Repository]:
    """The tag, as a new client has it."""
    return SignatureTag(connect(home), app(server), SUBJECT)


def document(server: RegistrySimulator) -> Layer:
    """The manifest that the tag names."""
    found: Layer = json.loads(server.manifests["app"][server.tags["app"][TAG]][1])
    return found


def names(server: RegistrySimulator) -> list[str]:
    """Whose signatures there are, in their order."""
    layers = document(server)["layers"]
    assert isinstance(layers, list)
    return [simplesigning.read(PAYLOAD, one["annotations"]).signature.decode() for one in layers]


def is_by(*wanted: str) -> Callable[[Layer], bool]:
    """Whether a layer is the signature of one of these."""
    documents = [layer(name).document() for name in wanted]
    return lambda one: one in documents


def test_the_first_signature(server: RegistrySimulator, tmp_path: Path) -> None:
    """The manifest is what cosign writes; it takes a look, an upload, a write and another look."""
    opened(server, tmp_path).add(layer("ours"))
    assert [GET, f"POST {UPLOADS}", f"PUT {UPLOADS}1", PUT, GET] == server.requests
    assert json.loads(manifest(layer("ours"))) == document(server)
    assert simplesigning.config([digest.of(PAYLOAD)]) in server.blobs["app"].values()


def test_foreign_signatures_stay(server: RegistrySimulator, tmp_path: Path) -> None:
    """Layers, members that nobody here knows, and the order; even two layers with one signature."""
    foreign = [layer("a", note="1"), layer("a", note="2")]
    server.add("app", TAG, manifest(*foreign, annotations={"by": "them"}), MANIFEST)
    opened(server, tmp_path).add(layer("ours"))
    assert json.loads(manifest(*foreign, layer("ours"), annotations={"by": "them"})) == document(server)


def test_what_is_there_is_not_written(server: RegistrySimulator, tmp_path: Path) -> None:
    """Also when another client has added an annotation to it."""
    server.add("app", TAG, manifest(layer("ours", note="theirs")), MANIFEST)
    opened(server, tmp_path).add(layer("ours"))
    assert [GET] == server.requests


@pytest.mark.parametrize("status", [401, 403, 418, 500])
def test_nothing_is_written_blindly(server: RegistrySimulator, tmp_path: Path, status: int) -> None:
    """Only a 404 means that there is nothing to keep."""
    server.fail(GET, Fault(status=status), times=5)
    with pytest.raises(RegistryError):
        opened(server, tmp_path).add(layer("ours"))
    assert [] == [line for line in server.requests if not line.startswith("GET")]


def test_an_index_is_not_overwritten(server: RegistrySimulator, tmp_path: Path) -> None:
    """Somebody has something else under that name; there is nothing of ours to be removed either."""
    raw = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    server.add("app", TAG, raw, INDEX)
    with pytest.raises(TrustError, match="names no image manifest") as caught:
        opened(server, tmp_path).add(layer("ours"))
    opened(server, tmp_path).remove(lambda _layer: True)
    assert ("trust.sign_registry", [GET, GET]) == (caught.value.code, server.requests)


def test_garbage_is_not_overwritten(server: RegistrySimulator, tmp_path: Path) -> None:
    """What cannot be read may be somebody's."""
    server.fail(GET, Fault(body=b"[]"))
    server.add("app", TAG, manifest(), MANIFEST)
    with pytest.raises(RegistryError):
        opened(server, tmp_path).add(layer("ours"))
    assert [GET] == server.requests


def overwrite(server: RegistrySimulator, raw: bytes, times: int) -> Callable[[], None]:
    """Let another writer replace the manifest right after each of our first writes."""
    left = [times]

    def run() -> None:
        if left[0] and left.append(left.pop() - 1) is None:
            server.add("app", TAG, raw, MANIFEST)

    return run


def test_lost_layers_are_put_back(server: RegistrySimulator, tmp_path: Path) -> None:
    """Ours, and one that we saw and that another writer did not; what it wrote stays."""
    server.add("app", TAG, manifest(layer("a")), MANIFEST)
    server.after[PUT] = overwrite(server, manifest(layer("b")), 1)
    opened(server, tmp_path).add(layer("ours"))
    assert ["b", "a", "ours"] == names(server)


def test_endless_fight_is_told(server: RegistrySimulator, tmp_path: Path) -> None:
    """After five writes; a second run succeeds."""
    server.after[PUT] = overwrite(server, manifest(), 5)
    with pytest.raises(TrustError, match="other writers keep replacing it") as caught:
        opened(server, tmp_path).add(layer("ours"))
    assert ("trust.sign_registry", 5) == (caught.value.code, server.requests.count(PUT))
    opened(server, tmp_path).add(layer("ours"))
    assert ["ours"] == names(server)


def test_threads_take_turns(server: RegistrySimulator, tmp_path: Path) -> None:
    """None of them has to write twice."""
    tag = opened(server, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: tag.add(layer(f"{number}")), range(12)))
    assert {f"{number}" for number in range(12)} == set(names(server))
    assert 12 == server.requests.count(PUT)


def test_a_manifest_can_be_full(server: RegistrySimulator, tmp_path: Path) -> None:
    """No registry takes more than 4 MiB, and nothing is sent."""
    server.add("app", TAG, manifest(layer("a", note="x" * ((4 << 20) - 1000))), MANIFEST)
    with pytest.raises(TrustError, match="it is full") as caught:
        opened(server, tmp_path).add(layer("ours", note="y" * 1000))
    assert ("trust.sign_registry", [GET]) == (caught.value.code, server.requests)


def test_removal_keeps_the_others(server: RegistrySimulator, tmp_path: Path) -> None:
    """One signature goes, with its entry in the config."""
    server.add("app", TAG, manifest(layer("a"), layer("ours"), layer("b")), MANIFEST)
    opened(server, tmp_path).remove(is_by("ours"))
    assert json.loads(manifest(layer("a"), layer("b"))) == document(server)
    assert [GET, f"POST {UPLOADS}", f"PUT {UPLOADS}1", PUT, GET] == server.requests


def test_the_last_signature_takes_the_manifest_along(server: RegistrySimulator, tmp_path: Path) -> None:
    """No empty manifest is left under the tag."""
    found = server.add("app", TAG, manifest(layer("ours")), MANIFEST)
    opened(server, tmp_path).remove(is_by("ours"))
    assert [GET, f"DELETE /v2/app/manifests/{found}", GET] == server.requests
    assert {} == server.tags["app"]


def test_a_tag_may_outlive_its_manifest(server: RegistrySimulator, tmp_path: Path) -> None:
    """Some registries go on serving what was deleted under its tags, so the tag goes, too."""
    raw = manifest(layer("ours"))
    delete = f"DELETE /v2/app/manifests/{server.add('app', TAG, raw, MANIFEST)}"
    server.after[delete] = overwrite(server, raw, 1)
    opened(server, tmp_path).remove(is_by("ours"))
    assert [GET, delete, GET, f"DELETE /v2/app/manifests/{TAG}", GET] == server.requests
    assert {} == server.tags["app"]


@pytest.mark.parametrize("others", [(), ("a",)])
def test_nothing_to_remove(server: RegistrySimulator, tmp_path: Path, others: tuple[str, ...]) -> None:
    """Where there is no signature of ours one look is all, even where there is none at all."""
    if others:
        server.add("app", TAG, manifest(*map(layer, others)), MANIFEST)
    opened(server, tmp_path).remove(is_by("ours"))
    assert [GET] == server.requests


def test_removal_is_repeated_where_it_got_lost(server: RegistrySimulator, tmp_path: Path) -> None:
    """Another writer brought ours back with its own."""
    server.add("app", TAG, manifest(layer("ours"), layer("a")), MANIFEST)
    server.after[PUT] = overwrite(server, manifest(layer("ours"), layer("a"), layer("b")), 1)
    opened(server, tmp_path).remove(is_by("ours"))
    assert ["a", "b"] == names(server)


def test_endless_fight_of_a_removal_is_told(server: RegistrySimulator, tmp_path: Path) -> None:
    """After five writes."""
    raw = manifest(layer("ours"), layer("a"))
    server.add("app", TAG, raw, MANIFEST)
    server.after[PUT] = overwrite(server, raw, 5)
    with pytest.raises(TrustError, match="other writers keep replacing it"):
        opened(server, tmp_path).remove(is_by("ours"))


def test_a_registry_in_memory_will_do() -> None:
    """The roles are the same everywhere."""
    registry, place = MemoryRegistry(), reference.parse("ghcr.io/org/app").repository
    registry.blobs[place][digest.of(PAYLOAD)] = PAYLOAD
    tag = SignatureTag(registry, place, SUBJECT)
    tag.add(layer("ours"))
    tag.add(layer("theirs"))
    tag.remove(is_by("ours"))
    assert manifest(layer("theirs")) == registry.tagged(place, TAG)
    tag.remove(is_by("theirs"))
    assert registry.tagged(place, TAG) is None
