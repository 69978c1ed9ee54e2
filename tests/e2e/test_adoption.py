# SPDX-License-Identifier: Apache-2.0
"""Objects that other tools made are taken over with all that these tools set; what the manifest lacks really goes."""

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import toolbox
from e2e.others import had
from e2e.recorder import Recorder
from e2e.stack import Stack, config_map, deployment, namespace
from kubeoci.changes import Action
from kubeoci.errors import ClusterError
from rig import Rig

Body = dict[str, Any]
LAST_APPLIED = 'metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]'
Kubectl = Callable[..., str]
TOOLS = {
    "client-side": ("apply", "--filename=-"),
    "server-side": ("apply", "--server-side", "--filename=-"),
    "create": ("create", "--filename=-"),
    "helm": ("create", "--field-manager=helm", "--filename=-"),
    "flux": ("apply", "--server-side", "--field-manager=kustomize-controller", "--filename=-"),
}


@pytest.fixture
def home(rig: Rig) -> Iterator[str]:
    """A namespace of its own."""
    with namespace(rig, "adoption") as name:
        yield name


@pytest.fixture
def kubectl(rig: Rig) -> Kubectl:
    """The program on the rig's cluster: words, and an object for its input."""
    program = had(lambda: toolbox.locate(["kubectl"]))["kubectl"]

    def run(*words: str, body: Body | None = None) -> str:
        command = [str(program), f"--kubeconfig={rig.kubeconfig}", *words]
        text = json.dumps(body) if body else None
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=60).stdout

    return run


def wide(home: str) -> Body:
    """A Deployment with more than its manifest will have."""
    body = deployment(home, replicas=2, revisionHistoryLimit=3)
    body["metadata"] |= {"labels": {"old": "1"}, "annotations": {"note": "old"}}
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "OLD", "value": "1"}]
    return body


def owners(live: Body) -> set[str]:
    """The managers of an object, without those of its status."""
    return {entry["manager"] for entry in live["metadata"]["managedFields"] if not entry.get("subresource")}


def web(rig: Rig, home: str) -> Body:
    """The Deployment as it is."""
    live = rig.api.get(f"/apis/apps/v1/namespaces/{home}/deployments/web")
    assert live
    return live


@pytest.mark.parametrize("tool", TOOLS)
def test_what_the_manifest_lacks_goes(rig: Rig, kubectl: Kubectl, home: str, tool: str) -> None:
    """Label, annotation, field and list element, by the first update; the preview names just that."""
    kubectl(*TOOLS[tool], body=wide(home))
    stack = Stack(rig.kubeconfig, home)
    (planned,) = stack.plan(deployment(home)).changes
    gone = {
        "metadata.annotations.note",
        "metadata.labels.old",
        "spec.replicas",
        "spec.revisionHistoryLimit",
        'spec.template.spec.containers["web"].env',
    }
    added = 'metadata.labels["applyset.kubernetes.io/part-of"]'
    assert gone == {field.path for field in planned.fields} - {added, LAST_APPLIED}
    outcome = stack.up(deployment(home))
    assert ((), planned.fields) == (outcome.reasons, outcome.changes[0].fields)
    live = web(rig, home)
    assert (1, 10) == (live["spec"]["replicas"], live["spec"]["revisionHistoryLimit"])
    assert "env" not in live["spec"]["template"]["spec"]["containers"][0]
    assert {"deployment.kubernetes.io/revision"} == set(live["metadata"]["annotations"])


@pytest.mark.parametrize("tool", TOOLS)
def test_fields_are_ours_afterwards(rig: Rig, kubectl: Kubectl, home: str, tool: str) -> None:
    """Nobody else owns one, so that each goes when it leaves the manifest; the next update writes nothing."""
    kubectl(*TOOLS[tool], body=wide(home))
    stack = Stack(rig.kubeconfig, home)
    stack.up(wide(home))
    live = web(rig, home)
    assert ["kubeoci"] == [name.partition("-")[0] for name in owners(live) - {"kube-controller-manager"}]
    assert not stack.up(wide(home)).written
    stack.up(deployment(home))
    assert "old" not in web(rig, home)["metadata"]["labels"]


