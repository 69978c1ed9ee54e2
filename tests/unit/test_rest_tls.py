# SPDX-License-Identifier: Apache-2.0
"""Whom a connection trusts: the kubeconfig's authority and names, and nobody else."""

import base64
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import certificates
from kubeoci.cluster.rest import Access, connect
from kubeoci.errors import ClusterError


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Any object."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """A client that does not trust us hangs up."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of a server for 127.0.0.1 and localhost, and an authority that did not sign them."""
    made = tmp_path_factory.mktemp("certificates")
    for name in ("ours", "foreign"):
        (made / name).mkdir()
        certificates.write_all(made / name)
    return made


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    """`https://127.0.0.1:PORT`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ours" / "server.crt", folder / "ours" / "server.key")
    with _Server(("127.0.0.1", 0), _Handler) as found:
        found.socket = context.wrap_socket(found.socket, server_side=True)
        threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
        yield f"https://127.0.0.1:{found.server_address[1]}"
        found.shutdown()


def ask(server: str, *settings: str) -> object:
    """Ask through a kubeconfig whose cluster has these settings."""
    cluster = ", ".join([f"server: '{server}'", *settings])
    config = f"apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{{name: a, cluster: {{{cluster}}}}}]\n"
    config += "users: [{name: a, user: {token: t}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
    return connect(Access(config), stop=threading.Event()).get("/api/v1/namespaces/a")


def authority(folder: Path, name: str) -> str:
    """The setting that names an authority."""
    return f"certificate-authority-data: {base64.b64encode((folder / name / 'ca.crt').read_bytes()).decode()}"


@pytest.mark.parametrize("more", [(), ("tls-server-name: localhost",)])
def test_our_authority(server: str, folder: Path, more: tuple[str, ...]) -> None:
    """A certificate of the authority, for the address or for the name that the kubeconfig says."""
    assert {} == ask(server, authority(folder, "ours"), *more)


def test_no_verification_where_the_kubeconfig_says_so(server: str) -> None:
    """`insecure-skip-tls-verify` is the user's decision, without a warning for each request."""
    assert {} == ask(server, "insecure-skip-tls-verify: true")


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("foreign", (), "certificate verify failed"),
        ("ours", ("tls-server-name: elsewhere",), "hostname 'elsewhere' doesn't match"),
        ("", (), "certificate verify failed"),
    ],
)
def test_others_are_refused(server: str, folder: Path, name: str, more: tuple[str, ...], told: str) -> None:
    """Another authority or another name: told with the URL, nothing is sent, and nothing is tried again."""
    trusted = (authority(folder, name),) if name else ()
    with pytest.raises(ClusterError, match=told) as caught:
        ask(server, *trusted, *more)
    assert ("cluster.unreachable", server) == (caught.value.code, caught.value.where)
