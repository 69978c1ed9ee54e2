# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.secretbox: known boxes, and that no changed one opens."""

import hashlib

import pytest

from kubeoci.trust import secretbox

KEY = bytes(range(32))
NONCE = bytes(range(24))


def test_known_box() -> None:
    """The bytes that other implementations write."""
    assert "827174b53e17b9d49ad0fa03c59294e0358a5a2aa8a9cb" == secretbox.seal(b"kubeoci", NONCE, KEY).hex()


def test_known_box_of_more_blocks() -> None:
    """The block counter counts."""
    box = secretbox.seal(bytes(100), NONCE, KEY)
    assert "3881615ca95d69afdf48d675f3413217522ec2d30709c097aa56ca965efffb75" == hashlib.sha256(box).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 95, 96, 97, 300])
def test_opens_what_it_sealed(size: int) -> None:
    """Every length around the ends of blocks."""
    message = bytes(index % 251 for index in range(size))
    assert message == secretbox.unseal(secretbox.seal(message, NONCE, KEY), NONCE, KEY)


@pytest.mark.parametrize("place", [0, 15, 16, 22])
def test_a_changed_box_stays_shut(place: int) -> None:
    """One bit of tag or message is enough."""
    box = bytearray(secretbox.seal(b"kubeoci", NONCE, KEY))
    box[place] ^= 1
    with pytest.raises(ValueError, match="does not open"):
        secretbox.unseal(bytes(box), NONCE, KEY)


@pytest.mark.parametrize(
    ("nonce", "key"), [(NONCE, bytes(32)), (bytes(24), KEY), (NONCE[:23] + b"x", KEY)], ids=["key", "nonce", "end"]
)
def test_another_key_or_nonce_opens_nothing(nonce: bytes, key: bytes) -> None:
    """Every byte of both counts."""
    with pytest.raises(ValueError, match="does not open"):
        secretbox.unseal(secretbox.seal(b"kubeoci", NONCE, KEY), nonce, key)


def test_a_box_shorter_than_its_tag() -> None:
    """It is refused before anything is computed."""
    with pytest.raises(ValueError, match="shorter than its tag"):
        secretbox.unseal(bytes(15), NONCE, KEY)
