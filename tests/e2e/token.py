# SPDX-License-Identifier: Apache-2.0
"""A token service as a registry in bearer mode wants it: `GET /token` gives an RS256 JWT for what was asked.

Everybody may pull from `public/…`; else it takes user and password. What was asked is written down.
"""

import base64
import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from registries import TokenService

SERVICE = "kubeoci token registry"
_LIFE_SECONDS = 300


class Tokens:
    """One service on loopback.

    Attributes:
        trusted: what a registry needs to believe these tokens.
        requests: `USER SCOPE…` of each request, in the order of their arrival; `-` is nobody.
    """

    def __init__(self, folder: Path, login: tuple[str, str]) -> None:
        key = load_pem_private_key((folder / "signer.key").read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key, self._login = key, login
        certificate = x509.load_pem_x509_certificate((folder / "signer.crt").read_bytes())
        self._header = {"alg": "RS256", "typ": "JWT", "x5c": [_der(certificate)]}
        self.requests: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.tokens = self
        # by name: crane takes no realm with a private address, and oras one only on the registry's own host
        realm = f"http://localhost:{self._server.server_address[1]}/token"
        self.trusted = TokenService(realm, SERVICE, folder / "signer.crt")
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def user(self, header: str) -> str | None:
        """Who an `Authorization` header says it is: `-` is nobody, None somebody who lies."""
        if not header:
            return "-"
        given = base64.b64decode(header.removeprefix("Basic ")).decode()
        return self._login[0] if given == ":".join(self._login) else None

    def token(self, user: str, scopes: list[str]) -> str:
        """A token for the part of `scopes` that this user may do."""
        now = int(time.time())
        times = {"nbf": now - 60, "iat": now, "exp": now + _LIFE_SECONDS}
        names = {"iss": SERVICE, "aud": SERVICE, "sub": user, "jti": secrets.token_hex(8)}
        signed = f"{_part(self._header)}.{_part({**names, **times, 'access': _access(user, scopes)})}"
        return f"{signed}.{_encoded(self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


@contextlib.contextmanager
def serving(folder: Path, login: tuple[str, str]) -> Iterator[Tokens]:
    """A token service with the key in `folder`, for as long as the block lasts."""
    with contextlib.closing(Tokens(folder, login)) as tokens:
        yield tokens


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    tokens: Tokens


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer with a token, or 401 for a wrong password."""
        asked = parse_qs(urlsplit(self.path).query)
        scopes = [scope for text in asked.get("scope", []) for scope in text.split()]
        user = self.server.tokens.user(self.headers.get("Authorization", ""))
        self.server.tokens.requests.append(" ".join([user or "?", *scopes]))
        known = user is not None and asked.get("service") == [SERVICE]
        answer = {"token": self.server.tokens.token(user or "", scopes), "expires_in": _LIFE_SECONDS} if known else {}
        body = json.dumps(answer).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


def _access(user: str, scopes: list[str]) -> list[dict[str, object]]:
    granted: list[dict[str, object]] = []
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        wanted = actions.split(",")
        allowed = wanted if user != "-" else [one for one in wanted if one == "pull" and name.startswith("public/")]
        granted.append({"type": kind, "name": name, "actions": allowed})
    return granted


def _der(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


def _part(value: object) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
