# SPDX-License-Identifier: Apache-2.0
"""The plugin as a process: its first line, its end, and its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from contract.conftest import HOST

PLUGIN = [sys.executable, HOST, "plugin"]
RUNNER = [sys.executable, "-m", "pulumi.run.plugin", "pulumi-kubeoci"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture(params=[PLUGIN, RUNNER], ids=["own", "by Pulumi's runner"])
def plugin(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A plugin for an engine that is not there."""
    process = subprocess.Popen(
        [*request.param, "--logtostderr", "-v=3", "127.0.0.1:1"], stdout=subprocess.PIPE, env=ENVIRONMENT, text=True
    )
    with process:
        yield process
        process.kill()


def test_first_line_is_the_port(plugin: subprocess.Popen[str]) -> None:
    """And nothing else comes on that stream."""
    assert plugin.stdout is not None
    port = plugin.stdout.readline()
    plugin.send_signal(signal.SIGINT)
    assert (True, "", 0) == (0 < int(port) < 65536, plugin.stdout.read(), plugin.wait(5))


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its new parent does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - one read of a file that may vanish
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")  # noqa: PTH112 - a fixed place
def test_plugin_ends_with_its_parent() -> None:
    """An engine that was killed sends nothing; five seconds later the plugin is gone."""
    code = (
        "import subprocess, sys; p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE);"
        "p.stdout.readline(); print(p.pid, flush=True); p.wait()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, *PLUGIN, "127.0.0.1:1"], stdout=subprocess.PIPE, env=ENVIRONMENT
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    before = alive(pid)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (True, False) == (before, alive(pid))
