# SPDX-License-Identifier: Apache-2.0
"""The inputs that say how objects are made of files: what they become, and what is told of wrong ones."""

from typing import Any

import pytest

from kubeoci.kustomize.build import Building
from kubeoci.kustomize.overlay import Image, Overlay, Patch
from kubeoci.lifecycle import building
from kubeoci.lifecycle.inputs import Reader
from kubeoci.lifecycle.values import UNKNOWN
from kubeoci.objectselector import ObjectSelector

OPERATIONS = '[{"op": "remove", "path": "/spec/replicas"}]'
MERGE = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n"


def test_nothing_said() -> None:
    """Plain manifests need no program."""
    assert Building() == building.read(Reader({}))


def test_everything_said() -> None:
    """Word for word."""
    reader = Reader(
        {
            "build": "kustomize",
            "patches": [
                {"patch": MERGE},
                {"patch": OPERATIONS, "target": {"kind": "Deployment", "labelSelector": "a=b"}},
            ],
            "images": [{"name": "nginx", "newName": "mirror/nginx", "newTag": "2", "digest": f"sha256:{'0' * 64}"}],
            "components": ["../debug"],
            "ignoreMissingComponents": True,
            "namePrefix": "a-",
            "nameSuffix": "-z",
        }
    )
    patches = (Patch(MERGE), Patch(OPERATIONS, ObjectSelector(kind="Deployment", label_selector="a=b")))
    images = (Image("nginx", "mirror/nginx", "2", f"sha256:{'0' * 64}"),)
    overlay = Overlay(patches, images, ("../debug",), True, "a-", "-z")
    assert (Building("kustomize", overlay), []) == (building.read(reader), reader.faults)


def test_unknown_parts_are_pending() -> None:
    """A tag that is not known yet makes the plan unknown, not wrong."""
    reader = Reader({"images": [{"name": "nginx", "newTag": UNKNOWN}]})
    building.read(reader)
    assert ({"images"}, []) == (reader.pending, reader.faults)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "mode": ({"build": "helm"}, "build: 'helm' is not possible here"),
    "prefix without effect": ({"build": "none", "namePrefix": "a-"}, "namePrefix: has no effect with `build: none`"),
    "patch without effect": ({"build": "none", "patches": [{"patch": MERGE}]}, "patches: has no effect"),
    "nothing to ignore": ({"ignoreMissingComponents": True}, "ignoreMissingComponents: has no effect"),
    "prefix": ({"namePrefix": "A"}, "namePrefix: 'A' is no part of a name"),
    "no patch": ({"patches": [{"target": {"kind": "A"}}]}, "patches[0].patch: is missing"),
    "no YAML": ({"patches": [{"patch": "a: [hunter2"}]}, "patches[0].patch: is no YAML"),
    "no object": ({"patches": [{"patch": "hunter2"}]}, "patches[0].patch: is neither a part of an object"),
    "no target": ({"patches": [{"patch": OPERATIONS}]}, "patches[0].target: is missing"),
    "unknown target": (
        {"patches": [{"patch": MERGE, "target": {"names": "a"}}]},
        "patches[0].target.names: there is no such property",
    ),
    "no selector": (
        {"patches": [{"patch": MERGE, "target": {"kind": "("}}]},
        "patches[0].target: kind: it is no regular expression",
    ),
    "no name": ({"images": [{"newTag": "1"}]}, "images[0].name: is missing"),
    "no change": ({"images": [{"name": "nginx"}]}, "images[0]: changes nothing"),
    "tag": ({"images": [{"name": "nginx", "newTag": "a b"}]}, "images[0].newTag: "),
    "digest": ({"images": [{"name": "nginx", "digest": "sha256:1"}]}, "images[0].digest: "),
    "component": ({"components": "a"}, "components: must be a list of texts"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings(case: str) -> None:
    """Each fault has its property path and quotes no patch."""
    values, told = WRONG[case]
    reader = Reader(values)
    building.read(reader)
    (fault,) = reader.faults
    assert str(fault).startswith(told)
    assert "hunter2" not in str(fault)
