# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.garbage: what manifests name, directly or through others."""

import pytest

from kubeoci import digest
from kubeoci.artifact import INDEX, MANIFEST, Descriptor, canonical
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.registry import garbage


def blob(data: bytes, media_type: str = "a/b") -> dict[str, object]:
    """What points to `data`."""
    return Descriptor(media_type, digest.of(data), len(data)).document()


def manifest(layer: bytes, subject: bytes = b"") -> bytes:
    """A manifest of the config `c` and one layer."""
    fields = {"schemaVersion": 2, "mediaType": MANIFEST, "config": blob(b"c"), "layers": [blob(layer)]}
    return canonical(fields | ({"subject": blob(subject, MANIFEST)} if subject else {}))


APP = manifest(b"app")
NOTE = manifest(b"note", APP)
BOTH = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [blob(APP, MANIFEST), blob(APP, MANIFEST)]})
STORE = {digest.of(raw): raw for raw in (APP, NOTE, BOTH)}


def names(*datas: bytes) -> set[Digest]:
    """Their digests."""
    return {digest.of(data) for data in datas}


def test_a_manifest_is_made_of_its_blobs() -> None:
    """Its subject is no part of it."""
    assert names(NOTE, b"c", b"note") == garbage.below(STORE.__getitem__, digest.of(NOTE))


def test_an_index_is_made_of_its_children() -> None:
    """And of theirs, each read once."""
    asked: list[Digest] = []
    read = lambda name: asked.append(name) or STORE[name]  # type: ignore[func-returns-value]  # noqa: E731 - it is one argument
    assert names(BOTH, APP, b"c", b"app") == garbage.below(read, digest.of(BOTH))
    assert [digest.of(BOTH), digest.of(APP)] == asked


def test_a_subject_is_kept() -> None:
    """Unless it is what goes."""
    read = STORE.__getitem__
    assert names(NOTE, APP, b"c", b"note", b"app") == garbage.kept(read, names(NOTE), ())
    assert names(NOTE, b"c", b"note") == garbage.kept(read, names(NOTE), names(APP))
    assert names(NOTE, BOTH, APP, b"c", b"note", b"app") == garbage.kept(read, names(NOTE, BOTH), names(APP))


def test_only_a_subject_may_be_missing() -> None:
    """A note can outlive what it is about; with a damaged one, or a child that is missing, nothing is known."""

    def read(name: Digest) -> bytes:
        if name == digest.of(APP):
            raise RegistryError(code, "no")
        return STORE[name]

    code = "registry.not_found"
    assert names(NOTE, b"c", b"note") == garbage.kept(read, names(NOTE), ())
    with pytest.raises(RegistryError, match=r"registry\.not_found"):
        garbage.kept(read, names(NOTE, BOTH), ())
    code = "registry.digest_mismatch"
    with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
        garbage.kept(read, names(NOTE), ())
