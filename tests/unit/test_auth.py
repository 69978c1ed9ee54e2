# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.auth: who is told what, how often, and what is said when it does not work."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kubeoci import digest, reference
from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry import auth
from kubeoci.registry.answer import Answer
from kubeoci.registry.auth import check_allowed, check_realm, read_token
from kubeoci.registry.connections import Origin
from kubeoci.registry.keychain import Credentials
from kubeoci.registry.remote import Registry, Shared
from kubeoci.registry.transport import Settings
from simulator.client import QUICK, connect
from simulator.registry import Fault, RegistrySimulator

MANIFEST = b'{"schemaVersion":2}'
HEAD = "HEAD /v2/app/manifests/v1"
ANN = Credentials("ann", "pw")
Client = Callable[..., Registry]


def simulator(*, bearer: bool, username: str = "ann") -> RegistrySimulator:
    """A registry with one artifact that only ann may see, unless she has no name."""
    server = RegistrySimulator(username=username, password="pw", bearer=bearer)
    server.add("app", "v1", MANIFEST, "application/vnd.oci.image.manifest.v1+json")
    return server


@pytest.fixture
def basic() -> Iterator[RegistrySimulator]:
    """A registry that wants a password."""
    with simulator(bearer=False) as server:
        yield server


@pytest.fixture
def bearer() -> Iterator[RegistrySimulator]:
    """A registry that wants a token."""
    with simulator(bearer=True) as server:
        yield server


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """Makes a client with these credentials, of a process that knows what `shared` knows."""
    return lambda given=ANN, shared=None: connect(
        tmp_path, Settings(credentials=given, limits=QUICK), shared=shared or Shared()
    )


def app(server: RegistrySimulator, name: str = "app") -> Repository:
    """A repository of the simulator."""
    return reference.parse(f"{server.host}/{name}").repository


def test_basic_is_learned_once(basic: RegistrySimulator, client: Client) -> None:
    """The first request goes bare; the origin's scheme is known from then on, to all clients of the process."""
    shared = Shared()
    client(shared=shared).tag(app(basic), "v1")
    client(shared=shared).tag(app(basic), "v1")
    assert [HEAD, HEAD, HEAD] == basic.requests
    assert ["", "Basic", "Basic"] == basic.authorizations


def test_bearer_is_learned_once(bearer: RegistrySimulator, client: Client) -> None:
    """One token for equal needs, another for other repositories."""
    shared = Shared()
    client(shared=shared).tag(app(bearer), "v1")
    client(shared=shared).tag(app(bearer), "v1")
    assert [HEAD, "GET /token", HEAD, HEAD] == bearer.requests
    assert ["", "Basic", "Bearer", "Bearer"] == bearer.authorizations
    client(shared=shared).tag(app(bearer, "b"), "v1")
    assert [["repository:app:pull"], ["repository:b:pull"]] == list(bearer.tokens.values())


def test_credentials_do_not_share_tokens(bearer: RegistrySimulator, client: Client) -> None:
    """Another user asks for another token, and gets none with a wrong password."""
    shared = Shared()
    client(shared=shared).tag(app(bearer), "v1")
    with pytest.raises(RegistryError, match="are refused"):
        client(Credentials("eve", "x"), shared).tag(app(bearer), "v1")


def test_many_threads_ask_for_one_token(bearer: RegistrySimulator, client: Client) -> None:
    """The others wait for the first."""
    registry = client()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: registry.tag(app(bearer), "v1"), range(8)))
    assert 1 == len(bearer.tokens)


def test_stale_token_is_renewed_once(bearer: RegistrySimulator, client: Client) -> None:
    """A token that is refused before its time is dropped, and another one asked for."""
    shared = Shared()
    client(shared=shared).tag(app(bearer), "v1")
    bearer.tokens = {"x": []}
    bearer.clear()
    client(shared=shared).tag(app(bearer), "v1")
    assert [HEAD, "GET /token", HEAD] == bearer.requests


