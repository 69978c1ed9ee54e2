# SPDX-License-Identifier: Apache-2.0
"""Files out of a layer, into memory, without trusting anything in it.

The bytes were verified against their digest before; who made them may still be an enemy. Only what every program
reads alike is accepted: what one tar reader would take for another tree than the next one is refused. Symbolic links
are dropped, as Flux drops them. No path leaves the root, no size is believed, nothing expands without bound.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from kubeoci import tree as trees
from kubeoci.archive import BLOCK
from kubeoci.inflate import Stream, open_layer, refuse
from kubeoci.tree import Limits, Tree

_MAX_WARNINGS = 20
_OWNER_EXECUTES = 0o100
_MAX_SIZE_DIGITS = 20
_ZEROS = bytes(BLOCK)

_REFUSED = {
    b"1": "a hard link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a named pipe",
    b"7": "a contiguous file",
    b"S": "a sparse file",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its content, and whether its owner may execute it."""

    data: bytes
    executable: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """Files by path, in the order of the archive, and what a user should know about what was left out."""

    files: dict[str, Entry]
    warnings: tuple[str, ...] = ()

    def tree(self) -> Tree:
        """The same files as a tree, to compare its digest with what an annotation claims."""
        executable = {path for path, entry in self.files.items() if entry.executable}
        return trees.of({path: entry.data for path, entry in self.files.items()}, executable)


def read(blob: BinaryIO, media_type: str, limits: Limits | None = None) -> Contents:
    """Everything in the layer `blob`, a seekable stream of verified bytes, all of it or nothing.

    Gzip is expected, zstd where `media_type` ends in `+zstd`, or a plain tar where it ends in `.tar`. An archive
    without entries is an empty `Contents`: whether that is right is the caller's question. Raises `ArchiveError`
    `archive.unsafe` with the entry.
    """
    limits = limits or Limits()
    stream = open_layer(blob, media_type, limits)
    found = _Found(limits)
    for header in _headers(stream, limits):
        found.add(header, stream)
    _drain(stream, found)
    return Contents(found.files, tuple(found.warnings))


@dataclass(frozen=True, slots=True)
class _Header:
    """One entry. `path` may still be hostile; `size` bytes of content follow in the stream."""

    path: str
    kind: bytes
    size: int
    executable: bool


@dataclass(slots=True)
class _Pending:
    """What a PAX or GNU header says about the entry that must come next."""

    path: str | None = None
    size: int | None = None
    is_set: bool = False


def _headers(stream: Stream, limits: Limits) -> Iterator[_Header]:
    """The entries of the archive. The caller reads the content of each before it asks for the next."""
    pending = _Pending()
    for _ in range(limits.max_headers):
        block = _block(stream)
        if block is None:
            if pending.is_set:
                refuse("the archive ends after a header that describes another entry")
            return
        header = _parse(block)
        if header.kind in (b"x", b"L"):
            if pending.is_set:
                refuse("two headers describe one entry", header.path)
            pending = _special(header, _content(stream, header, limits.max_header_bytes))
        elif header.kind in (b"g", b"K"):
            if header.kind == b"g" and pending.is_set:  # Go forgets what came before
                refuse("a global header comes between an entry and the header that describes it", header.path)
            _passed_over(header, _content(stream, header, limits.max_header_bytes))
        else:
            yield _merge(header, pending)
            pending = _Pending()
    refuse(f"the archive has more than {limits.max_headers} entries")


def _block(stream: Stream) -> bytes | None:
    """The next header block, or None at the end: two blocks of zeros, or nothing more."""
    block = stream.read(BLOCK)
    after = stream.read(BLOCK) if block == _ZEROS else block
    if block == _ZEROS and after not in (_ZEROS, b""):
        refuse("an entry follows a block of zeros")
    if not after and stream.junk:
        refuse("the archive has no end, and something that is not compressed follows")
    if block in (_ZEROS, b""):
        return None
    if len(block) < BLOCK:
        refuse("the archive ends inside a header")
    return block


def _parse(block: bytes) -> _Header:
    """The fields of a header that matter; the others are not looked at."""
    plain = sum(block[:148]) + sum(block[156:]) + 8 * 0x20
    signed = plain - 256 * sum(byte > 0x7F for byte in block[:148] + block[156:])  # noqa: PLR2004 - as old tars sum
    if _octal(block[148:156], "checksum") not in (plain, signed):
        refuse("the checksum of a header is wrong")
    prefix, name = _prefix(block), _c_string(block[:100])
    path = _utf8(prefix + b"/" + name if prefix else name)
    mode = _octal(block[100:108], "mode", path)
    return _Header(path, block[156:157], _octal(block[124:136], "size", path), bool(mode & _OWNER_EXECUTES))


def _prefix(block: bytes) -> bytes:
    """What USTAR puts before a name; where others keep times, Go takes what is no time for a prefix nevertheless."""
    if block[257:263] != b"ustar\0":
        for field in (block[345:357], block[357:369]) if block[257:265] == b"ustar  \0" else ():
            _octal(field, "time")
        return b""
    return _c_string(block[345:476] if block[508:] == b"tar\0" else block[345:500])


def _octal(raw: bytes, name: str, where: str = "") -> int:
    """An octal number between blanks and NULs. `int` would take signs, underscores and other scripts' digits."""
    digits = raw.strip(b" \0")
    if digits.strip(b"01234567"):
        refuse(f"the {name} in a header is no octal number", where)
    return int(digits, 8) if digits else 0


def _c_string(raw: bytes) -> bytes:
    return raw.partition(b"\0")[0]


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        refuse("a name is not UTF-8", repr(raw[:100]))


