# SPDX-License-Identifier: Apache-2.0
"""Tar archives made by hand, so that a test can put any byte anywhere."""

import gzip
import io

END = bytes(1024)


def header(
    name: bytes,
    size: int,
    kind: bytes = b"0",
    *,
    mode: bytes = b"0000644",
    mtime: bytes = b"00000000000",
    prefix: bytes = b"",
) -> bytes:
    """One header block with a valid checksum."""
    return checked(
        name.ljust(100, b"\0")
        + mode.ljust(8, b"\0")
        + b"0000000\0" * 2
        + b"%011o\0" % size
        + mtime.ljust(12, b"\0")
        + b" " * 8
        + kind
        + bytes(100)
        + b"ustar\x0000"
        + bytes(80)
        + prefix.ljust(155, b"\0")
    )


def checked(block: bytes) -> bytes:
    """The block with the right checksum in it."""
    plain = block[:148] + b" " * 8 + block[156:].ljust(356, b"\0")
    return plain[:148] + b"%06o\0 " % sum(plain) + plain[156:]


def entry(name: str | bytes, data: bytes = b"", kind: bytes = b"0", **fields: bytes) -> bytes:
    """Header, content and padding of one entry."""
    raw = name.encode() if isinstance(name, str) else name
    return header(raw, len(data), kind, **fields) + data + bytes(-len(data) % 512)


def pax(kind: bytes = b"x", **records: str | bytes) -> bytes:
    """A PAX header (`x`) or global header (`g`) with these records; `_` in a key is a dot."""
    data = b""
    for key, value in records.items():
        rest = (
            b" " + key.replace("_", ".").encode() + b"=" + (value.encode() if isinstance(value, str) else value) + b"\n"
        )
        length = next(size for size in range(len(rest), len(rest) + 9) if size == len(rest) + len(str(size)))
        data += str(length).encode() + rest
    return entry("PaxHeaders.0/x", data, kind)


def gzipped(*pieces: bytes, end: bytes = END) -> io.BytesIO:
    """The pieces and the end of an archive as a gzip file."""
    return io.BytesIO(gzip.compress(b"".join(pieces) + end, mtime=0))
