# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.remove: our signatures go, in both formats, and nobody else's."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from kubeoci import artifact, digest, reference
from kubeoci.artifact import MANIFEST, Descriptor
from kubeoci.errors import RegistryError, TrustError
from kubeoci.reference import Repository
from kubeoci.registry import referrers
from kubeoci.registry.cache import Cache
from kubeoci.registry.layout import Layouts
from kubeoci.registry.memory import MemoryRegistry
from kubeoci.registry.protocols import Folder
from kubeoci.registry.referrers import fallback_tag
from kubeoci.trust import sigtag, simplesigning
from kubeoci.trust.remove import remove
from kubeoci.trust.sign import sign
from kubeoci.trust.signers import KeySigner
from kubeoci.trust.sigtag import SignatureTag
from kubeoci.trust.verify import verify
from simulator.client import connect
from simulator.registry import Fault, RegistrySimulator
from simulator.signatures import DIGEST, KEY, OTHER, RAW

EMPTY = Descriptor("application/vnd.oci.empty.v1+json", digest.of(b"{}"), 2)
SUBJECT = Descriptor(MANIFEST, DIGEST, len(RAW))
INDEX, TAG = fallback_tag(SUBJECT.digest), simplesigning.tag(SUBJECT.digest)
OURS, THEIRS = KeySigner(KEY), KeySigner(OTHER)
BOTH = ("bundle", "legacy")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for other writers long."""
    for module in (referrers, sigtag):
        monkeypatch.setattr(module, "_PAUSE_SECONDS", (0.001, 0.005))


@pytest.fixture(params=[False, True], ids=["tag", "api"])
def server(request: pytest.FixtureRequest) -> Iterator[RegistrySimulator]:
    """A registry with the subject, that lists referrers or does not."""
    with RegistrySimulator(referrers=request.param) as simulator:
        simulator.add("app", "v1", RAW, MANIFEST, b"{}")
        yield simulator


def app(server: RegistrySimulator) -> Repository:
    """`app` in the simulator."""
    return reference.parse(f"{server.host}/app").repository


def holds(server: RegistrySimulator, home: Path, signer: KeySigner, form: str) -> bool:
    """Whether a client finds a signature of the key."""
    try:
        verify(connect(home), app(server), SUBJECT.digest, signer.policy((form,), {}, None))
    except TrustError as error:
        return error.code not in {"trust.no_signature", "trust.no_match"}
    return True


@pytest.mark.parametrize("order", [(OURS, THEIRS), (THEIRS, OURS)], ids=["first", "last"])
def test_ours_go_and_theirs_stay(server: RegistrySimulator, tmp_path: Path, order: tuple[KeySigner, ...]) -> None:
    """In both formats, whoever signed first."""
    registry, place = connect(tmp_path), app(server)
    made = {id(signer): sign(registry, place, SUBJECT, signer, formats=BOTH) for signer in order}
    remove(registry, place, SUBJECT.digest, made[id(OURS)])
    assert [False] * 2 == [holds(server, tmp_path, OURS, form) for form in BOTH]
    assert [True] * 2 == [holds(server, tmp_path, THEIRS, form) for form in BOTH]


def test_nothing_is_left_of_the_last_ones(server: RegistrySimulator, tmp_path: Path) -> None:
    """Neither tags nor manifests but the artifact's own, and an index that names nothing."""
    registry, place = connect(tmp_path), app(server)
    remove(registry, place, SUBJECT.digest, sign(registry, place, SUBJECT, OURS, formats=BOTH))
    assert {"v1": SUBJECT.digest} == server.tags["app"]
    left = [raw for _, raw in server.manifests["app"].values() if b"simplesigning" in raw or b"sigstore" in raw]
    assert [] == [raw for raw in left if b'"manifests":[{' not in raw]


def test_gone_already_is_fine(server: RegistrySimulator, tmp_path: Path) -> None:
    """Also when a deletion was cut short and comes again."""
    registry, place = connect(tmp_path), app(server)
    made = sign(registry, place, SUBJECT, OURS, formats=BOTH)
    for _ in range(2):
        remove(registry, place, SUBJECT.digest, made)
    assert not holds(server, tmp_path, OURS, "bundle")


