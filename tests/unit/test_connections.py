# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.connections and proxy: by which way a registry is asked, and who we say we are."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3.exceptions import SSLError

from kubeoci.errors import RegistryError
from kubeoci.registry.connections import Connections, Origin, Route
from kubeoci.registry.deadline import Deadline
from kubeoci.registry.faults import unreachable
from kubeoci.registry.proxy import Proxies, split
from kubeoci.registry.transport import Request, Settings, Transport
from simulator.client import QUICK
from simulator.registry import Fault, RegistrySimulator
from simulator.tunnel import Tunnel


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    """A certificate for 127.0.0.1 that signs itself, and its key: of a server as well as of a client."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulator")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(who, who, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return signed.public_bytes(serialization.Encoding.PEM).decode(), secret.decode()


@pytest.fixture
def closed(pair: tuple[str, str], tmp_path: Path) -> Iterator[RegistrySimulator]:
    """A registry that lets nobody in without the certificate."""
    path = tmp_path / "tls.pem"
    path.write_text("".join(pair))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    context.load_verify_locations(path)
    context.verify_mode = ssl.CERT_REQUIRED
    with RegistrySimulator() as server:
        server.wrap(context)
        yield server


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """An open registry; it serves as a proxy for plain HTTP too, since it does not look at the host."""
    with RegistrySimulator() as simulator:
        yield simulator


def transport(settings: Settings, environment: dict[str, str] | None = None) -> Transport:
    """A transport with connections of its own."""
    return Transport(settings, Deadline(20, threading.Event()), Connections(environment or {}))


def test_client_certificate_lets_us_in(closed: RegistrySimulator, pair: tuple[str, str]) -> None:
    """The registry asks who we are, and is told."""
    certificate, key = pair
    sender = transport(Settings(ca=certificate, certificate=certificate, key=key, limits=QUICK))
    assert 200 == sender.send(Request("GET", f"https://{closed.host}/v2/")).status


@pytest.mark.parametrize("foreign", [False, True])
def test_no_certificate_no_entry(closed: RegistrySimulator, pair: tuple[str, str], foreign: bool) -> None:
    """Without it we are kept out; and another place than the registry never gets it."""
    certificate, key = pair if foreign else ("", "")
    sender = transport(Settings(ca=pair[0], certificate=certificate, key=key, limits=QUICK))
    with pytest.raises(RegistryError, match=r"registry\.unreachable"):
        sender.send(Request("GET", f"https://{closed.host}/v2/", foreign=foreign))
    assert [] == closed.requests


def test_wanted_certificate_is_told() -> None:
    """Where the server's alert arrives before it hangs up; trusting another authority would not help."""
    alert = SSLError("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required")
    error = unreachable("GET", "https://reg.io/v2/", alert)
    assert "reg.io:443 wants to see a client certificate" == error.what


def test_redirect_elsewhere_shows_no_certificate(
    closed: RegistrySimulator, server: RegistrySimulator, pair: tuple[str, str]
) -> None:
    """The place that a registry points to is a stranger."""
    server.fail("GET", Fault(status=307, headers={"Location": f"https://{closed.host}/v2/"}))
    sender = transport(Settings(ca=pair[0], certificate=pair[0], key=pair[1], limits=QUICK))
    with pytest.raises(RegistryError, match=r"registry\.unreachable"):
        sender.send(Request("GET", f"http://{server.host}/v2/"))
    assert [] == closed.requests


@pytest.mark.parametrize(("given", "missing"), [({"certificate": "c"}, "key"), ({"key": "k"}, "certificate")])
def test_certificate_and_key_go_together(given: dict[str, str], missing: str) -> None:
    """One alone has no effect, so it is a mistake."""
    with pytest.raises(RegistryError, match=f"the {missing} is missing") as caught:
        Settings(**given)  # type: ignore[arg-type]
    assert "registry.credentials" == caught.value.code


def test_bad_certificate_is_told_without_its_text() -> None:
    """Nor is a password asked for at a terminal."""
    with pytest.raises(RegistryError, match="are no PEM texts") as caught:
        Connections().pool(Origin.of("https://h/"), Route(certificate="junk", key="secret"))
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(Settings(certificate="c", key="secret", proxy="http://u:secret@p:1"))


def test_plain_http_goes_to_the_proxy(server: RegistrySimulator) -> None:
    """With the whole URL, and with the proxy's own password."""
    sender = transport(Settings(proxy=f"http://ann:p%40w@{server.host}", limits=QUICK))
    assert 200 == sender.send(Request("GET", "http://reg.invalid/v2/?a=b#c")).status
    assert ["http://reg.invalid/v2/?a=b"] == server.targets


