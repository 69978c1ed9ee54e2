# SPDX-License-Identifier: Apache-2.0
"""Files and folders as blobs with a title, the way the oras tools lay them out.

A file is one blob as it is. A folder is an archive whose entries lie below the folder's own name; it is packed as
`OCIArtifact` packs one, but with nothing ignored, so equal folders have equal digests. Its annotations tell the oras
program to unpack it, and the digest of the tar in it; oras-py goes by the media type.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from kubeoci import archive
from kubeoci import digest as digests
from kubeoci import tree as trees
from kubeoci.artifact import Descriptor, Format
from kubeoci.digest import Digest
from kubeoci.errors import FilesError
from kubeoci.registry.cache import Cache
from kubeoci.registry.unpack import blocks

TITLE = "org.opencontainers.image.title"
UNPACK = "io.deis.oras.content.unpack"
CONTENT_DIGEST = "io.deis.oras.content.digest"
DIRECTORY = Format.OCI.layer_type
FILE = "application/vnd.oci.image.layer.v1.tar"

Source = tuple[Descriptor, Callable[[], BinaryIO]]
"""A blob, and what opens its bytes."""


def split(item: str) -> tuple[str, str]:
    """(path, media type) of `path[:media type]`; a path that is there may hold colons."""
    if Path(item).exists():
        return item, ""
    name, mark, media_type = item.rpartition(":")
    return (name, media_type) if mark else (item, "")


def opener(path: Path) -> Callable[[], BinaryIO]:
    """What opens a file, again for each try."""
    return lambda: path.open("rb")


def source(name: str, media_type: str, annotations: Mapping[str, str], cache: Cache, *, anywhere: bool) -> Source:
    """The blob of a file or folder; an archive is made in `cache`. `anywhere`: also outside of the working folder.

    Raises `files.missing`, `files.invalid`, and what `tree.read` raises.
    """
    path = Path(name)
    if not path.exists():
        raise FilesError("files.missing", "no such file or directory", where=name, advice="correct the path")
    if not anywhere and not path.resolve().is_relative_to(Path.cwd().resolve()):
        advice = "move it, or set disable_path_validation"
        raise FilesError("files.invalid", "it is outside of the working folder", where=name, advice=advice)
    title = path.resolve().name
    given = {TITLE: title, **annotations}
    if path.is_dir():
        return _folder(path, title, media_type or DIRECTORY, given, cache)
    return _file(path, media_type or FILE, given)


def _folder(path: Path, title: str, media_type: str, annotations: Mapping[str, str], cache: Cache) -> Source:
    packed = trees.read(path, ignore=("!**",), sourceignore=False)
    with cache.stage() as stage:
        layer = archive.write(packed, stage.file, root=title)
        stage.commit(layer.digest)
    notes = {UNPACK: "true", CONTENT_DIGEST: layer.diff_id, **annotations}
    return Descriptor(media_type, layer.digest, layer.size, notes), lambda: _cached(cache, layer.digest)


def _file(path: Path, media_type: str, annotations: Mapping[str, str]) -> Source:
    hasher, size = digests.hasher(digests.of(b"")), 0
    with path.open("rb") as file:
        for block in blocks(file):
            hasher.update(block)
            size += len(block)
    descriptor = Descriptor(media_type, digests.parse(f"sha256:{hasher.hexdigest()}"), size, annotations)
    return descriptor, opener(path)


def _cached(cache: Cache, digest: Digest) -> BinaryIO:
    found = cache.open_blob(digest)
    if found is None:
        raise FilesError("files.changed", "the packed folder left the cache", where=str(digest), advice="run again")
    return found
