# SPDX-License-Identifier: Apache-2.0
"""Layers on their way to disk: nothing is written outside of one folder, and no file is ever seen half written."""

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from kubeoci import untar
from kubeoci.artifact import Format
from kubeoci.errors import ArchiveError, FilesError

_BLOCK = 1 << 20


def inside(root: Path, name: str) -> Path:
    """The path of `name` below `root`. Raises `archive.unsafe` for one that leaves it, be it by a link."""
    pure = PurePosixPath(name)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
        raise ArchiveError("archive.unsafe", f"{name!r:.200} is no name of a file in a folder")
    path = root.joinpath(*pure.parts)
    try:
        is_inside = path.parent.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links that lead in a circle
        is_inside = False
    if not is_inside:
        raise ArchiveError(
            "archive.unsafe", f"{name!r:.200} leaves the folder by a link that is there", where=str(root)
        )
    return path


def write(path: Path, blocks: Iterable[bytes], *, executable: bool = False) -> None:
    """Make `path` a file of these bytes, and the folders above it; a link in its place is replaced, not followed.

    Raises `files.invalid` when that cannot be.
    """
    draft = path.with_name(f".kubeoci-{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as file:
            for block in blocks:
                file.write(block)
        draft.chmod(draft.stat().st_mode | 0o111 if executable else draft.stat().st_mode)
        draft.replace(path)
    except OSError as error:
        raise FilesError("files.invalid", f"it cannot be written: {error.strerror}", where=str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def unpack(root: Path, folder: Path, blob: BinaryIO, *, below: str = "") -> None:
    """Write the files of a compressed tar below `folder`, which is `root` or inside it; what was there else stays.

    With `below`, all their names must begin with this folder. Nothing is written unless all of the archive can be.
    Raises `archive.unsafe`, `files.invalid`.
    """
    found = untar.read(blob, Format.OCI.layer_type).files
    if strangers := [name for name in found if below and not name.startswith(f"{below}/")]:
        raise ArchiveError("archive.unsafe", f"{strangers[0]!r:.200} lies outside of its folder {below!r:.200}")
    paths = {name: inside(root, (folder.relative_to(root) / name).as_posix()) for name in found}
    for name, entry in found.items():
        write(paths[name], [entry.data], executable=entry.executable)


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The rest of a stream, one MiB at a time."""
    while block := stream.read(_BLOCK):
        yield block
