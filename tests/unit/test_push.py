# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.push: request budgets, order, repetition."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

from kubeoci import artifact, digest, reference
from kubeoci.archive import Layer
from kubeoci.artifact import Artifact
from kubeoci.errors import RegistryError, Stopped
from kubeoci.reference import Repository
from kubeoci.registry import push as pushing
from kubeoci.registry.keychain import Credentials
from kubeoci.registry.push import Pushed
from kubeoci.registry.remote import Shared
from kubeoci.registry.transport import Settings
from simulator.client import QUICK, connect
from simulator.registry import Fault, RegistrySimulator

LAYER = b"packed" * 100
UPLOAD = ["HEAD /v2/app/manifests/v1", f"HEAD /v2/app/blobs/{digest.of(LAYER)}"]


def make(layer: bytes = LAYER, format_: str = "oci", **annotations: str) -> Artifact:
    """An artifact of one layer."""
    packed = Layer(digest.of(layer), digest.of(b"tar of " + layer), len(layer))
    return artifact.build(packed, digest.of(b"tree"), format=format_, annotations=annotations)


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """An empty, open registry."""
    with RegistrySimulator() as simulator:
        yield simulator


@pytest.fixture
def repository(server: RegistrySimulator) -> Repository:
    """`app` in the simulator."""
    return reference.parse(f"{server.host}/app").repository


@pytest.fixture
def push(tmp_path: Path, repository: Repository) -> Callable[..., Pushed]:
    """Push an artifact of `LAYER`."""

    def run(what: Artifact, *tags: str, immutable: bool = False, seal: Callable[[], None] | None = None) -> Pushed:
        registry, source = connect(tmp_path), lambda: BytesIO(LAYER)
        return pushing.push(registry, repository, what, source, tags, immutable_tags=immutable, seal=seal)

    return run


