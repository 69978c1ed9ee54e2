# SPDX-License-Identifier: Apache-2.0
"""Which files of an artifact are its manifests."""

import pytest

from kubeoci.discovery import Discovery, discover
from kubeoci.errors import ManifestError

FILES = (
    "a.yaml",
    "app/b.yml",
    "app/sub/c.json",
    "app/sub/notes.txt",
    "apple/d.yaml",
    "kust/kustomization.yml",
    "kust/base/kustomization.yaml",
    "kust/base/e.yaml",
    "kustomize.yaml",
    "z/Kustomization",
)


@pytest.mark.parametrize("path", ["", ".", "./", "/"])
def test_root(path: str) -> None:
    """Everything is searched; a folder with a kustomization is one unit, and its folders are not looked into."""
    manifests = ("a.yaml", "app/b.yml", "app/sub/c.json", "apple/d.yaml", "kustomize.yaml")
    assert Discovery("", "", manifests, ("kust/kustomization.yml", "z/Kustomization")) == discover(FILES, path)


@pytest.mark.parametrize("path", ["app", "./app/", "/app", "app/."])
def test_folder(path: str) -> None:
    """Only what lies below the folder counts, not what begins with its name."""
    found = discover(FILES, path)
    assert (Discovery("app", manifests=("app/b.yml", "app/sub/c.json")), False) == (found, found.needs_kustomize)


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_own_kustomization(name: str) -> None:
    """A folder with a kustomization file says itself what belongs to it."""
    found = discover([f"app/{name}", "app/a.yaml", "app/sub/Chart.yaml"], "app")
    assert (Discovery("app", f"app/{name}"), True) == (found, found.needs_kustomize)


def test_other_spellings() -> None:
    """A name that kustomize does not look for is a manifest as any other, and so is one outside of the folder."""
    assert ("KUSTOMIZATION.yaml", "kustomization.json") == discover(
        ["kustomization.json", "KUSTOMIZATION.yaml"]
    ).manifests
    assert not discover(["kustomization.yaml", "app/a.yaml"], "app").needs_kustomize


def test_charts() -> None:
    """A Helm chart is told apart from manifests, unless kustomize is told what to do with it."""
    assert Discovery("", charts=("c/Chart.yaml",), manifests=("c/values.yaml",)) == discover(
        ["c/Chart.yaml", "c/values.yaml"]
    )
    assert () == discover(["k/c/Chart.yaml", "k/kustomization.yaml"]).charts


def test_nothing() -> None:
    """An artifact may hold nothing."""
    assert Discovery("") == discover([])


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nope", "folder 'nope' is not in the artifact; its folders are app, apple, kust, z"),
        ("app/b.yml", "folder 'app/b.yml' is a file, a folder is needed; its folders are app, apple, kust, z"),
        ("../app", "folder '../app' leads out of the artifact"),
        ("app/../../x", "folder 'app/../../x' leads out of the artifact"),
    ],
)
def test_wrong_path(path: str, words: str) -> None:
    """A path that is no folder of the artifact is told with the folders that are."""
    with pytest.raises(ManifestError) as caught:
        discover(FILES, path)
    assert f"path: {words} (manifest.invalid)" == str(caught.value)


def test_two_kustomizations() -> None:
    """Two kustomization files in one folder contradict each other, and both are named."""
    with pytest.raises(ManifestError) as caught:
        discover(["a/kustomization.yaml", "a/Kustomization"])
    assert "a/kustomization.yaml: Kustomization lies beside it, and kustomize takes one" in str(caught.value)
