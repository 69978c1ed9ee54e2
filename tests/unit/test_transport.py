# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.transport, connections, faults and answer: tries, redirects, limits, words."""

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path
from unittest.mock import Mock

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubeoci.errors import KubeociError, RegistryError, Stopped
from kubeoci.registry.answer import Answer, failure, visible
from kubeoci.registry.connections import Connections, Origin, Route, is_link_local, is_private
from kubeoci.registry.deadline import Deadline
from kubeoci.registry.transport import Limits, Request, Settings, Transport, retry_after
from simulator.client import QUICK
from simulator.registry import Fault, RegistrySimulator

Get = Callable[..., Request]
LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """An empty, open registry."""
    with RegistrySimulator() as simulator:
        yield simulator


@pytest.fixture
def get(server: RegistrySimulator) -> Get:
    """Makes a request to a path of the simulator."""
    return lambda path="/v2/", method="GET", **more: Request(method, f"http://{server.host}{path}", **more)


def transport(limits: Limits = QUICK, seconds: float = 20.0, stop: threading.Event | None = None) -> Transport:
    """A transport with connections of its own."""
    return Transport(Settings(limits=limits), Deadline(seconds, stop or threading.Event()), Connections())


def test_importing_loads_no_http_library() -> None:
    """It costs a tenth of a second, and a preview from the cache needs none."""
    code = "import sys, kubeoci.registry.push; print('urllib3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False\n" == done.stdout


def certificate(folder: Path, name: x509.GeneralName) -> Path:
    """A file with a new key and the certificate that it signed for itself, for `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulator")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(who, who, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    signed = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False).sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.pem").write_bytes(secret + signed.public_bytes(serialization.Encoding.PEM))
    return folder / "tls.pem"


def over_tls(folder: Path, name: x509.GeneralName, *, trusted: bool, location: str = "") -> Answer:
    """The answer of a simulator that speaks TLS with a certificate for `name`, which we trust or not."""
    path = certificate(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with RegistrySimulator() as server:
        server.wrap(context)
        if location:
            server.fail("GET", Fault(status=302, headers={"Location": location}))
        settings = Settings(ca=path.read_text() if trusted else "", limits=QUICK)
        sender = Transport(settings, Deadline(20, threading.Event()), Connections())
        return sender.send(Request("GET", f"https://{server.host}/v2/"))


def test_ca_is_trusted(tmp_path: Path) -> None:
    """The authority of a company, given as text."""
    assert 200 == over_tls(tmp_path, LOOPBACK, trusted=True).status


def test_redirect_to_plain_http_is_refused(tmp_path: Path) -> None:
    """What began under TLS does not go on without."""
    with pytest.raises(RegistryError, match="redirected from https to http") as caught:
        over_tls(tmp_path, LOOPBACK, trusted=True, location="http://127.0.0.1:1/")
    assert "registry.unsafe_redirect" == caught.value.code


def test_unknown_authority_advises_ca(tmp_path: Path) -> None:
    """Once, without a second try."""
    with pytest.raises(RegistryError, match=r"no TLS connection to .*: self-signed certificate; set `ca`"):
        over_tls(tmp_path, LOOPBACK, trusted=False)


def test_certificate_for_another_name_advises_url(tmp_path: Path) -> None:
    """Trusting its authority would not help."""
    with pytest.raises(RegistryError, match="check `url`: the certificate is for another address"):
        over_tls(tmp_path, x509.DNSName("other.io"), trusted=True)


@pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 503, 504, 522])
def test_passing_faults_are_tried_again(server: RegistrySimulator, get: Get, status: int) -> None:
    """Two failures, then an answer: three requests."""
    server.fail("GET /v2/", Fault(status=status), times=2)
    assert 200 == transport().send(get()).status
    assert ["GET /v2/"] * 3 == server.requests


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 501])
def test_other_faults_are_final(server: RegistrySimulator, get: Get, status: int) -> None:
    """What cannot succeed is not repeated."""
    server.fail("GET /v2/", Fault(status=status))
    assert status == transport().send(get()).status
    assert ["GET /v2/"] == server.requests


def test_tries_end_after_five(server: RegistrySimulator, get: Get) -> None:
    """The last answer is handed out."""
    server.fail("GET /v2/", Fault(status=503), times=9)
    assert 503 == transport().send(get()).status
    assert 5 == len(server.requests)


def test_broken_connection_is_tried_again(server: RegistrySimulator, get: Get) -> None:
    """No answer at all may be an accident."""
    server.fail("GET /v2/", Fault(drop=True))
    assert 200 == transport().send(get()).status


def test_cut_body_is_tried_again(server: RegistrySimulator, get: Get) -> None:
    """Fewer bytes than announced are no answer."""
    server.fail("GET /v2/", Fault(body=b"whole", cut=2))
    assert b"" == transport().send(get()).body
    assert 2 == len(server.requests)


def test_unrepeatable_request_is_sent_once(server: RegistrySimulator, get: Get) -> None:
    """An upload is the caller's to repeat."""
    server.fail("PUT /v2/", Fault(status=503))
    assert 503 == transport().send(get(method="PUT", repeat=False)).status
    assert ["PUT /v2/"] == server.requests


