# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.referrers: what belongs to an artifact is found, and no writer loses another's entry."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kubeoci import digest
from kubeoci.artifact import INDEX, MANIFEST, canonical
from kubeoci.digest import Digest
from kubeoci.errors import RegistryError
from kubeoci.registry import referrers
from kubeoci.registry.referrers import fallback_tag, list_referrers, subject_of
from simulator.attachments import API, BY_TAG, RAW, SUBJECT, TAG, app, index, listed, overwrite, signature
from simulator.client import connect
from simulator.registry import Fault, RegistrySimulator


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for other writers long."""
    monkeypatch.setattr(referrers, "_PAUSE_SECONDS", (0.001, 0.005))


@pytest.fixture(params=[False, True], ids=["tag", "api"])
def server(request: pytest.FixtureRequest) -> Iterator[RegistrySimulator]:
    """A registry with the subject, that lists referrers or does not."""
    with RegistrySimulator(referrers=request.param) as simulator:
        simulator.add("app", "v1", RAW, MANIFEST, b"{}")
        yield simulator


@pytest.fixture
def plain() -> Iterator[RegistrySimulator]:
    """A registry with the subject, that does not list referrers."""
    with RegistrySimulator() as simulator:
        simulator.add("app", "v1", RAW, MANIFEST, b"{}")
        yield simulator


def test_attached_is_listed(server: RegistrySimulator, tmp_path: Path) -> None:
    """Whoever keeps the list; of all types or of one; twice is once."""
    registry = connect(tmp_path)
    assert [] == listed(server, tmp_path)
    for raw in (signature(1), signature(2, "b/sbom"), signature(1)):
        assert digest.of(raw) == registry.attach(app(server), raw)
    assert [digest.of(signature(1)), digest.of(signature(2, "b/sbom"))] == listed(server, tmp_path)
    assert [digest.of(signature(2, "b/sbom"))] == listed(server, tmp_path, "b/sbom")


def test_entries_tell_what_they_are(server: RegistrySimulator, tmp_path: Path) -> None:
    """Type, size and annotations of the manifest, without asking for it."""
    connect(tmp_path).attach(app(server), signature(7))
    server.clear()
    found = list_referrers(connect(tmp_path), app(server), SUBJECT)[0]
    assert ("a/sig", len(signature(7)), {"n": "7"}) == (
        found.artifact_type,
        found.size,
        found.annotations,
    )
    assert [API, BY_TAG][: 1 if server.referrers else 2] == server.requests


def test_api_is_asked_once(plain: RegistrySimulator, tmp_path: Path) -> None:
    """A registry that does not list is not asked again in this process."""
    registry = connect(tmp_path)
    registry.attach(app(plain), signature(1))
    put = f"PUT /v2/app/manifests/{digest.of(signature(1))}"
    assert [put, API, BY_TAG, f"PUT /v2/app/manifests/{TAG}", BY_TAG] == plain.requests
    registry.attach(app(plain), signature(2))
    assert 1 == plain.requests.count(API)


def test_subject_in_the_answer_is_enough(plain: RegistrySimulator, tmp_path: Path) -> None:
    """A registry that says so has listed it: one request."""
    plain.fail("PUT", Fault(headers={"OCI-Subject": SUBJECT}))
    connect(tmp_path).attach(app(plain), signature())
    assert [f"PUT /v2/app/manifests/{digest.of(signature())}"] == plain.requests


@pytest.mark.parametrize("status", [401, 403, 418, 500])
def test_only_404_is_none(plain: RegistrySimulator, tmp_path: Path, status: int) -> None:
    """Whatever else is wrong is an error: a missing signature must not look like one that never was."""
    for start in (API, BY_TAG):
        plain.fail(start, Fault(status=status), times=5)
        with pytest.raises(RegistryError):
            listed(plain, tmp_path)
        plain.heal()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=404),
        Fault(status=400),
        Fault(status=406),
        Fault(status=200, headers={"Content-Type": "text/html"}, body=b"<html>"),
    ],
)
def test_registry_without_the_question(plain: RegistrySimulator, tmp_path: Path, fault: Fault) -> None:
    """The fallback tag is asked."""
    connect(tmp_path).attach(app(plain), signature())
    plain.fail(API, fault)
    assert [digest.of(signature())] == listed(plain, tmp_path)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"schemaVersion": 2, "manifests": [{"digest": "x"}]}'])
def test_list_that_cannot_be_read(plain: RegistrySimulator, tmp_path: Path, body: bytes) -> None:
    """It is an error, not an empty list."""
    plain.fail(API, Fault(status=200, headers={"Content-Type": INDEX}, body=body))
    with pytest.raises(RegistryError, match=r"registry\.unsupported"):
        listed(plain, tmp_path)


def test_pages_are_followed(plain: RegistrySimulator, tmp_path: Path) -> None:
    """The filter is ours: what the registry sends unfiltered is not believed; a missing type is looked up."""
    for number, kind in ((1, "a/sig"), (2, "b/sbom")):
        raw = signature(number, kind)
        plain.add("app", f"t{number}", raw, MANIFEST)
        link = {"Link": '<?page=2>; rel="next"'} if number == 1 else {}
        plain.fail(
            API,
            Fault(
                status=200,
                headers={"Content-Type": INDEX, "OCI-Filters-Applied": "artifactType"} | link,
                body=index(raw),
            ),
        )
    assert [digest.of(signature(2, "b/sbom"))] == listed(plain, tmp_path, "b/sbom")


def test_pages_without_end(plain: RegistrySimulator, tmp_path: Path) -> None:
    """Sixteen are enough."""
    for page in range(20):
        headers = {"Content-Type": INDEX, "Link": f'<?page={page}>; rel="next"'}
        plain.fail(API, Fault(status=200, headers=headers, body=index()))
    with pytest.raises(RegistryError, match=r"registry\.too_large"):
        listed(plain, tmp_path)
    assert 16 == len(plain.requests)


def test_pages_in_a_circle(plain: RegistrySimulator, tmp_path: Path) -> None:
    """None is read twice."""
    headers = {"Content-Type": INDEX, "Link": '<?page=1>; rel="next"'}
    plain.fail(API, Fault(status=200, headers=headers, body=index()), times=5)
    with pytest.raises(RegistryError, match=r"in a circle.*registry\.too_large"):
        connect(tmp_path).referrers(app(plain), SUBJECT)
    assert [API] * 2 == plain.requests


def test_pages_that_are_too_large_together(plain: RegistrySimulator, tmp_path: Path) -> None:
    """Eight MiB are enough: whoever sends more is not asked for the next page."""
    for page in range(5):
        headers = {"Content-Type": INDEX, "Link": f'<?page={page}>; rel="next"'}
        plain.fail(API, Fault(status=200, headers=headers, body=index(annotations={"x": "x" * (3 << 20)})))
    with pytest.raises(RegistryError, match=r"registry\.too_large"):
        connect(tmp_path).referrers(app(plain), SUBJECT)
    assert [API] * 3 == plain.requests


def test_foreign_tag_is_not_overwritten(plain: RegistrySimulator, tmp_path: Path) -> None:
    """Somebody has an artifact of that name."""
    plain.tags["app"][TAG] = SUBJECT
    with pytest.raises(RegistryError, match="names no index of referrers") as caught:
        connect(tmp_path).attach(app(plain), signature())
    assert ("registry.conflict", SUBJECT) == (caught.value.code, plain.tags["app"][TAG])


def test_unknown_members_are_kept(plain: RegistrySimulator, tmp_path: Path) -> None:
    """What another client wrote into the index stays, in its place."""
    plain.add("app", TAG, index(signature(1), annotations={"by": "them"}), INDEX)
    connect(tmp_path).attach(app(plain), signature(2))
    document = json.loads(plain.manifests["app"][plain.tags["app"][TAG]][1])
    assert {"by": "them"} == document["annotations"]
    assert [digest.of(signature(n)) for n in (1, 2)] == [entry["digest"] for entry in document["manifests"]]


@pytest.mark.parametrize("kept", [True, False])
def test_lost_entries_are_put_back(plain: RegistrySimulator, tmp_path: Path, kept: bool) -> None:
    """Ours, and those of others that we saw, unless their manifest was deleted meanwhile."""
    plain.add("app", TAG, index(signature(1)), INDEX)
    if kept:
        plain.add("app", "t1", signature(1), MANIFEST)
    plain.after[f"PUT /v2/app/manifests/{TAG}"] = overwrite(plain, index(signature(2)), 1)
    connect(tmp_path).attach(app(plain), signature(3))
    numbers = (2, 1, 3) if kept else (2, 3)
    document = json.loads(plain.manifests["app"][plain.tags["app"][TAG]][1])
    assert sorted(digest.of(signature(n)) for n in numbers) == sorted(
        entry["digest"] for entry in document["manifests"]
    )


def test_endless_fight_is_told(plain: RegistrySimulator, tmp_path: Path) -> None:
    """The artifact is there, and a second run repairs the index."""
    plain.after[f"PUT /v2/app/manifests/{TAG}"] = overwrite(plain, index(), 5)
    with pytest.raises(RegistryError, match="other writers keep replacing") as caught:
        connect(tmp_path).attach(app(plain), signature())
    assert "registry.conflict" == caught.value.code
    connect(tmp_path).attach(app(plain), signature())
    assert [digest.of(signature())] == listed(plain, tmp_path)


def test_threads_of_a_process_take_turns(plain: RegistrySimulator, tmp_path: Path) -> None:
    """None of them has to write twice."""
    registry = connect(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: registry.attach(app(plain), signature(number)), range(12)))
    assert 12 == len(listed(plain, tmp_path))
    assert 12 == plain.requests.count(f"PUT /v2/app/manifests/{TAG}")


def test_manifest_without_subject_is_refused(plain: RegistrySimulator, tmp_path: Path) -> None:
    """Before anything is sent."""
    with pytest.raises(RegistryError, match="without `subject`"):
        connect(tmp_path).attach(app(plain), RAW)
    assert [] == plain.requests


def test_merged_asks_both(plain: RegistrySimulator, tmp_path: Path) -> None:
    """What was attached before the registry learned to list: it does not tell of that."""
    plain.add("app", TAG, index(signature(1), signature(2)), INDEX)
    plain.fail(API, Fault(status=200, headers={"Content-Type": INDEX}, body=index(signature(2))), times=2)
    assert [digest.of(signature(2))] == listed(plain, tmp_path)
    assert [digest.of(signature(n)) for n in (2, 1)] == listed(plain, tmp_path, merged=True)


def test_types_of_what_is_gone_stay_unknown(plain: RegistrySimulator, tmp_path: Path) -> None:
    """It hides nothing else; a manifest that cannot be read is an error."""
    plain.add("app", "t2", signature(2), MANIFEST)
    plain.add("app", TAG, index(signature(1), signature(2)), INDEX)
    client = connect(tmp_path)
    assert ["", "a/sig"] == [one.artifact_type for one in list_referrers(client, app(plain), SUBJECT)]
    plain.fail(f"GET /v2/app/manifests/{digest.of(signature(1))}", Fault(status=403))
    with pytest.raises(RegistryError, match=r"registry\.denied"):
        list_referrers(client, app(plain), SUBJECT)


def test_fallback_tags_are_cut() -> None:
    """A tag has at most 128 characters."""
    assert f"sha512-{'a' * 64}" == fallback_tag(Digest(f"sha512:{'a' * 128}"))


def test_nothing_is_asked_about_the_entries(plain: RegistrySimulator, tmp_path: Path) -> None:
    """Ten thousand that somebody made up cost two requests; a type that the list lacks stays empty."""
    entries = [{"mediaType": MANIFEST, "digest": digest.of(b"%d" % n), "size": 1} for n in range(10_000)]
    plain.add("app", TAG, canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}), INDEX)
    found = connect(tmp_path).referrers(app(plain), SUBJECT)
    assert (10_000, {""}) == (len(found), {entry.artifact_type for entry in found})
    assert [API, BY_TAG] == plain.requests


@pytest.mark.parametrize("kind", ["", None, "application/vnd.oci.empty.v1+json"])
def test_types_are_told_as_they_are_listed(plain: RegistrySimulator, tmp_path: Path, kind: str | None) -> None:
    """What clients write who know no better is passed on; whoever needs the type reads the manifest."""
    raw = signature(1)
    plain.add("app", "t", raw, MANIFEST)
    entry = {"mediaType": MANIFEST, "digest": digest.of(raw), "size": len(raw), "artifactType": kind}
    plain.add("app", TAG, canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}), INDEX)
    client = connect(tmp_path)
    assert [kind or ""] == [found.artifact_type for found in client.referrers(app(plain), SUBJECT)]
    assert ["a/sig"] == [found.artifact_type for found in list_referrers(client, app(plain), SUBJECT)]


def test_list_that_is_too_large(plain: RegistrySimulator, tmp_path: Path) -> None:
    """More than four MiB are read neither from the registry nor from the tag."""
    fault = Fault(status=200, headers={"Content-Type": INDEX}, body=b" " * (4 << 20) + index())
    for start, before in ((API, []), (BY_TAG, [API])):
        plain.fail(start, fault)
        with pytest.raises(RegistryError, match=r"registry\.too_large"):
            connect(tmp_path).referrers(app(plain), SUBJECT)
        assert [*before, start] == plain.requests
        plain.clear()


def test_list_that_is_full(plain: RegistrySimulator, tmp_path: Path) -> None:
    """An index that no reader would take is not written, and the old one stays."""
    entry = {"mediaType": MANIFEST, "digest": digest.of(b""), "size": 1, "annotations": {"x": "x" * (4 << 20)}}
    raw = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
    short = raw.replace(b"x" * 400, b"", 1)
    before = plain.add("app", TAG, short, INDEX)
    with pytest.raises(RegistryError, match=r"is full.*registry\.conflict"):
        connect(tmp_path).attach(app(plain), signature())
    assert before == plain.tags["app"][TAG]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b"{}",
        b'{"subject": 1}',
        b'{"subject": {"digest": 1}}',
        b'{"subject": {"digest": "x"}}',
    ],
)
def test_no_subject(raw: bytes) -> None:
    """Whatever names none has none."""
    assert subject_of(raw) is None
