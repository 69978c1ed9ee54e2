# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.remote and download: no byte is handed out that was not checked."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from kubeoci import digest, reference
from kubeoci.artifact import MANIFEST, Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError, Stopped
from kubeoci.reference import Reference, Repository
from kubeoci.registry.remote import Registry, Shared
from kubeoci.registry.transport import Settings
from simulator.client import QUICK, connect
from simulator.registry import Fault, RegistrySimulator

BLOB = b"0123456789" * 1000
DESCRIPTOR = Descriptor("application/octet-stream", digest.of(BLOB), len(BLOB))
RAW = b'{"config":{"digest":"%b","mediaType":"a/b","size":10000},"layers":[],"mediaType":"%b","schemaVersion":2}' % (
    digest.of(BLOB).encode(),
    MANIFEST.encode(),
)
TAG, BY_DIGEST = "/v2/app/manifests/v1", f"/v2/app/manifests/{digest.of(RAW)}"
GET_BLOB = f"GET /v2/app/blobs/{digest.of(BLOB)}"
Read = Callable[[], bytes]


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """A registry with one artifact."""
    with RegistrySimulator() as simulator:
        simulator.add("app", "v1", RAW, MANIFEST, BLOB)
        yield simulator


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A client with an empty cache."""
    return connect(tmp_path)


@pytest.fixture
def app(server: RegistrySimulator) -> Repository:
    """`app` in the simulator."""
    return reference.parse(f"{server.host}/app").repository


@pytest.fixture
def read(registry: Registry, app: Repository) -> Read:
    """Reads the blob through the client."""

    def run() -> bytes:
        with registry.blob(app, DESCRIPTOR) as stream:
            return stream.read()

    return run


def test_pull_by_tag_takes_three_requests(
    server: RegistrySimulator, registry: Registry, app: Repository, read: Read
) -> None:
    """Tag, manifest, blob; once they are in the cache only the tag is asked."""
    for expected in ([f"HEAD {TAG}", f"GET {BY_DIGEST}", GET_BLOB], [f"HEAD {TAG}"]):
        found = registry.resolve(Reference(app, "v1"))
        assert (digest.of(RAW), RAW, BLOB) == (found, registry.manifest(app, found), read())
        assert expected == server.requests
        server.clear()


def test_digest_needs_no_request(server: RegistrySimulator, registry: Registry, app: Repository) -> None:
    """What is pinned is not looked up."""
    assert digest.of(RAW) == registry.resolve(Reference(app, "v9", digest.of(RAW)))
    assert [] == server.requests


def test_missing_tag_is_told(registry: Registry, app: Repository) -> None:
    """With the whole reference, and as None where that is asked for."""
    with pytest.raises(RegistryError, match=r"app:v2: no tag 'v2' in") as caught:
        registry.resolve(Reference(app, "v2"))
    assert "registry.not_found" == caught.value.code
    assert registry.tag(app, "v2") is None


def test_default_tag_is_latest(server: RegistrySimulator, registry: Registry, app: Repository) -> None:
    """As in Flux and Docker."""
    server.tags["app"]["latest"] = digest.of(RAW)
    assert digest.of(RAW) == registry.resolve(Reference(app))


def test_registry_that_does_not_tell_digests(server: RegistrySimulator, registry: Registry, app: Repository) -> None:
    """The manifest is fetched and hashed, and then it is in the cache."""
    server.fail("HEAD", Fault(headers={"Docker-Content-Digest": ""}))
    assert digest.of(RAW) == registry.resolve(Reference(app, "v1"))
    assert RAW == registry.manifest(app, digest.of(RAW))
    assert [f"HEAD {TAG}", f"GET {TAG}"] == server.requests


@pytest.mark.parametrize("told", ["junk", "sha256:../../etc/passwd", "md5:00"])
def test_nonsense_digest_is_refused(server: RegistrySimulator, registry: Registry, app: Repository, told: str) -> None:
    """Nothing but a digest becomes a file name or part of a URL."""
    server.fail("HEAD", Fault(headers={"Docker-Content-Digest": told}))
    with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
        registry.resolve(Reference(app, "v1"))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(body=RAW.replace(b"10000", b"10001")), "registry.digest_mismatch"),
        (Fault(headers={"Docker-Content-Digest": digest.of(b"x")}), "registry.digest_mismatch"),
        (Fault(headers={"Content-Type": "application/vnd.oci.image.index.v1+json"}), "registry.unsupported"),
        (Fault(body=b" " * (5 << 20)), "registry.too_large"),
        (Fault(status=404), "registry.not_found"),
        (Fault(status=403), "registry.denied"),
    ],
)
def test_bad_manifest_is_not_kept(
    server: RegistrySimulator, registry: Registry, app: Repository, fault: Fault, code: str
) -> None:
    """The next try asks again and gets the right one."""
    server.fail("GET", fault)
    with pytest.raises(RegistryError) as caught:
        registry.manifest(app, digest.of(RAW))
    assert code == caught.value.code
    assert RAW == registry.manifest(app, digest.of(RAW))


def test_tagged_is_one_request(server: RegistrySimulator, registry: Registry, app: Repository) -> None:
    """The raw manifest by its tag, None for a tag that is not there."""
    assert (RAW, None) == (registry.tagged(app, "v1"), registry.tagged(app, "v2"))
    assert [f"GET {TAG}", f"GET {TAG[:-1]}2"] == server.requests


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(body=b"{}"), "registry.digest_mismatch"),
        (Fault(body=b"{}", headers={"Docker-Content-Digest": ""}), "registry.unsupported"),
        (Fault(headers={"Content-Type": "application/vnd.oci.image.index.v1+json"}), "registry.unsupported"),
        (Fault(body=b" " * (5 << 20)), "registry.too_large"),
        (Fault(status=403), "registry.denied"),
        (Fault(status=400), "registry.failed"),
    ],
)
def test_only_404_is_no_tag(
    server: RegistrySimulator, registry: Registry, app: Repository, fault: Fault, code: str
) -> None:
    """Whatever else is wrong is an error."""
    server.fail("GET", fault)
    with pytest.raises(RegistryError) as caught:
        registry.tagged(app, "v1")
    assert code == caught.value.code


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body=BLOB[::-1]),
        Fault(body=BLOB + b"x"),
        Fault(body=BLOB[1:]),
        Fault(headers={"Content-Encoding": "gzip"}),
        Fault(headers={"Content-Length": "99999999"}),
        Fault(headers={"Docker-Content-Digest": digest.of(b"x")}),
    ],
    ids=["other", "longer", "shorter", "encoded", "announced", "told"],
)
def test_bad_blob_is_not_kept(server: RegistrySimulator, read: Read, tmp_path: Path, fault: Fault) -> None:
    """Not even for a moment: no file is left, and the next try gets the right one."""
    server.fail("GET", fault)
    with pytest.raises(RegistryError) as caught:
        read()
    assert "registry.digest_mismatch" == caught.value.code
    assert [] == [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert BLOB == read()


def test_chunked_blob_is_bounded(server: RegistrySimulator, read: Read) -> None:
    """Without an announced length, reading ends behind the last byte that may come."""
    body = b"".join(b"4000\r\n" + b"x" * 0x4000 + b"\r\n" for _ in range(9)) + b"0\r\n\r\n"
    server.fail("GET", Fault(body=body, headers={"Transfer-Encoding": "chunked"}))
    with pytest.raises(RegistryError, match="more than 10000 bytes come"):
        read()


def test_chunked_blob_that_ends_early_is_refused(server: RegistrySimulator, read: Read) -> None:
    """Its end looks like any other."""
    server.fail("GET", Fault(body=b"1\r\nx\r\n0\r\n\r\n", headers={"Transfer-Encoding": "chunked"}))
    with pytest.raises(RegistryError, match="1 bytes came instead of 10000"):
        read()


def test_cut_blob_is_resumed(server: RegistrySimulator, read: Read) -> None:
    """The rest is asked for, and the whole is hashed."""
    server.fail("GET", Fault(cut=4000))
    assert BLOB == read()
    assert [GET_BLOB, GET_BLOB] == server.requests


def test_cut_blob_starts_again_where_ranges_are_unknown(server: RegistrySimulator, read: Read) -> None:
    """A whole body in answer to a range is a whole body."""
    server.fail("GET", Fault(cut=4000))
    server.fail("GET", Fault(status=200, body=BLOB))
    assert BLOB == read()


def test_cut_blob_starts_again_where_ranges_are_refused(server: RegistrySimulator, read: Read) -> None:
    """416 is no end."""
    server.fail("GET", Fault(cut=4000))
    server.fail("GET", Fault(status=416))
    assert BLOB == read()
    assert 3 == len(server.requests)


@pytest.mark.parametrize("told", ["", "bytes 0-9999/10000", "bytes x-y/z"])
def test_wrong_range_is_refused(server: RegistrySimulator, read: Read, told: str) -> None:
    """The rest must begin where we stopped."""
    server.fail("GET", Fault(cut=4000))
    server.fail("GET", Fault(headers={"Content-Range": told}))
    with pytest.raises(RegistryError, match="another range came"):
        read()


def test_readers_of_one_blob_share_a_download(server: RegistrySimulator, read: Read) -> None:
    """The second finds it in the cache."""
    with ThreadPoolExecutor(4) as pool:
        assert [BLOB] * 4 == [future.result() for future in [pool.submit(read) for _ in range(4)]]
    assert [GET_BLOB] == server.requests


def test_waiting_for_another_reader_ends(app: Repository, tmp_path: Path) -> None:
    """With the own deadline, not with that of the reader who is at it."""
    shared = Shared()
    with shared.turns[DESCRIPTOR.digest], pytest.raises(Stopped) as caught:
        connect(tmp_path, Settings(timeout_seconds=0.2), shared=shared).blob(app, DESCRIPTOR)
    assert "stopped.deadline" == caught.value.code


def test_huge_blob_is_refused_unasked(server: RegistrySimulator, registry: Registry, app: Repository) -> None:
    """Its size is known before."""
    with pytest.raises(RegistryError, match=r"registry\.too_large"):
        registry.blob(app, Descriptor("x", digest.of(BLOB), 1 << 40))
    assert [] == server.requests


def test_exists_does_not_ask_the_cache(server: RegistrySimulator, registry: Registry, app: Repository) -> None:
    """The question is what the registry has."""
    registry.cache.put(b"elsewhere")
    assert [False, True] == [registry.exists(app, digest.of(data)) for data in (b"elsewhere", RAW)]
    assert 2 == len(server.requests)


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry, app: registry.tag(app, "v1"),
        lambda registry, app: registry.exists(app, digest.of(RAW)),
        lambda registry, app: registry.has_blob(app, digest.of(BLOB)),
        lambda registry, app: registry.blob(app, DESCRIPTOR),
        lambda registry, app: registry.delete_tag(app, "v1"),
        lambda registry, app: registry.tags(app),
    ],
)
def test_only_404_means_absent(
    server: RegistrySimulator, registry: Registry, app: Repository, ask: Callable[[Registry, Repository], object]
) -> None:
    """Every other failure is told, and never taken for "gone"."""
    server.fail("", Fault(status=418))
    with pytest.raises(RegistryError, match="the registry answered 418"):
        ask(registry, app)


def test_put_manifest_compares_the_digest(server: RegistrySimulator, registry: Registry, app: Repository) -> None:
    """A registry that stores something else is found out."""
    server.fail("PUT", Fault(headers={"Docker-Content-Digest": digest.of(b"x")}))
    with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
        registry.put_manifest(app, "v2", RAW, MANIFEST)


def test_delete_tag_leaves_the_manifest(server: RegistrySimulator, registry: Registry, app: Repository) -> None:
    """Gone already is fine."""
    registry.delete_tag(app, "v1")
    registry.delete_tag(app, "v1")
    assert [f"DELETE {TAG}"] * 2 == server.requests
    assert registry.exists(app, digest.of(RAW))


def test_delete_tag_never_falls_back_to_the_digest(
    server: RegistrySimulator, registry: Registry, app: Repository
) -> None:
    """That would delete the other tags too."""
    server.delete_tags = False
    with pytest.raises(RegistryError, match="cannot delete a tag on its own") as caught:
        registry.delete_tag(app, "v1")
    assert "registry.unsupported" == caught.value.code
    assert [f"DELETE {TAG}"] == server.requests


def test_delete_manifest(server: RegistrySimulator, registry: Registry, app: Repository) -> None:
    """Its tags go along; gone already is fine."""
    registry.delete_manifest(app, digest.of(RAW))
    registry.delete_manifest(app, digest.of(RAW))
    assert {"app": {}} == server.tags


def test_tag_lists_are_paged(server: RegistrySimulator, registry: Registry, app: Repository) -> None:
    """As far as the registry points."""
    server.tags["app"] = {f"v{number:04}": digest.of(RAW) for number in range(2500)}
    assert sorted(server.tags["app"]) == registry.tags(app)
    assert ["GET /v2/app/tags/list"] * 3 == server.requests


@pytest.mark.parametrize("ref", ["../../x", "a/b", "v1?x", "", "sha256:zz"])
def test_only_tags_and_digests_become_urls(registry: Registry, app: Repository, ref: str) -> None:
    """Whatever the caller was told by others."""
    with pytest.raises(KubeociError, match=r"reference\.invalid"):
        registry.exists(app, Digest(ref))


@pytest.mark.parametrize(
    ("host", "insecure", "expected"),
    [
        ("127.0.0.1:1", None, "http://127.0.0.1:1"),
        ("localhost:1", None, "http://localhost:1"),
        ("127.0.0.1:1", False, "https://127.0.0.1:1"),
        ("reg.invalid", None, "https://reg.invalid"),
        ("reg.invalid", True, "http://reg.invalid"),
    ],
)
def test_plain_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, insecure: bool | None, expected: str
) -> None:
    """For loopback unless told otherwise, for others only if told."""
    monkeypatch.setattr("socket.getaddrinfo", Mock(side_effect=socket.gaierror(-2, "Name or service not known")))
    registry = connect(tmp_path, Settings(insecure=insecure, limits=QUICK))
    with pytest.raises(RegistryError, match=r"registry\.unreachable") as caught:
        registry.tag(Repository(host, "app"), "v1")
    assert f"HEAD {expected}/v2/app/manifests/v1" == caught.value.where
