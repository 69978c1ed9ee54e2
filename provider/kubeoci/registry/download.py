# SPDX-License-Identifier: Apache-2.0
"""A blob on its way from a registry into a file: resumed where it was cut, hashed as it comes."""

import re
from collections.abc import Mapping
from typing import BinaryIO

from kubeoci import digest as digests
from kubeoci.artifact import Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError
from kubeoci.registry.answer import Answer
from kubeoci.registry.progress import Meter

_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_PARTIAL = 206


class Download:
    """A `Sink` that takes exactly the bytes of `descriptor`; `finish` says whether they were the right ones.

    Every fault is `registry.digest_mismatch`: the file is worthless then and must be thrown away.
    """

    def __init__(self, descriptor: Descriptor, file: BinaryIO, meter: Meter) -> None:
        self._descriptor = descriptor
        self._file = file
        self._meter = meter
        self._place = ""
        self.restart()

    def restart(self) -> None:
        """Forget what came so far."""
        self._count = 0
        self._meter.restart()
        self._hasher = digests.hasher(self._descriptor.digest)
        self._file.seek(0)
        self._file.truncate()

    def headers(self) -> Mapping[str, str]:
        """Ask for the rest when there is a beginning."""
        return {"Range": f"bytes={self._count}-"} if self._count else {}

    def begin(self, answer: Answer) -> None:
        """Take a whole body, or the rest that was asked for."""
        self._place = answer.place
        if answer.header("content-encoding") not in {"", "identity"}:
            raise self._wrong(f"the body is encoded ({answer.header('content-encoding')[:40]!r})")
        if answer.status == _PARTIAL:
            found = _RANGE.fullmatch(answer.header("content-range"))
            if not found or int(found[1]) != self._count:
                raise self._wrong("another range came than was asked for")
        elif self._count:
            self.restart()
        length = answer.header("content-length")
        if length and length != str(self._descriptor.size - self._count):
            raise self._wrong(f"{length[:20]} bytes come instead of {self._descriptor.size - self._count}")

    def write(self, data: bytes) -> None:
        """The next bytes, never more than there may be."""
        self._count += len(data)
        if self._count > self._descriptor.size:
            raise self._wrong(f"more than {self._descriptor.size} bytes come")
        self._hasher.update(data)
        self._file.write(data)
        self._meter.add(len(data))

    def finish(self) -> None:
        """Raise unless the file holds the bytes that the digest names; rewind it."""
        if self._count != self._descriptor.size:
            raise self._wrong(f"{self._count} bytes came instead of {self._descriptor.size}")
        if self._hasher.hexdigest() != digests.hexadecimal(self._descriptor.digest):
            raise self._wrong(f"the bytes have not the digest {self._descriptor.digest}")
        self._file.flush()
        self._file.seek(0)

    def _wrong(self, what: str) -> RegistryError:
        return mismatch(what, self._place)


def mismatch(what: str, where: str) -> RegistryError:
    """`registry.digest_mismatch` with the advice that it always has."""
    advice = "nothing was kept; if it stays, the registry or something on the way is broken or hostile"
    return RegistryError("registry.digest_mismatch", what, where=where, advice=advice)


def check_body(digest: Digest, data: bytes, place: str) -> None:
    """Raise `registry.digest_mismatch` unless `data` has `digest`."""
    hasher = digests.hasher(digest)
    hasher.update(data)
    if hasher.hexdigest() != digests.hexadecimal(digest):
        raise mismatch(f"the bytes have not the digest {digest}", place)


def told_digest(answer: Answer) -> Digest | None:
    """What `Docker-Content-Digest` says; None when it is missing. Raises `registry.digest_mismatch` for nonsense."""
    text = answer.header("docker-content-digest")
    try:
        return digests.parse(text) if text else None
    except KubeociError:
        raise mismatch("`Docker-Content-Digest` is no digest", answer.place) from None


def check_told(answer: Answer, digest: Digest) -> None:
    """Raise unless the digest that an answer tells, if any, is `digest` (or of another algorithm)."""
    told = told_digest(answer)
    if told and digests.algorithm(told) == digests.algorithm(digest) and told != digest:
        raise mismatch(f"the registry has {told} where {digest} was meant", answer.place)
