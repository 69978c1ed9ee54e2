# SPDX-License-Identifier: Apache-2.0
"""What this package needs of the place where an artifact lies. A registry, a layout and a memory satisfy it by shape.

The object passed in is the one that pulls: same transport, same credentials, same checks of digest and size.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol, TypeVar

from kubeoci.artifact import Descriptor
from kubeoci.digest import Digest

P_contra = TypeVar("P_contra", contravariant=True)


class Source(Protocol[P_contra]):
    """Reads signatures. Beside `registry.not_found` for what is not there, each failure is an error, never "none"."""

    def referrers(self, place: P_contra, subject: Digest, /) -> Sequence[Descriptor]:
        """What names `subject`, as the registry lists it, else as the index under the fallback tag does; all unread.

        `artifact_type` is what the list says, "" where it says nothing.
        """
        ...

    def tagged(self, place: P_contra, tag: str, /) -> bytes | None:
        """The raw manifest that a tag names now, by one request; None where there is no such tag."""
        ...

    def manifest(self, place: P_contra, digest: Digest, /) -> bytes:
        """The raw bytes of a manifest, which have this digest."""
        ...

    def blob(self, place: P_contra, descriptor: Descriptor, /) -> BinaryIO:
        """The bytes of a blob, all of them checked. To be closed by the caller."""
        ...


class Target(Source[P_contra], Protocol[P_contra]):
    """Stores and removes signatures as well."""

    def put_blob(
        self, place: P_contra, descriptor: Descriptor, source: Callable[[], BinaryIO], /, *, absent: bool = False
    ) -> bool:
        """Store a blob; False when it was there."""
        ...

    def put_manifest(self, place: P_contra, ref: str, raw: bytes, media_type: str, /) -> None:
        """Store a manifest under a tag or its digest."""
        ...

    def attach(self, place: P_contra, raw: bytes, media_type: str, /) -> Digest:
        """Store a manifest, whose blobs are there, so that it is listed as a referrer of its `subject`."""
        ...

    def detach(self, place: P_contra, subject: Digest, referrers: Collection[Digest], /) -> None:
        """Remove these referrers of `subject`, and their entries in the list; others stay. Gone already is fine."""
        ...

    def delete_tag(self, place: P_contra, tag: str, /) -> None:
        """Remove a tag; gone already is fine. Raises `registry.unsupported` where tags cannot be deleted."""
        ...

    def delete_manifest(self, place: P_contra, digest: Digest, /) -> None:
        """Remove a manifest; gone already is fine."""
        ...

    def turn(self, place: P_contra, subject: Digest, /) -> AbstractContextManager[object]:
        """Alone in this process with what belongs to `subject`."""
        ...

    def pause(self, seconds: float, /) -> None:
        """Wait, but not beyond the operation's deadline or its end by the user. Raises `Stopped`."""
        ...
