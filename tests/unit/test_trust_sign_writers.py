# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.sign with others at work: nothing gets lost, nothing is signed twice, whatever ends it."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kubeoci import reference
from kubeoci.artifact import MANIFEST, Descriptor
from kubeoci.errors import Stopped
from kubeoci.reference import Repository
from kubeoci.registry import referrers
from kubeoci.registry.referrers import fallback_tag
from kubeoci.trust import keys, sigtag, simplesigning
from kubeoci.trust.sign import sign
from kubeoci.trust.signers import KeySigner
from kubeoci.trust.verify import verify
from simulator.client import connect
from simulator.registry import RegistrySimulator
from simulator.signatures import DIGEST, KEY, RAW

SUBJECT = Descriptor(MANIFEST, DIGEST, len(RAW))
BOTH = ("bundle", "legacy")
TESTS = str(Path(__file__).parents[1])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for other writers long."""
    for module in (referrers, sigtag):
        monkeypatch.setattr(module, "_PAUSE_SECONDS", (0.001, 0.005))


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """A registry with the subject, that lists no referrers."""
    with RegistrySimulator() as simulator:
        simulator.add("app", "v1", RAW, MANIFEST, b"{}")
        yield simulator


def app(server: RegistrySimulator) -> Repository:
    """`app` in the simulator."""
    return reference.parse(f"{server.host}/app").repository


def holds(server: RegistrySimulator, home: Path, form: str, key: keys.PrivateKey) -> bool:
    """Whether a new client finds a signature of the key."""
    policy = KeySigner(key).policy((form,), {}, None)
    return verify(connect(home), app(server), DIGEST, policy).format == form


class Interruption(threading.Event):
    """Set when so many requests have arrived."""

    def __init__(self, server: RegistrySimulator, count: int) -> None:
        super().__init__()
        self._server, self._count = server, count

    def is_set(self) -> bool:
        """Whether that is so."""
        return len(self._server.requests) >= self._count


@pytest.mark.parametrize(
    ("form", "tag", "member"),
    [("bundle", fallback_tag(DIGEST), "manifests"), ("legacy", simplesigning.tag(DIGEST), "layers")],
)
@pytest.mark.parametrize("count", range(15))
def test_signing_ends_at_any_request(
    server: RegistrySimulator, tmp_path: Path, form: str, tag: str, member: str, count: int
) -> None:
    """And the next run completes it; there is one signature in the end, not two."""
    with contextlib.suppress(Stopped):
        client = connect(tmp_path, stop=Interruption(server, count))
        sign(client, app(server), SUBJECT, KeySigner(KEY), formats=[form])
    assert len(server.requests) <= max(count, 1)
    sign(connect(tmp_path), app(server), SUBJECT, KeySigner(KEY), formats=[form])
    assert holds(server, tmp_path, form, KEY)
    assert 1 == len(json.loads(server.manifests["app"][server.tags["app"][tag]][1])[member])


def test_threads_lose_nothing(server: RegistrySimulator, tmp_path: Path) -> None:
    """Four keys at once, in both formats, by one client."""
    made = [keys.private_key(keys.generate().private, "") for _ in range(4)]
    registry, place = connect(tmp_path), app(server)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: sign(registry, place, SUBJECT, KeySigner(key), formats=BOTH), made))
    assert all(holds(server, tmp_path, form, key) for form in BOTH for key in made)


PROCESS = """
import sys
from pathlib import Path
from kubeoci import reference
from kubeoci.artifact import MANIFEST, Descriptor
from kubeoci.registry import referrers
from kubeoci.trust import keys, sigtag
from kubeoci.trust.sign import sign
from kubeoci.trust.signers import KeySigner
from simulator.client import connect
from simulator.signatures import DIGEST, RAW

referrers._PAUSE_SECONDS = sigtag._PAUSE_SECONDS = (0.4, 0.8)
registry, place = connect(Path(sys.argv[2])), reference.parse(sys.argv[1]).repository
signer = KeySigner(keys.private_key(sys.stdin.read(), ""))
sign(registry, place, Descriptor(MANIFEST, DIGEST, len(RAW)), signer, formats=("bundle", "legacy"))
"""


def test_processes_lose_nothing(server: RegistrySimulator, tmp_path: Path) -> None:
    """Two that know nothing of each other, in both formats."""
    pairs, running = [keys.generate() for _ in range(2)], []
    for number in range(2):
        (tmp_path / f"{number}").mkdir()
        command = [sys.executable, "-c", PROCESS, str(app(server)), str(tmp_path / f"{number}")]
        pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, env=os.environ | {"PYTHONPATH": TESTS}, **pipes))
    complaints = [child.communicate(pair.private)[1] for child, pair in zip(running, pairs, strict=True)]
    assert ["", ""] == complaints
    made = [keys.private_key(pair.private, "") for pair in pairs]
    assert all(holds(server, tmp_path, form, key) for form in BOTH for key in made)
