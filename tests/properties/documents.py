# SPDX-License-Identifier: Apache-2.0
"""Manifests and indexes as anybody may write them: right ones, broken ones, and JSON that is none of it."""

import json

from hypothesis import strategies as st

from kubeoci import artifact

digests = st.sampled_from(["sha256:" + "a" * 64, "sha512:" + "b" * 128, "sha256:zz/../x", "", "sha256:" + "A" * 64])
types = st.sampled_from(
    [
        artifact.MANIFEST,
        artifact.INDEX,
        artifact.DOCKER_LIST,
        "text/html",
        "",
        "\ud800",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ]
)
numbers = st.one_of(st.integers(-1, 1 << 63), st.just(10**400), st.floats(), st.booleans(), st.none())
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8) | types | digests,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
notes = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=2) | anything
descriptors = (
    st.fixed_dictionaries(
        {"mediaType": types, "digest": digests, "size": st.integers(0, 9) | numbers},
        optional={"annotations": notes, "urls": anything, "data": anything},
    )
    | anything
)
layers = st.lists(descriptors, max_size=3) | anything
manifests = st.fixed_dictionaries(
    {"schemaVersion": st.just(2) | numbers},
    optional={
        "mediaType": types,
        "config": descriptors,
        "layers": layers,
        "manifests": layers,
        "annotations": notes,
        "artifactType": anything,
        "subject": descriptors,
    },
)
documents = st.one_of(
    st.binary(max_size=80),
    manifests.map(json.dumps).map(str.encode),
    anything.map(json.dumps).map(str.encode),
    st.integers(1, 100_000).map(lambda depth: b'{"a":' * depth),
)
