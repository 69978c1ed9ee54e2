# SPDX-License-Identifier: Apache-2.0
"""The proof that an object needs no request, and what of ours a live object shows."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from kubeoci.cluster import proof

Body = dict[str, Any]
MANAGER = "kubeoci-12345678"

DESIRED: Body = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {
        "replicas": 2,
        "paused": False,
        "selector": {"matchLabels": {"app": "web"}},
        "containers": [{"name": "web", "image": "a:1", "args": ["-v"]}, {"name": "log", "image": "b:1"}],
        "hosts": ["a", "b"],
    },
}
OWNED: Body = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:paused": {},
        "f:selector": {},
        "f:containers": {
            'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}, "f:args": {}},
            'k:{"name":"log"}': {".": {}, "f:name": {}, "f:image": {}},
        },
        "f:hosts": {'v:"a"': {}, 'v:"b"': {}},
    },
}


def entry(**fields: object) -> Body:
    """One of our managedFields."""
    return {"manager": MANAGER, "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": OWNED, **fields}


def live(*entries: Body) -> Body:
    """The object as a server has it: our fields, defaults, a status and other people's fields."""
    body = copy.deepcopy(DESIRED)
    body["metadata"] |= {"uid": "u", "annotations": {"theirs": "x"}, "managedFields": list(entries or [entry()])}
    body["spec"]["strategy"] = {"type": "RollingUpdate"}
    body["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    return body | {"status": {"replicas": 2}}


def changed(change: Callable[[Body], object], of: Body = DESIRED) -> Body:
    """A copy with one change."""
    body = copy.deepcopy(of)
    change(body)
    return body


def test_unchanged() -> None:
    """Exactly our fields with our values: nothing to send. Another manager's entries do not matter."""
    others = [entry(manager="x"), entry(operation="Update"), entry(subresource="scale")]
    assert proof.unchanged(DESIRED, live(entry(), *others), MANAGER)


MANIFEST_CHANGES: list[Callable[[Body], object]] = [
    lambda body: body["spec"].update(replicas=3),
    lambda body: body["spec"].update(paused=0),
    lambda body: body["spec"].update(replicas=2.0),
    lambda body: body["spec"].update(replicas="2"),
    lambda body: body["spec"].pop("replicas"),
    lambda body: body["spec"].update(strategy={"type": "RollingUpdate"}),
    lambda body: body["spec"]["selector"]["matchLabels"].clear(),
    lambda body: body["spec"]["containers"][0].update(imagePullPolicy="Always"),
    lambda body: body["spec"]["containers"][0]["args"].append("-q"),
    lambda body: body["spec"]["containers"].reverse(),
    lambda body: body["spec"]["containers"].pop(),
    lambda body: body["spec"]["containers"].append({"name": "new"}),
    lambda body: body["spec"]["containers"].__setitem__(1, body["spec"]["containers"][0]),
    lambda body: body["spec"]["hosts"].reverse(),
    lambda body: body["spec"].update(hosts="a"),
    lambda body: body["metadata"].pop("labels"),
    lambda body: body["metadata"].update(annotations={"theirs": "x"}),
    lambda body: body.update(apiVersion="apps/v2"),
    lambda body: body.update(data=None),
]


@pytest.mark.parametrize("change", MANIFEST_CHANGES)
def test_changed_manifests(change: Callable[[Body], object]) -> None:
    """Whatever would change a value, a type, an order or only the ownership is not proved."""
    assert not proof.unchanged(changed(change), live(), MANAGER)


LIVE_CHANGES: list[Callable[[Body], object]] = [
    lambda body: body["spec"].update(replicas=3),
    lambda body: body["spec"].pop("paused"),
    lambda body: body["spec"]["containers"].reverse(),
    lambda body: body["spec"]["containers"].insert(0, {"name": "sidecar"}),
    lambda body: body["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"),
    lambda body: body["metadata"].update(managedFields=None),
    lambda body: body["metadata"].update(managedFields=[entry(), entry()]),
    lambda body: body["metadata"].update(managedFields=[entry(apiVersion="apps/v1beta1")]),
    lambda body: body["metadata"].update(managedFields=[entry(fieldsV1=None)]),
    lambda body: body["metadata"].update(managedFields=[entry(fieldsV1={**OWNED, "f:data": {}})]),
]


@pytest.mark.parametrize("change", LIVE_CHANGES)
def test_changed_objects(change: Callable[[Body], object]) -> None:
    """Drift, deletion and any doubt about the ownership are not proved."""
    assert not proof.unchanged(DESIRED, changed(change, live()), MANAGER)


def test_positions_are_never_proved() -> None:
    """Elements that a server names by position get a dry run."""
    spec = {"f:spec": {"f:hosts": {"i:0": {}}}}
    desired = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "spec": {"hosts": ["a"]}}
    found = desired | {"metadata": {"name": "a", "managedFields": [entry(apiVersion="v1", fieldsV1=spec)]}}
    assert not proof.unchanged(desired, found, MANAGER)


def test_no_metadata_of_our_own() -> None:
    """An object that sets nothing but its identity can be proved too."""
    desired = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "data": {"x": "1"}}
    fields = {"f:data": {".": {}, "f:x": {}}}
    found = desired | {"metadata": {"name": "a", "managedFields": [entry(apiVersion="v1", fieldsV1=fields)]}}
    assert proof.unchanged(desired, found, MANAGER)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda body: body["metadata"].update(resourceVersion="9", generation=2, managedFields=[]), False),
        (lambda body: body.update(status={}), False),
        (lambda body: body["metadata"].update(finalizers=[]), False),
        (lambda body: body["metadata"].update(finalizers=["x"]), True),
        (lambda body: body["metadata"]["labels"].update(b="c"), True),
        (lambda body: body["spec"].update(replicas=3), True),
        (lambda body: body.update(data={}), True),
        (lambda body: body.pop("spec"), True),
    ],
)
def test_drifted(change: Callable[[Body], object], expected: bool) -> None:
    """Only what a user can mean counts as drift."""
    assert expected == proof.drifted(live(), changed(change, live()))


def test_project() -> None:
    """Our fields with the values they have now, in our order; defaults and foreign fields are not shown."""
    found = live()
    found["spec"]["containers"].insert(0, {"name": "sidecar"})
    found["spec"]["containers"][1]["image"] = "a:2"
    del found["spec"]["containers"][2], found["spec"]["paused"], found["apiVersion"]
    found["spec"]["hosts"] = ["b", "c"]
    expected = copy.deepcopy(DESIRED)
    expected["spec"] |= {"containers": [{"name": "web", "image": "a:2", "args": ["-v"]}], "hosts": ["b"]}
    del expected["spec"]["paused"]
    assert expected == proof.project(DESIRED, found)


@pytest.mark.parametrize(
    ("found", "expected"),
    [([{"a": 1, "b": 2}], [{"a": 1}]), ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]), ("x", "x")],
)
def test_project_atomic_lists(found: object, expected: object) -> None:
    """A list that nobody names by key is paired by position, or stands for itself."""
    assert {"spec": {"list": expected}} == proof.project({"spec": {"list": [{"a": 0}]}}, {"spec": {"list": found}})
