# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.tokens: which token is taken, and which one cannot serve."""

import base64
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from kubeoci.errors import TrustError
from kubeoci.trust import tokens
from kubeoci.trust.tokens import Token

ISSUER = "https://issuer.example"
SEGMENT = "c2VjcmV0"
MACHINES = (
    "GITHUB_ACTIONS",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "GOOGLE_SERVICE_ACCOUNT_NAME",
    "BUILDKITE",
    "GITLAB_CI",
    "CIRCLECI",
    tokens.VARIABLE,
)


@pytest.fixture(autouse=True)
def _no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs the tests has no identity of its own."""
    for name in MACHINES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("id._internal.oidc.ambient._GCP_PRODUCT_NAME_FILE", "/nonexistent")


def segment(claims: object) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def token(**claims: object) -> str:
    """A token that can serve, with these claims changed, or left out where None."""
    now = int(time.time())
    stated = {"iss": ISSUER, "sub": "repo:org/app", "aud": "sigstore", "iat": now, "exp": now + 3600} | claims
    return f"{SEGMENT}.{segment({name: value for name, value in stated.items() if value is not None})}.{SEGMENT}"


def refused(raw: str) -> str:
    """Why a token cannot serve; no part of it is told."""
    with pytest.raises(TrustError) as caught:
        tokens.read(raw, "identityToken")
    assert "trust.sign_token" == caught.value.code
    assert not any(part in str(caught.value) for part in raw.split(".") if part)
    return caught.value.what.removeprefix("the token of identityToken ")


def test_the_given_token_wins() -> None:
    """Then the variable."""
    environment = {tokens.VARIABLE: token(sub="two")}
    assert ("identityToken", "one") == told(tokens.find(token(sub="one"), environment))
    assert (tokens.VARIABLE, "two") == told(tokens.find("", environment))


def told(found: Token) -> tuple[str, str]:
    """Where a token is from, and whose it is."""
    return found.source, found.identity


def test_what_is_told_of_a_token() -> None:
    """Identity, issuer and source; never the token."""
    raw = token()
    found = tokens.read(f" {raw}\n", "identityToken")
    assert f"repo:org/app of issuer {ISSUER} (token of identityToken)" == str(found)
    assert raw == found.raw
    assert SEGMENT not in repr(found)


def test_an_address_goes_before_a_number() -> None:
    """Services for people know them by number, and certificates by address."""
    assert "jo@example.com" == tokens.read(token(email="jo@example.com"), "identityToken").identity


@pytest.mark.parametrize("audience", ["sigstore", ["other", "sigstore"]])
def test_audiences(audience: object) -> None:
    """One, or one of several."""
    assert ISSUER == tokens.read(token(aud=audience), "identityToken").issuer


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("junk", "is no JWT of three parts"),
        (f"{SEGMENT}..{SEGMENT}", "is no JWT of three parts"),
        (f"{token()}.{SEGMENT}", "is no JWT of three parts"),
        (f"{SEGMENT}.!!.{SEGMENT}", "is no JWT of three parts"),
        (f"{SEGMENT}.é.{SEGMENT}", "is no JWT of three parts"),
        (token().replace(SEGMENT, "a\nb"), "is no JWT of three parts"),
        (f"{SEGMENT}.AAAAA.{SEGMENT}", "holds no JSON object"),
        (f"{SEGMENT}.{segment([])}.{SEGMENT}", "holds no JSON object"),
        (f"{SEGMENT}.{SEGMENT}.{SEGMENT}", "holds no JSON object"),
        ("x" * 32_769, "is longer than 32768 characters"),
        (token(iss=None), "does not state iss"),
        (token(iss=7), "does not state iss"),
        (token(sub=None), "does not state sub"),
        (token(sub=""), "does not state sub"),
        (token(aud=None), "is not for the audience sigstore"),
        (token(aud="other"), "is not for the audience sigstore"),
        (token(aud=["other"]), "is not for the audience sigstore"),
        (token(aud={"sigstore": 1}), "is not for the audience sigstore"),
        (token(exp=None), "does not state exp as a time"),
        (token(exp="1"), "does not state exp as a time"),
        (token(iat=None), "does not state iat as a time"),
        (token(iat=True), "does not state iat as a time"),
        (token(nbf="soon"), "does not state nbf as a time"),
    ],
    ids=range(23),
)
def test_tokens_that_cannot_serve(raw: str, what: str) -> None:
    """What is wrong is said, and what was in the token is not."""
    assert what == refused(raw)


@pytest.mark.parametrize(
    ("name", "seconds", "what"),
    [("exp", -60, "is no longer valid"), ("iat", 600, "is not valid yet"), ("nbf", 600, "is not valid yet")],
)
def test_tokens_of_another_time(name: str, seconds: int, what: str) -> None:
    """A token counts from its first moment to its last."""
    assert what == refused(token(**{name: time.time() + seconds}))


@pytest.mark.parametrize("claims", [{"exp": -3}, {"iat": 3}, {"nbf": 3}])
def test_clocks_may_differ_a_little(claims: dict[str, int]) -> None:
    """By five seconds."""
    now = int(time.time())
    assert tokens.read(token(**{name: now + by for name, by in claims.items()}), "identityToken")


class Machine(BaseHTTPRequestHandler):
    """What GitHub's runners offer."""

    reply: tuple[int, bytes] = (200, b"")
    seen: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        """Answer as told."""
        self.seen.append((self.path, self.headers.get("Authorization")))
        status, body = self.reply
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Stay silent."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Machine]]:
    """A runner that gives tokens."""
    handler = type("Handler", (Machine,), {"seen": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-secret")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"http://127.0.0.1:{server.server_address[1]}/token?x=1")
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_machine_gives_a_token(machine: type[Machine]) -> None:
    """It is asked for the right audience, once."""
    machine.reply = 200, json.dumps({"value": token()}).encode()
    assert ("the machine", "repo:org/app") == told(tokens.find())
    assert [("/token?x=1&audience=sigstore", "bearer request-secret")] == machine.seen


def ambient_error() -> str:
    """What is said where the machine gives none."""
    with pytest.raises(TrustError) as caught:
        tokens.find()
    assert "trust.sign_token" == caught.value.code
    assert "id-token: write" in caught.value.advice
    return caught.value.what


@pytest.mark.parametrize(
    ("reply", "what"),
    [
        ((500, b"secret inside"), "GitHub: OIDC token request failed"),
        ((200, b"secret"), "GitHub: malformed or incomplete JSON"),
        ((200, b'{"value": "secret"}'), "Malformed token"),
        ((200, json.dumps({"value": token(aud="secret")}).encode()), "Token audience claim mismatch"),
        ((200, b"\xff"), "GitHub: malformed or incomplete JSON"),
        ((500, b"\xff"), "(UnicodeDecodeError)"),
    ],
    ids=range(6),
)
def test_a_machine_that_fails(machine: type[Machine], reply: tuple[int, bytes], what: str) -> None:
    """The service's words are not repeated: they may hold what they should not."""
    machine.reply = reply
    assert (said := ambient_error()).endswith(what)
    assert "secret" not in said


def test_a_job_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to write into the workflow is in the advice."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert "insufficient OIDC token permissions" in ambient_error()


def test_a_program_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its output is not repeated."""
    program = tmp_path / "buildkite-agent"
    program.write_text("#!/bin/sh\necho secret; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("BUILDKITE", "true")
    assert ambient_error().endswith("Buildkite: the Buildkite agent encountered an error")


def test_gitlab_without_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named."""
    monkeypatch.setenv("GITLAB_CI", "true")
    assert f"Environment variable {tokens.VARIABLE} not found" in ambient_error()


def test_a_machine_without_identity() -> None:
    """Nobody is asked, and no browser is opened."""
    assert "there is no identity token to sign with" == ambient_error()
