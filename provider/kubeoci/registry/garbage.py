# SPDX-License-Identifier: Apache-2.0
"""What manifests name, directly or through others: a folder has no garbage collector, so a deletion must know it.

An index reaches its children, a manifest its config, its layers and its subject. Whoever cannot read all of it, since
a file is missing or of a kind that nobody knows here, must not remove anything for want of a name.
"""

from collections.abc import Callable, Collection, Iterable

from kubeoci import artifact
from kubeoci.digest import Digest
from kubeoci.registry.referrers import subject_of

Read = Callable[[Digest], bytes]
"""The raw bytes of a manifest; raises `RegistryError`."""


def below(read: Read, root: Digest) -> set[Digest]:
    """`root` and all that it is made of; not its subject. Raises what `read` raises, and `registry.unsupported`."""
    return _reached(read, [root], None)


def kept(read: Read, roots: Iterable[Digest], gone: Collection[Digest]) -> set[Digest]:
    """All that `roots` reach, subjects too, but for those that are `gone`. Raises as `below` does."""
    return _reached(read, roots, gone)


def _reached(read: Read, roots: Iterable[Digest], gone: Collection[Digest] | None) -> set[Digest]:
    manifests, blobs, waiting = set[Digest](), set[Digest](), list(roots)
    while waiting:
        digest = waiting.pop()
        if digest in manifests:
            continue
        manifests.add(digest)
        raw = read(digest)
        found = artifact.parse(raw)
        blobs |= {blob.digest for blob in (*filter(None, [found.config]), *found.layers)}
        waiting += [child.digest for child in found.children]
        subject = subject_of(raw) if gone is not None else None
        waiting += [subject] if subject and subject not in (gone or ()) else []
    return manifests | blobs
