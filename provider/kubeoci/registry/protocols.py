# SPDX-License-Identifier: Apache-2.0
"""Where artifacts lie, and what can be done there: each role one to four methods, composed by name.

A `Place` is a repository of a registry or a folder in the OCI image layout. `remote.Registry` and
`memory.MemoryRegistry` serve repositories, `layout.Layouts` serves folders; they satisfy these roles by their shape,
and a function asks for the least that it needs. Whoever serves a place checks digest and size of everything it reads.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar

from kubeoci import digest as digests
from kubeoci import reference
from kubeoci.artifact import Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError
from kubeoci.reference import Reference, Repository

PULL = "pull"
PUSH = "pull,push"
DELETE = "delete,pull"
LAYOUT_SCHEME = "oci-layout:"

_NO_PATH = re.compile(r"[\x00-\x1f\x7f:@]|^//")
_DRIVE = re.compile(r"[A-Za-z]:(?=[\\/])")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder in the OCI image layout. `path` is as the user wrote it: relative to the working folder, or absolute."""

    path: str

    def __str__(self) -> str:
        return f"{LAYOUT_SCHEME}{self.path}"


Place = Repository | Folder
P_contra = TypeVar("P_contra", bound=Place, contravariant=True)


@dataclass(frozen=True, slots=True)
class Located:
    """A place with a tag, a digest, both or neither. Where both are given the digest decides."""

    place: Place
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        return f"{self.place}" + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Located:
    """`oci-layout:PATH[@DIGEST]`, or a reference to a registry as `reference.parse` takes it.

    A tag cannot stand behind a path: `:` and `@` are no part of one, but for a drive letter.
    Raises `reference.invalid`.
    """
    if not text.startswith(LAYOUT_SCHEME):
        found: Reference = reference.parse(text)
        return Located(found.repository, found.tag, found.digest)
    path, mark, digest = text.removeprefix(LAYOUT_SCHEME).partition("@")
    if not path or _NO_PATH.search(_DRIVE.sub("", path, count=1)):
        raise KubeociError(
            "reference.invalid",
            f"{text!r} names no folder: a path has no control characters, ':' or '@', and begins with at most one '/'",
            advice=f"write {LAYOUT_SCHEME}PATH, and give the tag apart",
        )
    return Located(Folder(path), None, digests.parse(digest) if mark else None)


class Resolver(Protocol[P_contra]):
    """Knows what a tag means. `actions` is what a token must allow, where there are tokens."""

    def tag(self, place: P_contra, tag: str, /, *, actions: str = PULL) -> Digest | None:
        """The digest that a tag names now; None where there is no such tag or place."""
        ...


class Lister(Protocol[P_contra]):
    """Knows all tags."""

    def tags(self, place: P_contra, /) -> list[str]:
        """All tags. Raises `registry.not_found` where there is no such place."""
        ...


class Fetcher(Protocol[P_contra]):
    """Reads by digest only; what it returns has that digest. Raises `registry.not_found` for what is not there."""

    def manifest(self, place: P_contra, digest: Digest, /) -> bytes:
        """The raw bytes of a manifest or index."""
        ...

    def blob(self, place: P_contra, descriptor: Descriptor, /) -> BinaryIO:
        """The bytes of a blob, all of them checked. To be closed by the caller."""
        ...


class Pusher(Protocol[P_contra]):
    """Stores: blobs first, manifests after what they name."""

    def exists(self, place: P_contra, digest: Digest, /, *, actions: str = PULL) -> bool:
        """Whether the manifest is there."""
        ...

    def has_blob(self, place: P_contra, digest: Digest, /) -> bool:
        """Whether the blob is there."""
        ...

    def put_blob(
        self,
        place: P_contra,
        descriptor: Descriptor,
        source: Callable[[], BinaryIO],
        /,
        *,
        absent: bool = False,
        mount: P_contra | None = None,
    ) -> bool:
        """Store a blob; False when no bytes were sent. `source` opens its bytes; `absent`: it is not there, do not ask.

        `mount`: a place of the same host that has it; where that can be used, `source` is not opened.
        """
        ...

    def put_manifest(self, place: P_contra, ref: str, raw: bytes, media_type: str, /) -> None:
        """Store a manifest under a tag or its digest. Raises a `Refused` with its reasons when blobs are missing."""
        ...


class Deleter(Protocol[P_contra]):
    """Removes names and manifests; blobs stay."""

    def delete_tag(self, place: P_contra, tag: str, /) -> None:
        """Remove a tag, nothing else; gone already is fine."""
        ...

    def delete_manifest(self, place: P_contra, digest: Digest, /) -> None:
        """Remove a manifest and the tags that name it; gone already is fine."""
        ...


class Referrers(Protocol[P_contra]):
    """Keeps what belongs to an artifact: manifests that name it as their `subject`, or lie under a tag made of it."""

    def referrers(self, place: P_contra, subject: Digest, /, *, merged: bool = False) -> Sequence[Descriptor]:
        """What names `subject`, in the order of the list; `artifact_type` is what the list says, or empty.

        `merged`: from wherever a list could be, also where the first one should be complete.
        """
        ...

    def tagged(self, place: P_contra, tag: str, /) -> bytes | None:
        """The raw manifest that a tag names now; None where there is no such tag."""
        ...

    def attach(self, place: P_contra, raw: bytes, media_type: str, /) -> Digest:
        """Store a manifest, whose blobs are there, so that it is listed as a referrer of its `subject`."""
        ...

    def detach(self, place: P_contra, subject: Digest, gone: Collection[Digest], /) -> None:
        """Remove these referrers of `subject` and their entries in the list; gone already is fine."""
        ...


class Turns(Protocol[P_contra]):
    """Lets the writers of one place wait for each other."""

    def turn(self, place: P_contra, subject: Digest, /) -> AbstractContextManager[object]:
        """Alone in this process with what belongs to `subject`; `attach` and `detach` take their turn themselves."""
        ...

    def pause(self, seconds: float, /) -> None:
        """Wait, but not beyond the deadline of the operation. Raises `Stopped`."""
        ...


class Forecast(Protocol):
    """Is told what is to come, so that it can say how far an operation is."""

    def expect(self, *, pushed: int = 0, pulled: int = 0) -> None:
        """So many blobs are going to be stored and fetched."""
        ...


class Notes(Protocol):
    """Remembers small things between operations; forgetting one costs a question, nothing else."""

    def note(self, kind: str, key: str, value: Mapping[str, object], /) -> None:
        """Remember `value` under `kind` (`[a-z-]+`) and any `key`."""
        ...

    def recall(self, kind: str, key: str, /) -> Mapping[str, object] | None:
        """What was noted last, or None."""
        ...


class Target(Resolver[P_contra], Pusher[P_contra], Protocol[P_contra]):
    """What a push needs."""

    @property
    def cache(self) -> Notes:
        """Where it is noted what was pushed."""
        ...


class Store(
    Target[P_contra],
    Fetcher[P_contra],
    Lister[P_contra],
    Deleter[P_contra],
    Referrers[P_contra],
    Turns[P_contra],
    Forecast,
    Protocol[P_contra],
):
    """All roles."""
