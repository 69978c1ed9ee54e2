# SPDX-License-Identifier: Apache-2.0
"""The tar inside a layer as a stream of bytes that cannot grow without bound."""

import zlib
from typing import BinaryIO, NoReturn, Protocol

from kubeoci.errors import ArchiveError
from kubeoci.tree import Limits

_CHUNK_BYTES = 64 << 10
_MAGICS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_TAR_MAGIC = slice(257, 262)


class Stream(Protocol):
    """Bytes in order, under limits."""

    @property
    def junk(self) -> bool:
        """Whether what came after the end of the compressed data was no compressed data."""
        ...

    @property
    def members(self) -> int:
        """How many compressed members were begun."""
        ...

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end. Raises `ArchiveError` `archive.unsafe`."""
        ...


def open_layer(blob: BinaryIO, media_type: str, limits: Limits) -> Stream:
    """The bytes of the tar in `blob`, which must be seekable and at its start.

    Types that end in `.tar` are read as they are, all others as gzip; the first bytes must fit.
    Raises `ArchiveError` `archive.unsafe`, naming what the first bytes look like instead.
    """
    size = blob.seek(0, 2)
    blob.seek(0)
    head = blob.read(512)
    blob.seek(0)
    kind = _kind(head)
    wanted = "tar" if media_type.endswith(".tar") else "gzip"
    if media_type.endswith("+zstd") or kind == "zstd":
        refuse("the layer is compressed with zstd, which is not read", advice="publish it with gzip")
    if kind != wanted:
        refuse(f"a layer of type {media_type or 'tar+gzip'} must be {wanted}, this one is {kind}")
    if size > limits.max_layer_bytes:
        refuse(f"the layer has {size} bytes, more than {limits.max_layer_bytes}")
    return Plain(blob) if wanted == "tar" else Gunzip(blob, limits.expanded_bytes(size))


def refuse(what: str, where: str = "", advice: str = "") -> NoReturn:
    """Raise the one error of this area."""
    raise ArchiveError("archive.unsafe", what, where=where, advice=advice)


def _kind(head: bytes) -> str:
    """What the first bytes of a blob say that it is."""
    if not head:
        return "empty"
    for magic, name in _MAGICS.items():
        if head.startswith(magic):
            return name
    is_tar = len(head) == 512 and (head[_TAR_MAGIC] == b"ustar" or head[_TAR_MAGIC] == bytes(5))  # noqa: PLR2004
    return "tar" if is_tar else f"unknown (it starts with {head[:4].hex()})"


class Plain:
    """A tar without compression; the blob's own size bounds it."""

    junk = False
    members = 1

    def __init__(self, blob: BinaryIO) -> None:
        self._blob = blob

    def read(self, size: int) -> bytes:
        """Bytes as they are."""
        return self._blob.read(size)


class Gunzip:
    """All members of a gzip file as one stream, as Go and the gzip command read them.

    Python's own reader of one member would see another tree than other programs apply.
    """

    def __init__(self, blob: BinaryIO, max_bytes: int) -> None:
        self.junk = False
        self.members = 1
        self._blob = blob
        self._inflate = zlib.decompressobj(31)
        self._waiting = b""
        self._left = max_bytes
        self._ended = False

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end of the last member."""
        pieces = []
        while size and not self._ended:
            piece = self._some(size)
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _some(self, size: int) -> bytes:
        """At most `size` bytes, perhaps none; notes the end of a member and of the stream."""
        if self._inflate.eof:
            self._next_member()
            return b""
        if not self._waiting:
            self._waiting = self._blob.read(_CHUNK_BYTES)
        at_end = not self._waiting
        try:
            data = self._inflate.decompress(self._waiting, size)
        except zlib.error as error:
            refuse(f"the gzip data is damaged ({error})")
        if at_end and not data and not self._inflate.eof:
            refuse("the gzip data ends too early")
        self._waiting = self._inflate.unconsumed_tail
        self._count(data)
        return data

    def _next_member(self) -> None:
        """Go on with the bytes behind a member: another member, nothing, or junk, which ends the stream too."""
        rest = self._inflate.unused_data
        while len(rest) < 2 and (more := self._blob.read(_CHUNK_BYTES)):  # noqa: PLR2004 - the magic has two bytes
            rest += more
        if rest.startswith(b"\x1f\x8b"):
            self._inflate, self._waiting = zlib.decompressobj(31), rest
            self.members += 1
        else:
            self._ended, self.junk = True, bool(rest)

    def _count(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            refuse("the layer expands to more than it may", advice="publish fewer or smaller files")
