# SPDX-License-Identifier: Apache-2.0
"""The start; transfers beside crane and oras, signatures beside cosign, a cluster beside kubectl: `make bench`.

`python tests/benchmarks/bench.py` does the same inside `.venv`. Each figure of the start is the median of 7 runs in
fresh processes, after one that warms the disk cache; compare figures of one machine only, at rest. Exits with 1 when a
limit is broken.
"""

# ruff: noqa: T201 - printing is what it is for

import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_RUNS = 7


def import_ms() -> float:
    """Milliseconds that `import kubeoci` takes, as `python -X importtime` counts them."""
    command = [sys.executable, "-X", "importtime", "-c", "import kubeoci"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = re.search(r"\| +(\d+) \| kubeoci$", log, re.MULTILINE)
    if not found:
        raise LookupError(f"no line for kubeoci in {log}")
    return int(found[1]) / 1000


def handshake_ms() -> float:
    """Milliseconds from the start of the plugin's process to its answer to Handshake."""
    import grpc  # noqa: PLC0415 - not part of what is measured
    from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc  # noqa: PLC0415

    plugin = Path(sys.executable).with_name("pulumi-resource-kubeoci")
    request = provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1")
    started = time.perf_counter()
    with subprocess.Popen([plugin, "127.0.0.1:1"], stdout=subprocess.PIPE, text=True) as child:
        try:
            port = int(child.stdout.readline()) if child.stdout else 0
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                provider_pb2_grpc.ResourceProviderStub(channel).Handshake(request, timeout=10)
            return (time.perf_counter() - started) * 1000
        finally:
            child.kill()


FIGURES: list[tuple[str, Callable[[], float], float]] = [
    ("import kubeoci", import_ms, 60),
    ("plugin: start to handshake", handshake_ms, 200),
]
"""What is measured, how, and its limit in milliseconds."""


def main() -> int:
    """Print a line per figure; 1 when one is over its limit."""
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.2f}, median (min, max) of {_RUNS}")
    is_broken = False
    for title, measure, limit in FIGURES:
        measure()
        runs = [measure() for _ in range(_RUNS)]
        median = statistics.median(runs)
        is_broken |= median > limit
        verdict = "over" if median > limit else "within"
        print(f"{title:28} {median:7.1f} ms ({min(runs):.1f}, {max(runs):.1f}), {verdict} the limit of {limit:.0f} ms")
    return int(is_broken)


def beside_others() -> int:
    """The figures of `transfers.py`, `trust.py` and `cluster.py`; 1 when one is over its limit."""
    tests = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(tests), str(tests.parent / "tools")]
    from benchmarks import cluster, transfers, trust  # noqa: PLC0415 - found by the path above

    return transfers.main() | trust.main() | cluster.main()


if __name__ == "__main__":
    sys.exit(main() | beside_others())