def _content(stream: Stream, header: _Header, limit: int) -> bytes:
    """What follows a header, without its padding."""
    if header.size > limit:
        refuse(f"{header.size} bytes are more than {limit}", header.path)
    data = stream.read(header.size)
    padding = stream.read(-header.size % BLOCK)
    if len(data) < header.size or len(padding) < -header.size % BLOCK:
        refuse("the archive ends inside the content", header.path)
    return data


def _special(header: _Header, data: bytes) -> _Pending:
    """A PAX header or GNU's long name for the next entry."""
    if header.kind == b"L":
        return _Pending(path=_utf8(_c_string(data)), is_set=True)
    records = _records(data, header.path)
    if sparse := [key for key in records if key.startswith("GNU.sparse.")]:
        refuse(f"a sparse file ({sparse[0]})", header.path)
    path, size = records.get("path"), records.get("size")
    if path is not None and "\0" in path:
        refuse("a name holds a NUL", repr(path[:100]))
    return _Pending(path, None if size is None else _decimal(size, header.path), is_set=True)


def _passed_over(header: _Header, data: bytes) -> None:
    """A global header, such as the one with which git names the commit, or GNU's long target of a link."""
    if header.kind == b"g" and (wrong := {"path", "size"} & _records(data, header.path).keys()):
        refuse(f"a global header sets {' and '.join(sorted(wrong))} for all entries", header.path)


def _records(data: bytes, where: str) -> dict[str, str]:
    """PAX records: `<length> <key>=<value>` and a line feed, the length counting itself."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data):
        digits, blank, _ = data[at : at + _MAX_SIZE_DIGITS].partition(b" ")
        end = at + int(digits) if blank and _is_decimal(digits) else at
        key, equals, value = data[at + len(digits) + 1 : end].partition(b"=")
        if not (key and equals and end <= len(data) and value.endswith(b"\n")):
            refuse("a record of an extended header is malformed", where)
        name = _utf8(key)
        # only names and sizes must be text: other values may be bytes of any kind
        records[name] = _utf8(value[:-1]) if name in ("path", "size") else ""
        at = end
    return records


def _is_decimal(digits: bytes) -> bool:
    return digits != b"" and not digits.strip(b"0123456789")


def _decimal(text: str, where: str) -> int:
    if len(text) > _MAX_SIZE_DIGITS or not _is_decimal(text.encode()):
        refuse("the size in an extended header is no number", where)
    return int(text)


def _merge(header: _Header, pending: _Pending) -> _Header:
    """The entry with what the headers before it said."""
    path = header.path if pending.path is None else pending.path
    kind = header.kind
    if kind == b"\0":  # before USTAR, a slash at the end was what made a directory
        kind = b"5" if path.endswith("/") else b"0"
    return replace(header, path=path, kind=kind, size=header.size if pending.size is None else pending.size)


@dataclass(slots=True)
class _Found:
    """What was read so far; `names` holds every file and directory under what makes it equal to others."""

    limits: Limits
    files: dict[str, Entry] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    names: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def add(self, header: _Header, stream: Stream) -> None:
        """Take one entry and its content, or refuse it."""
        path = _clean(header.path)
        if header.kind in (b"2", b"5") and header.size:
            refuse("a link or directory with content", header.path)
        if header.kind == b"2":
            self.warn(f"{path or header.path}: symbolic links are not unpacked")
        elif header.kind == b"5":
            self._claim(path, is_dir=True)
        elif header.kind == b"0":
            self._file(path, header, stream)
        else:
            kind = _REFUSED.get(header.kind, f"an entry of the unknown type {header.kind!r}")
            refuse(f"{kind}: only files and directories can be unpacked", header.path)

    def warn(self, text: str) -> None:
        """Keep the first warnings; an archive of links must not flood the user."""
        if len(self.warnings) < _MAX_WARNINGS:
            self.warnings.append(text)
        elif len(self.warnings) == _MAX_WARNINGS:
            self.warnings.append("there are more warnings of this kind")

    def _file(self, path: str, header: _Header, stream: Stream) -> None:
        if not path or header.path.endswith(("/", "/.")):
            refuse("a file needs a name", header.path)
        self._claim(path, is_dir=False)
        if len(self.files) >= self.limits.max_files:
            refuse(f"the archive has more than {self.limits.max_files} files", path)
        self.files[path] = Entry(_content(stream, header, self.limits.max_file_bytes), header.executable)

    def _claim(self, path: str, *, is_dir: bool) -> None:
        """Note a path and its parents, unless another entry means the same place. A directory may come twice."""
        if fault := self.limits.path_fault(path):
            refuse(fault, path)
        parts = path.split("/") if path else []
        for end in range(1, len(parts) + 1):
            name = "/".join(parts[:end])
            mine = (name, is_dir or end < len(parts))
            other = self.names.setdefault(trees.fold(name), mine)
            if other != mine or (end == len(parts) and not is_dir and name in self.files):
                refuse(f"it takes the same place as {other[0]!r}", path)


def _clean(raw: str) -> str:
    """The path relative to the root, empty for the root itself. Refused is what could lead out of it anywhere."""
    if not raw:
        refuse("an entry has no name")
    # `a../b` is harmless here but not for every reader: Flux refuses it as well
    if raw.startswith("/") or "\\" in raw or "../" in raw or raw == ".." or raw.endswith("/.."):
        refuse("the path leads out of the artifact", raw)
    return "/".join(part for part in raw.split("/") if part not in ("", "."))


def _drain(stream: Stream, found: _Found) -> None:
    """Read on to the end, so that a damaged or endless tail shows; nothing in it is unpacked."""
    members = stream.members
    extra = False
    while data := stream.read(64 << 10):
        extra = extra or data.strip(b"\0") != b""
    if extra or stream.junk or stream.members > members:
        found.warn("the layer holds more after the end of the archive, which is not unpacked")
