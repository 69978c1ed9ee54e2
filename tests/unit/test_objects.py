# SPDX-License-Identifier: Apache-2.0
"""From the files of an artifact to objects, or to all that is wrong with them."""

from pathlib import Path

import pytest

from kubeoci import objects
from kubeoci.commonmetadata import CommonMetadata
from kubeoci.errors import KubeociError
from kubeoci.objects import Loaded

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real manifests are not at {DATA}")

CONFIG_MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
CRD = b"""apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec: {group: example.com, scope: %s, names: {kind: Thing, plural: things}}
"""
THING = b"---\napiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t, namespace: own}\n"

FAULTS: list[tuple[bytes, str]] = [
    (b"- a\n", "a.yaml:1: an object must be a mapping, this is a list (manifest.invalid)"),
    (b"\nkind: X\n", "a.yaml:2: apiVersion missing; every Kubernetes object has both (manifest.invalid)"),
    (b"a: 1\n", "a.yaml:1: apiVersion and kind missing; every Kubernetes object has both (manifest.invalid)"),
    (b"apiVersion: v1\nkind: 1\n", "a.yaml:1: kind missing; every Kubernetes object has both (manifest.invalid)"),
    (
        b"apiVersion: a/b/c\nkind: X\nmetadata: {name: a}",
        "a.yaml:1: apiVersion 'a/b/c' is not group/version (manifest.invalid)",
    ),
    (b"apiVersion: v1\nkind: Pod\n", "a.yaml:1: Pod: metadata.name is missing (manifest.invalid)"),
    (b"a: [1\n", "a.yaml:1: did not find expected ',' or ']' while parsing a flow sequence (manifest.invalid)"),
    (b"a: b\na: c\n", "a.yaml:2: key 'a' stands here and on line 1 already (manifest.invalid)"),
]
METADATA_FAULTS: list[tuple[str, str]] = [
    ("[a]", "metadata must be a mapping, this is a list"),
    ("{generateName: a-}", "metadata.generateName alone names no object; give it a metadata.name"),
    ("{name: 1}", "metadata.name must be a string; put it in quotes"),
    ("{name: a/b}", "metadata.name 'a/b' is no name; use up to 253 characters without / and %"),
    ("{name: ..}", "metadata.name '..' is no name; use up to 253 characters without / and %"),
    ("{name: a, namespace: A}", "metadata.namespace 'A' is no namespace; use up to 63 of a-z, 0-9 and -"),
    ("{name: a, labels: {x: 1}}", "metadata.labels['x'] must be a string, this is a number; put it in quotes"),
    ("{name: a, labels: {x: a b}}", "metadata.labels['x'] is no valid label; use up to 63 letters, digits, -, _ and ."),
    ("{name: a, labels: {x y: a}}", "metadata.labels: 'x y' is no valid key; write name or domain/name"),
    ("{name: a, annotations: {x: true}}", "metadata.annotations['x'] must be a string, this is a boolean; put it in quotes"),  # noqa: E501 - one row
    ("{name: a, annotations: [x]}", "metadata.annotations must be a mapping, this is a list"),
]  # fmt: skip
UNSUPPORTED: list[tuple[str, bytes, str]] = [
    ("x/kustomization.yaml", b"a: 1", "must be built by kustomize first"),
    ("Kustomization", b"", "must be built by kustomize first"),
    ("Chart.yaml", b"apiVersion: v2", "Helm chart"),
    ("a.yaml", b"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component", "input of kustomize"),
    ("a.yaml", CONFIG_MAP + b"sops: {mac: x}", "ConfigMap a is encrypted with SOPS"),
    ("a.json", b'{"data": "ENC[x]", "sops": {"mac": "x"}}', "this file is encrypted with SOPS"),
    ("a.yaml", CONFIG_MAP + b"data:\n  x: {{ .Values.x }}\n", "Helm template"),
    ("a.yaml", CONFIG_MAP + b'data:\n  x: "{{- include "a" . }}"\n', "Helm template"),
    ("a.yaml", CONFIG_MAP + b"data:\n  x: a{{ .Release.Name }}\n", "Helm template"),
]


def faults(files: dict[str, bytes], **options: str) -> list[KubeociError]:
    """What is wrong with some files."""
    with pytest.raises(ExceptionGroup) as caught:
        objects.load(files, **options)  # type: ignore[arg-type]
    return [error for error in caught.value.exceptions if isinstance(error, KubeociError)]


def names(loaded: Loaded) -> list[str]:
    """The identities, in order."""
    return [str(item.id) for item in loaded.objects]


