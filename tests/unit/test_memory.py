# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.memory: a registry for tests keeps the rules of a real one."""

from io import BytesIO

import pytest

from kubeoci import artifact, digest
from kubeoci.archive import Layer
from kubeoci.artifact import MANIFEST, Artifact, Descriptor, canonical
from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry.memory import MemoryRegistry
from kubeoci.registry.push import Pushed, push

LAYER = b"packed" * 100
APP = Repository("registry.test", "app")


def make(**annotations: str) -> Artifact:
    """An artifact of one layer."""
    packed = Layer(digest.of(LAYER), digest.of(b"tar"), len(LAYER))
    return artifact.build(packed, digest.of(b"tree"), annotations=annotations)


@pytest.fixture
def registry() -> MemoryRegistry:
    """A registry that has `app:v1`."""
    registry = MemoryRegistry()
    push(registry, APP, make(), lambda: BytesIO(LAYER), ["v1"])
    return registry


def test_what_is_pushed_is_there(registry: MemoryRegistry) -> None:
    """Tag, manifest and layer come back as they were sent."""
    assert make().digest == registry.tag(APP, "v1")
    assert make().manifest == registry.manifest(APP, make().digest)
    assert registry.blob(APP, make().layer).read() == LAYER
    assert ["v1"] == registry.tags(APP)


def test_a_blob_is_stored_once(registry: MemoryRegistry) -> None:
    """What is there is not opened again."""
    assert not registry.put_blob(APP, make().layer, lambda: BytesIO(b"never looked at"))


def test_a_blob_of_another_repository_is_mounted(registry: MemoryRegistry) -> None:
    """Where that one has it; else it is sent."""
    other, unread = Repository("registry.test", "other"), make().layer
    assert not registry.put_blob(other, unread, lambda: BytesIO(b"never looked at"), absent=True, mount=APP)
    assert LAYER == registry.blobs[other][unread.digest]
    third = Repository("registry.test", "third")
    assert registry.put_blob(third, unread, lambda: BytesIO(LAYER), mount=Repository("registry.test", "none"))


def test_second_push_sends_nothing(registry: MemoryRegistry) -> None:
    """An unchanged artifact is found by its tag; under a new tag by its digest."""
    expected = Pushed(make().digest, {"v1": make().digest})
    assert expected == push(registry, APP, make(), lambda: BytesIO(LAYER), ["v1"])
    assert 0 == push(registry, APP, make(), lambda: BytesIO(LAYER), ["v2"]).uploaded


def test_immutable_tag_does_not_move(registry: MemoryRegistry) -> None:
    """The rule of the push holds here too."""
    with pytest.raises(RegistryError, match=r"registry\.immutable_tag"):
        push(registry, APP, make(team="shop"), lambda: BytesIO(LAYER), ["v1"], immutable_tags=True)


def test_deleting_a_manifest_takes_its_tags(registry: MemoryRegistry) -> None:
    """A tag alone goes without the manifest; the manifest takes its tags along; twice is fine."""
    registry.put_manifest(APP, "v2", make().manifest, MANIFEST)
    for _ in range(2):
        registry.delete_tag(APP, "v1")
    assert (["v2"], True) == (registry.tags(APP), registry.exists(APP, make().digest))
    for _ in range(2):
        registry.delete_manifest(APP, make().digest)
    assert (None, False) == (registry.tag(APP, "v2"), registry.exists(APP, make().digest))


def test_nothing_is_found_where_nothing_is() -> None:
    """Missing things are `registry.not_found`, and a missing tag is None."""
    empty = MemoryRegistry()
    assert empty.tag(APP, "v1") is None
    for ask in (lambda: empty.tags(APP), lambda: empty.manifest(APP, make().digest)):
        with pytest.raises(RegistryError, match=r"registry\.not_found"):
            ask()


def test_damage_is_seen(registry: MemoryRegistry) -> None:
    """Bytes are checked when they are read, and when they are stored."""
    registry.blobs[APP][make().layer.digest] = LAYER[:-1] + b"?"
    for data in (LAYER[:-1] + b"?", LAYER[:-1]):
        registry.blobs[APP][make().layer.digest] = data
        with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
            registry.blob(APP, make().layer)
        with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
            registry.put_blob(APP, make().layer, lambda data=data: BytesIO(data), absent=True)  # type: ignore[misc]


def test_manifest_comes_after_its_blobs(registry: MemoryRegistry) -> None:
    """A push to a registry that lost a blob brings it again."""
    del registry.blobs[APP][make().layer.digest]
    with pytest.raises(RegistryError, match="missing"):
        registry.put_manifest(APP, "v2", make().manifest, MANIFEST)
    registry.delete_manifest(APP, make().digest)
    push(registry, APP, make(), lambda: BytesIO(LAYER), ["v2"])
    assert registry.has_blob(APP, make().layer.digest)


def attached(number: int) -> bytes:
    """A manifest that refers to the artifact."""
    subject = Descriptor(MANIFEST, make().digest, len(make().manifest)).document()
    config = make().config_descriptor.document()
    fields = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [], "subject": subject}
    return canonical(fields | {"artifactType": "a/sig", "annotations": {"n": str(number)}})


def test_attached_is_listed_until_it_is_detached(registry: MemoryRegistry) -> None:
    """With type and annotations, in the order in which it came; detaching twice is fine."""
    assert [] == registry.referrers(APP, make().digest)
    names = [registry.attach(APP, attached(number)) for number in (1, 2)]
    found = registry.referrers(APP, make().digest)
    assert (names, ["a/sig"] * 2, {"n": "1"}) == (
        [one.digest for one in found],
        [one.artifact_type for one in found],
        found[0].annotations,
    )
    for _ in range(2):
        registry.detach(APP, make().digest, names[:1])
    assert names[1:] == [one.digest for one in registry.referrers(APP, make().digest)]


def test_what_cannot_be_read_is_listed_without_a_type(registry: MemoryRegistry) -> None:
    """Whoever fetches it finds out what it is worth."""
    raw = attached(1).replace(b'"layers":[]', b'"layers":0')
    registry.manifests[APP][digest.of(raw)] = raw
    assert [Descriptor(MANIFEST, digest.of(raw), len(raw))] == registry.referrers(APP, make().digest)


def test_only_what_has_a_subject_is_attached(registry: MemoryRegistry) -> None:
    """Nothing is stored else."""
    with pytest.raises(RegistryError, match=r"without `subject`.*registry\.unsupported"):
        registry.attach(APP, make(team="shop").manifest)
    assert not registry.exists(APP, make(team="shop").digest)


def test_tagged_is_the_manifest_or_nothing(registry: MemoryRegistry) -> None:
    """Its raw bytes, by the name that it has now."""
    assert (make().manifest, None) == (registry.tagged(APP, "v1"), registry.tagged(APP, "v2"))


def test_turns_are_taken(registry: MemoryRegistry) -> None:
    """One at a time for one subject; nobody waits for another subject, and pausing costs no time."""
    with registry.turn(APP, make().digest), registry.turn(APP, make(team="shop").digest):
        registry.pause(1e9)
        assert registry._turns[APP, make().digest].locked()  # noqa: SLF001 - what another thread would wait for
