# SPDX-License-Identifier: Apache-2.0
"""A directory as the files that get packed: names, execute bits, sizes and hashes. No times, no owners.

Two trees are the same exactly when their tree digests are: whatever the machine, compressor or archive they are in.
"""

import hashlib
import os
import stat
import sys
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from kubeoci import ignore as ignoring
from kubeoci.digest import Digest
from kubeoci.errors import FilesError, KubeociError

_BLOCK_BYTES = 1 << 20
_OWNER_EXECUTES = 0o100
_RATIO_FREE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a tree and its layer may be, the same for packing and for unpacking. Sizes are bytes.

    `max_header_bytes` bounds one PAX or GNU header, `max_headers` counts all entries; `max_ratio` bounds how far a
    layer may expand, beyond the first MiB.
    """

    max_layer_bytes: int = 50 << 20
    max_expanded_bytes: int = 256 << 20
    max_ratio: int = 200
    max_file_bytes: int = 64 << 20
    max_files: int = 20_000
    max_headers: int = 100_000
    max_header_bytes: int = 1 << 20
    max_path_bytes: int = 1024
    max_component_bytes: int = 255
    max_depth: int = 64

    def expanded_bytes(self, layer_bytes: int) -> int:
        """How many bytes a layer of `layer_bytes` may expand to."""
        return min(self.max_expanded_bytes, max(_RATIO_FREE_BYTES, self.max_ratio * layer_bytes))

    def path_fault(self, path: str) -> str:
        """Why the relative path `path` is too long or too deep, or an empty text."""
        parts = path.split("/")
        if len(path.encode(errors="surrogateescape")) > self.max_path_bytes:
            return f"the path is longer than {self.max_path_bytes} bytes"
        if any(len(part.encode(errors="surrogateescape")) > self.max_component_bytes for part in parts):
            return f"a component of the path is longer than {self.max_component_bytes} bytes"
        return f"the path is deeper than {self.max_depth} directories" if len(parts) > self.max_depth else ""


@dataclass(frozen=True, slots=True)
class File:
    """One regular file. `path` is relative with `/` between components, `sha256` is 64 hexadecimal digits."""

    path: str
    executable: bool
    size: int
    sha256: str
    source: Path | bytes = field(repr=False, compare=False)

    def blocks(self) -> Iterator[bytes]:
        """The content in blocks of at most 1 MiB. Raises `files.changed` when it is not what the hash says.

        The last block is given before the hash is known to fit: what is made of the blocks counts only after the end.
        """
        seen, size = hashlib.sha256(), 0
        for block in _blocks(self.source):
            size += len(block)
            if size > self.size:
                break
            seen.update(block)
            yield block
        if size != self.size or seen.hexdigest() != self.sha256:
            raise FilesError("files.changed", "the file changed while it was read", where=self.path, advice="try again")


@dataclass(frozen=True, slots=True)
class Tree:
    """Files in the order in which they are packed, and what a user should know about what was left out."""

    files: tuple[File, ...]
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest:
        """The digest of names, execute bits and contents; what packs or compresses them does not enter."""
        total = hashlib.sha256()
        for file in sorted(self.files, key=lambda file: file.path.encode()):
            mode = "0755" if file.executable else "0644"
            total.update(f"{file.path}\0{mode}\0{file.size}\0{file.sha256}".encode())
        return Digest(f"sha256:{total.hexdigest()}")

    def listing(self) -> dict[str, str]:
        """Each path with `sha256:` and the hash of its content, by path."""
        return {file.path: f"sha256:{file.sha256}" for file in sorted(self.files, key=lambda file: file.path)}


def of(files: Mapping[str, bytes], executable: Collection[str] = ()) -> Tree:
    """The tree of contents in memory. Paths are taken as they are: they come from a checked layer, or a test."""
    made = [
        File(path, path in executable, len(data), hashlib.sha256(data).hexdigest(), data)
        for path, data in files.items()
    ]
    return Tree(_ordered(made))


def read(path: Path, *, ignore: Sequence[str] = (), sourceignore: bool = True, limits: Limits | None = None) -> Tree:
    """The tree of a directory, or of one file under its own name.

    Left out are Flux's defaults of a push, then what `.sourceignore` files say (unless `sourceignore` is off), then
    what `ignore` says; later patterns overrule earlier ones. `.git` directories are never entered, symbolic links
    are left out with a warning. A single file is taken whatever the patterns say.

    Raises one `ExceptionGroup` of `FilesError` with every fault: `files.missing`, `files.empty`, and `files.invalid`
    with the path of a file that cannot be read or that no reader would accept.
    """
    if not path.exists():
        _fail(FilesError("files.missing", "no such file or directory", where=str(path), advice="correct the path"))
    if not path.is_dir():
        return Tree(_hashed([_Found(path.name, path, path.stat())], limits or Limits()))
    found = list(_walk(path))
    patterns = _patterns(found, ignore, sourceignore=sourceignore)
    kept = [item for item in found if not patterns.ignores(item.path, item.is_dir)]
    files = [item for item in kept if item.error or not (item.is_dir or item.is_link)]
    if not files:
        ignored = sum(not item.is_dir for item in found) - sum(not item.is_dir for item in kept)
        reason = f"all {ignored} files are ignored" if ignored else "the directory has no files"
        _fail(FilesError("files.empty", f"nothing to pack: {reason}", where=str(path), advice="check path and ignore"))
    links = sorted(item.shown for item in kept if item.is_link)
    warnings = (f"{link}: symbolic links are not packed" for link in links)
    return Tree(_hashed(files, limits or Limits()), (*patterns.warnings, *warnings))


@dataclass(frozen=True, slots=True)
class _Found:
    """One name below the root; a link is not followed. `error` says why a directory could not be listed."""

    path: str
    place: Path
    state: os.stat_result
    error: str = ""

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory itself, not a link to one."""
        return stat.S_ISDIR(self.state.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.state.st_mode)

    @property
    def shown(self) -> str:
        """The path as it can be printed."""
        return self.path.encode(errors="surrogateescape").decode(errors="backslashreplace")

    def fault(self, what: str, advice: str = "") -> FilesError:
        """An error `files.invalid` about this name."""
        return FilesError("files.invalid", what, where=self.shown, advice=advice)


