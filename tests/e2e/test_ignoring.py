# SPDX-License-Identifier: Apache-2.0
"""Fields that are left to others, on a real API server: whoever changes them, and however they own them."""

from collections.abc import Iterator

import pytest

from e2e.stack import Stack, deployment, namespace
from kubeoci.changes import Action
from kubeoci.cluster.ignorerules import IgnoreRule
from kubeoci.objectselector import ObjectSelector
from rig import Rig

RULES = (
    IgnoreRule(("/spec/replicas",), ObjectSelector(kind="Deployment")),
    IgnoreRule(("/spec/template/spec/containers/0/image",)),
)
CHANGES = {
    "autoscaler": ("/scale", "autoscaler", {"spec": {"replicas": 4}}),
    "by hand": ("", "kubectl-edit", {"spec": {"replicas": 4}}),
}


@pytest.fixture
def home(rig: Rig) -> Iterator[str]:
    """A namespace of its own."""
    with namespace(rig, "ignoring") as name:
        yield name


@pytest.mark.parametrize("case", CHANGES)
def test_what_others_set_stays(rig: Rig, home: str, case: str) -> None:
    """No difference, and after one update no write; the other fields are still applied."""
    resource, manager, change = CHANGES[case]
    path = f"/apis/apps/v1/namespaces/{home}/deployments/web"
    stack = Stack(rig.kubeconfig, home, ignore_fields=RULES)
    stack.up(deployment(home, replicas=2))
    rig.api.request("PATCH", f"{path}{resource}?fieldManager={manager}", change)
    assert {"web": Action.UNCHANGED} == stack.actions(deployment(home, replicas=3))
    assert () == stack.up(deployment(home, replicas=3, minReadySeconds=5)).reasons
    live = rig.api.get(path)
    assert live
    assert (4, 5) == (live["spec"]["replicas"], live["spec"]["minReadySeconds"])
    assert not stack.up(deployment(home, replicas=3, minReadySeconds=5)).written


def test_what_nobody_else_owns_keeps_its_value(rig: Rig, home: str) -> None:
    """It would be gone if it were left out: an image is required."""
    stack = Stack(rig.kubeconfig, home, ignore_fields=RULES)
    stack.up(deployment(home))
    body = deployment(home)
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    assert not stack.up(body).written
    live = rig.api.get(f"/apis/apps/v1/namespaces/{home}/deployments/web")
    assert live
    assert "web:1" == live["spec"]["template"]["spec"]["containers"][0]["image"]
