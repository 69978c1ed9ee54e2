# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.referrers: what is detached is gone from the list, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeoci import digest
from kubeoci.artifact import INDEX, MANIFEST
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.registry import referrers
from kubeoci.registry.remote import Registry
from simulator.attachments import BY_TAG, RAW, SUBJECT, TAG, app, index, listed, overwrite, signature
from simulator.client import connect
from simulator.registry import Fault, RegistrySimulator


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for other writers long."""
    monkeypatch.setattr(referrers, "_PAUSE_SECONDS", (0.001, 0.005))


@pytest.fixture
def plain() -> Iterator[RegistrySimulator]:
    """A registry with the subject, that does not list referrers."""
    with RegistrySimulator() as simulator:
        simulator.add("app", "v1", RAW, MANIFEST, b"{}")
        yield simulator


def pair(server: RegistrySimulator, home: Path) -> tuple[Registry, Digest, Digest]:
    """Two attached manifests, and the client that did it."""
    registry = connect(home)
    one, two = (registry.attach(app(server), signature(number)) for number in (1, 2))
    server.clear()
    return registry, one, two


def test_detached_is_gone(plain: RegistrySimulator, tmp_path: Path) -> None:
    """First the manifest, then its entry; the other one stays, and the tag goes with the last."""
    registry, one, two = pair(plain, tmp_path)
    registry.detach(app(plain), SUBJECT, [one])
    rewritten = [BY_TAG, f"PUT /v2/app/manifests/{TAG}", BY_TAG]
    assert [f"DELETE /v2/app/manifests/{one}", *rewritten] == plain.requests
    assert [two] == listed(plain, tmp_path)
    plain.clear()
    registry.detach(app(plain), SUBJECT, [two])
    assert [f"DELETE /v2/app/manifests/{two}", *rewritten, f"DELETE /v2/app/manifests/{TAG}"] == plain.requests
    assert ({"v1": SUBJECT}, []) == (plain.tags["app"], listed(plain, tmp_path))


def test_detaching_twice_writes_nothing(plain: RegistrySimulator, tmp_path: Path) -> None:
    """Gone already is fine."""
    registry, one, _ = pair(plain, tmp_path)
    registry.detach(app(plain), SUBJECT, [one])
    plain.clear()
    registry.detach(app(plain), SUBJECT, [one])
    assert [f"DELETE /v2/app/manifests/{one}", BY_TAG] == plain.requests


def test_registry_with_a_list_may_have_an_index_too(tmp_path: Path) -> None:
    """Some clients write both: it is looked for, once, and rewritten where it is."""
    with RegistrySimulator(referrers=True) as server:
        server.add("app", "v1", RAW, MANIFEST, b"{}")
        registry, one, two = pair(server, tmp_path)
        registry.detach(app(server), SUBJECT, [one])
        assert [f"DELETE /v2/app/manifests/{one}", BY_TAG] == server.requests
        server.add("app", TAG, index(signature(2)), INDEX)
        registry.detach(app(server), SUBJECT, [two])
        assert {"v1": SUBJECT} == server.tags["app"]


def test_foreign_tag_is_left_alone(plain: RegistrySimulator, tmp_path: Path) -> None:
    """Nothing of ours is in what is no index; what cannot be read otherwise is told."""
    registry, one, _ = pair(plain, tmp_path)
    plain.tags["app"][TAG] = SUBJECT
    registry.detach(app(plain), SUBJECT, [one])
    assert ([f"DELETE /v2/app/manifests/{one}", BY_TAG], SUBJECT) == (plain.requests, plain.tags["app"][TAG])
    plain.fail(BY_TAG, Fault(status=403))
    with pytest.raises(RegistryError, match=r"registry\.denied"):
        registry.detach(app(plain), SUBJECT, [one])


def test_empty_list_stays_where_tags_cannot_go(tmp_path: Path) -> None:
    """It harms nobody."""
    with RegistrySimulator(delete_tags=False) as server:
        server.add("app", "v1", RAW, MANIFEST, b"{}")
        registry, one, two = pair(server, tmp_path)
        registry.detach(app(server), SUBJECT, [one, two])
        assert ({"v1", TAG}, []) == (set(server.tags["app"]), listed(server, tmp_path))


def test_other_failures_of_the_tag_are_told(plain: RegistrySimulator, tmp_path: Path) -> None:
    """Only that tags cannot be removed is no error."""
    registry, one, two = pair(plain, tmp_path)
    plain.fail(f"DELETE /v2/app/manifests/{TAG}", Fault(status=403))
    with pytest.raises(RegistryError, match=r"registry\.denied"):
        registry.detach(app(plain), SUBJECT, [one, two])


def test_manifest_that_cannot_go_stays_listed(plain: RegistrySimulator, tmp_path: Path) -> None:
    """A registry without deletion says so before the list is changed."""
    registry, one, two = pair(plain, tmp_path)
    plain.fail("DELETE", Fault(status=405))
    with pytest.raises(RegistryError, match=r"registry\.unsupported"):
        registry.detach(app(plain), SUBJECT, [one])
    assert [one, two] == listed(plain, tmp_path)


def test_members_of_others_keep_an_empty_list(plain: RegistrySimulator, tmp_path: Path) -> None:
    """What another client wrote beside the entries is not thrown away with the last of them."""
    plain.add("app", "s", signature(1), MANIFEST)
    plain.add("app", TAG, index(signature(1), annotations={"by": "them"}), INDEX)
    connect(tmp_path).detach(app(plain), SUBJECT, [digest.of(signature(1))])
    document = json.loads(plain.manifests["app"][plain.tags["app"][TAG]][1])
    assert ({"by": "them"}, []) == (document["annotations"], document["manifests"])


def test_what_is_put_back_is_removed_again(plain: RegistrySimulator, tmp_path: Path) -> None:
    """Another writer replaced the list with an older one, and forgot an entry that we saw."""
    registry, one, two = pair(plain, tmp_path)
    plain.add("app", "s3", signature(3), MANIFEST)
    plain.after[f"PUT /v2/app/manifests/{TAG}"] = overwrite(plain, index(signature(1), signature(3)), 1)
    registry.detach(app(plain), SUBJECT, [one])
    assert {two, digest.of(signature(3))} == set(listed(plain, tmp_path))
