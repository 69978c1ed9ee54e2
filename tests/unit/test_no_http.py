# SPDX-License-Identifier: Apache-2.0
"""Servers that break HTTP itself: whatever bytes come, we end in time, with an error of ours, and in little memory."""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from kubeoci import digest
from kubeoci.artifact import Descriptor
from kubeoci.errors import KubeociError
from kubeoci.reference import Repository
from kubeoci.registry.remote import Registry
from kubeoci.registry.transport import Settings
from simulator.client import QUICK, connect
from simulator.raw import Raw

OK = b"HTTP/1.1 200 OK\r\n"
BLOB = Descriptor("a/b", digest.of(b"blob"), 4)
ROWS = {
    "nothing": (b"", b""),
    "noise": (b"\x00\xff\x1b[2J\r\n\r\n", b""),
    "endless status": (b"HTTP/1.1 200 ", b"x" * 9999),
    "endless hundred": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "endless headers": (OK, b"A: b\r\n"),
    "endless header": (OK + b"A: ", b"x" * 9999),
    "headers cut": (OK + b"Content-Le", b""),
    "two lengths": (OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nblob!", b""),
    "negative length": (OK + b"Content-Length: -1\r\n\r\n", b"x" * 9999),
    "length of junk": (OK + b"Content-Length: x\r\n\r\n", b"x" * 9999),
    "endless body": (OK + b"\r\n", b"x" * 9999),
    "endless chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "endless chunk size": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1" * 9999),
    "junk for a chunk size": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nblob\r\n0\r\n\r\n", b""),
    "chunks and a length": (
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n9\r\nblobblob!\r\n0\r\n\r\n",
        b"",
    ),
    "endless trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nblob\r\n0\r\n", b"A: b\r\n"),
    "endless refusal": (b"HTTP/1.1 403 No\r\n\r\n", b"x" * 9999),
    "endless challenge": (b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=" + b"," * 60000 + b"\r\n\r\n", b""),
    "old HTTP": (b"HTTP/0.9 200\r\n\r\nblob!", b""),
    "other protocol": (b"SSH-2.0-OpenSSH_9.9\r\n", b""),
}


ASK: dict[str, Callable[[Registry, Repository], object]] = {
    "blob": lambda registry, app: registry.blob(app, BLOB),
    "tag": lambda registry, app: registry.tag(app, "v1"),
    "tags": lambda registry, app: registry.tags(app),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("ask", ASK)
def test_every_row_ends(tmp_path: Path, row: str, ask: str) -> None:
    """With an error that has a code, before long, and without holding what came."""
    with Raw(*ROWS[row]) as raw:
        registry = connect(tmp_path, Settings(timeout_seconds=0.6, limits=QUICK))
        begin = time.monotonic()
        tracemalloc.start()
        with pytest.raises(KubeociError):
            ASK[ask](registry, Repository(raw.host, "app"))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert time.monotonic() - begin < 30
    assert peak < 64 << 20
