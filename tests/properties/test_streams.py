# SPDX-License-Identifier: Apache-2.0
"""Compressed streams and copies of layers: all bytes or our error, whatever came and in whatever pieces."""

import gzip
import importlib
import io
import sys
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from kubeoci import artifact, digest, inflate
from kubeoci.artifact import MANIFEST, Descriptor
from kubeoci.errors import ArchiveError, KubeociError
from kubeoci.reference import Repository
from kubeoci.registry import layers
from kubeoci.registry.memory import MemoryRegistry
from kubeoci.tree import Limits
from properties.documents import documents
from properties.effort import outcome, tried

zstd = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

APP = Repository("registry.test", "app")
COMPRESS = {"a/b+gzip": gzip.compress, "a/b+zstd": zstd.compress}
SMALL = Limits(max_expanded_bytes=1 << 16)

chunks = st.lists(st.binary(max_size=300) | st.sampled_from([bytes(5000), b"ab" * 3000]), min_size=1, max_size=4)
damages = st.lists(st.tuples(st.integers(0, 5000), st.binary(min_size=1, max_size=3)), max_size=2)


def everything(blob: bytes, kind: str, size: int) -> bytes:
    """The content of a layer, read in pieces."""
    stream = inflate.open_layer(io.BytesIO(blob), kind, SMALL)
    return b"".join(iter(lambda: stream.read(size), b""))


@tried(st.tuples(st.sampled_from(sorted(COMPRESS)), chunks, st.integers(1, 9000)))
def test_members_are_one_stream(given: tuple[str, list[bytes], int]) -> None:
    """What was compressed in parts comes out whole."""
    kind, parts, size = given
    assert b"".join(parts) == everything(b"".join(map(COMPRESS[kind], parts)), kind, size)


@tried(st.tuples(st.sampled_from(sorted(COMPRESS)), chunks, damages, st.integers(0, 5000)))
def test_damaged_streams(given: tuple[str, list[bytes], list[tuple[int, bytes]], int]) -> None:
    """What was changed or cut gives bytes within the limits, or our error."""
    kind, parts, patches, cut = given
    blob = b"".join(map(COMPRESS[kind], parts))
    for at, patch in patches:
        blob = blob[:at] + patch + blob[at + len(patch) :]
    found = outcome(everything, blob[: len(blob) - cut] or blob, kind, 1000)
    assert isinstance(found, ArchiveError) or len(found) <= SMALL.max_expanded_bytes


@tried(st.tuples(documents, st.binary(max_size=20), st.sampled_from(["", "a/b", MANIFEST])))
def test_copies(given: tuple[bytes, bytes, str]) -> None:
    """A layer is copied with the digest that its manifest names, into a stream and a file, or not at all."""
    raw, data, selector = given
    registry = MemoryRegistry()
    registry.manifests[APP][digest.of(raw)] = raw
    registry.blobs[APP][digest.of(data)] = data
    stream = io.BytesIO()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "layer")
        found = [
            outcome(layers.copy_layer, registry, APP, digest.of(raw), target, selector) for target in (stream, path)
        ]
        copied = path.read_bytes() if path.exists() else None
    if isinstance(found[0], Descriptor):
        assert (found[0].digest, stream.getvalue()) == (digest.of(stream.getvalue()), copied)
    else:
        assert [True] * 2 == [isinstance(error, KubeociError) for error in found]
        assert (b"", None) == (stream.getvalue(), copied)


@tried(
    st.tuples(st.lists(st.tuples(st.sampled_from(["a/b", "c/d"]), st.binary(max_size=9)), max_size=4), st.booleans())
)
def test_selected_copies(given: tuple[list[tuple[str, bytes]], bool]) -> None:
    """The first layer of the type is copied, whatever the others are; without such a layer nothing."""
    found, is_selected = given
    registry, stream = MemoryRegistry(), io.BytesIO()
    described = [{"mediaType": kind, "digest": digest.of(data), "size": len(data)} for kind, data in found]
    registry.blobs[APP].update({digest.of(data): data for _, data in found})
    config = {"mediaType": "a/b", "digest": digest.of(b""), "size": 0}
    raw = artifact.canonical({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": described})
    registry.manifests[APP][digest.of(raw)] = raw
    outcome(layers.copy_layer, registry, APP, digest.of(raw), stream, "c/d" if is_selected else "")
    assert next((data for kind, data in found if kind == "c/d" or not is_selected), b"") == stream.getvalue()
