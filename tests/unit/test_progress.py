# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.progress: one line for all transfers of an operation, not too often, and right in the end."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from kubeoci import digest, reference
from kubeoci.artifact import MANIFEST, Descriptor, canonical
from kubeoci.registry import progress
from kubeoci.registry.cache import Cache
from kubeoci.registry.copy import End, promote
from kubeoci.registry.progress import Meter, Reading, Tally, Voice
from kubeoci.registry.remote import Registry, Shared
from kubeoci.registry.transport import Settings
from simulator.client import QUICK
from simulator.registry import Fault, RegistrySimulator

MIB = b"x" * (1 << 20)
BLOB = Descriptor("a/b", digest.of(MIB), len(MIB))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All lines of a test, each as soon as it is said."""
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.0)
    return []


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """A registry with a blob in `app`."""
    with RegistrySimulator() as simulator:
        simulator.blobs["app"] = {BLOB.digest: MIB}
        yield simulator


def client(home: Path, report: Callable[[str], None]) -> Registry:
    """A client that says how far it is."""
    home.mkdir(exist_ok=True)
    return Registry(Settings(limits=QUICK), Cache(home), environment={}, shared=Shared(), progress=report)


def test_ten_lines_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all that share a voice, and none about what ends at once."""
    times = iter([100.0, 100.05, 100.2, 100.25, 100.4])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(times)))
    lines = list[str]()
    voice = Voice(lines.append)
    one, other = Tally("pushed", voice), Tally("pulled", voice)
    for tally in (one, other, one, other):
        tally.add(1 << 20)
    assert ["pulled 0/0 blobs, 1.0 MiB", "pulled 0/0 blobs, 2.0 MiB"] == lines


def test_blobs_and_bytes_of_all(told: list[str]) -> None:
    """Expected blobs count at once, others when they begin; what fails is never done."""
    tally = Tally("pushed", Voice(told.append))
    tally.expect(3)
    with tally.blob() as one, tally.blob() as two:
        one.add(1 << 20)
        two.add(1 << 19)
    with pytest.raises(LookupError), tally.blob():
        raise LookupError
    for _ in range(3):
        with tally.blob():
            pass
    counts = ["0/3 blobs, 1.0", "0/3 blobs, 1.5", "1/3 blobs, 1.5", "2/3 blobs, 1.5", "3/4 blobs, 1.5"]
    assert [f"pushed {count} MiB" for count in [*counts, "4/5 blobs, 1.5", "5/6 blobs, 1.5"]] == told


def test_what_begins_anew_counts_once(told: list[str]) -> None:
    """A body that is sent again starts from nothing."""
    tally = Tally("pushed", Voice(told.append))
    meter = Meter(tally)
    for _ in range(2):
        Reading(BytesIO(MIB), meter).read()
    assert "pushed 0/0 blobs, 1.0 MiB" == told[-1]


def test_failing_listener_harms_nobody(told: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the transfer goes on."""
    Voice(lambda text: {}[text])("pushed")
    assert ([], ["a progress callback failed"]) == (told, [record.message for record in caplog.records])


def test_a_push_that_is_repeated(server: RegistrySimulator, tmp_path: Path, told: list[str]) -> None:
    """A session that breaks after all bytes were sent adds nothing to the sum."""
    server.blobs.clear()
    server.fail("PUT /v2/app/blobs", Fault(drop=True))
    place = reference.parse(f"{server.host}/app").repository
    assert client(tmp_path / "a", told.append).put_blob(place, BLOB, lambda: BytesIO(MIB))
    assert "pushed 1/1 blobs, 1.0 MiB" == told[-1]


@pytest.mark.parametrize(
    "faults", [[Fault(cut=1 << 19)], [Fault(status=503)], [Fault(cut=1 << 19), Fault(status=200, body=MIB)]]
)
def test_a_pull_that_is_resumed(
    server: RegistrySimulator, tmp_path: Path, told: list[str], faults: list[Fault]
) -> None:
    """What came before the cut counts once, or not where it came in vain; a blob in the cache is no transfer."""
    for fault in faults:
        server.fail("GET /v2/app/blobs", fault)
    place, registry = reference.parse(f"{server.host}/app").repository, client(tmp_path / "a", told.append)
    for _ in range(2):
        with registry.blob(place, BLOB) as stream:
            assert stream.read() == MIB
    assert "pulled 1/1 blobs, 1.0 MiB" == told[-1]


def test_a_copy_says_both(server: RegistrySimulator, tmp_path: Path, told: list[str]) -> None:
    """How many of all were pulled and pushed, from the first line on, through one voice."""
    blobs = [BLOB, *(Descriptor("a/b", digest.of(data), len(data)) for data in (b"1", b"2"))]
    fields = {"schemaVersion": 2, "mediaType": MANIFEST, "config": blobs[0].document()}
    raw = canonical(fields | {"layers": [blob.document() for blob in blobs[1:]]})
    server.add("app", "v1", raw, MANIFEST, b"1", b"2")
    voice = Voice(told.append)
    with RegistrySimulator() as goal:
        ends = [
            End(client(tmp_path / name, voice), reference.parse(f"{host}/app").repository)
            for name, host in (("a", server.host), ("b", goal.host))
        ]
        promote(ends[0], digest.of(raw), ends[1], ["v1"])
    assert {"pulled 3/3 blobs, 1.0 MiB", "pushed 3/3 blobs, 1.0 MiB"} < set(told)
    assert all("/3 blobs" in line for line in told)
