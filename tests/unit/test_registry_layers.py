# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.layers: artifacts of every maker, and one of their layers, unpacked or as it is."""

import importlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubeoci import artifact, digest, reference
from kubeoci.artifact import DOCKER_LIST, DOCKER_MANIFEST, HELM_CHART, INDEX, MANIFEST, canonical
from kubeoci.digest import Digest
from kubeoci.errors import ArchiveError, FilesError, KubeociError, RegistryError
from kubeoci.reference import Repository
from kubeoci.registry import layers
from kubeoci.registry.memory import MemoryRegistry
from simulator.client import connect
from simulator.registry import RegistrySimulator
from simulator.tar import END, entry, gzipped

zstd = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

APP = Repository("registry.test", "app")
TAR = entry("a.yaml", b"kind: A") + END
GZIP = gzipped(entry("a.yaml", b"kind: A")).getvalue()
CHART = gzipped(entry("shop/Chart.yaml", b"name: shop"), entry("shop/templates/a.yaml", b"kind: A")).getvalue()
README = b"# not an archive"

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
FLUX = "application/vnd.cncf.flux.content.v1.tar+gzip"
OCI = "application/vnd.oci.image.layer.v1.tar"
FLUX_CONFIG = "application/vnd.cncf.flux.config.v1+json"
OLD_FLUX_CONFIG = {
    "architecture": "",
    "created": "2022-08-05T10:11:12Z",
    "history": [{"created": "0001-01-01T00:00:00Z"}],
    "os": "",
    "rootfs": {"type": "layers", "diff_ids": [digest.of(TAR)]},
}

Blob = tuple[str, bytes]


class Shelf:
    """A registry in memory that takes whatever a test puts there."""

    def __init__(self) -> None:
        self.registry = MemoryRegistry()

    def blob(self, media_type: str, data: bytes) -> dict[str, object]:
        """Keep a blob; its descriptor."""
        self.registry.blobs[APP][digest.of(data)] = data
        return {"mediaType": media_type, "digest": digest.of(data), "size": len(data)}

    def manifest(self, document: dict[str, object]) -> Digest:
        """Keep a manifest or index."""
        raw = canonical({"schemaVersion": 2, **document})
        self.registry.manifests[APP][digest.of(raw)] = raw
        return digest.of(raw)

    def image(self, *blobs: Blob, config: Blob = (OCI_CONFIG, b"{}"), **more: object) -> Digest:
        """Keep an image manifest of these layers."""
        described = [self.blob(*blob) for blob in blobs]
        return self.manifest({"mediaType": MANIFEST, "config": self.blob(*config), "layers": described, **more})

    def index(self, *children: Digest, kind: str = INDEX, aside: tuple[Digest, ...] = ()) -> Digest:
        """Keep an index of manifests that are there; those `aside` are attestations about the others."""
        note = {"vnd.docker.reference.type": "attestation-manifest"}
        entries = [self._entry(child) for child in children]
        return self.manifest(
            {"mediaType": kind, "manifests": entries + [self._entry(child) | {"annotations": note} for child in aside]}
        )

    def _entry(self, child: Digest) -> dict[str, object]:
        raw = self.registry.manifests[APP][child]
        return {"mediaType": artifact.parse(raw).media_type, "digest": child, "size": len(raw)}


@pytest.fixture
def shelf() -> Shelf:
    """An empty one."""
    return Shelf()


FILES = {"a.yaml": b"kind: A"}
CHART_FILES = {"shop/Chart.yaml": b"name: shop", "shop/templates/a.yaml": b"kind: A"}
PROVENANCE = ("application/vnd.cncf.helm.chart.provenance.v1.prov", b"-----BEGIN PGP SIGNED MESSAGE-----")
HELM_CONFIG = ("application/vnd.cncf.helm.config.v1+json", b'{"name":"shop","version":"1.0.0"}')
EMPTY = ("application/vnd.oci.empty.v1+json", b"{}")
DOCKER_CONFIG = ("application/vnd.docker.container.image.v1+json", b"{}")
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

