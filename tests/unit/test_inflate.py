# SPDX-License-Identifier: Apache-2.0
"""Compressed layers as one stream: gzip and zstd under the same rules."""

import gzip
import importlib
import io
import random
import sys
from collections.abc import Callable

import pytest

from kubeoci import inflate, untar
from kubeoci.errors import ArchiveError
from kubeoci.tree import Limits
from simulator.tar import END, entry

zstd = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

GZIP, ZSTD, TAR = (f"application/vnd.oci.image.layer.v1.tar{suffix}" for suffix in ("+gzip", "+zstd", ""))
SKIPPED = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
DATA = random.Random(7).randbytes(200_000)
COMPRESS = {GZIP: gzip.compress, ZSTD: zstd.compress}

codecs = pytest.mark.parametrize("kind", [GZIP, ZSTD])


def read(blob: bytes, kind: str, limits: Limits | None = None, size: int = 1 << 20) -> bytes:
    """Everything in the layer, in pieces of `size`."""
    stream = inflate.open_layer(io.BytesIO(blob), kind, limits or Limits())
    return b"".join(iter(lambda: stream.read(size), b""))


def refused(blob: bytes, kind: str, limits: Limits | None = None) -> str:
    """What the error says."""
    with pytest.raises(ArchiveError) as caught:
        read(blob, kind, limits)
    assert "archive.unsafe" == caught.value.code
    return str(caught.value)


@codecs
@pytest.mark.parametrize("size", [1000, 65_536, 1 << 20])
@pytest.mark.parametrize("chunk", [1, 997, 1 << 20])
def test_members_are_one_stream(monkeypatch: pytest.MonkeyPatch, kind: str, size: int, chunk: int) -> None:
    """Whatever the pieces in which bytes come and go, at the border of members too."""
    monkeypatch.setattr(inflate, "_CHUNK_BYTES", chunk)
    parts = (b"", DATA[:70_000], b"x" * 70_000, DATA[70_000:])
    assert b"".join(parts) == read(b"".join(COMPRESS[kind](part) for part in parts), kind, size=size)


@codecs
@pytest.mark.parametrize("cut", [5, 15, 1000, -9, -1])
def test_cut_off(kind: str, cut: int) -> None:
    """A member without its end is refused, even if no byte of content is missing."""
    assert f"the {kind[-4:]} data ends too early" in refused(COMPRESS[kind](DATA)[:cut], kind)


@codecs
def test_damaged(kind: str) -> None:
    """A byte that was changed is noticed where it makes the data impossible to read."""
    blob = bytearray(COMPRESS[kind](b"ab" * 100_000))
    blob[12:] = b"\xff" * len(blob[12:])
    assert f"the {kind[-4:]} data is damaged" in refused(bytes(blob), kind)


def test_checksums_of_frames() -> None:
    """Where a frame of zstd has a checksum, it is checked."""
    maker = zstd.ZstdCompressor(options={zstd.CompressionParameter.checksum_flag: 1})
    blob = maker.compress(DATA) + maker.flush()
    assert DATA == read(blob, ZSTD)
    assert "the zstd data is damaged" in refused(blob[:-1] + bytes([blob[-1] ^ 1]), ZSTD)


@codecs
@pytest.mark.parametrize(("rest", "junk"), [(b"", False), (b"\0", True), (b"junk" * 50_000, True), (b"\x1f", True)])
def test_what_follows(kind: str, rest: bytes, junk: bool) -> None:
    """Bytes after the last member that begin no other end the stream, and it says so."""
    stream = inflate.open_layer(io.BytesIO(COMPRESS[kind](DATA) + rest), kind, Limits())
    assert DATA == stream.read(len(DATA) + 1)
    assert (junk, 1, b"") == (stream.junk, stream.members, stream.read(1))


def test_frames_to_skip() -> None:
    """Frames without content, as tools leave them before and behind a layer, hold nothing and are no members."""
    tar = entry("a", b"1") + END
    blob = SKIPPED + zstd.compress(tar[:700]) + SKIPPED + zstd.compress(tar[700:]) + SKIPPED * 2
    found = untar.read(io.BytesIO(blob), ZSTD)
    assert (["a"], ()) == (list(found.files), found.warnings)


@codecs
def test_a_bomb_is_stopped(kind: str) -> None:
    """Neither the ratio nor the size that a layer expands to has to be believed."""
    bomb = COMPRESS[kind](bytes(60 << 20))
    assert "expands to more than it may" in refused(bomb, kind)
    assert "expands to more than it may" in refused(COMPRESS[kind](DATA), kind, Limits(max_expanded_bytes=1000))
    assert "more than 1000" in refused(COMPRESS[kind](DATA), kind, Limits(max_layer_bytes=1000))


def test_the_window_is_limited() -> None:
    """A frame that asks for more memory than 8 MiB to be read is refused, however small it is."""
    maker = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 24})
    assert "Frame requires too much memory" in refused(maker.compress(b"x") + maker.flush(), ZSTD)
    maker = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 23})
    assert b"x" == read(maker.compress(b"x") + maker.flush(), ZSTD)


@pytest.mark.parametrize(
    ("make", "kind", "told"),
    [
        (zstd.compress, GZIP, "must be gzip, this one is zstd"),
        (zstd.compress, "", "a layer of type tar+gzip must be gzip, this one is zstd"),
        (zstd.compress, TAR, "must be tar, this one is zstd"),
        (lambda data: SKIPPED + data, GZIP, "must be gzip, this one is zstd"),
        (gzip.compress, ZSTD, "must be zstd, this one is gzip"),
        (gzip.compress, "application/vnd.docker.image.rootfs.diff.tar.zstd", "must be zstd, this one is gzip"),
        (bytes, ZSTD, "must be zstd, this one is tar"),
        (bytes, GZIP, "must be gzip, this one is tar"),
    ],
)
def test_the_type_must_fit(make: Callable[[bytes], bytes], kind: str, told: str) -> None:
    """What the first bytes are is not guessed around the media type."""
    assert told in refused(make(entry("a") + END), kind)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what to install, and gzip is read as ever."""
    for name in ("backports", "backports.zstd", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "run `pip install 'pulumi-kubeoci[zstd]'`" in refused(zstd.compress(DATA), ZSTD)
    assert DATA == read(gzip.compress(DATA), GZIP)
