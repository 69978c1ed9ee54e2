# SPDX-License-Identifier: Apache-2.0
"""What a registry may do to us, row by row: each ends in a named error, in time, with nothing kept and nobody told.

Rows that concern one module alone are in its own tests (redirects: test_transport, challenges: test_auth, sessions:
test_upload, ranges and wrong bodies: test_remote).
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from kubeoci import artifact, digest, reference
from kubeoci.artifact import MANIFEST, Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError, Stopped
from kubeoci.reference import Repository
from kubeoci.registry.answer import visible
from kubeoci.registry.keychain import Credentials
from kubeoci.registry.remote import Registry, Shared
from kubeoci.registry.transport import Settings
from simulator.client import QUICK, connect
from simulator.registry import Fault, RegistrySimulator

ANN = Credentials("ann", "pw")
BLOB = b"blob"
SHA512 = Digest(f"sha512:{hashlib.sha512(BLOB).hexdigest()}")
DESCRIPTOR = Descriptor("application/octet-stream", digest.of(BLOB), len(BLOB))
Ask = Callable[[Registry, Repository], object]


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """A registry that wants a token."""
    with RegistrySimulator(username="ann", password="pw", bearer=True) as simulator:
        simulator.add("app", "v1", b"{}", MANIFEST, BLOB)
        yield simulator


@pytest.fixture
def other() -> Iterator[RegistrySimulator]:
    """Another place, which should not hear of us."""
    with RegistrySimulator() as simulator:
        yield simulator


@pytest.fixture
def app(server: RegistrySimulator) -> Repository:
    """`app` in the simulator."""
    return reference.parse(f"{server.host}/app").repository


def client(home: Path, **settings: object) -> Registry:
    """A client that has ann's password."""
    return connect(home, replace(Settings(credentials=ANN, limits=QUICK), **settings))  # type: ignore[arg-type]


def put(registry: Registry, app: Repository) -> object:
    """Push a blob that is not there."""
    return registry.put_blob(app, DESCRIPTOR, lambda: BytesIO(BLOB), absent=True)


@pytest.mark.parametrize("path", ["/v2/app/blobs/uploads/7", "/elsewhere", ""])
def test_session_in_another_place(
    server: RegistrySimulator, other: RegistrySimulator, app: Repository, tmp_path: Path, path: str
) -> None:
    """Over plain HTTP nothing is sent there, neither bytes nor credentials."""
    server.fail("POST /v2/app", Fault(headers={"Location": f"http://{other.host}{path}"}), times=2)
    with pytest.raises(RegistryError, match="the upload shall go to") as caught:
        put(client(tmp_path), app)
    assert ("registry.unsafe_redirect", []) == (caught.value.code, other.requests)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_redirected_upload(
    server: RegistrySimulator, other: RegistrySimulator, app: Repository, tmp_path: Path, method: str
) -> None:
    """A write does not go where it was not sent."""
    server.fail(f"{method} /v2/app", Fault(status=307, headers={"Location": f"http://{other.host}/v2/app/"}))
    with pytest.raises(RegistryError, match=f"a redirected {method} is not followed"):
        put(client(tmp_path), app)
    assert [] == other.requests


def test_redirected_blob_loses_the_token(
    server: RegistrySimulator, other: RegistrySimulator, app: Repository, tmp_path: Path
) -> None:
    """A storage service gets the request alone, and its bytes are hashed like any others."""
    registry = client(tmp_path)
    registry.tag(app, "v1")
    for body in (BLOB, b"evil"):
        server.fail("GET /v2/app/blobs", Fault(status=307, headers={"Location": f"http://{other.host}/x?sig=1"}))
        other.fail("GET /x", Fault(status=200, body=body))
    with registry.blob(app, DESCRIPTOR) as stream:
        assert BLOB == stream.read()
    with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
        registry.blob(app, replace(DESCRIPTOR, digest=digest.of(b"good")))
    assert ["", ""] == other.authorizations


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:1/v2/app/tags/list?n=1", "/v2/b/tags/list", "//evil.io/v2/app/tags/list"]
)
def test_foreign_pages(server: RegistrySimulator, app: Repository, tmp_path: Path, link: str) -> None:
    """The next page of a list is where the list is."""
    server.fail("GET /v2/app/tags", Fault(headers={"Link": f'<{link}>; rel="next"'}), times=2)
    registry = client(tmp_path)
    registry.tag(app, "v1")
    with pytest.raises(RegistryError, match="the next page of tags is elsewhere"):
        registry.tags(app)


