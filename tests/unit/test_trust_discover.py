# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.discover: every signature is found, whoever listed it, and nothing is passed over in silence."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubeoci import digest as digests
from kubeoci import reference
from kubeoci.artifact import INDEX, MANIFEST, Descriptor, canonical
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError, TrustError
from kubeoci.registry.memory import MemoryRegistry
from kubeoci.trust import bundle, simplesigning, statement
from kubeoci.trust.discover import PREDICATE_TYPE, Candidate, Search, guarded
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.policy import Limits
from simulator.client import connect
from simulator.registry import Fault, RegistrySimulator
from simulator.signatures import APP, DIGEST, KEY, RAW, Shelf, bundle_of, legacy_of, referrer, signature_manifest

BLOB = bundle_of(KEY)
OLD_TYPE = "application/vnd.oci.empty.v1+json"
FALLBACK = f"GET /v2/app/manifests/{DIGEST.replace(':', '-')}"


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """A registry that does not list referrers."""
    with RegistrySimulator() as simulator:
        yield simulator


def search(registry: MemoryRegistry, **limits: int) -> Search[object]:
    """The search for signatures in memory."""
    return Search(registry, APP, DIGEST, "app", Limits(**limits))  # type: ignore[arg-type]


def verdict(candidate: Candidate) -> str:
    """`read`, or the reason why it was not."""
    return candidate.found.reason if isinstance(candidate.found, Rejected) else "read"


def bundles(shelf: Shelf, **limits: int) -> list[str]:
    """What comes of each bundle on the shelf."""
    return [verdict(each) for each in search(shelf.memory(), **limits).bundles([statement.SIGN])]


def legacy(shelf: Shelf, **limits: int) -> list[str]:
    """What comes of each layer under the tag."""
    return [verdict(each) for each in search(shelf.memory(), **limits).legacy()]


def over_http(server: RegistrySimulator, home: Path) -> list[str]:
    """What comes of each bundle in the simulator."""
    place = reference.parse(f"{server.host}/app").repository
    found = Search(connect(home), place, DIGEST, "app", Limits()).bundles([statement.SIGN])
    return [verdict(each) for each in found]


def attached(manifest: bytes, blob: bytes = BLOB) -> Shelf:
    """The artifact with this referrer."""
    shelf = Shelf()
    shelf.attach(blob, manifest)
    return shelf


def annotated(number: int, predicate: str | None) -> bytes:
    """A referrer that says of which predicate it is, or does not."""
    notes = {"n": str(number)} | ({PREDICATE_TYPE: predicate} if predicate else {})
    return referrer(BLOB, annotations=notes)


def test_annotations_order() -> None:
    """Wanted predicates first, then those without a word, then others; all of them."""
    shelf = Shelf()
    manifests = [annotated(n, kind) for n, kind in enumerate(["x/sbom", None, statement.SIGN, None, statement.SIGN])]
    for manifest in manifests:
        shelf.attach(BLOB, manifest)
    found = [each.manifest for each in search(shelf.memory()).bundles([statement.SIGN])]
    assert [digests.of(manifests[n]) for n in (2, 4, 1, 3, 0)] == found


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"artifactType": OLD_TYPE, "annotations": ...},
        {"artifactType": ..., "annotations": ...},
        {"artifactType": ""},
        {"artifactType": None, "annotations": None},
        {"artifactType": f"{bundle.TYPE_PREFIX}+json;version=0.3"},
        {"annotations": {PREDICATE_TYPE: "x/sbom"}},
    ],
)
def test_what_a_list_says_does_not_decide(
    server: RegistrySimulator, tmp_path: Path, members: dict[str, object]
) -> None:
    """Old clients wrote the type of the config and no annotations into the fallback index."""
    attached(referrer(BLOB)).serve(server, **members)
    assert ["read"] == over_http(server, tmp_path)


@pytest.mark.parametrize("members", [{"artifactType": "application/spdx+json"}, {"artifactType": "text/plain"}])
def test_what_is_said_to_be_something_else_is_not_asked_for(
    server: RegistrySimulator, tmp_path: Path, members: dict[str, object]
) -> None:
    """An SBOM costs no request."""
    attached(referrer(BLOB)).serve(server, **members)
    assert ([], 2) == (over_http(server, tmp_path), len(server.requests))


