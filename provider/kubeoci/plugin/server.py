# SPDX-License-Identifier: Apache-2.0
"""The process `pulumi-resource-kubeoci`: prints its port, serves the engine, and ends with it.

Usage: pulumi-resource-kubeoci [--logtostderr] [-v=N] [--tracing URL] [ENGINE_ADDRESS]. Without an address it waits for
an engine that attaches (PULUMI_DEBUG_PROVIDERS=kubeoci:PORT).
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc

from kubeoci.plugin.engine import OPTIONS, Engine
from kubeoci.plugin.servicer import Resources, Servicer
from kubeoci.plugin.stubs import provider_pb2_grpc

GRACE_SECONDS = 2.0
"""How long running calls may take to stop once the process is told to end."""

PARENT_POLL_SECONDS = 2.0
"""How often the process looks whether the engine that started it still lives."""

_THREADS = 16  # the engine's own default of parallel operations, and some


def main(arguments: Sequence[str] | None = None, resources: Callable[[], Resources] | None = None) -> int:
    """Serve until the engine ends the process or dies. Returns the exit code."""
    words = [word for word in (sys.argv[1:] if arguments is None else arguments) if not word.startswith("-")]
    engine = Engine(words[-1] if words else "")
    servicer = Servicer(resources or _lifecycle, engine)
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ended = _end_signal()
    if engine.address:  # an attached plugin outlives the engines that it serves
        threading.Thread(target=_watch_parent, args=(os.getppid(), ended), daemon=True).start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    ended.wait()
    servicer.session.stop.set()
    _exit_at_last(GRACE_SECONDS + 1)
    server.stop(GRACE_SECONDS).wait()
    engine.close()
    return 0


def _lifecycle() -> Resources:
    from kubeoci.lifecycle.resources import RESOURCES  # noqa: PLC0415 - slow, and the handshake is awaited

    return RESOURCES


def _end_signal() -> threading.Event:
    """An event that SIGINT and SIGTERM set. The engine sends the first a little after Cancel."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ended


def _watch_parent(parent: int, ended: threading.Event) -> None:
    """Set `ended` once the process has another parent: the engine was killed and sends nothing any more."""
    while not ended.wait(PARENT_POLL_SECONDS):
        if os.getppid() != parent:
            ended.set()


def _exit_at_last(seconds: float) -> None:
    """End the process after `seconds` even if a call does not: Python waits for the threads of a pool for ever."""
    timer = threading.Timer(seconds, os._exit, args=(1,))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
