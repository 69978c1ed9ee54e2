# SPDX-License-Identifier: Apache-2.0
"""What a kustomization reads is found before kustomize runs, and refused where it leads elsewhere."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from kubeoci.kustomize.search import MAX_DEPTH, MAX_VISITS, Search

Files = Mapping[str, str]


def searched(files: Files, folder: str = "") -> Search:
    """The search that starts at the kustomization of `folder`."""
    search = Search({name: text.encode() for name, text in files.items()})
    file = f"{folder}/kustomization.yaml" if folder else "kustomization.yaml"
    search.start(folder, search.read(file), file)
    return search


def written(files: Files, folder: str = "") -> dict[str, Any]:
    """The kustomization of `folder` as kustomize gets it."""
    search = searched(files, folder)
    assert [] == search.faults
    found: dict[str, Any] = json.loads(
        search.needed[f"{folder}/kustomization.yaml" if folder else "kustomization.yaml"]
    )
    return found


def refused(kustomization: str, files: Files | None = None) -> str:
    """The one fault of a kustomization that lies beside `files`."""
    (fault,) = searched({"kustomization.yaml": kustomization, **(files or {})}).faults
    return str(fault)


def test_paths_are_written_so_that_they_are_only_paths() -> None:
    """A file below is `./x`, a file above `../x`, wherever dots and slashes stood."""
    files = {"a/kustomization.yaml": "resources: [x.yaml, ./b/../x2.yaml, ..//c.yaml]", "a/x.yaml": "", "a/x2.yaml": ""}
    assert {"resources": ["./x.yaml", "./x2.yaml", "../c.yaml"]} == written({**files, "c.yaml": ""}, "a")


def test_only_files_that_are_read_are_handed_over() -> None:
    """A file that nothing names does not reach kustomize."""
    search = searched({"kustomization.yaml": "resources: [x.yaml]", "x.yaml": "", "secret.txt": "hidden"})
    assert {"kustomization.yaml", "x.yaml"} == set(search.needed)


def test_folders_are_searched_in_turn() -> None:
    """The base of a base is found, under any name that a kustomization may have."""
    files = {"kustomization.yaml": "bases: [a/]", "a/kustomization.yml": "resources: [../b]", "b/Kustomization": "{}"}
    assert {"kustomization.yaml", "a/kustomization.yaml", "b/kustomization.yaml"} == set(searched(files).needed)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("crds: [f]", ["./f"]),
        ("configurations: [f]", ["./f"]),
        ("openapi: {path: f}", {"path": "./f"}),
        ("patches: [{path: f}]", [{"path": "./f"}]),
        ("patchesJson6902: [{path: f, target: {kind: A}}]", [{"path": "./f", "target": {"kind": "A"}}]),
        ("patchesStrategicMerge: [f]", ["./f"]),
        ("replacements: [{path: f}]", [{"path": "./f"}]),
        ("configMapGenerator: [{name: a, files: [f, k=f]}]", [{"name": "a", "files": ["f=./f", "k=./f"]}]),
        ("configMapGenerator: [{name: a, envs: [f], env: f}]", [{"name": "a", "envs": ["./f"], "env": "./f"}]),
        ("secretGenerator: [{name: a, type: t, files: [./f]}]", [{"name": "a", "type": "t", "files": ["f=./f"]}]),
    ],
)
def test_every_part_that_names_files(field: str, expected: object) -> None:
    """Each of them is written anew with the path that was found."""
    assert expected == next(iter(written({"kustomization.yaml": field, "f": ""}).values()))


@pytest.mark.parametrize(
    "field",
    [
        "crds: [{}]",
        "configurations: [{}]",
        "openapi: {{path: {}}}",
        "patches: [{{path: {}}}]",
        "patchesJson6902: [{{path: {}}}]",
        "patchesStrategicMerge: [{}]",
        "replacements: [{{path: {}}}]",
        "configMapGenerator: [{{files: [{}]}}]",
        "configMapGenerator: [{{files: [a={}]}}]",
        "configMapGenerator: [{{envs: [{}]}}]",
        "secretGenerator: [{{env: {}}}]",
        "resources: [{}]",
        "bases: [{}]",
        "components: [{}]",
        "generators: [{}]",
        "transformers: [{}]",
        "validators: [{}]",
        "transformers: ['{{apiVersion: builtin, kind: PatchTransformer, metadata: {{name: a}}, path: {}}}']",
        "transformers: ['{{apiVersion: builtin, kind: PatchJson6902Transformer, path: {}}}']",
        "transformers: ['{{apiVersion: builtin, kind: PatchStrategicMergeTransformer, paths: [{}]}}']",
        "transformers: ['{{apiVersion: builtin, kind: ReplacementTransformer, replacements: [{{path: {}}}]}}']",
        "generators: ['{{apiVersion: builtin, kind: ConfigMapGenerator, files: [{}]}}']",
        "generators: ['{{apiVersion: builtin, kind: SecretGenerator, envs: [{}]}}']",
    ],
)
@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("../x", "leads out of the artifact"),
        ("/etc/passwd", "leads out of the artifact"),
        ("https://u:pw@example.com/x", "nothing is fetched from elsewhere"),
        ("git@github.com:a/b.git", "nothing is fetched from elsewhere"),
        ("github.com/a/b//c", "nothing is fetched from elsewhere"),
        ("absent", "is not in the artifact"),
    ],
)
def test_nothing_outside_the_artifact_is_read(field: str, entry: str, told: str) -> None:
    """No part can name a file above the root, on the machine, or on another one."""
    told_us = refused(field.format(entry))
    assert told in told_us
    assert "pw" not in told_us.replace("passwd", "")


@pytest.mark.parametrize(
    ("kustomization", "told"),
    [
        ("Resources: [f]", "kustomize has no field 'Resources'"),
        ("surprise: 1", "kustomize has no field 'surprise'"),
        ("patches: [{Path: f}]", "patches[0] has no field 'Path'"),
        ("configMapGenerator: [{Files: [f]}]", "configMapGenerator[0] has no field 'Files'"),
        ("openapi: {PATH: f}", "openapi has no field 'PATH'"),
        ("resources: f", "resources must be a list"),
        ("resources: [1]", "resources[0] must be text"),
        ("patches: [f]", "patches[0] must be a mapping"),
        ("patches: [{path: 1}]", "patches[0].path must be text"),
        ("openapi: f", "openapi must be a mapping"),
        ("crds: [d]", "'d' is a folder, a file is needed"),
        ("resources: [d]", "the folder 'd' has no kustomization file"),
        ("helmCharts: [{name: a}]", "helmCharts starts another program"),
        ("generators: [f]", "a plugin starts another program"),
        ("transformers: ['{apiVersion: builtin, kind: HelmChartInflationGenerator}']", "starts another program"),
        ("transformers: ['{apiVersion: example.com/v1, kind: PatchTransformer}']", "starts another program"),
        ("transformers: ['{apiVersion: builtin, kind: PatchTransformer, Path: f}']", "has no field 'Path'"),
        ("generators: [d]", "'d' is a folder, a file is needed"),
        ("- a", "a kustomization is one mapping"),
        ("a: 1\n---\nb: 2", "a kustomization is one mapping"),
        ("a: 1\na: 2", "a"),
    ],
)
def test_what_cannot_be_read_safely_is_refused(kustomization: str, told: str) -> None:
    """Other spellings, other types, and everything that starts a program."""
    files = {"kustomization.yaml": kustomization, "f": "a: 1", "d/x": ""}
    faults = searched(files).faults
    assert told in str(faults[0])


def test_functions_are_refused() -> None:
    """A built-in plugin that names a function to run is none."""
    notes = "annotations: {config.kubernetes.io/function: x}"
    plugin = f"{{apiVersion: builtin, kind: LabelTransformer, metadata: {{name: a, {notes}}}}}"
    assert "starts another program" in refused(f"transformers: ['{plugin}']")


def test_plugins_in_files_are_put_in_place() -> None:
    """The file is read once, by us: kustomize gets its content with the paths that were found."""
    plugin = "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: a}\npath: p.yaml\n"
    files = {"kustomization.yaml": "transformers: [t.yaml]", "t.yaml": plugin, "p.yaml": ""}
    (text,) = written(files)["transformers"]
    document = {"apiVersion": "builtin", "kind": "PatchTransformer", "metadata": {"name": "a"}, "path": "./p.yaml"}
    assert f"---\n{json.dumps(document)}\n" == text
    assert {"kustomization.yaml", "p.yaml"} == set(searched(files).needed)


def test_a_patch_in_place_is_no_path() -> None:
    """It ends with a line end, which no path has."""
    assert ['{"kind": "A"}\n'] == written({"kustomization.yaml": """patchesStrategicMerge: ['{"kind": "A"}']"""})[
        "patchesStrategicMerge"
    ]


def test_folders_that_include_each_other() -> None:
    """The ring is told."""
    files = {"kustomization.yaml": "resources: [a]", "a/kustomization.yaml": "resources: [../b]"}
    (fault,) = searched({**files, "b/kustomization.yaml": "resources: [../a]"}).faults
    assert "folders include each other: a -> b -> a" in str(fault)


def test_depth_is_bounded() -> None:
    """A tower of folders is refused before kustomize climbs it."""
    files = {f"{n}/kustomization.yaml": f"resources: [../{n + 1}]" for n in range(MAX_DEPTH + 3)}
    (fault,) = searched(files, "0").faults
    assert f"over {MAX_DEPTH} folders are built on top of each other" in str(fault)


def test_visits_are_bounded() -> None:
    """Twice as many on each level: few files would keep kustomize busy for ever."""
    files = {f"{n}/kustomization.yaml": f"resources: [../{n + 1}, ../{n + 1}/.]" for n in range(11)}
    faults = searched({**files, "11/kustomization.yaml": "{}"}, "0").faults
    assert f"kustomize would have to build over {MAX_VISITS} folders" in str(faults[0])


def test_two_kustomizations_in_one_folder() -> None:
    """The program would refuse them; we say which."""
    files = {"kustomization.yaml": "resources: [a]", "a/kustomization.yaml": "{}", "a/Kustomization": "{}"}
    (fault,) = searched(files).faults
    assert "the folder 'a' has kustomization.yaml and Kustomization, kustomize takes one" in str(fault)


def test_a_kustomization_is_no_input_of_a_generator() -> None:
    """It was written anew, so its bytes are no longer those of the artifact."""
    files = {"kustomization.yaml": "configMapGenerator: [{name: a, files: [a/kustomization.yaml]}]\nresources: [a]"}
    (fault,) = searched({**files, "a/kustomization.yaml": "{}"}).faults
    assert "is a kustomization, no input of one" in str(fault)


@pytest.mark.parametrize(
    "data", ["a: 1\nsops:\n  mac: ENC[AES256,data]", '{"sops": {\n"mac": "ENC[x]"}}', "A=b\nsops_mac=ENC[x]"]
)
def test_encrypted_inputs_are_refused(data: str) -> None:
    """A Secret made of them would hold the cipher text."""
    assert "is encrypted with SOPS" in refused("secretGenerator: [{name: a, files: [f]}]", {"f": data})


def test_helm_charts_are_refused() -> None:
    """A chart is no base."""
    files = {"kustomization.yaml": "resources: [chart]", "chart/Chart.yaml": "name: a"}
    (fault,) = searched(files).faults
    assert "chart is a Helm chart; pack the output of `helm template`" in str(fault)


def test_all_faults_are_told_at_once() -> None:
    """Also those of other folders."""
    files = {"kustomization.yaml": "resources: [a, /b]\nsurprise: 1", "a/kustomization.yaml": "crds: [x]"}
    assert 3 == len(searched(files).faults)


def test_values_of_secrets_are_remembered() -> None:
    """Literals and lines of files, so that no message shows them."""
    files = {
        "kustomization.yaml": "secretGenerator: [{name: a, literals: ['k=\"hunter2\"'], envs: [e]}]",
        "e": "P=swordfish",
    }
    assert {"hunter2", "swordfish"} <= searched(files).secrets