def test_fields_of_controllers_stay(rig: Rig, kubectl: Kubectl, home: str) -> None:
    """What an autoscaler or another program set is theirs before and after."""
    body = deployment(home)
    kubectl(*TOOLS["client-side"], body=body)
    scaled = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": body["metadata"],
        "spec": {"minReadySeconds": 7},
    }
    kubectl("apply", "--server-side", "--field-manager=tuner", "--filename=-", body=scaled)
    kubectl("scale", "--namespace", home, "deployment/web", "--replicas=4")
    Stack(rig.kubeconfig, home).up(body)
    live = web(rig, home)
    assert (4, 7) == (live["spec"]["replicas"], live["spec"]["minReadySeconds"])
    assert "tuner" in owners(live)


def test_managers_that_the_user_names(rig: Rig, kubectl: Kubectl, home: str) -> None:
    """Their fields are taken as those of the tools that we know."""
    kubectl("apply", "--server-side", "--field-manager=old-tool", "--filename=-", body=wide(home))
    stack = Stack(rig.kubeconfig, home, override_managers=("old-tool",))
    assert Action.CONFIGURED == stack.actions(deployment(home))["web"]
    stack.up(deployment(home))
    assert 1 == web(rig, home)["spec"]["replicas"]


def test_managers_that_nobody_names_keep_theirs(rig: Rig, kubectl: Kubectl, home: str) -> None:
    """A program that is not known may be a controller."""
    kubectl("apply", "--server-side", "--field-manager=old-tool", "--filename=-", body=wide(home))
    Stack(rig.kubeconfig, home).up(deployment(home))
    assert 2 == web(rig, home)["spec"]["replicas"]


def test_merge_keeps_fields_of_others(rig: Rig, kubectl: Kubectl, home: str) -> None:
    """By Flux's annotation on the object."""
    kubectl(*TOOLS["client-side"], body=wide(home))
    body = deployment(home)
    body["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/ssa": "Merge"}
    Stack(rig.kubeconfig, home).up(body)
    assert 2 == web(rig, home)["spec"]["replicas"]


def test_without_adoption(rig: Rig, cluster_recorder: Recorder, home: str) -> None:
    """An object that exists is refused before anything is written, and the way to take it is told."""
    rig.api.request("POST", f"/api/v1/namespaces/{home}/configmaps", config_map(home, "settings", a="1"))
    stack = Stack(cluster_recorder.kubeconfig, home, adopt=False)
    with pytest.raises(ClusterError, match="it exists already, and adopt is false; set adopt: true to take it over"):
        stack.up(config_map(home, "settings", a="2"))
    assert [] == cluster_recorder.writes()


def test_own_objects_need_no_adoption(rig: Rig, home: str) -> None:
    """What the inventory made is updated, also after the state was lost."""
    stack = Stack(rig.kubeconfig, home, adopt=False)
    stack.up(config_map(home, "settings", a="1"))
    stack.recorded = ()
    assert {"settings": Action.CONFIGURED} == stack.actions(config_map(home, "settings", a="2"))


def test_requests(kubectl: Kubectl, cluster_recorder: Recorder, home: str) -> None:
    """Two writes for an object that is taken over: the patch of the managers, and the apply."""
    kubectl(*TOOLS["client-side"], body=config_map(home, "settings", a="1", b="2"))
    Stack(cluster_recorder.kubeconfig, home).up(config_map(home, "settings", a="1"))
    path = f"/api/v1/namespaces/{home}/configmaps/settings"
    assert [f"PATCH {path}"] * 2 == [each.partition("?")[0] for each in cluster_recorder.writes() if path in each]


def test_secret_values_of_kubectl_are_not_shown(rig: Rig, kubectl: Kubectl, home: str) -> None:
    """The annotation that it leaves has them in clear text; it goes, unread."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": home}}
    kubectl(*TOOLS["client-side"], body={**secret, "stringData": {"password": "swordfish-1", "old": "swordfish-2"}})
    stack = Stack(rig.kubeconfig, home)
    shown = repr(stack.plan({**secret, "stringData": {"password": "swordfish-3"}}))
    shown += repr(stack.up({**secret, "stringData": {"password": "swordfish-3"}}))
    assert "swordfish" not in shown
    live = rig.api.get(f"/api/v1/namespaces/{home}/secrets/login")
    assert live
    assert (["password"], None) == (list(live["data"]), live["metadata"].get("annotations"))
