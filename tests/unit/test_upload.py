# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.upload: sessions, their addresses, and what never goes with them."""

import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from unittest.mock import Mock

import pytest

from kubeoci import digest, reference
from kubeoci.artifact import Descriptor
from kubeoci.errors import RegistryError, Stopped
from kubeoci.registry.answer import Answer
from kubeoci.registry.keychain import Credentials
from kubeoci.registry.transport import Settings
from kubeoci.registry.upload import Upload, session_url
from simulator.client import QUICK, connect
from simulator.registry import Fault, RegistrySimulator

BLOB = b"blob"
DESCRIPTOR = Descriptor("application/octet-stream", digest.of(BLOB), len(BLOB))
QUOTED = digest.of(BLOB).replace(":", "%3A")
OPEN = "https://reg.io/v2/app/blobs/uploads/"
START = ["HEAD /v2/app/blobs/" + digest.of(BLOB), "POST /v2/app/blobs/uploads/"]


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """An empty, open registry."""
    with RegistrySimulator() as simulator:
        yield simulator


@pytest.fixture
def upload(server: RegistrySimulator, tmp_path: Path) -> Callable[[], bool]:
    """Uploads the blob."""
    repository = reference.parse(f"{server.host}/app").repository
    return lambda: connect(tmp_path).put_blob(repository, DESCRIPTOR, lambda: BytesIO(BLOB))


def test_upload(server: RegistrySimulator, upload: Callable[[], bool]) -> None:
    """Asked for, opened, brought; the session's query is kept as it is. The second time it is there."""
    assert [True, False] == [upload(), upload()]
    assert [*START, "PUT /v2/app/blobs/uploads/1", START[0]] == server.requests
    assert f"/v2/app/blobs/uploads/1?_state=a%2Fb%3D&digest={QUOTED}" == server.targets[2]
    assert {digest.of(BLOB): BLOB} == server.blobs["app"]


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=404), Fault(status=416), Fault(drop=True)])
def test_lost_session_is_opened_anew(server: RegistrySimulator, upload: Callable[[], bool], fault: Fault) -> None:
    """Never by sending to the same session again."""
    server.fail("PUT", fault)
    assert upload()
    sessions = [f"PUT /v2/app/blobs/uploads/{number}" for number in (1, 2)]
    assert [*START, sessions[0], START[1], sessions[1]] == server.requests


def test_three_sessions_are_enough(server: RegistrySimulator, upload: Callable[[], bool]) -> None:
    """Then the last failure is told."""
    server.fail("PUT", Fault(status=500), times=9)
    with pytest.raises(RegistryError, match="the registry answered 500"):
        upload()
    assert 3 == server.requests.count(START[1])


@pytest.mark.parametrize("step", ["POST", "PUT"])
def test_refusal_is_final(server: RegistrySimulator, upload: Callable[[], bool], step: str) -> None:
    """Who may not push may not push a second time either."""
    server.fail(step, Fault(status=403))
    with pytest.raises(RegistryError, match=r"registry\.denied"):
        upload()
    assert 1 == server.requests.count(START[1])


def test_other_digest_in_the_answer_is_told(server: RegistrySimulator, upload: Callable[[], bool]) -> None:
    """A registry that stored something else."""
    server.fail("PUT", Fault(headers={"Docker-Content-Digest": digest.of(b"x")}))
    with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
        upload()


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/v2/app/blobs/uploads/7", f"{OPEN}7?digest={QUOTED}"),
        ("7?a=%2f&b", f"{OPEN}7?a=%2f&b&digest={QUOTED}"),
        (f"{OPEN}7#x", f"{OPEN}7?digest={QUOTED}"),
        (f"{OPEN}7?digest=mine", f"{OPEN}7?digest=mine"),
        ("https://storage.io/x?sig=a%2Bb", f"https://storage.io/x?sig=a%2Bb&digest={QUOTED}"),
    ],
)
def test_session_addresses(location: str, expected: str) -> None:
    """Relative or not, the query byte for byte, the digest exactly once."""
    assert expected == session_url(Answer("POST", OPEN, 202, {"location": (location,)}), DESCRIPTOR)


@pytest.mark.parametrize(
    "location", ["http://reg.io/x", "http://storage.io/x", "https://10.0.0.1/x", "https://localhost/x", "file:///x", ""]
)
def test_addresses_that_are_refused(location: str) -> None:
    """Insecure, private, or none."""
    with pytest.raises(RegistryError, match=r"unsafe_redirect|without `Location`"):
        session_url(Answer("POST", OPEN, 202, {"location": (location,)}), DESCRIPTOR)


