# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.sign: what is signed holds for its verifiers, is signed once, and takes nothing from anybody."""

import json
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest

from kubeoci import digest, reference
from kubeoci.artifact import MANIFEST, Descriptor, canonical
from kubeoci.errors import KubeociError, TrustError
from kubeoci.reference import Repository
from kubeoci.registry import referrers
from kubeoci.registry.cache import Cache
from kubeoci.registry.layout import Layouts
from kubeoci.registry.memory import MemoryRegistry
from kubeoci.registry.protocols import Folder
from kubeoci.registry.referrers import fallback_tag
from kubeoci.trust import bundle, sigtag, simplesigning, statement
from kubeoci.trust.sign import SignatureRecord, record, sign
from kubeoci.trust.signers import KeySigner
from kubeoci.trust.verify import verify
from simulator.client import connect
from simulator.registry import Fault, RegistrySimulator
from simulator.signatures import DIGEST, KEY, OTHER, RAW

EMPTY = Descriptor("application/vnd.oci.empty.v1+json", digest.of(b"{}"), 2)
SUBJECT = Descriptor(MANIFEST, DIGEST, len(RAW))
API, INDEX = f"referrers/{SUBJECT.digest}", f"manifests/{fallback_tag(SUBJECT.digest)}"
TAG = f"manifests/{simplesigning.tag(SUBJECT.digest)}"
SIGNER, STRANGER = KeySigner(KEY), KeySigner(OTHER)
BOTH = ("bundle", "legacy")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for other writers long."""
    for module in (referrers, sigtag):
        monkeypatch.setattr(module, "_PAUSE_SECONDS", (0.001, 0.005))


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """A registry with the subject, that lists no referrers."""
    with RegistrySimulator() as simulator:
        simulator.add("app", "v1", RAW, MANIFEST, b"{}")
        yield simulator


@pytest.fixture
def listing() -> Iterator[RegistrySimulator]:
    """The same, and it lists referrers."""
    with RegistrySimulator(referrers=True) as simulator:
        simulator.add("app", "v1", RAW, MANIFEST, b"{}")
        yield simulator


def app(server: RegistrySimulator) -> Repository:
    """`app` in the simulator."""
    return reference.parse(f"{server.host}/app").repository


def asked(server: RegistrySimulator) -> list[str]:
    """The requests, without what all of them have in common."""
    return [line.replace("/v2/app/", "") for line in server.requests]


def written(server: RegistrySimulator) -> list[str]:
    """The requests that do not only ask."""
    return [line for line in asked(server) if not line.startswith(("GET", "HEAD"))]


def signed(
    server: RegistrySimulator, home: Path, formats: Sequence[str] = ("bundle",), signer: KeySigner = SIGNER
) -> list[SignatureRecord]:
    """Sign with a new client."""
    return sign(connect(home), app(server), SUBJECT, signer, formats=formats)


def manifest(server: RegistrySimulator, ref: str) -> dict[str, object]:
    """The manifest that a tag or digest names."""
    found: dict[str, object] = json.loads(server.manifests["app"][server.tags["app"].get(ref, ref)][1])
    return found


def holds(server: RegistrySimulator, home: Path, form: str, signer: KeySigner = SIGNER) -> bool:
    """Whether a new client finds a signature of the key."""
    policy = signer.policy((form,), {}, None)
    return verify(connect(home), app(server), SUBJECT.digest, policy).format == form


def test_requests_of_a_bundle(server: RegistrySimulator, tmp_path: Path) -> None:
    """Two to see that there is none, seven to write it, five to see that it is there."""
    (made,) = signed(server, tmp_path)
    (blob,) = (one for one in server.blobs["app"] if one != EMPTY.digest)
    assert [
        *(f"GET {API}", f"GET {INDEX}"),
        *(f"HEAD blobs/{EMPTY.digest}", "POST blobs/uploads/", "PUT blobs/uploads/1", f"PUT manifests/{made.manifest}"),
        *(f"GET {API}", f"GET {INDEX}", f"PUT {INDEX}", f"GET {INDEX}"),
        *(f"GET {API}", f"GET {INDEX}", f"GET manifests/{made.manifest}", f"GET blobs/{blob}"),
    ] == asked(server)


def test_requests_of_a_bundle_that_is_listed(listing: RegistrySimulator, tmp_path: Path) -> None:
    """A registry that lists referrers keeps the list itself."""
    (made,) = signed(listing, tmp_path)
    (blob,) = (one for one in listing.blobs["app"] if one != EMPTY.digest)
    assert [
        f"GET {API}",
        *(f"HEAD blobs/{EMPTY.digest}", "POST blobs/uploads/", "PUT blobs/uploads/1", f"PUT manifests/{made.manifest}"),
        *(f"GET {API}", f"GET manifests/{made.manifest}", f"GET blobs/{blob}"),
    ] == asked(listing)


def test_requests_of_a_legacy_signature(server: RegistrySimulator, tmp_path: Path) -> None:
    """One to see that there is none, six to write it, four to see that it is there."""
    signed(server, tmp_path, ["legacy"])
    blob = digest.of(simplesigning.payload(SUBJECT.digest, str(app(server))))
    assert [
        f"GET {TAG}",
        *("POST blobs/uploads/", "PUT blobs/uploads/1"),
        *(f"GET {TAG}", "POST blobs/uploads/", "PUT blobs/uploads/2", f"PUT {TAG}", f"GET {TAG}"),
        *(f"GET {TAG}", f"GET blobs/{blob}", f"GET {TAG}"),
    ] == asked(server)


@pytest.mark.parametrize(("form", "requests"), [("bundle", 4), ("legacy", 3)])
def test_what_is_signed_is_not_signed_again(
    server: RegistrySimulator, tmp_path: Path, form: str, requests: int
) -> None:
    """A few questions, nothing written, and the same record, also by a client that knows nothing."""
    made = signed(server, tmp_path, [form])
    server.clear()
    (tmp_path / "new").mkdir()
    assert made == signed(server, tmp_path / "new", [form])
    assert (requests, []) == (len(server.requests), written(server))


def test_what_is_recorded_is_not_asked_for(server: RegistrySimulator, tmp_path: Path) -> None:
    """In both formats, as it comes back from a state."""
    made = signed(server, tmp_path, BOTH)
    server.clear()
    recorded = [record(json.loads(json.dumps(one.document()))) for one in made]
    assert made == sign(connect(tmp_path), app(server), SUBJECT, SIGNER, formats=BOTH, recorded=recorded)
    assert [] == server.requests


def test_a_record_of_something_else_is_none(server: RegistrySimulator, tmp_path: Path) -> None:
    """Another key, another format, other annotations: each is signed anew."""
    recorded, registry, place = signed(server, tmp_path), connect(tmp_path), app(server)
    for signer, form, notes in ((STRANGER, "bundle", {}), (SIGNER, "legacy", {}), (SIGNER, "bundle", {"a": "b"})):
        (new,) = sign(registry, place, SUBJECT, signer, formats=[form], annotations=notes, recorded=recorded)
        assert new not in recorded
        recorded.append(new)
    assert 3 == len(registry.referrers(place, SUBJECT.digest))


def test_a_bundle_as_cosign_writes_it(server: RegistrySimulator, tmp_path: Path) -> None:
    """The manifest has the members and types that other readers look for."""
    (made,) = signed(server, tmp_path)
    found = manifest(server, made.manifest)
    assert {"mediaType": MANIFEST, "digest": SUBJECT.digest, "size": SUBJECT.size} == found["subject"]
    assert {**EMPTY.document(), "artifactType": bundle.MEDIA_TYPE} == found["config"]
    assert (bundle.MEDIA_TYPE, MANIFEST) == (found["artifactType"], found["mediaType"])
    notes = found["annotations"]
    assert isinstance(notes, dict)
    assert "dsse-envelope" == notes["dev.sigstore.bundle.content"]
    assert statement.SIGN == notes["dev.sigstore.bundle.predicateType"]
    assert 20 == len(notes["org.opencontainers.image.created"])


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("reference", ["", "ghcr.io/org/elsewhere"])
def test_what_is_claimed(server: RegistrySimulator, tmp_path: Path, form: str, reference: str) -> None:
    """Annotations, and the repository if no other name is given."""
    registry, place, notes = connect(tmp_path), app(server), {"by": "ci", "build": "7"}
    sign(registry, place, SUBJECT, SIGNER, formats=[form], annotations=notes, reference=reference)
    named = reference or str(place)
    assert form == verify(registry, place, SUBJECT.digest, SIGNER.policy((form,), notes, named)).format
    with pytest.raises(TrustError, match=r"trust\.no_match"):
        verify(registry, place, SUBJECT.digest, SIGNER.policy((form,), notes, f"{named}/more"))


@pytest.mark.parametrize("form", BOTH)
def test_several_keys_sign_one_artifact(server: RegistrySimulator, tmp_path: Path, form: str) -> None:
    """Each signature is found, whoever came last."""
    first, second = signed(server, tmp_path, [form]), signed(server, tmp_path, [form], STRANGER)
    assert first[0].key_fingerprint != second[0].key_fingerprint
    assert holds(server, tmp_path, form)
    assert holds(server, tmp_path, form, STRANGER)
    (again,) = signed(server, tmp_path, [form])
    assert (first[0].signature, first[0].key_fingerprint) == (again.signature, again.key_fingerprint)


@pytest.mark.parametrize("status", [401, 403, 418, 500])
@pytest.mark.parametrize(("form", "path"), [("bundle", API), ("bundle", INDEX), ("legacy", TAG)])
def test_nothing_is_written_blindly(
    server: RegistrySimulator, tmp_path: Path, form: str, path: str, status: int
) -> None:
    """What cannot be read is not "unsigned"."""
    server.fail(f"GET /v2/app/{path}", Fault(status=status), times=5)
    with pytest.raises(TrustError) as caught:
        signed(server, tmp_path, [form])
    assert ("trust.unavailable", []) == (caught.value.code, written(server))


@pytest.mark.parametrize(("form", "path"), [("bundle", INDEX), ("legacy", TAG)])
def test_a_list_that_cannot_be_read_any_more_is_not_replaced(
    server: RegistrySimulator, tmp_path: Path, form: str, path: str
) -> None:
    """It could be read a moment before."""
    server.after[f"GET /v2/app/{path}"] = lambda: server.fail(f"GET /v2/app/{path}", Fault(status=500), times=5)
    with pytest.raises(TrustError, match=r"registry\.failed") as caught:
        signed(server, tmp_path, [form])
    assert ("trust.sign_registry", False) == (caught.value.code, f"PUT {path}" in asked(server))


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("start", ["POST /v2/app/blobs", "PUT /v2/app/blobs", "PUT /v2/app/manifests"])
def test_a_refused_write_is_told(server: RegistrySimulator, tmp_path: Path, form: str, start: str) -> None:
    """With the registry's own reason; doing it again mends it."""
    server.fail(start, Fault(status=403), times=2)
    with pytest.raises(TrustError, match=r"could not be stored: .*registry\.denied") as caught:
        signed(server, tmp_path, [form])
    assert "trust.sign_registry" == caught.value.code
    server.heal()
    signed(server, tmp_path, [form])
    assert holds(server, tmp_path, form)


