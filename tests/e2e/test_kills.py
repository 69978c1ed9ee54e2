# SPDX-License-Identifier: Apache-2.0
"""A provider that is killed at any step: the next run converges, and what is foreign is never touched.

Each step is one request of a run, in order; it is held before it reaches the server, or after it was carried out, and
the process is killed with SIGKILL. The next run gets the state as it was before: Pulumi never heard of the killed one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.holding import Holding, holding
from e2e.stack import Child, Stack, config_map, deployment, namespace
from kubeoci.cluster.inventory import PART_OF, applyset_id
from rig import Rig

Body = dict[str, Any]
SECONDS = 30.0
RBAC = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SECRETS, MAPS = "/api/v1/namespaces/{home}/secrets", "/api/v1/namespaces/{home}/configmaps"
CARTS, DEPLOYMENTS = "/apis/{home}.dev/v1/namespaces/{home}/carts", "/apis/apps/v1/namespaces/{home}/deployments"
CLAIM = FINAL = f"PATCH {SECRETS}/app"

STEPS: dict[str, dict[str, tuple[str, int]]] = {  # verb -> step -> (request, how many of the kind come before)
    "create": {
        "inventory": (f"POST {SECRETS}", 0),
        "definition": (f"PATCH {DEFINITIONS}/carts.{{home}}.dev", 0),
        "role": (f"PATCH {RBAC}/{{home}}-old", 0),
        "established": ("GET /apis/{home}.dev/v1/carts", 0),
        "class": (f"PATCH {CLASSES}/{{home}}", 0),
        "object": (f"PATCH {MAPS}/old", 0),
        "custom object": (f"PATCH {CARTS}/blue", 0),
        "workload": (f"PATCH {DEPLOYMENTS}/web", 0),
        "wait": (f"GET {DEPLOYMENTS}?watch", 0),
        "final": (FINAL, 0),
    },
    "update": {
        "inventory": (CLAIM, 0),
        "new role": (f"PATCH {RBAC}/{{home}}-new", 0),
        "changed object": (f"PATCH {MAPS}/kept", 0),
        "new object": (f"PATCH {MAPS}/new", 0),
        "workload": (f"PATCH {DEPLOYMENTS}/web", 0),
        "wait": (f"GET {DEPLOYMENTS}?watch", 0),
        "prune": (f"DELETE {MAPS}/old", 0),
        "prune of a role": (f"DELETE {RBAC}/{{home}}-old", 0),
        "final": (FINAL, 1),
    },
    "destroy": {
        "inventory": (CLAIM, 0),
        "workload": (f"DELETE {DEPLOYMENTS}/web", 0),
        "custom object": (f"DELETE {CARTS}/blue", 0),
        "object": (f"DELETE {MAPS}/kept", 0),
        "class": (f"DELETE {CLASSES}/{{home}}", 0),
        "definition": (f"DELETE {DEFINITIONS}/carts.{{home}}.dev", 0),
        "parent": (f"DELETE {SECRETS}/app", 0),
    },
}
CASES = [
    pytest.param(verb, step, is_carried_out, following, marks=() if is_short else pytest.mark.long)
    for verb, steps in STEPS.items()
    for step in steps
    for is_carried_out in (False, True)
    for following in ("up", "destroy")
    for is_short in [(verb, step, is_carried_out, following) == ("update", "prune", True, "up")]
]


@pytest.fixture
def home(rig: Rig) -> Iterator[str]:
    """A namespace with an object of somebody else in it, and one beside it."""
    with namespace(rig, "kills") as name:
        rig.api.request("POST", f"/api/v1/namespaces/{name}/configmaps", config_map(name, "foreign", a="1"))
        rig.api.request("POST", RBAC, {**role(f"{name}-foreign"), "rules": []})
        yield name
        rig.api.request("DELETE", f"{RBAC}/{name}-foreign")


@pytest.fixture
def proxy(rig: Rig, tmp_path: Path) -> Iterator[Holding]:
    """The proxy that the killed process speaks to."""
    with holding(rig, tmp_path) as found:
        yield found


def role(name: str) -> Body:
    """A ClusterRole: of the first stage."""
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}


def cluster_wide(home: str) -> list[Body]:
    """A definition, an object of its kind, and a class: of the first two stages."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": f"{home}.dev",
        "scope": "Namespaced",
        "names": {"kind": "Cart", "plural": "carts"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    return [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"carts.{home}.dev"},
            "spec": spec,
        },
        {"apiVersion": f"{home}.dev/v1", "kind": "Cart", "metadata": {"name": "blue", "namespace": home}},
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": home}, "value": 7},
    ]


