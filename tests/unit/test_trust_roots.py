# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.roots: what a trusted root may hold, and what of it counts when."""

import json
from collections.abc import Callable
from datetime import timedelta
from importlib import resources
from typing import Any

import pytest

from kubeoci.errors import TrustError
from kubeoci.trust import roots
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.roots import TrustedRoot
from simulator.sigstore import Sigstore

Document = dict[str, Any]
SIGSTORE = Sigstore()


def written() -> Document:
    """A good root, to be tampered with."""
    return SIGSTORE.trusted_root()


def read(document: Document, *, is_users: bool = True) -> TrustedRoot:
    """What is read of it."""
    return roots.read(json.dumps(document), source="inline", is_users=is_users)


def public() -> str:
    """The root of the public Sigstore, as it comes with its library."""
    store = resources.files("sigstore") / "_store" / "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
    return (store / "trusted_root.json").read_text()


def test_everything_is_read() -> None:
    """Logs of both kinds, authorities of both kinds."""
    root = read(written())
    assert [SIGSTORE.log.id, SIGSTORE.log_v2.id] == [log.id for log in root.logs]
    assert [SIGSTORE.authority.ct.id] == [log.id for log in root.ct_logs]
    assert [SIGSTORE.authority.chain] == [each.chain for each in root.authorities]
    assert [SIGSTORE.tsa.chain] == [each.chain for each in root.stampers]
    assert ("inline", None) == (root.source, root.logs[0].window.end)


def test_public_root_is_read_whole() -> None:
    """Nothing in the public root is unknown, so that a user may give a copy of it."""
    root = roots.read(public(), source="public", is_users=True)
    assert ["P-256", "Ed25519"] == [log.key.kind for log in root.logs]
    assert [1, 2] == [len(each.chain) for each in root.authorities]


def test_digest_is_of_what_is_trusted() -> None:
    """Spelling, order of members and descriptions do not change it; a window does."""
    other = dict(reversed(written().items()))
    other["certificateAuthorities"][0] |= {"uri": "https://else", "operator": "else"}
    assert read(written()).digest == read(other).digest
    assert read(written()) == read(other)
    other["tlogs"][0]["publicKey"]["validFor"] = {}
    assert read(written()).digest != read(other).digest


def test_library_reads_what_is_written_for_it() -> None:
    """The document is one that sigstore's own models take, and means the same when read again."""
    root = roots.read(public(), source="public", is_users=False)
    assert root == read(root.document())


@pytest.mark.parametrize("name", ["tlogs", "ctlogs", "certificateAuthorities"])
@pytest.mark.parametrize("value", [[], None])
def test_root_without_anything_to_trust(name: str, value: list[object] | None) -> None:
    """Each of the three kinds is needed; time stamp authorities are not."""
    document = written() | {"timestampAuthorities": []}
    assert () == read(document).stampers
    document[name] = value
    if value is None:
        del document[name]
    with pytest.raises(TrustError, match=f"{name} names nothing to trust") as caught:
        read(document)
    assert "trust.trust_root" == caught.value.code


def log(document: Document) -> Document:
    """The first log."""
    item: Document = document["tlogs"][0]
    return item


BAD: dict[str, tuple[Callable[[Document], object], str]] = {
    "media type": (lambda root: root.update(mediaType=roots.MEDIA_TYPE.replace("0.1", "0.2")), "mediaType is not"),
    "no media type": (lambda root: root.pop("mediaType"), "mediaType is not"),
    "list": (lambda root: root.update(tlogs={}), "tlogs is no list"),
    "member": (lambda root: root.update(tlogs=[[]]), r"tlogs\[0\] is no object"),
    "too many": (lambda root: root.update(ctlogs=root["ctlogs"] * 65), "ctlogs has 65 members"),
    "no key": (lambda root: log(root).pop("publicKey"), r"tlogs\[0\].publicKey is no object"),
    "number": (lambda root: log(root).update(baseUrl=1), r"tlogs\[0\].baseUrl is no text"),
    "null": (lambda root: log(root).update(operator=None), r"tlogs\[0\].operator is no text"),
    "key bytes": (lambda root: log(root)["publicKey"].update(rawBytes="AAAA"), "no public key that can be read"),
    "key base64": (lambda root: log(root)["publicKey"].update(rawBytes="AA"), r"publicKey.rawBytes is no base64"),
    "key kind": (lambda root: log(root)["publicKey"].update(keyDetails="PKIX_ED25519"), "is a key of P-256, and is"),
    "no id": (lambda root: log(root).update(logId={}), r"logId.keyId is no text"),
    "chain": (lambda root: root["certificateAuthorities"][0].update(certChain={}), "has 0 certificates"),
    "certificate": (
        lambda root: root["certificateAuthorities"][0]["certChain"]["certificates"][0].update(rawBytes="AAAA"),
        r"certificates\[0\] is no certificate",
    ),
    "time": (lambda root: root["ctlogs"][0]["publicKey"]["validFor"].update(start="2024-02-30T00:00:00Z"), "no time"),
    "zone": (lambda root: root["ctlogs"][0]["publicKey"]["validFor"].update(start="2024-02-20T00:00:00"), "no time"),
    "window": (
        lambda root: root["timestampAuthorities"][0]["validFor"].update(end="1999-01-01T00:00:00Z"),
        r"timestampAuthorities\[0\].validFor ends before it starts",
    ),
}