def test_a_signature_that_is_not_found_again_is_told(listing: RegistrySimulator, tmp_path: Path) -> None:
    """A registry that forgets to list it has not got it for anybody."""
    empty = canonical({"schemaVersion": 2, "mediaType": referrers.INDEX, "manifests": []})
    fault = Fault(status=200, headers={"Content-Type": referrers.INDEX}, body=empty)
    listing.fail(f"GET /v2/app/{API}", fault, times=2)
    with pytest.raises(TrustError, match="does not hold as it is found there") as caught:
        signed(listing, tmp_path)
    assert "trust.sign_registry" == caught.value.code


def test_an_outage_at_the_end_is_told_as_one(listing: RegistrySimulator, tmp_path: Path) -> None:
    """Whether the signature is there nobody knows then."""
    outage = Fault(status=500)
    listing.after["POST /v2/app/blobs/uploads/"] = lambda: listing.fail(f"GET /v2/app/{API}", outage, times=5)
    with pytest.raises(TrustError) as caught:
        signed(listing, tmp_path)
    assert "trust.unavailable" == caught.value.code


def test_a_signature_that_goes_while_it_is_read_is_made_again(server: RegistrySimulator, tmp_path: Path) -> None:
    """Somebody removed it between two of our questions."""
    signed(server, tmp_path, ["legacy"])
    blob = digest.of(simplesigning.payload(SUBJECT.digest, str(app(server))))
    server.after[f"GET /v2/app/blobs/{blob}"] = lambda: server.tags["app"].pop(TAG.removeprefix("manifests/"), None)
    (tmp_path / "new").mkdir()
    signed(server, tmp_path / "new", ["legacy"])
    assert 2 == asked(server).count(f"PUT {TAG}")
    assert holds(server, tmp_path, "legacy")


