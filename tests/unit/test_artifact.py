# SPDX-License-Identifier: Apache-2.0
"""Manifests: ours to the byte, and everybody's read with suspicion."""

import json

import oras.defaults
import pytest

from kubeoci import artifact, digest
from kubeoci.archive import Layer
from kubeoci.artifact import Descriptor
from kubeoci.errors import RegistryError, flatten

LAYER = Layer(digest.of(b"gzip"), digest.of(b"tar"), 4)
TREE = digest.of(b"tree")
CONFIG = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest.of(b"{}"), "size": 2}
ONE = {"mediaType": "text/plain", "digest": digest.of(b"1"), "size": 1}


def image(**fields: object) -> bytes:
    """An image manifest with these fields changed; None takes a field away."""
    plain = {"schemaVersion": 2, "mediaType": artifact.MANIFEST, "config": CONFIG, "layers": [ONE]}
    return json.dumps({key: value for key, value in (plain | fields).items() if value is not None}).encode()


def index(*children: dict[str, object]) -> bytes:
    """An index of these children."""
    return json.dumps({"schemaVersion": 2, "mediaType": artifact.INDEX, "manifests": children}).encode()


def refused(raw: bytes, content_type: str = "") -> str:
    """What the error says, which is always of one code."""
    with pytest.raises(RegistryError) as caught:
        artifact.parse(raw, content_type)
    assert "registry.unsupported" == caught.value.code
    return str(caught.value)


def test_our_manifest_to_the_byte() -> None:
    """The manifest is canonical JSON with our two annotations beside the user's."""
    made = artifact.build(LAYER, TREE, annotations={artifact.SOURCE: "x=y"})
    assert (
        f'{{"annotations":{{"dev.kubeoci.diff-id":"{LAYER.diff_id}","dev.kubeoci.tree-digest":"{TREE}",'
        f'"org.opencontainers.image.source":"x=y"}},"config":{{"digest":"{digest.of(made.config)}",'
        '"mediaType":"application/vnd.oci.image.config.v1+json","size":167},'
        f'"layers":[{{"digest":"{LAYER.digest}","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":4}}],'
        '"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}'
    ) == made.manifest.decode()
    assert (digest.of(made.manifest), TREE) == (made.digest, made.tree_digest)


def test_our_config_names_the_tar() -> None:
    """An OCI config holds the diffID, so image tools take the artifact."""
    config = artifact.build(LAYER, TREE, format="oci").config
    assert (
        f'{{"architecture":"unknown","config":{{}},"os":"unknown","rootfs":{{"diff_ids":["{LAYER.diff_id}"],"type":"layers"}}}}'
    ) == config.decode()


def test_flux_format() -> None:
    """The Flux format has Flux's types and its constant config."""
    made = artifact.build(LAYER, TREE, format="flux")
    expected = "sha256:5b943e2b943f6c81dbbd4e2eca5121f4fcc39139e3d1219d6d89bd925b77d9fe"
    assert Descriptor("application/vnd.cncf.flux.config.v1+json", digest.parse(expected), 115) == made.config_descriptor
    assert "application/vnd.cncf.flux.content.v1.tar+gzip" == made.layer.media_type


def test_what_we_build_we_read() -> None:
    """Our own manifest is read back as what it was made of."""
    made = artifact.build(LAYER, TREE, annotations={"a": "\u00e9"})
    read = artifact.parse(made.manifest, artifact.MANIFEST)
    assert (made.config_descriptor, (made.layer,), made.annotations) == (read.config, read.layers, read.annotations)


def test_all_faults_of_building_at_once() -> None:
    """A wrong format and every annotation that cannot be used are told together."""
    with pytest.raises(ExceptionGroup) as caught:
        artifact.build(LAYER, TREE, format="zip", annotations={"dev.kubeoci.x": "1", "": "1", "s": "\ud800"})
    assert ["format", 'annotations["dev.kubeoci.x"]', 'annotations[""]', 'annotations["s"]'] == [
        fault.where for fault in flatten(caught.value)
    ]


def test_annotations_have_a_limit() -> None:
    """Annotations that would make the manifest too large for registries are refused."""
    assert ["annotations"] == [fault.where for fault in artifact.annotation_faults({"a": "x" * (2 << 20)})]


def test_media_types_are_those_of_oras() -> None:
    """Our constants are the ones that oras uses."""
    assert (
        oras.defaults.default_manifest_media_type,
        oras.defaults.default_index_media_type,
    ) == (artifact.MANIFEST, artifact.INDEX)


@pytest.mark.parametrize(
    ("raw", "content_type", "expected"),
    [
        (image(), "", artifact.MANIFEST),
        (image(), f"{artifact.MANIFEST}; charset=utf-8", artifact.MANIFEST),
        (image(mediaType=None), artifact.MANIFEST, artifact.MANIFEST),
        (image(mediaType=None), "", artifact.MANIFEST),
        (image(mediaType=artifact.DOCKER_MANIFEST), "", artifact.DOCKER_MANIFEST),
        (index(ONE), artifact.INDEX, artifact.INDEX),
        (image(annotations=None, layers=[ONE | {"annotations": None, "urls": ["http://x"]}]), "", artifact.MANIFEST),
    ],
)
def test_manifests_that_are_read(raw: bytes, content_type: str, expected: str) -> None:
    """Each known type, told by the document, the header or both."""
    assert expected == artifact.parse(raw, content_type).media_type


