# SPDX-License-Identifier: Apache-2.0
"""Objects that the real programs build: the same as they build by hand, and nothing but what the artifact has."""

import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import toolbox
from e2e.kustomizations import BASE, DEPLOYMENT, FEATURES
from e2e.others import had
from kubeoci import yaml
from kubeoci.errors import KubeociError, flatten
from kubeoci.kustomize.build import Building, load
from kubeoci.kustomize.overlay import Image, Overlay, Patch
from kubeoci.objects import Loaded, Object
from kubeoci.objectselector import ObjectSelector

PROGRAMS = ("kustomize", "kubectl")
PODINFO = Path(__file__).resolve().parents[3] / "shared" / "data" / "podinfo" / "kustomize"
SHOP = {
    "base/kustomization.yaml": """
resources: [deployment.yaml]
configMapGenerator: [{name: conf, files: [page.html], literals: [A=1]}]
secretGenerator: [{name: login, envs: [../common/login.env]}]
""",
    "base/deployment.yaml": DEPLOYMENT,
    "base/page.html": "<html/>",
    "common/login.env": "password=hunter2hunter2\n",
    "prod/kustomization.yaml": """
resources: [../base]
nameSuffix: -prod
patchesStrategicMerge: [replicas.yaml]
transformers: [labels.yaml]
components: [../debug]
""",
    "prod/replicas.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n",
    "prod/labels.yaml": """
apiVersion: builtin
kind: LabelTransformer
metadata: {name: labels}
labels: {env: prod}
fieldSpecs: [{path: metadata/labels, create: true}]
""",
    "debug/kustomization.yaml": """
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches: [{path: debug.yaml, target: {kind: Deployment}}]
""",
    "debug/debug.yaml": '[{"op": "add", "path": "/metadata/labels/debug", "value": "on"}]',
}


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    """Each of the programs that can build, by its path."""
    return str(had(lambda: toolbox.locate([request.param]))[request.param])


@pytest.fixture(scope="module")
def kubectl() -> str:
    """The program that is there in any case."""
    return str(had(lambda: toolbox.locate(["kubectl"]))["kubectl"])


def built(files: Mapping[str, str], program: str, path: str = "", **overlay: Any) -> Loaded:  # noqa: ANN401 - any part
    """The objects of an artifact with these files."""
    contents = {name: text.encode() for name, text in files.items()}
    building = Building(overlay=Overlay(**overlay), program=program)
    return load(contents, building, path=path, stop=threading.Event())


