# SPDX-License-Identifier: Apache-2.0
"""A tree as one gzip-compressed tar: the same bytes on every machine, for a given build of zlib.

Fixed by content alone: names in order, two modes, no owner, no time. The tar equals what Go's archive/tar, and so
Flux, writes for the same entries; the compressed bytes depend on zlib, so trees are compared by tree digest or diffID.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from kubeoci.digest import Digest
from kubeoci.errors import FilesError
from kubeoci.tree import File, Limits, Tree

BLOCK = 512
"""Bytes of one tar block: headers and data are padded to a multiple of it."""

_LEVEL = 4  # a quarter of the time of level 6 for 2 % more bytes
_NAME_BYTES = 100
_PREFIX_BYTES = 155
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no time, no name, and an operating system that is not ours


@dataclass(frozen=True, slots=True)
class Layer:
    """What is known of a written layer: digest and size of the compressed bytes, and the digest of the tar in it."""

    digest: Digest
    diff_id: Digest
    size: int


def write(tree: Tree, sink: BinaryIO, limits: Limits | None = None, *, root: str = ".") -> Layer:
    """Write `tree` to `sink`, reading each file once, in blocks. All of it lies in the folder `root`.

    Raises `FilesError` `files.changed` when a file is not what it was when the tree was read, and `files.invalid`
    when the result is larger than what `kubeoci.untar` would accept. `sink` then holds a part, which is worthless.
    """
    gzip = _Gzip(sink)
    for path, file in _entries(tree, root):
        if file is None:
            gzip.write(_header(path, b"5", 0o755, 0))
            continue
        gzip.write(_header(path, b"0", 0o755 if file.executable else 0o644, file.size))
        for block in file.blocks():
            gzip.write(block)
        gzip.write(bytes(-file.size % BLOCK))
    gzip.write(bytes(2 * BLOCK))
    layer = gzip.close()
    _check_size(layer, gzip.expanded, limits or Limits())
    return layer


class _Gzip:
    """One gzip member in the making, hashed on both sides of the compressor."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
        self._inner, self._outer = hashlib.sha256(), hashlib.sha256()
        self._crc = 0
        self._size = 0
        self.expanded = 0
        self._put(_GZIP_HEADER)

    def write(self, data: bytes) -> None:
        """Add bytes of the tar, in order."""
        self._inner.update(data)
        self._crc = zlib.crc32(data, self._crc)
        self.expanded += len(data)
        self._put(self._deflate.compress(data))

    def close(self) -> Layer:
        """End the member; gives both digests and the compressed size in bytes."""
        self._put(self._deflate.flush() + struct.pack("<LL", self._crc, self.expanded & 0xFFFFFFFF))
        outer, inner = self._outer.hexdigest(), self._inner.hexdigest()
        return Layer(Digest(f"sha256:{outer}"), Digest(f"sha256:{inner}"), self._size)

    def _put(self, data: bytes) -> None:
        self._outer.update(data)
        self._size += len(data)
        self._sink.write(data)


def _check_size(layer: Layer, expanded: int, limits: Limits) -> None:
    """Nobody may push what nobody, ourselves included, would unpack."""
    if layer.size > limits.max_layer_bytes or expanded > limits.expanded_bytes(layer.size):
        raise FilesError(
            "files.invalid",
            f"the layer of {layer.size} bytes, {expanded} unpacked, is beyond what readers accept",
            advice=f"keep it below {limits.max_layer_bytes} bytes, {limits.max_expanded_bytes} unpacked, and "
            f"{limits.max_ratio}:1",
        )


def _entries(tree: Tree, root: str) -> Iterator[tuple[str, File | None]]:
    """Every directory (None) and file, depth first, each directory by the bytes of its names; `root` first."""
    entries: dict[tuple[bytes, ...], File | None] = {}
    for file in tree.files:
        parts = tuple(file.path.encode().split(b"/"))
        for end in range(1, len(parts)):
            entries[parts[:end]] = None
        entries[parts] = file
    yield root, None
    above = "" if root == "." else f"{root}/"
    for parts in sorted(entries):
        yield above + b"/".join(parts).decode(), entries[parts]


def _header(path: str, kind: bytes, mode: int, size: int) -> bytes:
    """The header block of one entry, with a PAX header before it when USTAR cannot hold the name."""
    name = path.encode()
    split = _split(name)
    if split is None:
        return _extended(path) + _block(_cut(_ascii(name)), b"", kind, mode, size)
    prefix, base = split
    return _block(base, prefix, kind, mode, size)


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """USTAR's prefix and name: a longer path is split at the last slash that leaves both short enough."""
    if not name.isascii():
        return None
    if len(name) <= _NAME_BYTES:
        return b"", name
    at = name.rfind(b"/", 0, min(len(name), _PREFIX_BYTES + 1))
    if 0 < at and 0 < len(name) - at - 1 <= _NAME_BYTES:
        return name[:at], name[at + 1 :]
    return None


def _ascii(name: bytes) -> bytes:
    return bytes(byte for byte in name if byte < 0x80)  # noqa: PLR2004 - where ASCII ends


def _cut(name: bytes) -> bytes:
    """The first 100 bytes, where a slash at the very end becomes NUL: old readers would see a directory."""
    field = name[:_NAME_BYTES]
    if len(name) == len(field) or not field.endswith(b"/"):
        return field
    end = len(field[:-1].rstrip(b"/"))
    return field[:end] + b"\0" + field[end + 1 :]


def _extended(path: str) -> bytes:
    """A PAX header entry that holds the whole path, named as Go names it."""
    pure = PurePosixPath(path)
    name = _ascii(str(pure.parent / "PaxHeaders.0" / pure.name).encode())[:_NAME_BYTES].rstrip(b"/")
    record = _record(path.encode())
    return _block(name, b"", b"x", 0, len(record), device=b"") + record + bytes(-len(record) % BLOCK)


def _record(path: bytes) -> bytes:
    """`<length> path=<path>` and a line feed, where the length counts its own digits."""
    rest = b" path=" + path + b"\n"
    size = len(rest)
    while size != len(rest) + len(str(size)):
        size = len(rest) + len(str(size))
    return str(size).encode() + rest


def _block(name: bytes, prefix: bytes, kind: bytes, mode: int, size: int, device: bytes = b"0000000") -> bytes:
    """One USTAR header: no owner, no time, the checksum summed with its own field as spaces."""
    fields = (name, b"%07o" % mode, b"0000000", b"0000000", b"%011o" % size, b"%011o" % 0)
    tail = (kind, b"", b"ustar\x0000", b"", b"", device, device, prefix)
    layout = "100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x"
    checksum = sum(struct.pack(layout, *fields, b" " * 8, *tail))
    return struct.pack(layout, *fields, b"%06o\0 " % checksum, *tail)
