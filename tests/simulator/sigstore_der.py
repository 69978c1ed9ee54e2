# SPDX-License-Identifier: Apache-2.0
"""DER, as much as time stamps and certificate extensions need: tag, length, value."""

SEQUENCE, SET, INTEGER, OCTETS, OID, UTF8, TIME = 0x30, 0x31, 0x02, 0x04, 0x06, 0x0C, 0x18


def tlv(tag: int, *parts: bytes) -> bytes:
    """One value: its tag, its length, its parts one after another."""
    value = b"".join(parts)
    size = len(value)
    if size < 0x80:
        return bytes([tag, size]) + value
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + value


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of values."""
    return tlv(SEQUENCE, *parts)


def integer(number: int) -> bytes:
    """An INTEGER that is not negative."""
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    return tlv(OID, *map(_base128, [first * 40 + second, *rest]))


def utf8(text: str) -> bytes:
    """A UTF8String."""
    return tlv(UTF8, text.encode())


def parts(value: bytes) -> list[tuple[int, bytes]]:
    """The tags and values that lie one after another."""
    found = []
    while value:
        tag, size, start = value[0], value[1], 2
        if size & 0x80:
            start += size & 0x7F
            size = int.from_bytes(value[2:start], "big")
        found.append((tag, value[start : start + size]))
        value = value[start + size :]
    return found


def _base128(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.insert(0, number & 0x7F | 0x80)
    return bytes(digits)
