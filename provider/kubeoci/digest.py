# SPDX-License-Identifier: Apache-2.0
"""Content digests: the only names under which bytes are fetched, stored and compared.

Nothing but a checked `Digest` ever becomes part of a URL or of a file name.
"""

import hashlib
import re
from typing import TYPE_CHECKING, NewType

from kubeoci.errors import KubeociError

if TYPE_CHECKING:
    from hashlib import _Hash

Digest = NewType("Digest", str)
"""`sha256:` and 64, or `sha512:` and 128, lower-case hexadecimal digits."""

_GRAMMAR = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")


def parse(text: str) -> Digest:
    """`text` as a digest. Raises `KubeociError` `reference.invalid`."""
    if _GRAMMAR.fullmatch(text):
        return Digest(text)
    if _GRAMMAR.fullmatch(text.lower()):
        raise KubeociError(
            "reference.invalid", f"digest {text!r} has upper-case letters", advice=f"write {text.lower()}"
        )
    raise KubeociError(
        "reference.invalid",
        f"{text[:150]!r} is no digest",
        advice="write sha256: and 64 lower-case hexadecimal digits",
    )


def of(data: bytes) -> Digest:
    """The SHA-256 digest of `data`."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def hasher(digest: Digest) -> "_Hash":
    """A new, empty hash object of the algorithm that `digest` names, to be fed the bytes that claim to fit it."""
    return hashlib.new(algorithm(digest))


def algorithm(digest: Digest) -> str:
    """`sha256` or `sha512`."""
    return digest.partition(":")[0]


def hexadecimal(digest: Digest) -> str:
    """The digits alone: a safe file name."""
    return digest.partition(":")[2]
