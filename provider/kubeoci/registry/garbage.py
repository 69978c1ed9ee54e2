# SPDX-License-Identifier: Apache-2.0
"""What manifests name, directly or through others: a folder has no garbage collector, so a deletion must know it.

An index reaches its children, a manifest its config, its layers and its subject. Whoever cannot read all of it, since
a file is missing or of a kind that nobody knows here, must not remove anything for want of a name. Only a subject may
be missing: what refers to an artifact can outlive it.
"""

from collections.abc import Callable, Collection, Iterable

from kubeoci import artifact
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.registry.referrers import subject_of

Read = Callable[[Digest], bytes]
"""The raw bytes of a manifest; raises `RegistryError`, `registry.not_found` where it is missing."""


def below(read: Read, root: Digest) -> set[Digest]:
    """`root` and all that it is made of; not its subject. Raises what `read` raises, and `registry.unsupported`."""
    return _reached(read, [root], lambda _raw: [])


def kept(read: Read, roots: Iterable[Digest], gone: Collection[Digest]) -> set[Digest]:
    """All that `roots` reach, subjects too, but for those that are `gone`. Raises as `below` does."""

    def subjects(raw: bytes) -> list[Digest]:
        """The subject of a manifest, as far as it stays and is there."""
        subject = subject_of(raw)
        return [subject] if subject and subject not in gone and _is_there(read, subject) else []

    return _reached(read, roots, subjects)


def _reached(read: Read, roots: Iterable[Digest], subjects: Callable[[bytes], list[Digest]]) -> set[Digest]:
    manifests, blobs, waiting = set[Digest](), set[Digest](), list(roots)
    while waiting:
        digest = waiting.pop()
        if digest not in manifests:
            manifests.add(digest)
            raw = read(digest)
            found = artifact.parse(raw)
            blobs |= {blob.digest for blob in (*filter(None, [found.config]), *found.layers)}
            waiting += [*(child.digest for child in found.children), *subjects(raw)]
    return manifests | blobs


def _is_there(read: Read, digest: Digest) -> bool:
    try:
        read(digest)
    except RegistryError as error:
        if error.code != "registry.not_found":
            raise
        return False
    return True
