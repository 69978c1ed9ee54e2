# SPDX-License-Identifier: Apache-2.0
"""Running a program with only the files it is given: no proxy, no other program, bounded in all it does.

The program is trusted not to attack us, its input is not: a kustomization may try to make it read other files, start
other programs, or use up the machine.
"""

import contextlib
import io
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from kubeoci.errors import ManifestError, Stopped

MAX_OUTPUT_BYTES: Final = 64 << 20
MAX_MEMORY_BYTES: Final = 4 << 30

_MAX_TOLD_BYTES = 16 << 10
_BLOCK_BYTES = 1 << 16
_NOWHERE = "http://127.0.0.1:9"  # the port "discard": a connection is refused
_LOOK_SECONDS = 0.02
_STALE_SECONDS = 3600.0  # no run takes as long
_PREFIX = "kubeoci-build-"
_UNSTARTED = (126, 127)  # what a shell answers for a program that is none


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended: its exit code, what it wrote, and its complaints as one line of text."""

    status: int
    output: bytes
    told: str


def run(
    command: Sequence[str], files: Mapping[str, bytes] | None = None, *, seconds: float, stop: threading.Event
) -> Done:
    """Run `command` in a private folder with these `files`, by relative paths that are known to be safe.

    Raises `Stopped`, and ManifestError (`manifest.build_failed`) for a program that cannot be started, takes longer
    than `seconds`, or writes more than `MAX_OUTPUT_BYTES`.
    """
    _sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:  # for its user alone
        home, work = Path(folder, "home"), Path(folder, "work")
        home.mkdir()
        work.mkdir()
        for path, data in (files or {}).items():
            place = work / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        return _watch(command, home, work, seconds, stop)


def _sweep() -> None:
    """Remove what killed runs of this user left behind: manifests may hold Secrets."""
    if os.name != "posix":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            state = folder.lstat()
            is_ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid()
            if is_ours and time.time() - state.st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    """Nothing of ours: no credentials, no programs to be found, and every proxy leads nowhere."""
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), _NOWHERE)
    own = {"HOME": str(home), "TMPDIR": str(home), "XDG_CONFIG_HOME": str(home), "KUBECONFIG": os.devnull, "PATH": ""}
    system = {"SYSTEMROOT": os.environ["SYSTEMROOT"]} if "SYSTEMROOT" in os.environ else {}
    return {**nowhere, **{name.lower(): value for name, value in nowhere.items()}, **own, **system}


def _watch(command: Sequence[str], home: Path, work: Path, seconds: float, stop: threading.Event) -> Done:
    try:
        process = subprocess.Popen(
            _bounded(command, seconds),
            cwd=work,
            env=_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise _unstarted(command[0], str(error.strerror)) from error
    try:
        output, told = _Drain(process.stdout, MAX_OUTPUT_BYTES), _Drain(process.stderr, _MAX_TOLD_BYTES)
        _await(process, (output, told), command[0], seconds, stop)
    finally:
        _end(process)
    if output.is_over:
        what = f"{command[0]} wrote over {MAX_OUTPUT_BYTES} bytes"
        raise ManifestError("manifest.build_failed", what, advice="build less at once")
    if process.returncode in _UNSTARTED:
        raise _unstarted(command[0], _text(told, work))
    return Done(process.returncode, bytes(output.data), _text(told, work))


def _unstarted(name: str, why: str) -> ManifestError:
    return ManifestError("manifest.build_failed", f"{name} cannot be started: {why}", advice="install it anew")


def _text(told: "_Drain", work: Path) -> str:
    """The complaints with paths as the user knows them, up to the last whole line."""
    data = bytes(told.data)
    lines = data.rpartition(b"\n")[0] if told.is_over else data
    text = lines.decode(errors="replace")
    for folder in dict.fromkeys((str(work), str(work.resolve()))):
        text = text.replace(f"{folder}/", "").replace(folder, ".")
    return text.strip()


def _bounded(command: Sequence[str], seconds: float) -> list[str]:
    """The command behind limits that the system keeps: set by a shell that becomes the program."""
    if os.name != "posix":
        return list(command)
    limits = {"c": 0, "f": 0, "t": int(seconds) + 1, "v": MAX_MEMORY_BYTES >> 10}
    script = "".join(f"ulimit -{name} {most} 2>/dev/null; " for name, most in limits.items())  # not all are everywhere
    return ["/bin/sh", "-c", f'{script}exec "$0" "$@"', *command]


def _await(
    process: "subprocess.Popen[bytes]",
    drains: "tuple[_Drain, _Drain]",
    name: str,
    seconds: float,
    stop: threading.Event,
) -> None:
    """Until the program has ended and closed its output, or has written too much."""
    until = time.monotonic() + seconds
    while process.poll() is None or any(drain.is_alive() for drain in drains):
        if drains[0].is_over:
            return
        if stop.wait(_LOOK_SECONDS):
            raise Stopped("stopped.cancelled", f"{name} was stopped")
        if time.monotonic() > until:
            what = f"{name} took over {seconds:.0f} s"
            raise ManifestError("manifest.build_failed", what, advice="build less at once")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Whatever it started ends with it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


class _Drain(threading.Thread):
    """Reads a stream to its end, keeps up to `most` bytes of it, and closes it."""

    def __init__(self, stream: IO[bytes] | None, most: int) -> None:
        super().__init__(daemon=True)
        self.data = bytearray()
        self.is_over = False
        self._stream: Any = stream or io.BytesIO()
        self._most = most
        self.start()

    def run(self) -> None:
        """Read until everybody has closed it."""
        with self._stream:
            while block := self._stream.read1(_BLOCK_BYTES):
                self.is_over = self.is_over or len(self.data) + len(block) > self._most
                self.data += block[: self._most - len(self.data)]