def test_what_is_not_recorded_is_not_looked_for(server: RegistrySimulator, tmp_path: Path) -> None:
    """Neither without records, nor with those of another artifact."""
    registry, place = connect(tmp_path), app(server)
    made = sign(registry, place, SUBJECT, OURS, formats=BOTH)
    server.clear()
    remove(registry, place, SUBJECT.digest, [])
    remove(registry, place, SUBJECT.digest, [replace(one, digest=digest.of(b"other")) for one in made])
    assert [] == server.requests


def test_one_format_alone(server: RegistrySimulator, tmp_path: Path) -> None:
    """The other one is not asked for."""
    registry, place = connect(tmp_path), app(server)
    bundled, legacy = sign(registry, place, SUBJECT, OURS, formats=BOTH)
    server.clear()
    remove(registry, place, SUBJECT.digest, [legacy])
    prefix = "/v2/app/manifests"
    assert [f"GET {prefix}/{TAG}", f"DELETE {prefix}/{legacy.manifest}", f"GET {prefix}/{TAG}"] == server.requests
    assert holds(server, tmp_path, OURS, "bundle")
    server.clear()
    remove(registry, place, SUBJECT.digest, [bundled])
    assert f"DELETE {prefix}/{bundled.manifest}" == server.requests[0]
    assert not any(TAG in line for line in server.requests)


def test_layers_without_a_signature_stay(server: RegistrySimulator, tmp_path: Path) -> None:
    """Somebody's layer that no reader takes for a signature is not ours."""
    registry, place = connect(tmp_path), app(server)
    made = sign(registry, place, SUBJECT, OURS, formats=["legacy"])
    registry.put_blob(place, EMPTY, lambda: BytesIO(b"{}"))
    strangers = [replace(EMPTY, annotations=notes) for notes in ({}, {simplesigning.SIGNATURE: "!"})]
    for layer in strangers:
        SignatureTag(registry, place, SUBJECT.digest).add(layer)
    remove(registry, place, SUBJECT.digest, [*made, replace(made[0], signature="")])
    assert strangers == list(artifact.parse(registry.tagged(place, TAG) or b"").layers)


@pytest.mark.parametrize("form", BOTH)
def test_a_failure_is_told(server: RegistrySimulator, tmp_path: Path, form: str) -> None:
    """A registry that does not delete, or does not answer, has not deleted."""
    registry, place = connect(tmp_path), app(server)
    made = sign(registry, place, SUBJECT, OURS, formats=[form])
    server.fail("DELETE /v2/app/manifests/", Fault(status=405))
    with pytest.raises(RegistryError, match=r"registry\.unsupported"):
        remove(registry, place, SUBJECT.digest, made)
    assert holds(server, tmp_path, OURS, form)


def test_a_registry_in_memory_will_do() -> None:
    """The roles are the same everywhere."""
    registry, place = MemoryRegistry(), reference.parse("ghcr.io/org/app").repository
    made = sign(registry, place, SUBJECT, OURS, formats=BOTH)
    remove(registry, place, SUBJECT.digest, made)
    assert ([], None) == (registry.referrers(place, SUBJECT.digest), registry.tagged(place, TAG))


def test_a_folder_will_do(tmp_path: Path) -> None:
    """What belongs to others stays in it."""
    layouts, place = Layouts(Cache(tmp_path / "cache")), Folder(str(tmp_path / "layout"))
    layouts.put_blob(place, EMPTY, lambda: BytesIO(b"{}"))
    layouts.put_manifest(place, SUBJECT.digest, RAW, MANIFEST)
    ours, theirs = (sign(layouts, place, SUBJECT, signer, formats=BOTH) for signer in (OURS, THEIRS))
    remove(layouts, place, SUBJECT.digest, ours)
    again = Layouts(Cache(tmp_path / "empty"))
    found = sign(again, place, SUBJECT, THEIRS, formats=BOTH)
    assert [one.signature for one in theirs] == [one.signature for one in found]
    with pytest.raises(TrustError, match=r"trust\.no_match"):
        verify(again, place, SUBJECT.digest, OURS.policy(BOTH, {}, None))
