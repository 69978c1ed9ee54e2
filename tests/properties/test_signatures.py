# SPDX-License-Identifier: Apache-2.0
"""Whatever is stored as a signature: a verdict, and soon."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from kubeoci.digest import Digest
from kubeoci.trust import bundle, simplesigning, statement, strict
from kubeoci.trust.claims import Claims
from kubeoci.trust.evidence import Rejected
from kubeoci.trust.material import Bundle, LegacySignature
from properties.documents import anything
from properties.effort import outcome, repeated, tried

DIGEST = Digest("sha256:" + "ab" * 32)
CLAIMS = Claims(DIGEST, (statement.SIGN,), {"a": "1"}, "app")
ENTRY = {
    "logIndex": "7",
    "logId": {"keyId": "bG9n"},
    "kindVersion": {"kind": "dsse", "version": "0.0.1"},
    "integratedTime": "1669361833",
    "inclusionPromise": {"signedEntryTimestamp": "c2V0"},
    "inclusionProof": {
        "logIndex": "6",
        "rootHash": "cm9vdA==",
        "treeSize": "9",
        "hashes": ["YQ=="],
        "checkpoint": {"envelope": "note"},
    },
    "canonicalizedBody": "Ym9keQ==",
}
BUNDLE = {
    "mediaType": bundle.MEDIA_TYPE,
    "verificationMaterial": {
        "certificate": {"rawBytes": "ZGVy"},
        "tlogEntries": [ENTRY],
        "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": "dHM="}]},
    },
    "dsseEnvelope": {"payload": "e30=", "payloadType": statement.PAYLOAD_TYPE, "signatures": [{"sig": "c2ln"}]},
}
PAYLOAD = json.loads(simplesigning.payload(DIGEST, "app", {"a": "1"}))
STATEMENT = json.loads(statement.build(DIGEST, name="app", annotations={"a": "1"}))
LOGGED = {
    "SignedEntryTimestamp": "c2V0",
    "Payload": {"body": "Yg==", "integratedTime": 1, "logID": "ab", "logIndex": 0},
}

odd = anything | st.sampled_from(["QUJ=", "QUJD\n", "-1", "01", "9" * 30, "\ud800", 1 << 53, 1.0, True, ["x"] * 2000])
pieces = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "\n", "QUJD", "=", " ", "\r", "é")


def changed(document: object) -> st.SearchStrategy[object]:
    """The document with something else at one of its places, at any depth, or with a member more."""
    if isinstance(document, dict):
        inner = [changed(value).map(lambda new, name=name: {**document, name: new}) for name, value in document.items()]
        return st.one_of(
            odd, st.builds(lambda name, value: {**document, name: value}, st.text(max_size=5), odd), *inner
        )
    if isinstance(document, list) and document:
        return odd | changed(document[0]).map(lambda new: [new, *document[1:]])
    return odd


def texts(document: object) -> st.SearchStrategy[bytes]:
    """JSON that is nearly right, and bytes that are not."""
    depths = st.integers(1, 100_000)
    return st.one_of(
        changed(document).map(lambda value: json.dumps(value).encode()),
        st.binary(max_size=80),
        st.text(max_size=80).map(lambda text: text.encode(errors="surrogatepass")),
        st.sampled_from([b'{"a":', b"["]).flatmap(lambda unit: depths.map(lambda count: unit * count)),
        st.sampled_from(["utf-16", "utf-8-sig"]).map(json.dumps(document).encode),
    )


def judged(read: Callable[..., Any], *arguments: object) -> object:
    """What is read, or the verdict; any other exception fails the test, and so does a long time."""

    def run() -> object:
        try:
            return read(*arguments)
        except Rejected as verdict:
            return verdict

    return outcome(run)


@tried(texts(BUNDLE))
def test_documents(raw: bytes) -> None:
    """JSON is an object that can be written again, or rejected."""
    found = judged(strict.document, raw, "it")
    assert isinstance(found, Rejected) or json.loads(json.dumps(found, ensure_ascii=False).encode()) == found


@tried(texts(BUNDLE))
def test_bundles(raw: bytes) -> None:
    """A bundle is read as a whole, or rejected."""
    found = judged(bundle.read, raw)
    assert isinstance(found, Rejected) or (isinstance(found, Bundle) and found.signature)


@tried(texts(STATEMENT))
def test_statements(raw: bytes) -> None:
    """A statement is about our artifact, or rejected."""
    assert isinstance(judged(statement.check, raw, CLAIMS), Rejected | None)


@tried(texts(PAYLOAD))
def test_payloads(raw: bytes) -> None:
    """A legacy payload likewise."""
    assert isinstance(judged(simplesigning.check, raw, CLAIMS), Rejected | None)


@tried(
    st.fixed_dictionaries(
        {},
        optional={
            simplesigning.SIGNATURE: st.text(max_size=9) | repeated(("QUJD", "=", "\n", "é"), 100_000),
            simplesigning.CERTIFICATE: repeated(pieces, 100_000),
            simplesigning.BUNDLE: st.text(max_size=20) | changed(LOGGED).map(json.dumps),
        },
    )
)
def test_annotations(notes: dict[str, str]) -> None:
    """The annotations of a layer make a signature, or are rejected."""
    found = judged(simplesigning.read, b"{}", notes)
    assert isinstance(found, Rejected) or (isinstance(found, LegacySignature) and found.signature)