def test_first_push_of_oci_takes_seven_requests(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """Tag, layer, two uploads of two requests, manifest: the config's HEAD is saved."""
    pushed = push(make(), "v1")
    assert UPLOAD == server.requests[:2]
    uploads = ["POST /v2/app/blobs/uploads/"] * 2 + [f"PUT /v2/app/blobs/uploads/{n}" for n in (1, 2)]
    assert uploads == sorted(server.requests[2:6])
    assert ["PUT /v2/app/manifests/v1"] == server.requests[6:]
    assert Pushed(make().digest, {"v1": None}, len(LAYER) + len(make().config)) == pushed


def test_unchanged_push_is_one_head(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """Pushing what is already there asks one question and sends nothing."""
    push(make(), "v1")
    server.clear()
    assert Pushed(make().digest, {"v1": make().digest}, 0) == push(make(), "v1")
    assert ["HEAD /v2/app/manifests/v1"] == server.requests


def test_known_artifact_under_another_tag_takes_three(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """What we pushed before is asked for by digest, and only the tag is written."""
    push(make(), "v1")
    server.clear()
    push(make(), "v2")
    expected = ["HEAD /v2/app/manifests/v2", f"HEAD /v2/app/manifests/{make().digest}", "PUT /v2/app/manifests/v2"]
    assert expected == server.requests


def test_second_flux_push_takes_six(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """Flux's config is the same in every artifact: it is asked for, and found."""
    config = make(format_="flux").config
    server.blobs["app"] = {digest.of(config): config}
    push(make(format_="flux"), "v1")
    head = f"HEAD /v2/app/blobs/{digest.of(config)}"
    upload = ["POST /v2/app/blobs/uploads/", "PUT /v2/app/blobs/uploads/1", "PUT /v2/app/manifests/v1"]
    assert sorted([*UPLOAD, head, *upload]) == sorted(server.requests)
    assert UPLOAD == server.requests[:2]


def test_changed_annotations_send_no_layer(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """Blobs that are there are not sent again."""
    push(make(), "v1")
    server.clear()
    pushed = push(make(team="shop"), "v1")
    config = f"HEAD /v2/app/blobs/{make().config_descriptor.digest}"
    assert [*UPLOAD, config, "PUT /v2/app/manifests/v1"] == server.requests
    assert Pushed(make(team="shop").digest, {"v1": make().digest}, 0) == pushed


def test_push_without_tags_is_by_digest(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """The registry then has the artifact, and no tag moved."""
    push(make())
    assert f"PUT /v2/app/manifests/{make().digest}" == server.requests[-1]
    assert {"app": {}} == server.tags
    server.clear()
    push(make())
    assert [f"HEAD /v2/app/manifests/{make().digest}"] == server.requests


def test_seal_comes_before_the_tag(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """The manifest goes by its digest, then it is sealed, and the tag is looked at once more before it moves."""
    push(make(), "v1", seal=lambda: server.requests.append("seal"))
    by_digest = f"PUT /v2/app/manifests/{make().digest}"
    assert [by_digest, "seal", "HEAD /v2/app/manifests/v1", "PUT /v2/app/manifests/v1"] == server.requests[-4:]


def test_seal_is_called_where_no_tag_moves(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """What is there may still lack its signature."""
    push(make(), "v1")
    server.clear()
    push(make(), "v1", seal=lambda: server.requests.append("seal"))
    assert ["HEAD /v2/app/manifests/v1", "seal"] == server.requests


def test_failed_seal_moves_no_tag(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """What cannot be signed is not found under any tag."""

    def refuse() -> None:
        raise RegistryError("registry.denied", "no")

    with pytest.raises(RegistryError):
        push(make(), "v1", seal=refuse)
    assert {"app": {}} == server.tags


def test_several_tags_are_asked_and_moved(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """Only the tags that name something else are written; a tag given twice is one."""
    push(make(), "v1")
    server.clear()
    push(make(), "v1", "v2", "v2")
    heads = ["HEAD /v2/app/manifests/v1", "HEAD /v2/app/manifests/v2"]
    assert heads == sorted(server.requests[:2])
    assert ["PUT /v2/app/manifests/v2"] == server.requests[2:]


def test_immutable_tag_does_not_move(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """Nothing is sent, and the message has both digests."""
    push(make(), "v1")
    server.clear()
    with pytest.raises(RegistryError, match=f"names {make().digest} and must not move to") as caught:
        push(make(team="shop"), "v1", immutable=True)
    assert "registry.immutable_tag" == caught.value.code
    assert ["HEAD /v2/app/manifests/v1"] == server.requests


def test_immutable_tag_is_looked_at_again(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """The manifest goes by digest first, then the tag is asked right before it is made."""
    push(make(), "v1", immutable=True)
    ends = ["HEAD /v2/app/manifests/v1", "PUT /v2/app/manifests/v1"]
    assert [f"PUT /v2/app/manifests/{make().digest}", *ends] == server.requests[-3:]
    assert 9 == len(server.requests)


def test_old_look_at_a_tag_is_repeated(
    server: RegistrySimulator, push: Callable[..., Pushed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a long upload the tag may name something else: then that is what was there before."""
    monkeypatch.setattr(pushing, "_FRESH_SECONDS", 0.0)
    push(make(), "v1")
    assert ["HEAD /v2/app/manifests/v1", "PUT /v2/app/manifests/v1"] == server.requests[-2:]


@pytest.mark.parametrize("step", ["HEAD /v2/app/blobs", "POST /v2/app", "PUT /v2/app/blobs", "PUT /v2/app/manifests"])
def test_interrupted_push_can_be_repeated(server: RegistrySimulator, push: Callable[..., Pushed], step: str) -> None:
    """Whatever step fails, no tag is there; doing it again finishes."""
    server.fail(step, Fault(status=403), times=2)
    with pytest.raises(RegistryError, match=r"registry\.denied"):
        push(make(), "v1")
    assert {} == server.tags.get("app", {})
    server.heal()
    push(make(), "v1")
    assert {"v1": make().digest} == server.tags["app"]


class Interruption(threading.Event):
    """The end of a process as soon as the registry has got so many requests, whatever it answers."""

    def __init__(self, server: RegistrySimulator, count: int) -> None:
        super().__init__()
        self._server, self._count = server, count

    def is_set(self) -> bool:
        """Whether that is so."""
        return len(self._server.requests) >= self._count

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is so, or for some seconds."""
        return self.is_set() or super().wait(timeout)


@pytest.mark.parametrize("immutable", [False, True])
@pytest.mark.parametrize("count", range(10))
def test_push_ends_at_any_request(
    server: RegistrySimulator, repository: Repository, tmp_path: Path, count: int, immutable: bool
) -> None:
    """The old tag names the old artifact until its last request, and the next push completes."""
    new, old = make(b"new" * 100), make()
    send = lambda home, what, layer, stop=None, **more: pushing.push(  # noqa: E731 - it fills in the constants
        connect(home, stop=stop), repository, what, lambda: BytesIO(layer), **more
    )
    send(tmp_path, old, LAYER, tags=["old"])
    server.clear()
    tag = "new" if immutable else "old"
    with contextlib.suppress(Stopped):
        send(tmp_path, new, b"new" * 100, Interruption(server, count), tags=[tag], immutable_tags=immutable)
    done = f"PUT /v2/app/manifests/{tag}" in server.requests
    assert {"old": old.digest} | ({tag: new.digest} if done else {}) == server.tags["app"]
    send(tmp_path, new, b"new" * 100, tags=[tag], immutable_tags=immutable)
    assert {"old": old.digest} | {tag: new.digest} == server.tags["app"]
    assert {blob for what in (old, new) for blob in (what.layer.digest, what.config_descriptor.digest)} == set(
        server.blobs["app"]
    )


def test_blobs_that_vanished_are_sent_again(server: RegistrySimulator, push: Callable[..., Pushed]) -> None:
    """A registry that says it has the blobs, but refuses the manifest without them, gets them once more."""
    there = Fault(status=200)
    server.fail("HEAD /v2/app/blobs/", there, times=2)
    push(make(), "v1")
    assert {make().layer.digest, make().config_descriptor.digest} == set(server.blobs["app"])
    assert 2 == server.requests.count("PUT /v2/app/manifests/v1")


def test_pushes_at_once_share_token_and_uploads(tmp_path: Path) -> None:
    """Four operations of a process that push the same artifact under different tags."""
    with RegistrySimulator(username="ann", password="pw", bearer=True) as server:
        repository, shared = reference.parse(f"{server.host}/app").repository, Shared()
        server.fail("PUT /v2/app/blobs", Fault(delay=0.3), times=2)
        settings = Settings(credentials=Credentials("ann", "pw"), limits=QUICK)
        clients = [connect(tmp_path, settings, shared=shared) for _ in range(4)]
        run = lambda n: pushing.push(clients[n], repository, make(), lambda: BytesIO(LAYER), [f"v{n}"])  # noqa: E731 - it is one argument
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, range(4)))
        assert 1 == server.requests.count("GET /token")
        assert 2 == len([line for line in server.requests if line.startswith("PUT /v2/app/blobs")])
        assert 4 == len(server.tags["app"])


def test_push_asks_for_one_token(tmp_path: Path) -> None:
    """All requests of a push, its first HEAD as well, use one token for pull and push."""
    with RegistrySimulator(username="ann", password="pw", bearer=True) as server:
        config = tmp_path / ".docker" / "config.json"
        config.parent.mkdir()
        config.write_text(f'{{"auths": {{"{server.host}": {{"username": "ann", "password": "pw"}}}}}}')
        repository = reference.parse(f"{server.host}/app").repository
        pushing.push(connect(tmp_path), repository, make(), lambda: BytesIO(LAYER), ["v1"])
        assert [["repository:app:pull,push"]] == list(server.tokens.values())
        assert 9 == len(server.requests)