MAKERS: dict[str, tuple[Callable[[Shelf], Digest], str, dict[str, bytes]]] = {
    "ours": (lambda shelf: shelf.image((f"{OCI}+gzip", GZIP)), "", FILES),
    "ours as flux": (lambda shelf: shelf.image((FLUX, GZIP), config=(FLUX_CONFIG, b'{"os":""}')), "", FILES),
    "old flux": (lambda shelf: shelf.image((FLUX, GZIP), config=(FLUX_CONFIG, canonical(OLD_FLUX_CONFIG))), "", FILES),
    "config is null to Go": (lambda shelf: shelf.image((FLUX, GZIP), config=(FLUX_CONFIG, b"null")), "", FILES),
    "plain tar": (lambda shelf: shelf.image((OCI, TAR)), "", FILES),
    "zstd": (lambda shelf: shelf.image((f"{OCI}+zstd", zstd.compress(TAR))), "", FILES),
    "helm, provenance first": (
        lambda shelf: shelf.image(PROVENANCE, (HELM_CHART, CHART), config=HELM_CONFIG),
        HELM_CHART,
        CHART_FILES,
    ),
    "helm, chart alone": (lambda shelf: shelf.image((HELM_CHART, CHART), config=HELM_CONFIG), "", CHART_FILES),
    "oras, many layers": (
        lambda shelf: shelf.image(
            ("text/markdown", README), (f"{OCI}+gzip", GZIP), (f"{OCI}+gzip", CHART), config=EMPTY, artifactType="a/b"
        ),
        f"{OCI}+gzip",
        FILES,
    ),
    "docker schema 2": (
        lambda shelf: shelf.image((DOCKER_LAYER, GZIP), config=DOCKER_CONFIG, mediaType=DOCKER_MANIFEST),
        "",
        FILES,
    ),
    "no media type": (
        lambda shelf: shelf.manifest({"config": shelf.blob(*EMPTY), "layers": [shelf.blob(FLUX, GZIP)]}),
        "",
        FILES,
    ),
    "index of one": (lambda shelf: shelf.index(shelf.image((FLUX, GZIP))), FLUX, FILES),
    "index of one and attestations": (
        lambda shelf: shelf.index(shelf.image((FLUX, GZIP)), aside=(shelf.image(PROVENANCE), shelf.image())),
        "",
        FILES,
    ),
    "docker list": (
        lambda shelf: shelf.index(
            shelf.image((DOCKER_LAYER, GZIP), config=DOCKER_CONFIG, mediaType=DOCKER_MANIFEST), kind=DOCKER_LIST
        ),
        "",
        FILES,
    ),
}


@pytest.mark.parametrize(("make", "selector", "files"), MAKERS.values(), ids=MAKERS.keys())
def test_artifacts_of_every_maker(
    shelf: Shelf, make: Callable[[Shelf], Digest], selector: str, files: dict[str, bytes]
) -> None:
    """What Flux, helm, oras, docker and we push is read, by the selected layer or the first one."""
    _, contents = layers.extract(shelf.registry, APP, make(shelf), selector)
    assert files == {path: item.data for path, item in contents.files.items()}


def two(shelf: Shelf) -> Digest:
    """An index of two images."""
    return shelf.index(shelf.image((FLUX, GZIP)), shelf.image((FLUX, CHART)), aside=(shelf.image(),))


REFUSED: dict[str, tuple[Callable[[Shelf], Digest], str, str]] = {
    "no layers": (lambda shelf: shelf.image(), "", "the artifact has no layer; its layers are: none"),
    "another type": (
        lambda shelf: shelf.image(PROVENANCE, (HELM_CHART, CHART)),
        FLUX,
        f"no layer of type {FLUX}; its layers are: {PROVENANCE[0]}, {HELM_CHART}; set layerSelector.mediaType to one",
    ),
    "no prefix, no case": (lambda shelf: shelf.image((FLUX, GZIP)), FLUX.upper(), "no layer of type"),
    "index of two": (
        two,
        "",
        rf"2 artifacts \(attestations aside: 1\), .*: (sha256:.{{64}} \({re.escape(MANIFEST)}\)[,;] ){{2}}give the",
    ),
    "index of many": (
        lambda shelf: shelf.index(*(shelf.image((FLUX, bytes([number]))) for number in range(9))),
        "",
        "the index points to 9 artifacts .*, 4 more; give the digest",
    ),
    "index of attestations": (
        lambda shelf: shelf.index(aside=(shelf.image(), shelf.image(PROVENANCE))),
        "",
        "0 artifacts (attestations aside: 2), and only one could be meant: there is none",
    ),
    "empty index": (lambda shelf: shelf.index(), "", "0 artifacts (attestations aside: 0)"),
    "index in an index": (lambda shelf: shelf.index(two(shelf)), "", "this is an index of several artifacts"),
    "docker schema 1": (
        lambda shelf: shelf.manifest({"schemaVersion": 1, "name": "app", "fsLayers": []}),
        "",
        "schemaVersion 1",
    ),
}