@pytest.mark.parametrize("form", BOTH)
def test_other_bytes_than_ours_are_told(server: RegistrySimulator, tmp_path: Path, form: str) -> None:
    """What is read back has the digest of what was sent."""
    server.fail("GET /v2/app/blobs", Fault(body=b"{}"), times=5)
    with pytest.raises(TrustError, match=r"registry\.digest_mismatch"):
        signed(server, tmp_path, [form])


def test_too_many_candidates_stop_it(server: RegistrySimulator, tmp_path: Path) -> None:
    """Nobody would look at ours behind them."""
    entries = [{"mediaType": MANIFEST, "digest": digest.of(f"{n}".encode()), "size": 2} for n in range(65)]
    raw = canonical({"schemaVersion": 2, "mediaType": referrers.INDEX, "manifests": entries})
    server.add("app", fallback_tag(SUBJECT.digest), raw, referrers.INDEX)
    with pytest.raises(TrustError) as caught:
        signed(server, tmp_path)
    assert ("trust.limit", []) == (caught.value.code, written(server))


@pytest.mark.parametrize("formats", [[], ["notation"], ["bundle", "Legacy"], "bundle"])
def test_unknown_formats_are_refused(server: RegistrySimulator, tmp_path: Path, formats: Sequence[str]) -> None:
    """Before anything is asked."""
    with pytest.raises(TrustError) as caught:
        signed(server, tmp_path, formats)
    assert ("trust.bad_policy", []) == (caught.value.code, server.requests)