def test_other_referrers_are_no_candidates() -> None:
    """What nowhere says that it is a bundle is no bad signature, but none."""
    layer = {"mediaType": "application/spdx+json", "digest": digests.of(BLOB), "size": len(BLOB)}
    assert [] == bundles(attached(referrer(BLOB, artifactType="", annotations={}, layers=[layer])))


@pytest.mark.parametrize("status", [400, 404, 406])
def test_no_referrers_api(server: RegistrySimulator, tmp_path: Path, status: int) -> None:
    """Then the fallback tag is read."""
    attached(referrer(BLOB)).serve(server)
    server.fail("GET /v2/app/referrers", Fault(status=status))
    assert ["read"] == over_http(server, tmp_path)


def test_another_answer_of_the_api_is_none(server: RegistrySimulator, tmp_path: Path) -> None:
    """A page of HTML with a good status is no list."""
    attached(referrer(BLOB)).serve(server)
    page = Fault(status=200, headers={"Content-Type": "text/html"}, body=b"<html>")
    server.fail("GET /v2/app/referrers", page)
    assert ["read"] == over_http(server, tmp_path)


def test_every_page_is_read(server: RegistrySimulator, tmp_path: Path) -> None:
    """A signature on the second page counts as one on the first."""
    shelf = attached(referrer(BLOB))
    shelf.serve(server)
    headers = {"Content-Type": INDEX}
    empty = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    more = {"Link": f'</v2/app/referrers/{DIGEST}?page=2>; rel="next"'}
    server.fail("GET /v2/app/referrers", Fault(status=200, headers=headers | more, body=empty))
    server.fail("GET /v2/app/referrers", Fault(status=200, headers=headers, body=shelf.index()))
    assert ["read"] == over_http(server, tmp_path)


DESCRIBED = {"mediaType": bundle.MEDIA_TYPE, "digest": digests.of(BLOB), "size": len(BLOB)}


@pytest.mark.parametrize(
    ("reason", "manifest"),
    [
        (Reason.MALFORMED, referrer(BLOB, layers=[DESCRIBED, DESCRIBED])),
        (Reason.MALFORMED, referrer(BLOB, layers=[])),
        (Reason.MALFORMED, referrer(BLOB, layers=[DESCRIBED | {"mediaType": "text/plain"}])),
        (Reason.MALFORMED, referrer(BLOB, artifactType="", layers=[])),
        (Reason.MALFORMED, referrer(BLOB, mediaType="application/vnd.docker.distribution.manifest.v2+json")),
        (Reason.MALFORMED, referrer(BLOB).replace(b'"layers"', b'"Layers":[],"layers"')),
        (Reason.MALFORMED, referrer(BLOB).replace(b'"size"', b'"size":1,"size"')),
        (Reason.MALFORMED, referrer(BLOB, layers=[DESCRIBED | {"size": -1}])),
        (Reason.MISSING, referrer(BLOB, layers=[DESCRIBED | {"digest": digests.of(b"gone")}])),
        (Reason.LIMIT, referrer(BLOB, layers=[DESCRIBED | {"size": (1 << 20) + 1}])),
        (Reason.LIMIT, referrer(BLOB, annotations={"long": "x" * (1 << 20)})),
    ],
)
def test_manifest_is_rejected(reason: Reason, manifest: bytes) -> None:
    """What is not one bundle about our artifact; what is too large is not fetched."""
    assert [reason] == bundles(attached(manifest))


@pytest.mark.parametrize("subject", [{"digest": digests.of(b"x"), "size": 1, "mediaType": MANIFEST}, None, {}, "x"])
def test_subject_elsewhere(server: RegistrySimulator, tmp_path: Path, subject: object) -> None:
    """A list may name whatever it wants."""
    attached(referrer(BLOB, subject=subject)).serve(server)
    assert [Reason.MALFORMED] == over_http(server, tmp_path)


def test_index_of_bundles(server: RegistrySimulator, tmp_path: Path) -> None:
    """A referrer that is an index holds no layer."""
    raw = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "artifactType": bundle.MEDIA_TYPE})
    attached(raw).serve(server)
    server.manifests["app"][digests.of(raw)] = (INDEX, raw)
    assert [Reason.MALFORMED] == over_http(server, tmp_path)