def test_body_is_opened_for_each_try(server: RegistrySimulator, get: Get) -> None:
    """The second try sends all bytes again."""
    server.fail("POST /v2/", Fault(status=500))
    opened: list[BytesIO] = []
    body = lambda: opened.append(BytesIO(b"data")) or opened[-1]  # type: ignore[func-returns-value]  # noqa: E731 - it records
    assert 200 == transport().send(get(method="POST", body=body, size=4)).status
    assert [True, True] == [stream.closed for stream in opened]


def test_retry_after_wins(server: RegistrySimulator, get: Get) -> None:
    """The registry knows best when to come back."""
    server.fail("GET /v2/", Fault(status=429, headers={"Retry-After": "0"}))
    assert 200 == transport(replace(QUICK, first_delay_seconds=30)).send(get()).status


def test_long_retry_after_fails_at_once(server: RegistrySimulator, get: Get) -> None:
    """More than a minute of patience is not ours to give."""
    server.fail("GET /v2/", Fault(status=503, headers={"Retry-After": "3600"}))
    with pytest.raises(RegistryError, match="come back in 3600 s") as caught:
        transport().send(get())
    assert "registry.rate_limited" == caught.value.code
    assert 1 == len(server.requests)


def test_429_pauses_the_origin(server: RegistrySimulator, get: Get) -> None:
    """All requests of the process wait, not only the one that was told."""
    connections = Connections()
    connections.pause(Origin.of(f"http://{server.host}"), 0.2)
    begin = time.monotonic()
    Transport(Settings(), Deadline(20, threading.Event()), connections).send(get())
    assert time.monotonic() - begin >= 0.2


@pytest.mark.parametrize(
    ("text", "expected"), [("", None), ("7", 7.0), (" 7", 7.0), ("-1", None), ("soon", None), ("٣", None)]
)
def test_retry_after(text: str, expected: float | None) -> None:
    """Digits count as seconds; what is no number and no date is ignored."""
    assert expected == retry_after(text)


def test_retry_after_date() -> None:
    """A date is as good as seconds; one that is past means now."""
    assert 25 < (retry_after(formatdate(time.time() + 30, usegmt=True)) or 0) <= 30
    assert 0.0 == retry_after(formatdate(0, usegmt=True))


def test_redirect_loses_authorization_for_ever(server: RegistrySimulator, get: Get) -> None:
    """Credentials stay with the origin that they are for, also when a later hop leads back."""
    with RegistrySimulator() as other:
        server.fail("GET /v2/a", Fault(status=307, headers={"Location": f"http://{other.host}/v2/b"}))
        other.fail("GET /v2/b", Fault(status=302, headers={"Location": f"http://{server.host}/v2/"}))
        assert 200 == transport().send(get("/v2/a", headers={"Authorization": "Basic eA=="})).status
        assert [""] == other.authorizations
        assert ["Basic", ""] == server.authorizations


