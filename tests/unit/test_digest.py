# SPDX-License-Identifier: Apache-2.0
"""Digests: one grammar, and nothing else ever becomes part of a URL."""

import hashlib

import pytest

from kubeoci import digest
from kubeoci.errors import KubeociError

HEX = "ab" * 32


@pytest.mark.parametrize("text", [f"sha256:{HEX}", f"sha512:{HEX}{HEX}"])
def test_both_algorithms_are_read(text: str) -> None:
    """A digest of either algorithm is taken as it is."""
    assert text == digest.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        f"sha256:{HEX[1:]}",
        f"sha256:{HEX}\n",
        f"sha512:{HEX}",
        f"md5:{HEX}",
        "sha256:../../etc",
        f"sha256:{HEX}0",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    """A text that is not exactly a digest is an error with the code for references."""
    with pytest.raises(KubeociError) as caught:
        digest.parse(text)
    assert "reference.invalid" == caught.value.code


def test_upper_case_gets_a_suggestion() -> None:
    """Upper-case digits are refused, and the right spelling is told."""
    with pytest.raises(KubeociError, match=f"write sha256:{HEX}"):
        digest.parse(f"sha256:{HEX.upper()}")


def test_of_names_bytes() -> None:
    """The digest of bytes is their SHA-256."""
    assert f"sha256:{hashlib.sha256(b'x').hexdigest()}" == digest.of(b"x")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_hasher_is_of_the_same_algorithm(algorithm: str) -> None:
    """What a digest claims is checked with its own algorithm."""
    value = digest.parse(f"{algorithm}:{hashlib.new(algorithm, b'x').hexdigest()}")
    hasher = digest.hasher(value)
    hasher.update(b"x")
    assert (algorithm, digest.hexadecimal(value)) == (digest.algorithm(value), hasher.hexdigest())