def test_blob_is_read_strictly() -> None:
    """The verdict of the reader is that on the candidate."""
    assert [Reason.UNSUPPORTED] == bundles(attached(b"", BLOB.replace(b"v0.3", b"v0.1")))


def test_experimental_mode_is_told() -> None:
    """Only cosign reads it, when asked to; so the reason is not that there is nothing."""
    manifest = referrer(BLOB, artifactType="application/vnd.dev.cosign.artifact.sig.v1+json", annotations={})
    assert [Reason.UNSUPPORTED] == bundles(attached(manifest))


def test_sizes_of_a_list_are_checked(server: RegistrySimulator, tmp_path: Path) -> None:
    """Bytes that are not what was listed end the search."""
    attached(referrer(BLOB)).serve(server, size=len(referrer(BLOB)) - 1)
    with pytest.raises(RegistryError, match="is listed with") as caught:
        over_http(server, tmp_path)
    assert "registry.digest_mismatch" == caught.value.code


def test_ten_thousand_referrers(server: RegistrySimulator, tmp_path: Path) -> None:
    """As many as may be are looked at, and the rest is told."""
    shelf = attached(referrer(BLOB))
    entry = json.loads(shelf.index())["manifests"][0]
    bogus = [entry | {"digest": digests.of(b"%d" % number)} for number in range(10_000)]
    raw = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": bogus})
    shelf.serve(server)
    server.add("app", DIGEST.replace(":", "-"), raw, INDEX)
    assert [Reason.MISSING] * 64 + [Reason.LIMIT] == over_http(server, tmp_path)
    assert 66 == len(server.requests)


def test_list_that_is_too_large(server: RegistrySimulator, tmp_path: Path) -> None:
    """What cannot be read is a limit, not an end: there are other formats."""
    attached(referrer(BLOB)).serve(server)
    server.fail(FALLBACK, Fault(body=b" " * (9 << 20)))
    assert [Reason.LIMIT] == over_http(server, tmp_path)


@pytest.mark.parametrize("broken", [b"[]", b"{", RAW])
def test_list_that_is_none(server: RegistrySimulator, tmp_path: Path, broken: bytes) -> None:
    """Something else under the tag is never "no signatures"."""
    attached(referrer(BLOB)).serve(server)
    server.fail(FALLBACK, Fault(body=broken))
    with pytest.raises(TrustError) as caught:
        over_http(server, tmp_path)
    assert "trust.unavailable" == caught.value.code


def test_tag_with_other_bytes_than_told(server: RegistrySimulator, tmp_path: Path) -> None:
    """The registry's own error, as for any other manifest."""
    shelf = Shelf()
    shelf.tag(legacy_of(KEY))
    shelf.serve(server)
    server.fail("GET", Fault(body=RAW))
    place = reference.parse(f"{server.host}/app").repository
    with pytest.raises(RegistryError, match="digest"):
        list(Search(connect(tmp_path), place, DIGEST, "app", Limits()).legacy())


def test_layers_newest_first() -> None:
    """Writers append; each layer is a candidate, other layers are none."""
    layers = [legacy_of(KEY, b"%d" % number) for number in range(3)]
    shelf, document = Shelf(), json.loads(signature_manifest(*layers))
    document["layers"][1]["mediaType"] = "application/vnd.dsse.envelope.v1+json"
    manifest = shelf.tag(*layers, manifest=canonical(document))
    expected = [Candidate("legacy", manifest, simplesigning.read(*layers[n])) for n in (2, 0)]
    assert expected == list(search(shelf.memory()).legacy())


def test_no_tag_is_no_candidate() -> None:
    """That alone is "none"."""
    assert [] == legacy(Shelf())