def test_all_fields_are_read() -> None:
    """Annotations and types of manifest and layer are kept, and the children of an index."""
    manifest = artifact.parse(
        image(artifactType="a/b", annotations={"k": "v"}, layers=[ONE | {"annotations": {"l": "w"}}])
    )
    assert ("a/b", {"k": "v"}, {"l": "w"}) == (
        manifest.artifact_type,
        manifest.annotations,
        manifest.layers[0].annotations,
    )
    children = artifact.parse(index(ONE)).children
    assert (Descriptor("text/plain", digest.of(b"1"), 1),) == children


@pytest.mark.parametrize(
    ("raw", "content_type", "told"),
    [
        (b"", "", "no valid JSON"),
        (b"<html>", "", "no valid JSON"),
        (b"\xff{}", "", "no valid JSON"),
        (image().decode().encode("utf-16"), "", "no valid JSON"),
        (b"[]", "", "no JSON object"),
        (b"[" * 100_000, "", "nested too deeply"),
        (image(x=json.loads("[" * 20 + "]" * 20)), "", "nested more than 16"),
        (b'{"schemaVersion":2,"schemaVersion":2}', "", "a key is given twice"),
        (b'{"schemaVersion":NaN}', "", "NaN is no number"),
        (image(schemaVersion=1), "", "schemaVersion 1, not 2"),
        (image(schemaVersion=2.0), "", "schemaVersion 2.0"),
        (image(schemaVersion=None), "", "schemaVersion None"),
        (image(mediaType=artifact.INDEX), "", "but has config and layers"),
        (image(manifests=[]), "", "but has manifests"),
        (image(), artifact.INDEX, "the registry Content-Type"),
        (image(), "text/html", "the registry Content-Type"),
        (image(mediaType="text/html"), "", "'text/html', which is no image manifest"),
        (image(mediaType=None), "application/json", "'application/json', which is no image manifest"),
        (image(mediaType=3), "", "mediaType is no text"),
        (image(config=None), "", "config is no descriptor"),
        (image(layers=None), "", "layers is no list"),
        (image(layers=[3]), "", "layers[0] is no descriptor"),
        (image(layers=[ONE | {"size": -1}]), "", "layers[0] has the size -1"),
        (image(layers=[ONE | {"size": True}]), "", "layers[0] has the size True"),
        (image(layers=[ONE | {"size": 1.0}]), "", "layers[0] has the size 1.0"),
        (image(layers=[ONE | {"size": 1 << 70}]), "", "layers[0] has the size"),
        (image(layers=[ONE | {"size": "1"}]), "", "layers[0] has the size '1'"),
        (image(layers=[ONE | {"digest": "sha256:../x"}]), "", "layers[0]: 'sha256:../x' is no digest"),
        (image(layers=[ONE | {"digest": None}]), "", "layers[0].digest is no text"),
        (image(layers=[ONE | {"mediaType": "\ud800"}]), "", "not valid Unicode"),
        (image(annotations=[]), "", "annotations is no map"),
        (image(annotations={"a": 1}), "", "annotations['a'] is no text"),
        (b'{"schemaVersion":2,"manifests":3}', "", "manifests is no list"),
        (b'{"schemaVersion":2,"x":' + b"9" * 5000 + b"}", "", "no valid JSON"),
    ],
)
def test_manifests_that_are_refused(raw: bytes, content_type: str, told: str) -> None:
    """What two readers could understand differently is refused, with the field."""
    assert told in refused(raw, content_type)


def test_size_limit() -> None:
    """A manifest over 4 MiB is not even parsed."""
    with pytest.raises(RegistryError, match="larger than 4194304") as caught:
        artifact.parse(b" " * ((4 << 20) + 1))
    assert "registry.too_large" == caught.value.code


def test_layers_are_selected() -> None:
    """The first layer, or the first of the asked type."""
    two = artifact.parse(image(layers=[ONE, ONE | {"mediaType": "a/b"}, ONE | {"mediaType": "a/b", "size": 9}]))
    assert [two.layers[0], two.layers[1]] == [artifact.select_layer(two), artifact.select_layer(two, "a/b")]


@pytest.mark.parametrize(
    ("raw", "asked", "told"),
    [
        (image(layers=[]), "", "the artifact has no layer; its layers are: none"),
        (image(layers=[ONE, ONE]), "a/b", "no layer of type a/b; its layers are: text/plain; set layerSelector"),
        (index(ONE), "", "this is an index"),
    ],
)
def test_no_layer_to_select(raw: bytes, asked: str, told: str) -> None:
    """What is there is named when nothing fits; layer 0 is never taken instead."""
    with pytest.raises(RegistryError) as caught:
        artifact.select_layer(artifact.parse(raw), asked)
    assert told in str(caught.value)


def test_the_child_of_an_index() -> None:
    """One artifact and its attestations are one artifact; two are a question."""
    note = ONE | {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    assert "text/plain" == artifact.select_child(artifact.parse(index(note, ONE))).media_type
    with pytest.raises(RegistryError, match="points to 2 artifacts"):
        artifact.select_child(artifact.parse(index(ONE, ONE)))
