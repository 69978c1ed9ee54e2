# SPDX-License-Identifier: Apache-2.0
"""Become another program that the kernel kills when the process that started it is gone.

Usage: `python -IS tied.py PARENT PROGRAM ARGUMENT...` where PARENT is the starter's process id. On Linux the wish
survives `exec`; elsewhere this only starts the program. It is a program of its own because code that runs between
fork and exec in a process with threads may hang.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == int(sys.argv[1]):  # else the starter died before the kernel knew our wish
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - that is the purpose
