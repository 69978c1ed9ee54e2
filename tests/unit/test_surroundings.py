# SPDX-License-Identifier: Apache-2.0
"""What is asked about the surroundings of objects, and when nothing is."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kubeoci.cluster import surroundings
from kubeoci.cluster.health import Context
from kubeoci.cluster.mapper import Mapper
from kubeoci.cluster.mask import Masks
from kubeoci.cluster.site import Settings, Site
from kubeoci.cluster.states import CURRENT
from kubeoci.identity import ObjectId
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import access

Body = dict[str, Any]
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/carts.shop.dev"


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster with a StorageClass that binds late, and the kind Cart whose controller says what it has seen."""
    seen = {"properties": {"status": {"properties": {"observedGeneration": {"type": "integer"}}}}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": seen}}]
    spec = {
        "group": "shop.dev",
        "scope": "Namespaced",
        "names": {"kind": "Cart", "plural": "carts"},
        "versions": versions,
    }
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    late = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "volumeBindingMode": "WaitForFirstConsumer"}
    with ClusterSimulator() as simulator:
        simulator.put({**late, "metadata": {"name": "late"}})
        simulator.put({**kind, "metadata": {"name": "carts.shop.dev"}, "spec": spec})
        yield simulator


def look(cluster: ClusterSimulator, *bodies: Body, faults: int = 0) -> tuple[Context, list[str]]:
    """The context of some objects, and what was asked for it; so many questions are refused."""
    rest = access(cluster)
    site = Site(rest, Mapper(rest), Settings("default", "app"), threading.Event(), lambda _text: None, Masks())
    site.mapper.served("", "Pod")
    cluster.requests.clear()
    cluster.fail("GET /apis", Fault(status=403, body=b"no"), times=faults)
    idents = [ObjectId(body["apiVersion"].rpartition("/")[0], body["kind"], "shop", "a") for body in bodies]
    return surroundings.look(site, dict(zip(idents, map(aged, bodies), strict=True)), {}), cluster.requests


def claim(phase: str) -> Body:
    """A live claim."""
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {}, "status": {"phase": phase}}


def cart(age: float = 0.0, **status: object) -> Body:
    """A live Cart that is so many seconds old when somebody looks."""
    return {"apiVersion": "shop.dev/v1", "kind": "Cart", "metadata": {"age": age}, "status": status}


def aged(body: Body) -> Body:
    """The object with the time of its creation."""
    made = time.gmtime(time.time() - body["metadata"].get("age", 1e9))
    return {**body, "metadata": {"creationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", made)}}


def test_a_claim_asks_for_classes(cluster: ClusterSimulator) -> None:
    """One list, for the claims that are not bound."""
    context, requests = look(cluster, claim("Pending"))
    assert (frozenset({"late"}), [f"GET {CLASSES}"]) == (context.late_classes, requests)


def test_a_new_resource_asks_for_its_definition(cluster: ClusterSimulator) -> None:
    """One GET for a kind whose controller may not have seen it yet."""
    context, requests = look(cluster, cart())
    assert (frozenset({("shop.dev", "Cart")}), [f"GET {DEFINITION}"]) == (context.observing, requests)
    assert abs(time.time() - context.since) < 30


@pytest.mark.parametrize(
    "live",
    [
        claim("Bound"),
        cart(11.0),
        cart(observedGeneration=1),
        cart(conditions=[{"type": "Ready", "status": "True"}]),
        cart() | {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"},
        cart() | {"apiVersion": "v1", "kind": "ServiceAccount"},
        {"apiVersion": "shop.dev/v1", "kind": "Cart", "metadata": {}},
    ],
)
def test_nothing_is_asked_without_need(cluster: ClusterSimulator, live: Body) -> None:
    """Bound claims, old or talking resources, and kinds of Kubernetes itself."""
    context, requests = look(cluster, live)
    assert ([], frozenset(), frozenset()) == (requests, context.observing, context.late_classes)


def test_kinds_that_the_user_judges_are_not_asked_about(cluster: ClusterSimulator) -> None:
    """Their own rule says when they are ready."""
    rest = access(cluster)
    site = Site(rest, Mapper(rest), Settings("default", "app"), threading.Event(), lambda _text: None, Masks())
    judges = {("shop.dev", "Cart"): lambda _body: CURRENT}
    surroundings.look(site, {ObjectId("shop.dev", "Cart", "shop", "a"): aged(cart())}, judges)
    assert [] == cluster.requests


def test_a_schema_without_the_field(cluster: ClusterSimulator) -> None:
    """A controller that never says what it has seen is not waited for."""
    cluster.edit(DEFINITION, "somebody", lambda body: body["spec"]["versions"][0].pop("schema"))
    assert frozenset() == look(cluster, cart())[0].observing


@pytest.mark.parametrize("live", [cart(), claim("Pending")])
def test_who_may_not_read_them(cluster: ClusterSimulator, live: Body) -> None:
    """Then the rules are those of kstatus."""
    context, requests = look(cluster, live, faults=9)
    assert (1, frozenset(), frozenset()) == (len(requests), context.observing, context.late_classes)