def test_credentials_stay_at_home() -> None:
    """The storage service that a registry points to gets the bytes and nothing else."""
    stored = Answer("PUT", "https://storage.io/x", 201)
    transport, home = Mock(), Mock(return_value=Answer("POST", OPEN, 202, {"location": ("https://storage.io/x",)}))
    transport.send.return_value = stored
    Upload(transport, home, OPEN, DESCRIPTOR, lambda: BytesIO(BLOB), Mock()).run()
    request = transport.send.call_args.args[0]
    assert ["POST"] == [call.args[0].method for call in home.call_args_list]
    assert ("PUT", {"Content-Type": "application/octet-stream"}) == (request.method, request.headers)


MOUNT = f"/v2/app/blobs/uploads/?mount={QUOTED}&from=team%2Fbase"


def mount(server: RegistrySimulator, home: Path) -> bool:
    """Put the blob into `app` from `team/base` of the same registry."""
    app, base = (reference.parse(f"{server.host}/{name}").repository for name in ("app", "team/base"))
    return connect(home).put_blob(app, DESCRIPTOR, lambda: BytesIO(BLOB), absent=True, mount=base)


def test_mount(server: RegistrySimulator, tmp_path: Path) -> None:
    """What another repository has need not be sent."""
    server.blobs["team/base"] = {DESCRIPTOR.digest: BLOB}
    assert not mount(server, tmp_path)
    assert [MOUNT] == server.targets
    assert {DESCRIPTOR.digest: BLOB} == server.blobs["app"]


def test_mount_of_nothing_is_a_session(server: RegistrySimulator, tmp_path: Path) -> None:
    """The registry does not have it there after all: its answer is as good as a second POST."""
    assert mount(server, tmp_path)
    assert [START[1], "PUT /v2/app/blobs/uploads/1"] == server.requests


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_refused_mount(server: RegistrySimulator, tmp_path: Path, status: int) -> None:
    """Then the bytes are sent."""
    server.fail("POST", Fault(status=status))
    assert mount(server, tmp_path)
    assert [START[1], START[1], "PUT /v2/app/blobs/uploads/1"] == server.requests


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=201, headers={"Docker-Content-Digest": digest.of(b"x")}), r"registry\.digest_mismatch"),
        (Fault(status=418), "the registry answered 418"),
    ],
)
def test_bad_mount(server: RegistrySimulator, tmp_path: Path, fault: Fault, reason: str) -> None:
    """Another blob, or no answer that is known."""
    server.fail("POST", fault)
    with pytest.raises(RegistryError, match=reason):
        mount(server, tmp_path)


def test_lost_session_of_a_mount(server: RegistrySimulator, tmp_path: Path) -> None:
    """It is opened anew, as any other."""
    server.fail("PUT", Fault(status=503))
    assert mount(server, tmp_path)
    assert [START[1], "PUT /v2/app/blobs/uploads/1", START[1], "PUT /v2/app/blobs/uploads/2"] == server.requests


def test_mount_asks_for_both_scopes(tmp_path: Path) -> None:
    """Push here, pull there, by one token."""
    with RegistrySimulator(username="ann", password="pw", bearer=True) as server:
        app, base = (reference.parse(f"{server.host}/{name}").repository for name in ("app", "base"))
        registry = connect(tmp_path, Settings(credentials=Credentials("ann", "pw"), limits=QUICK))
        registry.put_blob(app, DESCRIPTOR, lambda: BytesIO(BLOB), absent=True, mount=base)
        assert [["repository:app:pull,push", "repository:base:pull"]] == list(server.tokens.values())[:1]


def test_stop_ends_an_upload(server: RegistrySimulator, tmp_path: Path) -> None:
    """Between two pieces, not at the end of the blob."""
    stop = threading.Event()
    stream = Mock(**{"read.side_effect": lambda _size: stop.set() or b"b"})
    repository = reference.parse(f"{server.host}/app").repository
    with pytest.raises(Stopped) as caught:
        connect(tmp_path, stop=stop).put_blob(repository, DESCRIPTOR, lambda: stream)
    assert ("stopped.cancelled", {}) == (caught.value.code, server.blobs)