def by_hand(files: Mapping[str, str], program: str, folder: Path, path: str = "") -> list[dict[str, Any]]:
    """What the program itself makes of the files, by their names, in the namespace that we would choose."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    words = ["kustomize"] if Path(program).name == "kubectl" else ["build"]
    command = [program, *words, "--load-restrictor", "LoadRestrictionsNone", str(folder / path)]
    output = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    found = [each.value for each in yaml.load(output, "output")]
    for body in found:
        body["metadata"].setdefault("namespace", "default")
    return sorted(found, key=_called)


def bodies(loaded: Loaded) -> list[dict[str, Any]]:
    """The bodies of objects in the order of their names."""
    return sorted((item.body for item in loaded.objects), key=_called)


def _called(body: dict[str, Any]) -> tuple[str, str]:
    return body["kind"], body["metadata"]["name"]


def find(loaded: Loaded, kind: str) -> Object:
    """The one object of a kind."""
    (found,) = (item for item in loaded.objects if item.id.kind == kind)
    return found


def fault(act: Callable[[], object]) -> str:
    """The one fault that the act raises."""
    with pytest.raises((KubeociError, ExceptionGroup)) as caught:
        act()
    (found,) = flatten(caught.value)
    return str(found)


@pytest.mark.parametrize("feature", FEATURES)
def test_features_of_kustomize(program: str, tmp_path: Path, feature: str) -> None:
    """Each gives what the program makes of the files as they are."""
    files = {**BASE, "kustomization.yaml": FEATURES[feature]}
    assert by_hand(files, program, tmp_path) == bodies(built(files, program))


@pytest.mark.parametrize("path", ["base", "prod"])
def test_objects_are_those_of_the_program(program: str, tmp_path: Path, path: str) -> None:
    """What is searched, copied and written anew gives what the program makes of the files as they are."""
    assert by_hand(SHOP, program, tmp_path, path) == bodies(built(SHOP, program, path))


@pytest.mark.skipif(not PODINFO.is_dir(), reason="the folder shared/data is not beside the project")
def test_kustomization_of_others(program: str, tmp_path: Path) -> None:
    """A kustomization that nobody here wrote."""
    files = {path.name: path.read_text() for path in PODINFO.iterdir()}
    loaded = built(files, program)
    assert by_hand(files, program, tmp_path) == bodies(loaded)
    assert {"deployment.yaml", "hpa.yaml", "service.yaml"} == {item.source for item in loaded.objects}


def test_the_builder_is_told(program: str) -> None:
    """Versions differ in what they make."""
    assert built(SHOP, program, "prod").builder.startswith("kustomize v5.")


def test_objects_name_their_files(kubectl: str) -> None:
    """Also those that a generator makes; the note that tells it is not sent."""
    loaded = built(SHOP, kubectl, "prod")
    made = ("base/kustomization.yaml", "base/deployment.yaml", "base/kustomization.yaml")
    assert made == tuple(find(loaded, kind).source for kind in ("ConfigMap", "Deployment", "Secret"))
    assert "annotations" not in find(loaded, "Deployment").body["metadata"]


def test_origins_stay_where_they_are_wanted(kubectl: str) -> None:
    """A kustomization may ask for them."""
    files = {**SHOP, "prod/kustomization.yaml": "resources: [../base]\nbuildMetadata: [originAnnotations]"}
    notes = find(built(files, kubectl, "prod"), "Deployment").body["metadata"]["annotations"]
    assert {"config.kubernetes.io/origin": "path: ../base/deployment.yaml\n"} == notes


def test_everything_a_user_may_add(kubectl: str) -> None:
    """Patches, images, components, prefix and suffix, on plain manifests as Flux does it."""
    patch = Patch('[{"op": "add", "path": "/spec/replicas", "value": 2}]', ObjectSelector(kind="Deployment"))
    files = {"app/deployment.yaml": DEPLOYMENT, **{name: text for name, text in SHOP.items() if "debug" in name}}
    added = {"images": (Image("nginx", "mirror/nginx", "2.0"),), "components": ("../debug",), "patches": (patch,)}
    loaded = built(files, kubectl, "app", name_prefix="a-", name_suffix="-z", **added)
    body = find(loaded, "Deployment").body
    assert ("a-web-z", 2) == (body["metadata"]["name"], body["spec"]["replicas"])
    assert "mirror/nginx:2.0" == body["spec"]["template"]["spec"]["containers"][0]["image"]
    assert "on" == body["metadata"]["labels"]["debug"]


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (Image("nginx", new_tag="2"), ()),
        (Image("nginx", "mirror:5000/a/nginx", digest=f"sha256:{'0' * 64}"), ()),
        (Image("ngin.", new_tag="2"), ()),
        (Image("httpd", new_tag="2"), ("images[0]: no object has an image called httpd",)),
        (Image("httpd", "mirror/httpd"), ("images[0]: no object has an image called httpd",)),
    ],
)
def test_images_without_effect_are_told(kubectl: str, image: Image, told: tuple[str, ...]) -> None:
    """The program passes over them."""
    assert told == built({"a.yaml": DEPLOYMENT}, kubectl, images=(image,)).warnings


def test_a_tree_without_kustomization_of_its_own(kubectl: str) -> None:
    """Manifests that lie free, and folders that are units, as Flux writes the kustomization for them."""
    files = {**SHOP, "free/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: free}"}
    files = {name: text for name, text in files.items() if not name.startswith(("prod", "debug"))}
    assert 4 == len(built(files, kubectl).objects)


def test_components_that_are_missing(kubectl: str) -> None:
    """They are refused, unless the user does not mind."""
    files = {"a.yaml": DEPLOYMENT}
    assert "components[0]: 'gone' is not in the artifact" in fault(lambda: built(files, kubectl, components=("gone",)))
    assert 1 == len(built(files, kubectl, components=("gone",), ignore_missing_components=True).objects)


def test_target_namespace_reaches_references(kubectl: str) -> None:
    """The namespace is given to kustomize, which moves what refers to it, too."""
    loaded = load(
        {name: text.encode() for name, text in SHOP.items()},
        Building(program=kubectl),
        path="prod",
        target_namespace="shop",
        stop=threading.Event(),
    )
    assert {"shop"} == {item.id.namespace for item in loaded.objects}


def test_what_the_program_refuses_is_told(kubectl: str) -> None:
    """In its words, with paths of the artifact, and without the contents of files."""
    files = {**SHOP, "prod/replicas.yaml": "kind: Secret\nmetadata: {name: web}\nstringData: {a: swordfish}\n"}
    told = fault(lambda: built(files, kubectl, "prod"))
    assert told.startswith("prod/kustomization.yaml: kustomize v5.")
    assert "manifest.build_failed" in told
    assert "swordfish" not in told
    assert "kubeoci-" not in told


def test_secrets_of_generators_are_not_told(kubectl: str) -> None:
    """The program quotes what it cannot read."""
    files = {"kustomization.yaml": "secretGenerator: [{name: a, literals: [swordfish]}]"}
    told = fault(lambda: built(files, kubectl))
    assert "manifest.build_failed" in told
    assert "swordfish" not in told


def test_what_was_built_is_checked(kubectl: str) -> None:
    """The program lets more pass than an API server; the file is named, and the object."""
    files = {"prod/bad.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a/b}\n"}
    files["prod/kustomization.yaml"] = "resources: [bad.yaml]"
    assert fault(lambda: built(files, kubectl, "prod")).startswith("prod/bad.yaml: ConfigMap a/b")


def test_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both names are told, and what else can be done."""
    monkeypatch.setenv("PATH", str(tmp_path))
    told = fault(lambda: built(SHOP, "", "prod"))
    assert "neither kustomize nor kubectl is on PATH; install kustomize or kubectl" in told