def test_redirect_within_the_origin_keeps_authorization(server: RegistrySimulator, get: Get) -> None:
    """The same server may have moved it."""
    server.fail("GET /v2/a", Fault(status=301, headers={"Location": "/v2/"}))
    transport().send(get("/v2/a", headers={"Authorization": "Basic eA=="}))
    assert ["Basic", "Basic"] == server.authorizations


@pytest.mark.parametrize(
    ("method", "location", "reason"),
    [
        ("PUT", "/v2/", "a redirected PUT"),
        ("DELETE", "/v2/", "a redirected DELETE"),
        ("GET", "http://169.254.169.254/latest", "link-local"),
        ("GET", "http://user@host/", "with a user"),
        ("GET", "file:///etc/passwd", "not an http"),
        ("GET", "/v2/", "more than 5 redirects"),
    ],
)
def test_unsafe_redirects(server: RegistrySimulator, get: Get, method: str, location: str, reason: str) -> None:
    """Writes are not redirected, and nothing leads where a machine keeps its secrets."""
    server.fail(method, Fault(status=307, headers={"Location": location}), times=7)
    with pytest.raises(RegistryError, match=reason) as caught:
        transport().send(get(method=method))
    assert "registry.unsafe_redirect" == caught.value.code


def test_large_answer_is_refused(server: RegistrySimulator, get: Get) -> None:
    """No server fills our memory."""
    server.fail("GET /v2/", Fault(body=b"x" * 100))
    with pytest.raises(RegistryError, match="more than 50 bytes") as caught:
        transport().send(get(max_bytes=50))
    assert "registry.too_large" == caught.value.code


def test_large_complaint_is_cut(server: RegistrySimulator, get: Get) -> None:
    """An error page does not hide the error, and the connection is not used again."""
    server.fail("GET /v2/", Fault(status=404, body=b"x" * 300))
    sender = transport(replace(QUICK, max_error_bytes=100))
    assert b"x" * 100 == sender.send(get()).body
    assert 200 == sender.send(get()).status


def test_refused_bodies_do_not_use_up_the_pool(server: RegistrySimulator, get: Get) -> None:
    """A connection that is thrown away leaves its place to another."""
    server.fail("GET /v2/", Fault(body=b"x" * 100), times=40)
    sender = transport()
    for _ in range(40):
        with pytest.raises(RegistryError):
            sender.send(get(max_bytes=10))
    assert 200 == sender.send(get()).status


def test_deadline_ends_waiting(server: RegistrySimulator, get: Get) -> None:
    """A pause that would outlast the operation is not begun."""
    server.fail("GET /v2/", Fault(status=503, headers={"Retry-After": "30"}))
    with pytest.raises(Stopped) as caught:
        transport(seconds=5).send(get())
    assert "stopped.deadline" == caught.value.code


def test_stop_ends_waiting(server: RegistrySimulator, get: Get) -> None:
    """Cancel does not wait for a retry."""
    stop = threading.Event()
    server.fail("GET /v2/", Fault(status=503, headers={"Retry-After": "30"}))
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Stopped) as caught:
        transport(seconds=60, stop=stop).send(get())
    assert "stopped.cancelled" == caught.value.code


def test_refused_connection_names_host_and_advice() -> None:
    """Nobody listens: say where, and what to look at."""
    with pytest.raises(RegistryError, match=r"no connection to 127.0.0.1:1: Connection refused; check `url`") as caught:
        transport().send(Request("GET", "http://127.0.0.1:1/v2/?secret=1"))
    assert "registry.unreachable" == caught.value.code
    assert "GET http://127.0.0.1:1/v2/" == caught.value.where


def test_tls_to_plain_http_advises_insecure(server: RegistrySimulator) -> None:
    """A frequent mistake is named, and not repeated."""
    with pytest.raises(RegistryError, match="does not speak TLS; set `insecure: true`"):
        transport().send(Request("GET", f"https://{server.host}/v2/"))