def test_files_in_byte_order() -> None:
    """Manifests of all three endings are read in byte order, other files are passed over."""
    json = b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "j"}}'
    files = {"b.yml": CONFIG_MAP, "a/c.json": json, "README.md": b"# x", "B.yaml": CONFIG_MAP.replace(b"a}", b"B}")}
    assert ["ConfigMap/default/B", "ConfigMap/default/j", "ConfigMap/default/a"] == names(objects.load(files))


@pytest.mark.parametrize("path", ["deploy", "./deploy/", "/deploy", "deploy/."])
def test_path(path: str) -> None:
    """Only what lies below the folder counts; each object keeps its place in the artifact."""
    loaded = objects.load({"deploy/a.yaml": b"---\n" + CONFIG_MAP, "deployed/b.yaml": b"x"}, path=path)
    assert ["deploy/a.yaml:2"] == [item.source for item in loaded.objects]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nope", "path: folder 'nope' is not in the artifact; its folders are x (manifest.invalid)"),
        ("x/a.yaml", "path: folder 'x/a.yaml' is a file, a folder is needed; its folders are x (manifest.invalid)"),
        ("../x", "path: folder '../x' leads out of the artifact (manifest.invalid)"),
    ],
)
def test_wrong_path(path: str, words: str) -> None:
    """A path that is no folder of the artifact is told with the folders that are."""
    assert [words] == [str(error) for error in faults({"x/a.yaml": CONFIG_MAP}, path=path)]


@pytest.mark.parametrize(("data", "words"), FAULTS)
def test_no_object(data: bytes, words: str) -> None:
    """What is no object is told with its line."""
    assert [words] == [str(error) for error in faults({"a.yaml": data})]


@pytest.mark.parametrize(("metadata", "words"), METADATA_FAULTS)
def test_wrong_metadata(metadata: str, words: str) -> None:
    """What an API server would refuse in metadata is refused here, by field."""
    (error,) = faults({"a.yaml": f"apiVersion: v1\nkind: Pod\nmetadata: {metadata}\n".encode()})
    assert f"{words} (manifest.invalid)" == str(error).split(": ", 2)[2]


@pytest.mark.parametrize(("file", "data", "words"), UNSUPPORTED)
def test_unsupported(file: str, data: bytes, words: str) -> None:
    """Input of other tools is named as such, and nothing else is said about its folder."""
    (error,) = faults({file: data})
    assert ("manifest.unsupported", True) == (error.code, words in error.what)


def test_all_faults_at_once() -> None:
    """Every fault of every file is reported together."""
    files = {"a.yaml": b"a: [", "b.yaml": CONFIG_MAP + b"---\nkind: X\n---\n- 1\n", "c.yaml": CONFIG_MAP}
    places = ["a.yaml:1", "b.yaml:5", "b.yaml:7", "c.yaml:1"]
    assert places == [error.where for error in faults(files)]


def test_duplicates_name_both_places() -> None:
    """Two documents for one object, also in two versions, are an error with both places."""
    old, new = (f"apiVersion: apps/{v}\nkind: Deployment\nmetadata: {{name: web}}\n" for v in ("v1", "v1beta1"))
    (error,) = faults({"a.yaml": old.encode(), "b.yaml": b"\n" + new.encode()})
    assert ("manifest.duplicate", "b.yaml:2") == (error.code, error.where)
    assert "Deployment/default/web is described here and at a.yaml:1" == error.what


def test_lists_are_taken_apart() -> None:
    """`List` and typed lists give their elements, at any depth, with their own lines; empty ones give nothing."""
    data = b"""kind: List
apiVersion: v1
items:
- apiVersion: v1
  kind: ConfigMapList
  items:
  - metadata: {name: a}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}
---
{apiVersion: v1, kind: List, items: }
---
{apiVersion: example.com/v1, kind: WatchList, metadata: {name: w}}
"""
    loaded = objects.load({"a.yaml": data})
    assert ["ConfigMap/default/a", "ConfigMap/default/b", "WatchList.example.com/default/w"] == names(loaded)
    assert ["a.yaml:4", "a.yaml:8", "a.yaml:12"] == [item.source for item in loaded.objects]


@pytest.mark.parametrize(
    ("scope", "expected"), [("Cluster", "Thing.example.com/t"), ("Namespaced", "Thing.example.com/own/t")]
)
def test_scope_from_the_artifact(scope: str, expected: str) -> None:
    """A CustomResourceDefinition of the artifact tells the scope before anybody is asked."""
    loaded = objects.load({"a.yaml": CRD % scope.encode() + THING}, namespaced=lambda *_: scope == "Cluster")
    assert expected == names(loaded)[1]


@pytest.mark.parametrize(("told", "expected"), [(False, "t"), (True, "own/t"), (None, "own/t")])
def test_scope_asked(told: bool | None, expected: str) -> None:
    """Other kinds are asked of the caller once; what nobody knows is namespaced."""
    asked: list[tuple[str, str]] = []
    loaded = objects.load({"a.yaml": THING}, namespaced=lambda *key: asked.append(key) or told)  # type: ignore[func-returns-value]
    assert ([f"Thing.example.com/{expected}"], [("example.com", "Thing")]) == (names(loaded), asked)


