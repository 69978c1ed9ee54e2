# SPDX-License-Identifier: Apache-2.0
"""Which `pulumi` command we run under: its preview and its update are two processes that must agree.

A tag may move between the two. What a reference resolved to is therefore remembered under the boot of the machine and
the process id and start time of the nearest ancestor process named `pulumi`, read from /proc; elsewhere each process
resolves for itself.
"""

import os
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_DEPTH = 32  # more ancestors than any shell, runner and language host put between


@cache
def ident() -> str:
    """`<boot>-<pid>-<start time>` of the command, empty when there is none or the system does not tell."""
    pid = os.getppid()
    for _ in range(_DEPTH):
        try:
            name, parent, start = _stat(pid)
        except (OSError, ValueError, IndexError):
            return ""  # no /proc, or the process is gone
        if name == "pulumi":
            return f"{_boot()}-{pid}-{start}"
        if parent <= 1:
            return ""
        pid = parent
    return ""


def _boot() -> str:
    """The id of this boot: pids and start times begin anew with each, and a cache may outlive it."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, int, str]:
    """Name, parent and start time (clock ticks since boot): fields 2, 4 and 22 of proc(5) `stat`."""
    text = (_PROC / str(pid) / "stat").read_text("utf-8")
    name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    return name, int(rest[1]), rest[19]
