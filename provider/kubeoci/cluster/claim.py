# SPDX-License-Identifier: Apache-2.0
"""Who works on an inventory at present, so that a second run stops before it writes an object.

A run writes its claim into the inventory before its first object and takes it out with its last write. A claim that a
killed run left binds nobody: its process is gone, or its time has passed.
"""

import os
import platform
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

_held: Final[set[str]] = set()  # tokens of the runs of this process; adding and removing is atomic


@dataclass(frozen=True, slots=True)
class Claim:
    """One run: `pid` on `host`, a process that `began` then, `until` at the latest (seconds since 1970)."""

    token: str
    host: str
    pid: int
    began: str
    until: float

    @classmethod
    def make(cls, seconds: float) -> "Claim":
        """A claim of this process for `seconds` from now, until `release`."""
        pid = os.getpid()
        claim = cls(secrets.token_hex(8), platform.node(), pid, _began(pid), round(time.time() + seconds, 3))
        _held.add(claim.token)
        return claim

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> "Claim":
        """The reverse of `plain`. Raises TypeError or ValueError for anything else."""
        claim = cls(**value)
        return cls(str(claim.token), str(claim.host), int(claim.pid), str(claim.began), float(claim.until))

    def plain(self) -> dict[str, Any]:
        """As the inventory keeps it."""
        return asdict(self)

    def release(self) -> None:
        """This process works no more on the inventory, whatever the inventory says."""
        _held.discard(self.token)

    def is_live(self) -> bool:
        """Whether its run may still be going: of another machine nothing is known but the time."""
        if time.time() > self.until:
            return False
        if self.host != platform.node() or os.name != "posix":
            return True
        if self.pid == os.getpid():
            return self.token in _held
        return _is_running(self.pid) and _began(self.pid) == self.began

    def __str__(self) -> str:
        until = time.strftime("%H:%M:%S", time.gmtime(self.until))
        return f"process {self.pid} on {self.host}, which ends by {until} UTC"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def _began(pid: int) -> str:
    """When a process began, so that a number used again is not taken for it; empty where nobody says."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
