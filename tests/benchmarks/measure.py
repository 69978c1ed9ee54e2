# SPDX-License-Identifier: Apache-2.0
"""One run of one client: wall time, CPU time of it and its children, and what it says about itself."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_CLIENT = Path(__file__).with_name("client.py")


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds by the clock and of CPU time; `inner` are those after our imports, `rss_mib` what we grew by."""

    wall: float
    cpu: float
    inner: float = 0.0
    rss_mib: float = 0.0


def ours(python: str, case: str, url: str, source: Path) -> Run:
    """Our client, with an empty cache on disk."""
    with tempfile.TemporaryDirectory(prefix="kubeoci-bench-") as cache:
        run, output = _timed([python, str(_CLIENT), case, url, str(source), cache], source.parent)
    told = json.loads(output)
    return Run(run.wall, run.cpu, told["seconds"], told["rss_mib"])


def theirs(argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Run:
    """Somebody else's client, run in `folder`."""
    return _timed(argv, folder, environment)[0]


def _timed(argv: Sequence[str], folder: Path, extra: Mapping[str, str] | None = None) -> tuple[Run, bytes]:
    """Run a program to its end; RuntimeError with its complaint when it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(argv, cwd=folder, env=os.environ | (extra or {}), stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {err.read()[-1000:].decode(errors='replace')}")
        return Run(wall, usage.ru_utime + usage.ru_stime), out.read()
