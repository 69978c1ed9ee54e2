# SPDX-License-Identifier: Apache-2.0
"""The files of an OCI image layout: where they lie, and how they are opened, replaced and locked."""

import contextlib
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from kubeoci import digest as digests
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.registry.deadline import Deadline
from kubeoci.registry.protocols import Folder

try:
    import fcntl
except ImportError:  # no such locks on Windows: there only the threads of one process take turns
    fcntl = None  # type: ignore[assignment]

_POLL_SECONDS = 0.02
_TURN = threading.Lock()


def path_of(place: Folder, digest: Digest) -> Path:
    """The file of a blob or manifest. Raises `reference.invalid`: only a checked digest becomes a name."""
    checked = digests.parse(digest)
    return Path(place.path) / "blobs" / digests.algorithm(checked) / digests.hexadecimal(checked)


def opened(path: Path, where: str) -> BinaryIO:
    """A regular file. Raises `registry.not_found`; a pipe in its place must not hold us up."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError):
        raise missing(f"there is no file {path.name}", where) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise broken(f"{path.name} is no file", where)
    return os.fdopen(handle, "rb")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends well; with the permissions of the user's umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name[:32]}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(root: Path, deadline: Deadline) -> Iterator[None]:
    """Hold the lock of the folder itself, which needs no file; waits until the deadline."""
    while not _TURN.acquire(blocking=False):
        deadline.wait(_POLL_SECONDS)
    try:
        with contextlib.ExitStack() as stack:
            if fcntl is not None:
                handle = os.open(root, os.O_RDONLY)
                stack.callback(os.close, handle)
                while not _taken(handle):
                    deadline.wait(_POLL_SECONDS)
            yield
    finally:
        _TURN.release()


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def told(place: Folder) -> Iterator[None]:
    """Tell a failure of the file system in our words, as `registry.layout`."""
    try:
        yield
    except OSError as error:
        what = f"the folder cannot be used: {error.strerror or type(error).__name__}"
        raise broken(what, place, "check its permissions and the space on the disk") from error


def missing(what: str, place: Folder | str) -> RegistryError:
    """`registry.not_found` with the advice that it always has."""
    return RegistryError("registry.not_found", what, where=str(place), advice="check the path, or push to it first")


def broken(what: str, place: Folder | str, advice: str = "") -> RegistryError:
    """`registry.layout`: the folder is no layout, or not a whole one."""
    return RegistryError("registry.layout", what, where=str(place), advice=advice or "make the layout again")