def test_namespaces() -> None:
    """A namespace is the target, else the object's own, else the default; the body says the same."""
    data = CONFIG_MAP + b"---\n" + CONFIG_MAP.replace(b"name: a", b"name: b, namespace: own")
    loaded = objects.load({"a.yaml": data}, namespace="shop")
    assert ["ConfigMap/shop/a", "ConfigMap/own/b"] == names(loaded)
    moved = objects.load({"a.yaml": data}, namespace="shop", target_namespace="to")
    assert ["to", "to"] == [item.body["metadata"]["namespace"] for item in moved.objects]


def test_cluster_scope_drops_the_namespace() -> None:
    """A namespace on a cluster-scoped object is left out, with a warning."""
    data = b"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, namespace: x}\n"
    loaded = objects.load({"a.yaml": data}, target_namespace="to")
    assert [{"name": "to"}] == [item.body["metadata"] for item in loaded.objects]
    assert ("a.yaml:1: Namespace/to: namespace x left out, the kind is cluster-scoped",) == loaded.warnings


def test_namespace_of_a_cluster_scoped_object_is_left_out() -> None:
    """With a warning, also where it is the target's: the server would be silent."""
    data = b"apiVersion: v1\nkind: Node\nmetadata: {name: n, namespace: to}\n"
    loaded = objects.load({"a.yaml": data}, target_namespace="to")
    assert [{"name": "n"}] == [item.body["metadata"] for item in loaded.objects]
    assert ("a.yaml:1: Node/n: namespace to left out, the kind is cluster-scoped",) == loaded.warnings


def test_common_metadata() -> None:
    """Labels and annotations of all go on top-level metadata and win; templates and selectors stay."""
    spec = "spec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}}}\n"
    data = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, labels: {app: a, b: c}}\n" + spec.encode()
    common = CommonMetadata({"app": "x"}, {"note": "y"})
    body = objects.load({"a.yaml": data}, common_metadata=common).objects[0].body
    assert ({"app": "x", "b": "c"}, {"note": "y"}) == (body["metadata"]["labels"], body["metadata"]["annotations"])
    assert {"selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}}}} == body[
        "spec"
    ]


def test_warnings() -> None:
    """Dropped fields that meant something, and variables that nobody fills in, are told."""
    data = CONFIG_MAP.replace(b"a}", b"a, uid: x}") + b"data: {x: 'a ${NAME} b', y: '$(X) ${} $X'}\n"
    assert (
        "a.yaml:1: ConfigMap/default/a: metadata.uid left out, only the server can say that",
        "a.yaml:1: ${…} is sent as it is, variables are not substituted",
    ) == objects.load({"a.yaml": data}).warnings


def test_templates_in_blocks_are_data() -> None:
    """A template or script of several lines belongs to somebody else."""
    data = CONFIG_MAP + b"data:\n  x: |\n    {{ .Values.x }} ${Y}\n"
    assert () == objects.load({"a.yaml": data}).warnings


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"kind: ConfigMap\ndata: {x: %s}" % (b"x" * 1_048_577), "its data has 1048577 bytes"),
        (b"kind: Pod\nspec: {x: %s}" % (b"x" * 1_500_001), "the object has 15000"),
        (b"kind: Secret\ndata: {x: hunter2!}", "Secret a: data.x is not base64"),
        (b"kind: Secret\nstringData: {x: 1}", "Secret a: stringData.x must be a string"),
    ],
)
def test_contents(data: bytes, words: str) -> None:
    """What no API server takes is refused without a value in the message."""
    (error,) = faults({"a.yaml": b"apiVersion: v1\nmetadata: {name: a}\n" + data})
    assert ("manifest.invalid", True, False) == (error.code, words in error.what, "hunter2" in str(error))


def test_parts_of_a_name() -> None:
    """An object knows its API version and its group, version and kind."""
    (item,) = objects.load({"a.yaml": b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}"}).objects
    assert ("apps/v1", ("apps", "v1", "Deployment")) == (item.api_version, item.gvk)
    assert "v1" == objects.load({"a.yaml": CONFIG_MAP}).objects[0].api_version


@needs_data
@pytest.mark.parametrize(("folder", "count"), [("podinfo/kustomize", 3), ("kube-prometheus/manifests", 131)])
def test_real_manifests(folder: str, count: int) -> None:
    """Real manifests load whole and without a warning."""
    root = DATA / folder
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    files.pop("kustomization.yaml", None)
    loaded = objects.load(files)
    assert (count, ()) == (len(loaded.objects), loaded.warnings)