def test_endless_pages(server: RegistrySimulator, app: Repository, tmp_path: Path) -> None:
    """A list that leads back is not read for ever, nor is one that grows for ever."""
    registry = client(tmp_path, limits=replace(QUICK, max_tag_pages=3))
    registry.tag(app, "v1")
    server.fail("GET /v2/app/tags", Fault(headers={"Link": '</v2/app/tags/list?n=1000>; rel="next"'}), times=9)
    with pytest.raises(RegistryError, match="go in a circle"):
        registry.tags(app)
    server.heal()
    for page in range(9):
        server.fail("GET /v2/app/tags", Fault(headers={"Link": f'<?last={page}>; rel="next"'}))
    with pytest.raises(RegistryError, match=r"registry\.too_large"):
        registry.tags(app)


@pytest.mark.parametrize("tag", ["a/b", "\x1b[31m", "", "x" * 129, 3, None])
def test_tags_that_are_none(server: RegistrySimulator, app: Repository, tmp_path: Path, tag: object) -> None:
    """They would end in messages, URLs and file names."""
    registry = client(tmp_path)
    registry.tag(app, "v1")
    server.fail("GET /v2/app/tags", Fault(body=json.dumps({"tags": ["v1", tag]}).encode()))
    with pytest.raises(RegistryError, match="is no list of tags"):
        registry.tags(app)


def test_ten_thousand_tags(server: RegistrySimulator, app: Repository, tmp_path: Path) -> None:
    """Many are fine."""
    server.tags["app"] = dict.fromkeys((f"v{number:05}" for number in range(10_500)), digest.of(b"{}"))
    assert list(server.tags["app"]) == client(tmp_path).tags(app)


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry, app: registry.tag(app, "v1"),
        lambda registry, app: registry.manifest(app, digest.of(b"{}")),
        lambda registry, app: registry.blob(app, DESCRIPTOR),
        lambda registry, app: registry.tags(app),
        put,
    ],
)
def test_trickle_ends_with_the_deadline(server: RegistrySimulator, app: Repository, tmp_path: Path, ask: Ask) -> None:
    """One byte now and then, of the headers as of the body: always alive, never done."""
    server.fail("", Fault(trickle=0.05), times=99)
    begin = time.monotonic()
    with pytest.raises(Stopped) as caught:
        ask(client(tmp_path, timeout_seconds=0.4), app)
    assert "stopped.deadline" == caught.value.code
    assert time.monotonic() - begin < 15


def test_storm_of_429(server: RegistrySimulator, app: Repository, tmp_path: Path) -> None:
    """Five tries, then the registry's own word; and a time that is too long is told at once."""
    server.fail("HEAD", Fault(status=429, headers={"Retry-After": "0"}), times=99)
    with pytest.raises(RegistryError, match="the registry answered 429") as caught:
        client(tmp_path).tag(app, "v1")
    assert ("registry.rate_limited", 5) == (caught.value.code, len(server.requests))
    server.heal()
    server.fail("HEAD", Fault(status=429, headers={"Retry-After": "86400"}))
    with pytest.raises(RegistryError, match="come back in 86400 s"):
        client(tmp_path).tag(app, "v1")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "sent no token"),
        (b"<html>", "sent no token"),
        (b'{"token": "\\u001b"}', "sent no token"),
        (b'{"token": "%s"}' % (b"x" * 200_000), "sent no token, but an answer of more than"),
    ],
)
def test_answers_without_token(
    server: RegistrySimulator, app: Repository, tmp_path: Path, body: bytes, reason: str
) -> None:
    """Nothing but a word becomes part of a header."""
    server.fail("GET /token", Fault(body=body))
    with pytest.raises(RegistryError, match=reason) as caught:
        client(tmp_path).tag(app, "v1")
    assert "registry.unauthorized" == caught.value.code