def test_other_digests_are_refused(server: RegistrySimulator, tmp_path: Path) -> None:
    """Signatures are about sha256 digests."""
    subject = Descriptor(MANIFEST, digest.parse(f"sha512:{'a' * 128}"), 2)
    with pytest.raises(TrustError, match=r"trust\.bad_policy"):
        sign(connect(tmp_path), app(server), subject, SIGNER)
    assert [] == server.requests


@pytest.mark.parametrize("form", BOTH)
def test_annotations_have_a_limit(server: RegistrySimulator, tmp_path: Path, form: str) -> None:
    """What readers would not read is not written."""
    notes = {"a": "x" * (1 << 20)}
    with pytest.raises(TrustError) as caught:
        sign(connect(tmp_path), app(server), SUBJECT, SIGNER, formats=[form], annotations=notes)
    assert ("trust.bad_policy", []) == (caught.value.code, server.requests)


def test_a_missing_config_is_brought(server: RegistrySimulator, tmp_path: Path) -> None:
    """No registry has a blob of its own accord."""
    server.blobs["app"].clear()
    signed(server, tmp_path)
    assert b"{}" in server.blobs["app"].values()


def test_a_registry_in_memory_will_do() -> None:
    """The roles are the same everywhere."""
    registry, place = MemoryRegistry(), reference.parse("ghcr.io/org/app").repository
    made = sign(registry, place, SUBJECT, SIGNER, formats=BOTH)
    assert made == sign(registry, place, SUBJECT, SIGNER, formats=BOTH)
    assert ["bundle", "legacy"] == [one.format for one in made]


def test_a_folder_is_not_named(tmp_path: Path) -> None:
    """A path of this machine stands in no signature; another name may."""
    layouts, place = Layouts(Cache(tmp_path / "cache")), Folder(str(tmp_path / "layout"))
    layouts.put_blob(place, EMPTY, lambda: BytesIO(b"{}"))
    layouts.put_manifest(place, SUBJECT.digest, RAW, MANIFEST)
    sign(layouts, place, SUBJECT, SIGNER, formats=BOTH)
    told = b"".join(path.read_bytes() for path in (tmp_path / "layout" / "blobs").rglob("*") if path.is_file())
    assert str(tmp_path).encode() not in told


def test_a_record_tells_no_secret(server: RegistrySimulator, tmp_path: Path) -> None:
    """It goes into the state as it is; only what applies is in it."""
    bundled, legacy = (one.document() for one in signed(server, tmp_path, BOTH))
    common = {"digest", "format", "manifest", "policy_hash", "key_fingerprint"}
    assert (common, common | {"signature"}) == (bundled.keys(), legacy.keys())


def test_records_of_other_versions(server: RegistrySimulator, tmp_path: Path) -> None:
    """More than we know is passed over, less is no match for anything; but a digest has to be one."""
    (made,) = signed(server, tmp_path)
    document = made.document()
    assert made == record({**document, "tomorrow": "x"})
    assert "" == record({name: text for name, text in document.items() if name != "policy_hash"}).policy_hash
    for broken in ({**document, "digest": "x"}, {}):
        with pytest.raises(KubeociError, match=r"reference\.invalid"):
            record(broken)