def before(home: str) -> list[Body]:
    """What the first update applies."""
    maps = [config_map(home, "kept", a="1"), config_map(home, "old", a="1")]
    return [*cluster_wide(home), role(f"{home}-old"), *maps, deployment(home)]


def after(home: str) -> list[Body]:
    """What the second one applies: something of each is new, changed, gone and as it was."""
    maps = [config_map(home, "kept", a="2"), config_map(home, "new", a="1")]
    return [*cluster_wide(home), role(f"{home}-new"), *maps, deployment(home, replicas=2)]


def ours(rig: Rig, home: str) -> set[str]:
    """All objects that carry our label, and the inventory."""
    label = f"labelSelector={PART_OF}%3D{applyset_id('app', home)}"
    places = [place.format(home=home) for place in (MAPS, CARTS, DEPLOYMENTS, RBAC, CLASSES, DEFINITIONS)]
    found = {(place, item["metadata"]["name"]) for place in places for item in items(rig, f"{place}?{label}")}
    parents = {("inventory", item["metadata"]["name"]) for item in items(rig, SECRETS.format(home=home))}
    return {f"{place.rpartition('/')[2]}/{name}" for place, name in found | parents}


def items(rig: Rig, path: str) -> list[Body]:
    """A list; nothing for a kind that is not served."""
    return list((rig.api.get(path) or {}).get("items") or [])


def named(bodies: list[Body]) -> set[str]:
    """The same words for what should be there."""
    return {
        f"{body['kind'].lower()}{'es' if body['kind'].endswith('ss') else 's'}/{body['metadata']['name']}"
        for body in bodies
    }


def foreign(rig: Rig, home: str) -> list[Any]:
    """Uids and versions of what is not ours."""
    found = [rig.api.get(f"{MAPS.format(home=home)}/foreign"), rig.api.get(f"{RBAC}/{home}-foreign")]
    return [body and (body["metadata"]["uid"], body["metadata"]["resourceVersion"]) for body in found]


@pytest.mark.parametrize(("verb", "step", "is_carried_out", "following"), CASES)
def test_killed(
    rig: Rig, proxy: Holding, home: str, verb: str, step: str, is_carried_out: bool, following: str
) -> None:  # fmt: skip
    """After `up` everything is as desired, after `destroy` nothing is left, and what is foreign was never touched."""
    theirs = foreign(rig, home)
    stack = Stack(proxy.kubeconfig, home, wait=True)
    if verb != "create":
        assert () == stack.up(*before(home)).reasons
    wanted = {"create": before, "update": after, "destroy": lambda _home: []}[verb](home)
    request, others = STEPS[verb][step]
    proxy.hold(request.format(home=home), is_carried_out=is_carried_out, after=others)
    child = Child(stack, "destroy" if verb == "destroy" else "up", *wanted)
    assert proxy.reached.wait(SECONDS), child.wait()
    child.kill()
    if following == "up":
        assert () == stack.up(*after(home)).reasons
        assert named(after(home)) | {"inventory/app"} == ours(rig, home)
    assert () == stack.destroy().reasons
    assert (set(), theirs) == (ours(rig, home), foreign(rig, home))
