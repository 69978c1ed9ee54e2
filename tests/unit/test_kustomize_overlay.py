# SPDX-License-Identifier: Apache-2.0
"""What a user adds to a kustomization is merged as Flux merges it."""

from kubeoci.kustomize.overlay import NONE, Image, Overlay, Patch
from kubeoci.objectselector import ObjectSelector


def test_nothing_changes_nothing() -> None:
    """An overlay without parts gives what was there."""
    base = {"resources": ["a.yaml"], "namespace": "x"}
    assert base == NONE.onto(base)
    assert NONE.is_empty
    assert Overlay(ignore_missing_components=True).is_empty


def test_prefix_suffix_and_namespace_replace() -> None:
    """The user's word counts, not the file's."""
    base = {"namePrefix": "a-", "nameSuffix": "-a", "namespace": "a"}
    expected = {"namePrefix": "b-", "nameSuffix": "-b", "namespace": "b"}
    assert expected == Overlay(name_prefix="b-", name_suffix="-b").onto(base, "b")


def test_patches_come_last() -> None:
    """So that they see what the file's own patches made."""
    target = ObjectSelector(kind="Deployment", label_selector="a=b")
    added = {"patch": "p", "target": {"kind": "Deployment", "labelSelector": "a=b"}}
    assert {"patches": [{"path": "x"}, added]} == Overlay(patches=(Patch("p", target),)).onto(
        {"patches": [{"path": "x"}]}
    )


def test_components_come_last() -> None:
    """In the order in which they are given."""
    assert {"components": ["a", "b"]} == Overlay(components=("b",)).onto({"components": ["a"]})


def test_an_image_replaces_the_one_of_its_name() -> None:
    """As a whole: a digest of the file does not stay beside a tag of the user."""
    base = {"images": [{"name": "a", "digest": "sha256:1", "newName": "x"}, {"name": "b", "newTag": "1"}]}
    expected = {"images": [{"name": "b", "newTag": "1"}, {"name": "a", "newTag": "2"}]}
    assert expected == Overlay(images=(Image("a", new_tag="2"),)).onto(base)


def test_the_argument_stays_as_it_is() -> None:
    """A kustomization may be read by others."""
    base = {"patches": [{"path": "x"}]}
    Overlay(patches=(Patch("p"),)).onto(base)
    assert {"patches": [{"path": "x"}]} == base
