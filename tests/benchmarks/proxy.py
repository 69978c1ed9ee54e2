# SPDX-License-Identifier: Apache-2.0
"""A proxy on loopback that lets every request wait as a distant registry would, and counts them."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

_PIECE_BYTES = 1 << 18


class Proxy:
    """One proxy before `upstream` (`127.0.0.1:PORT`).

    Attributes:
        address: `127.0.0.1:PORT` for clients, plain HTTP.
        delay_seconds: how long each request waits before it is passed on.
        count: requests so far; set it to 0 at will.
    """

    def __init__(self, upstream: str, delay_seconds: float = 0.0) -> None:
        self._host, _, self._port = upstream.rpartition(":")
        self.delay_seconds, self.count = delay_seconds, 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.address = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def close(self) -> None:
        """Stop answering, also to those who keep their connection for later."""
        asyncio.run_coroutine_threadsafe(_end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _listen(self) -> str:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Pass on the requests of one connection over one connection of its own, and the answers as they come."""
        answers, upstream = await asyncio.open_connection(self._host, int(self._port))
        returning = asyncio.create_task(_copy(answers, back))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await client.readuntil(b"\r\n\r\n")
                self.count += 1
                await asyncio.sleep(self.delay_seconds)
                upstream.write(head)
                await _body(head.lower(), client, upstream)
        upstream.close()
        with contextlib.suppress(asyncio.CancelledError):
            await returning
        back.close()


async def _end() -> None:
    """End every other task of the loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _body(head: bytes, client: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
    """Pass on the body that the head of a request announces."""
    if b"\r\ntransfer-encoding: chunked" in head:
        size = -1
        while size:
            line = await client.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            upstream.write(line)
            await _exactly(size + 2, client, upstream)
    elif (at := head.find(b"\r\ncontent-length:")) >= 0:
        await _exactly(int(head[at + 17 :].split(b"\r\n", 1)[0]), client, upstream)


async def _exactly(size: int, client: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
    while size:
        piece = await client.read(min(size, _PIECE_BYTES))
        if not piece:
            raise ConnectionResetError
        upstream.write(piece)
        await upstream.drain()
        size -= len(piece)


async def _copy(answers: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await answers.read(_PIECE_BYTES):
            back.write(piece)
            await back.drain()
        back.close()


@contextlib.contextmanager
def before(upstream: str, delay_seconds: float = 0.0) -> Iterator[Proxy]:
    """A proxy for as long as the block lasts."""
    with contextlib.closing(Proxy(upstream, delay_seconds)) as proxy:
        yield proxy