@pytest.mark.parametrize("seconds", ["0", "-5", "NaN", "1e999", "true", '"x"', "null"])
def test_any_life_of_a_token(server: RegistrySimulator, app: Repository, tmp_path: Path, seconds: str) -> None:
    """A token that is over at once is used for the request that it was fetched for, and no longer."""
    server.tokens["t"] = []
    server.fail("GET /token", Fault(body=f'{{"token": "t", "expires_in": {seconds}}}'.encode()), times=2)
    registry = client(tmp_path)
    assert [digest.of(b"{}")] * 2 == [registry.tag(app, "v1") for _ in range(2)]


def test_two_hosts_share_nothing(server: RegistrySimulator, tmp_path: Path) -> None:
    """Of one process, with one memory: each gets its own password and its own token."""
    shared, eve = Shared(), Credentials("eve", "secret")
    with RegistrySimulator(username="eve", password="secret", bearer=True) as other:
        other.add("app", "v1", b"{}", MANIFEST)
        for registry, given in ((server, ANN), (other, eve), (server, ANN), (other, eve)):
            one = connect(tmp_path, Settings(credentials=given, limits=QUICK), shared=shared)
            assert one.tag(reference.parse(f"{registry.host}/app").repository, "v1")
        for registry, given in ((server, ANN), (other, eve)):
            token = f"Bearer {next(iter(registry.tokens))}"
            assert ["", given.basic, token, token] == registry.secrets


def test_urls_of_a_descriptor_are_never_asked(other: RegistrySimulator, app: Repository, tmp_path: Path) -> None:
    """A manifest may name other places for a blob; the registry has it, or nobody."""
    layer = {"mediaType": "a/b", "digest": digest.of(b"x"), "size": 1, "urls": [f"http://{other.host}/x"]}
    raw = json.dumps({"schemaVersion": 2, "config": layer, "layers": [layer]}).encode()
    with pytest.raises(RegistryError, match=r"registry\.not_found"):
        client(tmp_path).blob(app, artifact.select_layer(artifact.parse(raw, MANIFEST)))
    assert [] == other.requests


def test_sha512(server: RegistrySimulator, app: Repository, tmp_path: Path) -> None:
    """The other algorithm is checked as well, both ways."""
    registry, descriptor = client(tmp_path), replace(DESCRIPTOR, digest=SHA512)
    assert registry.put_blob(app, descriptor, lambda: BytesIO(BLOB))
    assert BLOB == server.blobs["app"][SHA512]
    server.fail("GET /v2/app/blobs", Fault(body=b"evil"))
    with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
        registry.blob(app, descriptor)
    with registry.blob(app, descriptor) as stream:
        assert BLOB == stream.read()


@pytest.mark.parametrize("told", ["sha512:" + "0" * 128, digest.of(b"x"), "md5:0", "\x1b[2J"])
def test_told_digests_are_never_believed(server: RegistrySimulator, app: Repository, tmp_path: Path, told: str) -> None:
    """A tag may name anything; the bytes must fit what it named, whatever the algorithm."""
    registry = client(tmp_path)
    registry.exists(app, digest.of(b"y"))
    server.fail("HEAD", Fault(headers={"Docker-Content-Digest": told}))
    server.fail("GET /v2/app/manifests", Fault(status=200, body=b"{}"))
    with pytest.raises(KubeociError, match=r"registry\.digest_mismatch"):
        registry.manifest(app, registry.tag(app, "v1") or digest.of(b""))


@pytest.mark.parametrize("url", ["http://h/\x1b[2Ja", "http://h/\x9b2Ja", "http://h/\x00a"])
def test_no_url_paints_on_a_terminal(url: str) -> None:
    """Addresses come from servers too."""
    assert visible(url).isprintable()