def test_proxy_of_the_environment_is_used(server: RegistrySimulator) -> None:
    """But not for hosts that it excepts, nor for loopback."""
    sender = transport(Settings(limits=QUICK), {"HTTP_PROXY": f"http://{server.host}", "no_proxy": ".local"})
    for host in ("reg.invalid", server.host):
        assert 200 == sender.send(Request("GET", f"http://{host}/v2/")).status
    assert ["http://reg.invalid/v2/", "/v2/"] == server.targets


def test_tls_goes_through_a_tunnel(closed: RegistrySimulator, pair: tuple[str, str]) -> None:
    """The proxy sees a host and a port, and what is said to the registry only the registry."""
    with Tunnel() as tunnel:
        settings = Settings(
            ca=pair[0], certificate=pair[0], key=pair[1], proxy=f"http://a:b@{tunnel.host}", limits=QUICK
        )
        request = Request("GET", f"https://{closed.host}/v2/", {"Authorization": "Basic eA=="})
        assert 200 == transport(settings).send(request).status
        assert [f"CONNECT {closed.host}"] == tunnel.requests
        assert ["Basic YTpi"] == tunnel.authorizations
    assert ["Basic"] == closed.authorizations


def test_proxy_that_refuses_is_told(closed: RegistrySimulator) -> None:
    """With what it says, once, and without its password."""
    with Tunnel(refuse=True) as tunnel:
        sender = transport(Settings(proxy=f"http://ann:secret@{tunnel.host}", limits=QUICK))
        with pytest.raises(RegistryError, match="through the proxy: 407 No") as caught:
            sender.send(Request("GET", f"https://{closed.host}/v2/"))
    assert ("registry.unreachable", 1) == (caught.value.code, len(tunnel.requests))
    assert "secret" not in str(caught.value)


def test_missing_proxy_is_told() -> None:
    """It is the proxy that does not answer, not the registry."""
    with pytest.raises(RegistryError, match=r"no way to reg\.invalid:80 through the proxy: Connection refused"):
        transport(Settings(proxy="127.0.0.1:1", limits=QUICK)).send(Request("GET", "http://reg.invalid/"))


@pytest.mark.parametrize("text", ["socks5://u:secret@h:1", "http://", "http://u:secret@h:99999", "http://h:x"])
def test_only_http_proxies_are_known(text: str) -> None:
    """Others are refused, without repeating what may hold a password."""
    with pytest.raises(RegistryError, match="the address of the proxy") as caught:
        split(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h:3128", ("http://h:3128", "")),
        ("https://u:p%3A@h", ("https://h", "u:p:")),
        ("http://[::1]:8/", ("http://[::1]:8", "")),
    ],
)
def test_proxy_urls(text: str, expected: tuple[str, str]) -> None:
    """With or without scheme, user and path."""
    assert expected == split(text)


@pytest.mark.parametrize(
    ("spared", "host", "port", "expected"),
    [
        ("", "reg.io", 443, "p"),
        ("*", "reg.io", 443, ""),
        ("reg.io", "reg.io", 443, ""),
        ("reg.io", "a.reg.io", 443, ""),
        ("reg.io", "xreg.io", 443, "p"),
        (".reg.io", "a.reg.io", 443, ""),
        ("*.reg.io", "a.reg.io", 443, ""),
        ("x, REG.io ", "reg.io", 443, ""),
        ("reg.io:5000", "reg.io", 443, "p"),
        ("reg.io:5000", "reg.io", 5000, ""),
        ("10.0.0.0/8", "10.1.2.3", 443, ""),
        ("10.0.0.0/8", "11.1.2.3", 443, "p"),
        ("10.0.0.0/x", "10.1.2.3", 443, "p"),
        ("fd00::1", "fd00::1", 443, ""),
        ("[fd00::1]:5000", "fd00::1", 5000, ""),
        ("fd00::/8", "reg.io", 443, "p"),
        ("", "localhost", 443, ""),
        ("", "127.0.0.9", 443, ""),
        ("", "::1", 443, ""),
    ],
)
def test_hosts_without_proxy(spared: str, host: str, port: int, expected: str) -> None:
    """As Go's tools read `NO_PROXY`."""
    assert expected == Proxies.of({"HTTPS_PROXY": "p", "NO_PROXY": spared}).to("https", host, port)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"http_proxy": "a", "HTTP_PROXY": "b"}, "a"),
        ({"HTTP_PROXY": "b"}, "b"),
        ({"HTTP_PROXY": "b", "REQUEST_METHOD": "GET"}, ""),
        ({"HTTPS_PROXY": "c"}, ""),
    ],
)
def test_variables(environment: dict[str, str], expected: str) -> None:
    """Either case, lower first; each scheme has its own."""
    assert expected == Proxies.of(environment).to("http", "reg.io", 80)