def test_expired_token_is_not_used(bearer: RegistrySimulator, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is known, so no request is wasted on it."""
    shared = Shared()
    monkeypatch.setattr(auth, "_MAX_LIFE_SECONDS", 1)
    client(shared=shared).tag(app(bearer), "v1")
    bearer.clear()
    client(shared=shared).tag(app(bearer), "v1")
    assert ["GET /token", HEAD] == bearer.requests


def test_refusal_without_end_stops(bearer: RegistrySimulator, client: Client) -> None:
    """A registry that refuses its own fresh token is not asked for ever."""
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{bearer.host}/token"'}
    bearer.fail(HEAD, Fault(status=401, headers=challenge), times=9)
    with pytest.raises(RegistryError, match="are refused, asked at"):
        client().tag(app(bearer), "v1")
    assert [HEAD, "GET /token", HEAD] == bearer.requests


def test_refused_scopes_are_tried_as_challenged(bearer: RegistrySimulator, client: Client) -> None:
    """Some token services refuse more than was asked of them; then their own scope is used."""
    bearer.fail("GET /token", Fault(status=403))
    client().tag(app(bearer), "v1", actions="pull,push")
    scopes = ["scope=repository%3Aapp%3Apull%2Cpush", "scope=repository%3Aapp%3Apull"]
    assert scopes == [target.split("&")[-1] for target in bearer.targets if target.startswith("/token")]


@pytest.mark.parametrize("bearer_", [False, True])
def test_no_credentials_says_where_it_looked(tmp_path: Path, client: Client, bearer_: bool) -> None:
    """All places are named, and what to do."""
    with simulator(bearer=bearer_) as server, pytest.raises(RegistryError, match="there are none; looked in") as caught:
        client(None).tag(app(server), "v1")
    assert "registry.unauthorized" == caught.value.code
    assert f"{tmp_path}/.docker/config.json (no such file)" in caught.value.what
    assert f"run `docker login {server.host}`, or set `credentials`" == caught.value.advice


def test_basic_without_credentials_fails_after_one_request(basic: RegistrySimulator, client: Client) -> None:
    """There is nothing that a second request could say."""
    with pytest.raises(RegistryError):
        client(None).tag(app(basic), "v1")
    assert [HEAD] == basic.requests


@pytest.mark.parametrize("bearer_", [False, True])
def test_wrong_credentials_name_their_source(tmp_path: Path, client: Client, bearer_: bool) -> None:
    """Not their values: the file they came from."""
    with simulator(bearer=bearer_) as server:
        path = tmp_path / ".docker" / "config.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"auths": {server.host: {"username": "annie", "password": "hunter2"}}}))
        with pytest.raises(RegistryError, match=f"the credentials from `auths` in {path} are refused") as caught:
            client(None).tag(app(server), "v1")
    assert "registry.unauthorized" == caught.value.code
    assert not any(secret in str(caught.value) for secret in ("annie", "hunter2"))


def test_open_repository_of_a_known_registry(basic: RegistrySimulator, client: Client) -> None:
    """That others logged in is no reason to refuse a stranger unasked."""
    shared = Shared()
    client(shared=shared).tag(app(basic), "v1")
    basic.fail(HEAD, Fault(status=200, headers={"Docker-Content-Digest": digest.of(MANIFEST)}))
    assert digest.of(MANIFEST) == client(None, shared).tag(app(basic), "v1")


def test_changed_password_is_told(basic: RegistrySimulator, client: Client) -> None:
    """A header that was good is not sent twice."""
    shared = Shared()
    client(shared=shared).tag(app(basic), "v1")
    basic.password = "other"
    basic.clear()
    with pytest.raises(RegistryError, match="are refused"):
        client(shared=shared).tag(app(basic), "v1")
    assert [HEAD] == basic.requests


def test_failing_store_is_part_of_the_reason(tmp_path: Path, basic: RegistrySimulator, client: Client) -> None:
    """It may be why there are no credentials."""
    path = tmp_path / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text('{"credsStore": "gone"}')
    with pytest.raises(RegistryError, match=r"docker-credential-gone .* cannot be run"):
        client(None).tag(app(basic), "v1")


def test_failing_token_service_is_told(bearer: RegistrySimulator, client: Client) -> None:
    """It is no question of credentials."""
    bearer.fail("GET /token", Fault(status=404))
    with pytest.raises(RegistryError, match=r"/token: the registry answered 404"):
        client().tag(app(bearer), "v1")


def test_unknown_scheme_is_told(basic: RegistrySimulator, client: Client) -> None:
    """Nothing is sent that was not asked for."""
    basic.fail(HEAD, Fault(status=401, headers={"WWW-Authenticate": "Negotiate"}))
    with pytest.raises(RegistryError, match="in no way that is known"):
        client().tag(app(basic), "v1")
    assert [""] == basic.authorizations


def test_hidden_repository_is_asked_for_at_the_door(basic: RegistrySimulator, client: Client) -> None:
    """A 404 to a stranger may be a lie: if we have credentials, the front door tells how to use them."""
    basic.fail(HEAD, Fault(status=404))
    assert client().tag(app(basic), "v1") is not None
    assert [HEAD, "GET /v2/", HEAD] == basic.requests


def test_open_registry_is_asked_at_the_door_once(client: Client) -> None:
    """Where nobody needs to log in, a 404 is a 404."""
    shared = Shared()
    with simulator(bearer=False, username="") as server:
        assert client(shared=shared).tag(app(server), "none") is None
        assert client(shared=shared).tag(app(server), "none") is None
        assert 1 == server.requests.count("GET /v2/")


def test_registry_token_is_used_as_it_is(bearer: RegistrySimulator, client: Client) -> None:
    """No token service is asked."""
    bearer.tokens = {"mine": []}
    client(Credentials(registry_token="mine")).tag(app(bearer), "v1")
    assert [HEAD, HEAD] == bearer.requests


def test_identity_token_is_posted(bearer: RegistrySimulator, client: Client) -> None:
    """It never stands in a URL."""
    bearer.tokens = {"t": []}
    bearer.fail("POST /token", Fault(status=200, body=b'{"access_token": "t"}'))
    client(Credentials(identity_token="id")).tag(app(bearer), "v1")
    assert [HEAD, "POST /token", HEAD] == bearer.requests
    assert "/token" == bearer.targets[1]


def test_token_service_does_not_redirect(bearer: RegistrySimulator, client: Client) -> None:
    """Credentials were meant for the service that was named."""
    bearer.fail("GET /token", Fault(status=302, headers={"Location": "/v2/"}))
    with pytest.raises(RegistryError, match=r"registry\.unsafe_redirect"):
        client().tag(app(bearer), "v1")


@pytest.mark.parametrize(
    ("realm", "origin"),
    [
        ("https://auth.docker.io/token", "https://registry-1.docker.io"),
        ("https://reg.io:8443/token", "https://reg.io"),
        ("https://10.0.0.1/token", "https://10.0.0.1:5000"),
        ("http://127.0.0.1:5001/token", "http://127.0.0.1:5000"),
        ("http://auth.corp/token", "http://reg.corp"),
    ],
)
def test_realms_that_get_credentials(realm: str, origin: str) -> None:
    """An https service anywhere, as Docker does it; plain HTTP only for a registry on plain HTTP."""
    check_realm(realm, Origin.of(origin))


@pytest.mark.parametrize(
    "realm",
    ["http://reg.io/token", "https://169.254.169.254/", "https://127.0.0.1/", "https://u:p@reg.io/", "token", ""],
)
def test_realms_that_do_not(realm: str) -> None:
    """Insecure, private, or no address at all."""
    with pytest.raises(RegistryError) as caught:
        check_realm(realm, Origin.of("https://reg.io"))
    assert "registry.unsafe_redirect" == caught.value.code


def test_realms_that_are_allowed(bearer: RegistrySimulator, tmp_path: Path) -> None:
    """With a list, credentials go to what it names, and the rest is refused before anything is sent."""
    for path, expected in (("/token", None), ("/other", "`realms` does not let credentials go to")):
        realms = (("ghcr.io", "https://ghcr.io/token"), (bearer.host, f"http://{bearer.host}{path}"))
        registry = connect(tmp_path, Settings(credentials=ANN, realms=realms, limits=QUICK))
        bearer.clear()
        if expected is None:
            assert registry.tag(app(bearer), "v1")
        else:
            with pytest.raises(RegistryError, match=expected):
                registry.tag(app(bearer), "v1")
            assert [HEAD] == bearer.requests


@pytest.mark.parametrize("realm", ["https://auth.docker.io/token", "https://auth.docker.io:443/token?x=1"])
def test_realms_are_compared_without_query(realm: str) -> None:
    """The port counts that is used; the registry is the one of the reference."""
    hub = Repository("docker.io", "library/nginx")
    check_allowed(realm, hub, [("docker.io", "https://auth.docker.io/token")])
    for realms in ([("ghcr.io", realm)], [("docker.io", "https://auth.docker.io/")]):
        with pytest.raises(RegistryError, match=r"registry\.unsafe_redirect"):
            check_allowed(realm, hub, realms)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"token": "t", "expires_in": 300}', ("t", 265.0)),
        (b'{"access_token": "t"}', ("t", 49.0)),
        (b'{"token": "", "access_token": "t", "expires_in": 999999}', ("t", 3235.0)),
        (b'{"token": "t", "expires_in": "x"}', ("t", 49.0)),
    ],
)
def test_token_answers(body: bytes, expected: tuple[str, float]) -> None:
    """Either name, and a life that ends a little early."""
    assert expected == pytest.approx(read_token(Answer("GET", "https://h/", 200, body=body)))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"token": 1}', b'{"token": "a b"}', b'{"token": "a\\n"}']
)
def test_no_token(body: bytes) -> None:
    """Nothing that could break out of a header is used."""
    with pytest.raises(RegistryError, match="sent no token"):
        read_token(Answer("GET", "https://h/", 200, body=body))
