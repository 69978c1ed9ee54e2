# SPDX-License-Identifier: Apache-2.0
"""kubeoci.cluster.dependencies: what objects wait for by their own word."""

from collections.abc import Iterator

import pytest

from kubeoci.cluster import dependencies
from kubeoci.errors import ManifestError
from kubeoci.identity import ObjectId
from kubeoci.objects import Object
from simulator.cluster import ClusterSimulator
from simulator.shop import FLAGS_PATH, NAMESPACE, WEB, WEB_PATH, load, target

FLAGS = """apiVersion: v1
kind: ConfigMap
metadata:
  name: flags
  namespace: shop
  annotations: {config.kubernetes.io/depends-on: apps/namespaces/shop/Deployment/web}
"""


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """An empty cluster."""
    with ClusterSimulator() as simulator:
        yield simulator


def item(name: str, *needs: str, kind: str = "ConfigMap") -> Object:
    """An object that depends on these of its kind."""
    text = ", ".join(f"/namespaces/shop/ConfigMap/{need}" for need in needs)
    body = {"metadata": {"annotations": {dependencies.MARK: text}}} if needs else {}
    return Object(ObjectId("", kind, "shop", name), "v1", body, f"{name}.yaml:1")


def told(*items: Object) -> list[str]:
    """What is wrong with a set."""
    return [fault.what.removeprefix(f"{dependencies.MARK}: ") for fault in dependencies.faults(items)]


def test_names() -> None:
    """With and without group and namespace, any white space around the commas."""
    text = (
        "apps/namespaces/shop/Deployment/web , /namespaces/shop/ConfigMap/flags,rbac.authorization.k8s.io/ClusterRole/a"
    )
    expected = {
        ObjectId("apps", "Deployment", "shop", "web"),
        ObjectId("", "ConfigMap", "shop", "flags"),
        ObjectId("rbac.authorization.k8s.io", "ClusterRole", "", "a"),
    }
    assert expected == dependencies.named({"metadata": {"annotations": {dependencies.MARK: text}}})
    assert frozenset() == dependencies.named({"metadata": {"annotations": None}}) == dependencies.named({})


@pytest.mark.parametrize(
    "text", ["web", "apps/Deployment", "/namespaces//ConfigMap/a", "a/b/c/d", "apps/namespaces/x/y/", ","]
)
def test_names_of_nothing(text: str) -> None:
    """Each is a fault with the text."""
    with pytest.raises(ValueError, match="names no object"):
        dependencies.named({"metadata": {"annotations": {dependencies.MARK: text}}})


def test_levels_count_the_longest_way() -> None:
    """A thousand in a row are no problem."""
    found = dependencies.edges([item("a"), item("b", "a"), item("c", "a", "b")])
    assert {"a": 0, "b": 1, "c": 2} == {ident.name: level for ident, level in dependencies.levels(found).items()}
    row = dependencies.edges([item(str(number), str(number + 1)) for number in range(1000)])
    assert 1000 == max(dependencies.levels(row).values())


def test_faults_of_a_set() -> None:
    """What is missing, what comes later, and circles."""
    assert ["ConfigMap/shop/b is not in the artifact"] == told(item("a", "b"))
    assert ["ConfigMap/shop/a comes in a later stage"] == told(item("a"), item("n", "a", kind="Namespace"))
    (ring,) = told(item("a", "b"), item("b", "a"))
    assert ring.startswith("the objects wait for each other: ConfigMap/shop/")
    assert [] == told(item("a"), item("b", "a"))


def test_fault_names_file_and_line(cluster: ClusterSimulator) -> None:
    """Nothing is sent but questions."""
    with pytest.raises(ManifestError, match=r"ConfigMap/shop/flags \(1.yaml:1\): .* is not in the artifact"):
        target(cluster).plan(load(NAMESPACE, FLAGS), ())
    assert [] == cluster.writes()


def test_dependent_is_applied_after_what_it_needs(cluster: ClusterSimulator) -> None:
    """Though its kind comes first otherwise; and it is deleted before."""
    outcome = target(cluster).apply(load(NAMESPACE, FLAGS, WEB), (), revision="r1")
    assert "" == outcome.code
    applied = [request for request in cluster.writes() if request.startswith("PATCH") and "secrets" not in request]
    assert [f"PATCH {WEB_PATH}", f"PATCH {FLAGS_PATH}"] == applied[1:]
    cluster.requests.clear()
    target(cluster).destroy(outcome.inventory)
    deleted = [request for request in cluster.writes() if request.startswith("DELETE")]
    assert [f"DELETE {FLAGS_PATH}", f"DELETE {WEB_PATH}"] == deleted[:2]


def test_dependent_waits_until_ready(cluster: ClusterSimulator) -> None:
    """Also without `wait`; what never becomes ready keeps it from being applied."""
    cluster.unready.add("web")
    outcome = target(cluster, wait=False, timeout_seconds=0.5).apply(load(NAMESPACE, FLAGS, WEB), (), revision="r1")
    assert "cluster.not_ready" == outcome.code
    assert None is cluster.at(FLAGS_PATH)


def test_damaged_marks_in_the_cluster_hold_nothing_up() -> None:
    """What somebody wrote there by hand is passed over."""
    first, second = (ObjectId("", "ConfigMap", "shop", name) for name in "ab")
    ring = {first: item("a", "b").body, second: item("b", "a").body}
    assert 1 == len(dependencies.known(ring))
    assert {} == dependencies.known({first: {"metadata": {"annotations": {dependencies.MARK: "?"}}}})