@pytest.mark.parametrize(("change", "text"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("is_users", [True, False])
def test_bad_roots_are_refused(change: Callable[[Document], object], text: str, is_users: bool) -> None:
    """Whoever wrote it; the place is named, the source as well."""
    document = written()
    change(document)
    with pytest.raises(TrustError, match=text) as caught:
        read(document, is_users=is_users)
    assert "trust.trust_root" == caught.value.code
    assert caught.value.what.startswith("the trusted root (inline) cannot be used: ")


@pytest.mark.parametrize(
    "text", ["", "[]", "nul", "{}", '{"a":1,"A":1}', "[" * 200_000, "\ud800", " " * (1 << 20) + "{}"]
)
def test_texts_that_are_no_roots(text: str) -> None:
    """Nothing but our own error comes of them."""
    with pytest.raises(TrustError, match=r"the trusted root \(inline\) cannot be used"):
        roots.read(text, source="inline", is_users=True)


NEW: dict[str, tuple[Callable[[Document], object], str]] = {
    "member": (lambda root: root.update(witnesses=[]), "witnesses is unknown"),
    "deep member": (lambda root: log(root)["publicKey"].update(curve="x"), r"tlogs\[0\].publicKey.curve is unknown"),
    "algorithm": (lambda root: log(root)["publicKey"].update(keyDetails="ML_DSA_65"), "works with SHA2_256 and ML_DSA"),
    "hash": (lambda root: log(root).update(hashAlgorithm="SHA3_256"), "works with SHA3_256"),
}


@pytest.mark.parametrize(("change", "text"), NEW.values(), ids=NEW)
def test_unknown_in_a_users_root_is_refused(change: Callable[[Document], object], text: str) -> None:
    """It may be a restriction that would have no effect."""
    document = written()
    change(document)
    with pytest.raises(TrustError, match=text):
        read(document)


@pytest.mark.parametrize(("change", "text"), NEW.values(), ids=NEW)
def test_unknown_from_tuf_is_left_out(
    change: Callable[[Document], object], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning; the rest counts."""
    document = written()
    change(document)
    with caplog.at_level("WARNING"):
        root = read(document, is_users=False)
    assert SIGSTORE.log_v2.id == root.logs[-1].id
    assert [True] == [text.replace("\\", "") in record.getMessage() for record in caplog.records]


def test_window_ends_are_inside() -> None:
    """A time at either end counts, one second further does not."""
    start, end, second = SIGSTORE.clock, SIGSTORE.clock + timedelta(days=1), timedelta(seconds=1)
    window = roots.Window(start, end)
    times = [start - second, start, end, end + second]
    assert [False, True, True, False] == [window.holds(time) for time in times]
    assert roots.Window().holds(start)


@pytest.mark.parametrize(
    ("name", "reason", "kind"),
    [
        ("tlogs", Reason.LOG, "transparency log"),
        ("ctlogs", Reason.SCT, "certificate transparency log"),
        ("certificateAuthorities", Reason.CHAIN, "certificate authority"),
    ],
)
def test_pruning_names_what_is_missing(name: str, reason: Reason, kind: str) -> None:
    """Kind and time, when nothing of a kind counts at the time of the signature."""
    document = written()
    for item in document[name]:
        item.get("publicKey", item)["validFor"]["end"] = "2000-01-01T00:00:00Z"
        item.get("publicKey", item)["validFor"]["start"] = "1999-01-01T00:00:00Z"
    with pytest.raises(Rejected, match=f"has no {kind} that counts at {SIGSTORE.clock:%Y-%m-%dT%H:%M}") as caught:
        read(document).pruned([SIGSTORE.clock])
    assert reason == caught.value.reason


def test_pruning_keeps_what_counts_at_every_time() -> None:
    """A window that one of the times is outside of is left out; time stamp authorities may all go."""
    document = written()
    ended = (SIGSTORE.clock + timedelta(hours=1)).isoformat()
    document["tlogs"][0]["publicKey"]["validFor"]["end"] = ended
    document["timestampAuthorities"][0]["validFor"]["end"] = ended
    root = read(document)
    assert root == root.pruned([SIGSTORE.clock])
    later = root.pruned([SIGSTORE.clock, SIGSTORE.clock + timedelta(hours=2)])
    assert (root.logs[1:], ()) == (later.logs, later.stampers)


def test_expired_certificate_ends_an_authority() -> None:
    """Its window may be open: a certificate of its chain is not."""
    with pytest.raises(Rejected, match="no certificate authority"):
        read(written()).pruned([SIGSTORE.clock + timedelta(days=4000)])