def _fail(*faults: KubeociError) -> NoReturn:
    raise ExceptionGroup("the files cannot be packed", faults)


def _parts(path: str) -> tuple[bytes, ...]:
    """What paths are ordered by: depth first, each directory by the bytes of its names."""
    return tuple(path.encode(errors="surrogateescape").split(b"/"))


def _ordered(files: Iterable[File]) -> tuple[File, ...]:
    return tuple(sorted(files, key=lambda file: _parts(file.path)))


def _walk(root: Path) -> Iterator[_Found]:
    """Everything below `root` but what `.git` holds. Ignored directories are entered: they may hold patterns."""
    waiting = [_Found("", root, root.stat())]
    while waiting:
        folder = waiting.pop()
        try:
            # read to the end at once: an open listing per level would use up file descriptors
            entries = list(os.scandir(folder.place))
        except OSError as error:
            if not folder.path:
                _fail(FilesError("files.invalid", f"cannot be listed: {error.strerror}", where=str(root)))
            yield replace(folder, error=f"cannot be listed: {error.strerror}")
            continue
        for entry in entries:
            path = f"{folder.path}/{entry.name}" if folder.path else entry.name
            found = _Found(path, Path(entry.path), entry.stat(follow_symlinks=False))
            yield found
            if found.is_dir and entry.name != ".git":
                waiting.append(found)


def _patterns(found: Iterable[_Found], ignore: Sequence[str], *, sourceignore: bool) -> ignoring.Patterns:
    """Defaults, then the ignore files from the root downwards, then the patterns of the caller."""
    contents: dict[str, bytes] = {}
    for item in found if sourceignore else ():
        # a link counts here: what it points at may be what keeps secrets out
        if item.path.rpartition("/")[2] == ignoring.FILE_NAME and item.place.is_file():
            try:
                contents[item.path] = item.place.read_bytes()
            except OSError as error:
                _fail(item.fault(f"cannot be read: {error.strerror}"))
    defaults = ignoring.compile_patterns(ignoring.DEFAULTS)
    return defaults + ignoring.collect(contents) + ignoring.compile_patterns(ignore)


def _hashed(items: Sequence[_Found], limits: Limits) -> tuple[File, ...]:
    """The files in packing order. What no reader would accept is refused before anything is read."""
    faults = [item.fault(what) for item in items if (what := _fault(item, limits))]
    faults += [*_twins(items), *_totals(items, limits)]
    files: list[File] = []
    for item in items if not faults else ():
        try:
            files.append(_file(item))
        except OSError as error:
            faults.append(item.fault(f"cannot be read: {error.strerror}", "check its permissions"))
    if faults:
        _fail(*faults)
    return _ordered(files)


def _file(item: _Found) -> File:
    """One file, hashed. Its size is what was read: a change in the meantime shows when it is packed."""
    seen, size = hashlib.sha256(), 0
    for block in _blocks(item.place):
        seen.update(block)
        size += len(block)
    executable = sys.platform != "win32" and bool(item.state.st_mode & stat.S_IXUSR)
    return File(item.path, executable, size, seen.hexdigest(), item.place)


def _blocks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK_BYTES):
            yield block


def _fault(item: _Found, limits: Limits) -> str:
    """Why the file cannot be packed, or an empty text."""
    if item.error:
        return item.error
    if not stat.S_ISREG(item.state.st_mode):
        return "only regular files and directories can be packed"
    if item.state.st_size > limits.max_file_bytes:
        return f"the file has {item.state.st_size} bytes, more than {limits.max_file_bytes}"
    return _name_fault(item) or limits.path_fault(item.path)


def _name_fault(item: _Found) -> str:
    """Names that some reader cannot have, or would take for something else."""
    if item.shown != item.path:
        return "the name is not UTF-8"
    if "\\" in item.path:
        return "the name holds a backslash, which is a separator on Windows"
    return "a directory's name ends in '..', which readers take for a way out" if "../" in item.path else ""


def _twins(items: Iterable[_Found]) -> list[FilesError]:
    """Names that a file system without case, or one that composes accents, would take for one."""
    seen: dict[str, str] = {}
    faults = []
    for item in sorted(items, key=lambda item: _parts(item.path)):
        names = item.path.split("/")
        for path in ("/".join(names[:end]) for end in range(1, len(names) + 1)):
            other = seen.setdefault(fold(path), path)
            if other != path:
                faults.append(item.fault(f"the name differs from {other!r} only by case or accents", "rename one"))
                break
    return faults


def fold(path: str) -> str:
    """What two paths have in common that some file systems cannot tell apart."""
    return path.casefold() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def _totals(items: Sequence[_Found], limits: Limits) -> list[FilesError]:
    total = sum(item.state.st_size for item in items if not item.error)
    faults = []
    if len(items) > limits.max_files:
        faults.append(FilesError("files.invalid", f"{len(items)} files are more than {limits.max_files}"))
    if total > limits.max_expanded_bytes:
        faults.append(FilesError("files.invalid", f"{total} bytes in all are more than {limits.max_expanded_bytes}"))
    return faults
