# SPDX-License-Identifier: Apache-2.0
"""Child processes that end with whoever started them, their private folder and free ports."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

_TIED = Path(__file__).with_name("tied.py")
_PREFIX = "kubeoci-rig-"
_ROOM_BYTES = 512 * 2**20  # etcd alone reserves 64 MiB for its log


MARK = "KUBEOCI_RIG_FOLDER"
"""The variable that marks a process as one that was started for the rig with this folder, however indirectly."""


class NotReadyError(Exception):
    """A process ended or did not answer in time; holds the end of its log."""


class Processes:
    """The child processes of one rig; `close` kills them, newest first.

    They are killed, not asked: what they hold is private and temporary. Each is its own process group, so that Ctrl-C
    in the terminal reaches only the starter, which then stops them in order. The kernel kills them when the *thread*
    that started them ends: start them from the thread that outlives the rig.

    Args:
        logs: the folder for one `NAME.log` per process.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, name: str, argv: Sequence[str | Path], extra: dict[str, str] | None = None) -> int:
        """Start a program by its full path with `extra` in its environment; returns its process id."""
        tied = [sys.executable, "-IS", str(_TIED), str(os.getpid()), *map(str, argv)]
        with (self._logs / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                tied,
                cwd=self._logs,
                env=os.environ | (extra or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._running[name].pid

    def wait(self, name: str, is_ready: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until `is_ready`, which may raise OSError while it is not.

        Raises:
            NotReadyError: the process ended, or the time is over.
        """
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                if is_ready():
                    return
            if (code := self._running[name].poll()) is not None:
                raise NotReadyError(f"{name} ended with {code}:\n{self._tail(name)}")
            if time.monotonic() > deadline:
                raise NotReadyError(f"{name} is not ready after {seconds:.0f} s:\n{self._tail(name)}")
            time.sleep(0.05)

    def _tail(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text(errors="replace")[-2000:]

    def close(self) -> None:
        """Kill every process and wait for its end."""
        while self._running:
            _, process = self._running.popitem()
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody else gets for a minute, though a server can bind them.

    Each has just carried a connection whose server side closed first. Such a port rests (TIME_WAIT): the system gives
    it to nobody who asks for any port, but to who asks for it by number with SO_REUSEADDR, as Go's servers do.
    """
    return [_rested_port() for _ in range(count)]


def _rested_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
    return port


def accepts(port: int) -> bool:
    """Whether something listens on the loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A temporary folder, in memory where the system has that, removed at the end.

    The owner holds a lock inside it; folders whose owner was killed are removed by the next one who asks.
    """
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes the folder below it private
    is_roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_BYTES
    parent = memory if is_roomy else Path(tempfile.gettempdir())
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove the folders of rigs that were killed; the kernel dropped their lock."""
    for lock in parent.glob(f"{_PREFIX}*/lock"):
        with contextlib.suppress(OSError), lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end_marked(lock.parent)
            shutil.rmtree(lock.parent, ignore_errors=True)


def end_marked(folder: Path) -> None:
    """Kill what still runs with `MARK` set to `folder`: the language host of a killed `pulumi` would for minutes.

    Finds nothing where the system has no /proc.
    """
    mark = f"{MARK}={folder}".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
            if mark in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)