def test_plain_http_to_tls_advises_secure() -> None:
    """The reverse mistake, as servers in Go answer it."""
    body = b"Client sent an HTTP request to an HTTPS server.\n"
    assert "insecure: false" in failure(Answer("GET", "http://h/v2/", 400, body=body)).advice


def test_silent_server_is_told(server: RegistrySimulator, get: Get) -> None:
    """A server that takes the request and says nothing."""
    server.fail("GET /v2/", Fault(delay=0.5))
    with pytest.raises(RegistryError, match="did not answer in time"):
        transport(replace(QUICK, idle_seconds=0.1, tries=1)).send(get())


def test_trickle_is_ended_by_the_deadline(server: RegistrySimulator, get: Get) -> None:
    """The operation ran out of time, whatever the last request was waiting for."""
    server.fail("GET /v2/", Fault(delay=2.0))
    with pytest.raises(Stopped, match=r"took longer than 0.2 s; raise `timeout`"):
        transport(seconds=0.2).send(get())


def test_unknown_host_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a second try: a typing error does not go away."""
    monkeypatch.setattr("socket.getaddrinfo", Mock(side_effect=socket.gaierror(-2, "Name or service not known")))
    with pytest.raises(RegistryError, match="no such host: typo-io") as caught:
        transport(replace(QUICK, first_delay_seconds=30)).send(Request("GET", "https://typo-io/v2/"))
    assert "registry.unreachable" == caught.value.code


def test_long_pause_between_sessions_is_refused() -> None:
    """The same patience as within a request."""
    with pytest.raises(RegistryError, match="come back in 61 s"):
        transport().wait(61, "https://h/")


def test_bad_ca_is_told() -> None:
    """A `ca` that is no certificate is not passed over."""
    with pytest.raises(RegistryError, match="holds no PEM certificate"):
        Connections().pool(Origin.of("https://h/"), Route(ca="junk"))


def test_complaints_are_shown_without_control_characters() -> None:
    """What the registry says is told, and cannot paint on a terminal."""
    body = b'{"errors": [{"code": "DENIED", "message": "no \\u001b[31m way"}, {"code": "B"}, 3]}'
    error = failure(Answer("GET", "http://h/v2/?token=s", 403, {"x-request-id": ("r1",)}, body))
    assert "the registry answered 403 (DENIED: no  [31m way; B), request r1" == error.what
    assert ({"DENIED", "B"}, 403, "registry.denied") == (error.reasons, error.status, error.code)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errors": 1}', b"[" * 5000])
def test_any_body_is_survived(body: bytes) -> None:
    """Proxies answer with anything."""
    assert "the registry answered 502" == failure(Answer("GET", "http://h/", 502, body=body)).what


def test_visible_drops_user_and_query() -> None:
    """Where secrets may stand in a URL."""
    assert "https://h:1/a" == visible("https://u:p@h:1/a?sig=1#f")


@pytest.mark.parametrize("url", ["ftp://h/", "http:///x", "http://h:99999/", "http://u@h/", "junk", ""])
def test_only_http_has_an_origin(url: str) -> None:
    """Anything else never becomes a connection."""
    with pytest.raises(KubeociError) as caught:
        Origin.of(url)
    assert "registry.unsafe_redirect" == caught.value.code


def test_origins() -> None:
    """The port that is used counts, not whether it is written; hosts have no case."""
    assert Origin.of("https://H/a") == Origin.of("https://h:443/b")
    assert Origin("http", "::1", 80) == Origin.of("http://[::1]/")


@pytest.mark.parametrize(
    ("host", "private", "local"),
    [
        ("127.0.0.1", True, False),
        ("10.1.2.3", True, False),
        ("169.254.169.254", True, True),
        ("fe80::1", True, True),
        ("localhost", True, False),
        ("8.8.8.8", False, False),
        ("ghcr.io", False, False),
    ],
)
def test_addresses(host: str, private: bool, local: bool) -> None:
    """Literals are judged, names are not looked up."""
    assert (private, local) == (is_private(host), is_link_local(host))
