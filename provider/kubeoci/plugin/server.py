# SPDX-License-Identifier: Apache-2.0
"""The process `pulumi-resource-kubeoci`: prints its port, serves the engine, and ends with it.

Usage: pulumi-resource-kubeoci [--logtostderr] [-v=N] [--tracing URL] [ENGINE_ADDRESS]. Without an address it waits for
an engine that attaches (PULUMI_DEBUG_PROVIDERS=kubeoci:PORT).
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
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
    ended.get()
    servicer.session.stop.set()
    _exit_at_last(GRACE_SECONDS + 1)
    server.stop(GRACE_SECONDS).wait()
    engine.close()
    return 0


def _lifecycle() -> Resources:
    from kubeoci.lifecycle.resources import RESOURCES  # noqa: PLC0415 - slow, and the handshake is awaited

    return RESOURCES


def _end_signal() -> "SimpleQueue[None]":
    """A queue that SIGINT and SIGTERM put something into. The engine sends the first a little after Cancel.

    A handler runs in the thread that waits, maybe while that holds a lock: of an Event it would wait for itself. `put`
    of this queue may be called at any point.
    """
    ended: SimpleQueue[None] = SimpleQueue()

    def end(_number: int, _frame: FrameType | None) -> None:
        """Wake whoever waits."""
        ended.put(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ended


def _watch_parent(parent: int, ended: "SimpleQueue[None]") -> None:
    """End the process once it has another parent: the engine was killed and sends nothing any more."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    ended.put(None)


def _exit_at_last(seconds: float) -> None:
    """End the process after `seconds` even if a call does not: Python waits for the threads of a pool for ever.

    A second later the alarm clock of the system does it, which also rings while the interpreter shuts down.
    """
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds + 1)
    timer = threading.Timer(seconds, os._exit, args=(1,))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