def tampered(change: Callable[[bytes], bytes]) -> Shelf:
    """One layer under the tag, its manifest changed."""
    shelf = Shelf()
    layer = legacy_of(KEY)
    shelf.tag(layer, manifest=change(signature_manifest(layer)))
    return shelf


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        (Reason.MALFORMED, lambda raw: raw.replace(b'"layers"', b'"LAYERS":[],"layers"')),
        (Reason.MALFORMED, lambda raw: raw.replace(b'"annotations"', b'"annotations":{},"annotations"')),
        (Reason.MALFORMED, lambda raw: raw.replace(b"cosign/signature", b"cosign/Signature")),
        (Reason.LIMIT, lambda raw: raw.replace(b'"size":%d' % len(legacy_of(KEY)[0]), b'"size":65537')),
        (Reason.MISSING, lambda raw: raw.replace(digests.of(legacy_of(KEY)[0]).encode(), DIGEST.encode())),
    ],
)
def test_layer_is_rejected(reason: Reason, change: Callable[[bytes], bytes]) -> None:
    """As a bundle is."""
    assert [reason] == legacy(tampered(change))


def test_index_under_the_tag(server: RegistrySimulator, tmp_path: Path) -> None:
    """It holds no layers, and is told."""
    server.add("app", simplesigning.tag(DIGEST), Shelf().index(), INDEX)
    place = reference.parse(f"{server.host}/app").repository
    found = list(Search(connect(tmp_path), place, DIGEST, "app", Limits()).legacy())
    assert [Reason.MALFORMED] == [verdict(each) for each in found]


def test_a_thousand_layers() -> None:
    """The newest ones are looked at, and the rest is told."""
    layers = [legacy_of(KEY, b"%d" % number) for number in range(1001)]
    shelf = Shelf()
    shelf.tag(*layers)
    found = list(search(shelf.memory()).legacy())
    assert ["read"] * 64 + [Reason.LIMIT] == [verdict(each) for each in found]
    assert simplesigning.read(*layers[-1]) == found[0].found


@pytest.mark.parametrize(
    ("expected", "limits"),
    [
        (["read"], {}),
        (["read", Reason.LIMIT], {"max_candidates": 1}),
        ([Reason.LIMIT, Reason.LIMIT], {"max_referrer_bytes": 10}),
        ([Reason.LIMIT, Reason.LIMIT], {"max_bundle_bytes": 10}),
    ],
)
def test_limits_can_be_lower(expected: list[str], limits: dict[str, int]) -> None:
    """As the policy has them."""
    shelf = attached(referrer(BLOB))
    shelf.attach(BLOB, annotated(1, None))
    assert (expected if limits else ["read", "read"]) == bundles(shelf, **limits)
    if not limits:
        assert [Reason.LIMIT] == legacy(tampered(bytes), max_payload_bytes=10)


def test_errors_of_a_reader_are_a_verdict() -> None:
    """But for those that are said to pass."""

    def broken() -> Digest:
        raise KeyError("secret")

    found = guarded(broken)
    assert isinstance(found, Rejected)
    assert (Reason.MALFORMED, "it cannot be judged (KeyError)") == (found.reason, found.text)
    with pytest.raises(KeyError):
        guarded(broken, (KeyError,))


class PanicException(BaseException):
    """What a library in Rust raises where it gives up."""


@pytest.mark.parametrize("error", [ValueError, RecursionError, MemoryError, PanicException])
def test_whatever_breaks_is_a_verdict(error: type[BaseException]) -> None:
    """Even what is no `Exception`."""

    def broken() -> Digest:
        raise error

    assert isinstance(guarded(broken), Rejected)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_end_of_the_program_is_none(error: type[BaseException]) -> None:
    """The user's wish has nothing to do with a signature."""

    def stopped() -> Digest:
        raise error

    with pytest.raises(error):
        guarded(stopped)


def test_manifest_is_parsed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that does not look at what it sends, as a cache does not, makes no difference."""
    raw = referrer(BLOB, schemaVersion=1)
    registry = attached(referrer(BLOB)).memory()
    listed = [Descriptor(MANIFEST, digests.of(raw), len(raw))]
    monkeypatch.setattr(registry, "referrers", lambda *_: listed)
    monkeypatch.setattr(registry, "manifest", lambda *_: raw)
    assert [Reason.MALFORMED] == [verdict(each) for each in search(registry).bundles([])]


def test_stream_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails while a blob is read is no signature, and no end."""
    registry = attached(referrer(BLOB)).memory()

    def blob(_place: object, _descriptor: Descriptor) -> object:
        raise OSError(5, "broken")

    monkeypatch.setattr(registry, "blob", blob)
    assert [Reason.MALFORMED] == [verdict(each) for each in search(registry).bundles([])]
