# SPDX-License-Identifier: Apache-2.0
"""The tar inside a layer as a stream of bytes that cannot grow without bound."""

import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, NoReturn, Protocol

from kubeoci.errors import ArchiveError
from kubeoci.tree import Limits

_CHUNK_BYTES = 64 << 10
_WINDOW_LOG = 23  # 8 MiB, what every decoder of zstd should take (RFC 8878, 3.1.1.1.2)
_MAGIC_BYTES = 4
_MAGICS = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),  # a frame of data, or one to skip
    "zip": re.compile(rb"PK\x03\x04"),
    "bzip2": re.compile(rb"BZh"),
    "xz": re.compile(rb"\xfd7zXZ"),
}
_SKIPPED = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_TAR_MAGIC = slice(257, 262)


class Stream(Protocol):
    """Bytes in order, under limits."""

    @property
    def junk(self) -> bool:
        """Whether what came after the end of the compressed data was no compressed data."""
        ...

    @property
    def members(self) -> int:
        """How many compressed members that hold data were begun."""
        ...

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end. Raises `ArchiveError` `archive.unsafe`."""
        ...


def open_layer(blob: BinaryIO, media_type: str, limits: Limits) -> Stream:
    """The bytes of the tar in `blob`, which must be seekable and at its start.

    Types that end in `.tar` are read as they are, in `+zstd` as zstd, all others as gzip; the first bytes must fit.
    Raises `ArchiveError` `archive.unsafe`, naming what the first bytes look like instead, or the extra that is missing.
    """
    size = blob.seek(0, 2)
    blob.seek(0)
    head = blob.read(512)
    blob.seek(0)
    kind = _kind(head)
    wanted = "tar" if media_type.endswith(".tar") else "zstd" if media_type.endswith(("+zstd", ".zstd")) else "gzip"
    if kind != wanted:
        refuse(f"a layer of type {media_type or 'tar+gzip'} must be {wanted}, this one is {kind}")
    if size > limits.max_layer_bytes:
        refuse(f"the layer has {size} bytes, more than {limits.max_layer_bytes}")
    if wanted == "tar":
        return Plain(blob)
    return Inflated(blob, _gzip() if wanted == "gzip" else _zstd(), limits.expanded_bytes(size))


def refuse(what: str, where: str = "", advice: str = "") -> NoReturn:
    """Raise the one error of this area."""
    raise ArchiveError("archive.unsafe", what, where=where, advice=advice)


def _kind(head: bytes) -> str:
    """What the first bytes of a blob say that it is."""
    if not head:
        return "empty"
    for name, magic in _MAGICS.items():
        if magic.match(head):
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


class Decoder(Protocol):
    """One compressed member, read as the classes of Python's `compression` package read theirs."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without more input."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was given after the end of the member."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes; what is left of `data` is kept."""
        ...


@dataclass(frozen=True, slots=True)
class _Codec:
    """A way to compress; `broken` is what its decoders raise."""

    name: str
    decoder: Callable[[], Decoder]
    broken: type[Exception]


class _Gzip:
    """`zlib` behind the interface that its younger relatives have."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        """Whether the member is complete."""
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        """Whether nothing of the input is left over."""
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What followed the member."""
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes, of what was left over first."""
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def _gzip() -> _Codec:
    return _Codec("gzip", _Gzip, zlib.error)


def _zstd() -> _Codec:
    """The standard library's from Python 3.14 on, before that the same code in a package of its own."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 - not in every build
        else:
            from backports import zstd  # noqa: PLC0415 - an extra
    except ImportError:
        advice = "run `pip install 'pulumi-kubeoci[zstd]'`, or publish the artifact with gzip"
        refuse("the layer is compressed with zstd, which is an extra that is not installed", advice=advice)
    options = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG}
    return _Codec("zstd", lambda: zstd.ZstdDecompressor(options=options), zstd.ZstdError)


class Inflated:
    """All members of a gzip file, or frames of zstd, as one stream, as Go and the commands read them.

    Python's own readers of one member would see another tree than other programs apply.
    """

    def __init__(self, blob: BinaryIO, codec: _Codec, max_bytes: int) -> None:
        self.junk = False
        self.members = 1
        self._blob = blob
        self._codec = codec
        self._decoder = codec.decoder()
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
        if self._decoder.eof:
            self._next_member()
            return b""
        at_end = False
        if self._decoder.needs_input and not self._waiting:
            self._waiting = self._blob.read(_CHUNK_BYTES)
            at_end = not self._waiting
        given, self._waiting = self._waiting, b""
        try:
            data = self._decoder.decompress(given, size)
        except self._codec.broken as error:
            refuse(f"the {self._codec.name} data is damaged ({error})")
        if at_end and not data and not self._decoder.eof:
            refuse(f"the {self._codec.name} data ends too early")
        self._count(data)
        return data

    def _next_member(self) -> None:
        """Go on with the bytes behind a member: another member, nothing, or junk, which ends the stream too."""
        rest = self._decoder.unused_data
        while len(rest) < _MAGIC_BYTES and (more := self._blob.read(_CHUNK_BYTES)):
            rest += more
        if _MAGICS[self._codec.name].match(rest):
            self._decoder, self._waiting = self._codec.decoder(), rest
            self.members += not _SKIPPED.match(rest)
        else:
            self._ended, self.junk = True, bool(rest)

    def _count(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            refuse("the layer expands to more than it may", advice="publish fewer or smaller files")