@pytest.mark.parametrize(("make", "selector", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_artifacts_that_are_refused(shelf: Shelf, make: Callable[[Shelf], Digest], selector: str, told: str) -> None:
    """The error says where, what is there instead, and what to choose."""
    found = make(shelf)
    with pytest.raises(RegistryError, match=told if "sha256" in told or ".*" in told else re.escape(told)) as caught:
        layers.choose(shelf.registry, APP, found, selector)
    assert ("registry.unsupported", f"{APP}@{found}") == (caught.value.code, caught.value.where)


@pytest.mark.parametrize(
    ("selector", "advice"),
    [
        ("", f"set layerSelector.mediaType to one of text/markdown, {FLUX}: this is the first layer"),
        ("text/markdown", ""),
    ],
)
def test_a_first_layer_that_is_no_archive(shelf: Shelf, selector: str, advice: str) -> None:
    """Where nobody chose it, the others are named."""
    found = shelf.image(("text/markdown", README), (FLUX, GZIP))
    with pytest.raises(ArchiveError, match="a layer of type text/markdown must be gzip") as caught:
        layers.extract(shelf.registry, APP, found, selector)
    assert advice == caught.value.advice


def test_a_layer_without_company_gets_no_advice(shelf: Shelf) -> None:
    """There is nothing else to select."""
    with pytest.raises(ArchiveError) as caught:
        layers.extract(shelf.registry, APP, shelf.image(("text/markdown", README)))
    assert "" == caught.value.advice


def test_copied_as_it_is(shelf: Shelf, tmp_path: Path) -> None:
    """Into a stream or a file, which may be there already; no byte is interpreted."""
    found = shelf.image((FLUX, GZIP), ("text/markdown", README))
    stream, path = io.BytesIO(), tmp_path / "deep" / "README.md"
    for _ in range(2):
        copied = layers.copy_layer(shelf.registry, APP, found, path, "text/markdown")
    assert layers.copy_layer(shelf.registry, APP, found, stream).digest == digest.of(GZIP)
    assert (GZIP, README, len(README)) == (stream.getvalue(), path.read_bytes(), copied.size)
    assert ["README.md"] == [item.name for item in path.parent.iterdir()]


@pytest.mark.parametrize("damage", [b"", b"x" * len(GZIP), GZIP + b"x"])
def test_damage_is_not_copied(shelf: Shelf, tmp_path: Path, damage: bytes) -> None:
    """Nothing is written before all bytes are known to be right."""
    found = shelf.image((FLUX, GZIP))
    shelf.registry.blobs[APP][digest.of(GZIP)] = damage
    stream, path = io.BytesIO(), tmp_path / "layer"
    for target in (stream, path):
        with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
            layers.copy_layer(shelf.registry, APP, found, target)
    assert (b"", False) == (stream.getvalue(), path.exists())


def test_a_file_that_cannot_be_written(shelf: Shelf, tmp_path: Path) -> None:
    """The file is named."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FilesError, match=re.escape(f"{tmp_path / 'file' / 'layer'}: it cannot be written")):
        layers.copy_layer(shelf.registry, APP, shelf.image((FLUX, GZIP)), tmp_path / "file" / "layer")


def test_what_is_missing_is_told(shelf: Shelf) -> None:
    """A manifest or layer that the registry has lost."""
    found = shelf.image((FLUX, GZIP))
    del shelf.registry.blobs[APP][digest.of(GZIP)]
    for wanted in (found, digest.of(b"none")):
        with pytest.raises(KubeociError, match=r"registry\.not_found"):
            layers.copy_layer(shelf.registry, APP, wanted, io.BytesIO())


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """A registry that records requests."""
    with RegistrySimulator() as simulator:
        yield simulator


def test_two_requests_and_then_none(server: RegistrySimulator, shelf: Shelf, tmp_path: Path) -> None:
    """Manifest and layer by digest; the config is not fetched, and the second time all is in the cache."""
    found = shelf.image((FLUX, GZIP))
    server.add("app", "v1", shelf.registry.manifests[APP][found], MANIFEST, GZIP)
    place, registry, stream = reference.parse(f"{server.host}/app").repository, connect(tmp_path), io.BytesIO()
    layers.copy_layer(registry, place, found, stream)
    assert [f"GET /v2/app/manifests/{found}", f"GET /v2/app/blobs/{digest.of(GZIP)}"] == server.requests
    server.clear()
    layers.copy_layer(registry, place, found, stream)
    assert ([], GZIP * 2) == (server.requests, stream.getvalue())
