# SPDX-License-Identifier: Apache-2.0
"""XSalsa20-Poly1305 as NaCl's `secretbox` has it: what cosign keeps private keys in.

Written out because `cryptography` has only the Poly1305 half. It runs in plain Python, without constant time, over the
few hundred bytes of a key file that its owner opens on his own machine.
"""

import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.poly1305 import Poly1305

KEY_BYTES = 32
NONCE_BYTES = 24

_TAG_BYTES = 16
_BLOCK_BYTES = 64
_WORD = 0xFFFFFFFF
_CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")
_COLUMNS = ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11))
_ROWS = ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14))
_DERIVED = (0, 5, 10, 15, 6, 7, 8, 9)
"""The words of the last state that HSalsa20 gives out."""


def seal(message: bytes, nonce: bytes, key: bytes) -> bytes:
    """The box around `message`: 16 bytes of tag, then as many bytes as the message has. No nonce twice per key."""
    stream = _stream(key, nonce, KEY_BYTES + len(message))
    hidden = _xor(message, stream[KEY_BYTES:])
    return Poly1305.generate_tag(stream[:KEY_BYTES], hidden) + hidden


def unseal(box: bytes, nonce: bytes, key: bytes) -> bytes:
    """The message in `box`. Raises ValueError where the key is another one or the box was changed."""
    if len(box) < _TAG_BYTES:
        raise ValueError("the box is shorter than its tag")
    tag, hidden = box[:_TAG_BYTES], box[_TAG_BYTES:]
    stream = _stream(key, nonce, KEY_BYTES + len(hidden))
    try:
        Poly1305.verify_tag(stream[:KEY_BYTES], hidden, tag)
    except InvalidSignature:
        raise ValueError("the box does not open with this key") from None
    return _xor(hidden, stream[KEY_BYTES:])


def _stream(key: bytes, nonce: bytes, size: int) -> bytes:
    """`size` bytes of XSalsa20's key stream."""
    words = struct.unpack("<6I", nonce)
    mixed = _rounds(_state(struct.unpack("<8I", key), words[:4]))
    subkey = tuple(mixed[index] for index in _DERIVED)
    return b"".join(_block(subkey, words[4:], counter) for counter in range(-(-size // _BLOCK_BYTES)))[:size]


def _block(key: tuple[int, ...], nonce: tuple[int, ...], counter: int) -> bytes:
    state = _state(key, (*nonce, counter & _WORD, counter >> 32))
    return struct.pack("<16I", *((a + b) & _WORD for a, b in zip(state, _rounds(state), strict=True)))


def _state(key: tuple[int, ...], middle: tuple[int, ...]) -> tuple[int, ...]:
    c = _CONSTANTS
    return (c[0], *key[:4], c[1], *middle, c[2], *key[4:], c[3])


def _rounds(state: tuple[int, ...]) -> list[int]:
    """The twenty rounds of Salsa20 over 16 words, without the final addition."""
    x = list(state)
    for _ in range(10):
        for a, b, c, d in _COLUMNS + _ROWS:
            x[b] ^= _rotated(x[a] + x[d], 7)
            x[c] ^= _rotated(x[b] + x[a], 9)
            x[d] ^= _rotated(x[c] + x[b], 13)
            x[a] ^= _rotated(x[d] + x[c], 18)
    return x


def _rotated(value: int, by: int) -> int:
    value &= _WORD
    return (value << by | value >> 32 - by) & _WORD


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
