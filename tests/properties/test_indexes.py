# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in the index of a folder or in a list of referrers: our own errors only."""

import json
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from kubeoci import digest, reference
from kubeoci.artifact import INDEX, MANIFEST
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError
from kubeoci.registry.answer import Answer
from kubeoci.registry.cache import Cache
from kubeoci.registry.entries import REF_NAME
from kubeoci.registry.folder import path_of
from kubeoci.registry.layout import Layouts
from kubeoci.registry.protocols import Folder
from kubeoci.registry.referrers import list_referrers
from properties.documents import anything, descriptors, digests, documents
from properties.effort import outcome, tried

names = st.sampled_from(["v1", "", "../x", "a:b", "v1\n"]) | anything
entries = st.fixed_dictionaries(
    {"mediaType": st.just(INDEX), "digest": digests, "size": st.integers(0, 9)},
    optional={"annotations": st.fixed_dictionaries({REF_NAME: names}) | anything, "artifactType": anything},
)
indexes = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "manifests": st.lists(entries | descriptors, max_size=3)},
    optional={"mediaType": st.just(INDEX), "annotations": anything, "subject": anything},
)
written = st.one_of(indexes.map(json.dumps).map(str.encode), documents)


@tried(
    st.tuples(written, st.sampled_from([b'{"imageLayoutVersion":"1.0.0"}', b"{}", b"[", b'{"imageLayoutVersion":2}']))
)
def test_layouts(given: tuple[bytes, bytes]) -> None:
    """A folder has tags that are tags and manifests that it can show, or there is an error."""
    with tempfile.TemporaryDirectory() as name:
        place, layouts = Folder(name), Layouts(Cache(Path(name) / "cache"))
        for file, content in zip(("index.json", "oci-layout"), given, strict=True):
            (Path(name) / file).write_bytes(content)
        tags = outcome(layouts.tags, place)
        for tag in [] if isinstance(tags, KubeociError) else tags:
            assert tag == reference.check_tag(tag)
            found = outcome(layouts.tag, place, tag)
            assert isinstance(found, KubeociError | str)
            outcome(layouts.manifest, place, found)


blobs = st.sampled_from([b"{}", b"", b"[", b'{"schemaVersion":2,"subject":{"digest":1}}']) | documents


@tried(st.tuples(st.lists(blobs, min_size=1, max_size=3), st.lists(entries, max_size=2)))
def test_what_belongs_to_something(given: tuple[list[bytes], list[dict[str, object]]]) -> None:
    """Whatever lies in a folder, it has referrers or there is an error; what was deleted is not listed any more."""
    with tempfile.TemporaryDirectory() as name:
        place, layouts = Folder(name), Layouts(Cache(Path(name) / "cache"))
        (Path(name) / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        listed = [{"mediaType": MANIFEST, "digest": digest.of(raw), "size": len(raw)} for raw in given[0]]
        for raw in given[0]:
            path = path_of(place, digest.of(raw))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*listed, *given[1]]}
        (Path(name) / "index.json").write_text(json.dumps(index))
        outcome(layouts.referrers, place, digest.of(given[0][0]))
        if not isinstance(outcome(layouts.delete_manifest, place, digest.of(given[0][0])), KubeociError):
            assert not layouts.exists(place, digest.of(given[0][0]))


class Lists:
    """A registry that answers every request for a list of referrers, or for a manifest, with the same body."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def get(self, *_: object, **__: object) -> Answer:
        """The list."""
        return Answer("GET", "https://registry.test/v2/app/x", 200, {"content-type": (INDEX,)}, self._body)

    def manifest(self, *_: object) -> bytes:
        """The manifest of an entry."""
        return self._body


@tried(written)
def test_referrers(body: bytes) -> None:
    """A list of referrers is understood as a whole, or there is an error."""
    place = reference.parse("registry.test/app").repository
    subject = Digest("sha256:" + "a" * 64)
    found = outcome(list_referrers, Lists(body), place, subject)
    assert isinstance(found, KubeociError) or all(one.digest for one in found)
