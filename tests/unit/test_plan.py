# SPDX-License-Identifier: Apache-2.0
"""What an apply would do: found with reads and dry-runs, and every fault before the first write."""

from collections.abc import Iterator
from typing import Any

import pytest

from kubeoci.changes import Action
from kubeoci.cluster.conflicts import remove
from kubeoci.cluster.target import Plan
from kubeoci.errors import ClusterError, flatten
from kubeoci.identity import ObjectId
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import (
    CART,
    DEFINITION,
    FLAGS,
    FLAGS_PATH,
    NAMESPACE,
    SECRET,
    WEB,
    WEB_PATH,
    load,
    target,
)


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """An empty cluster."""
    with ClusterSimulator() as simulator:
        yield simulator


@pytest.fixture
def shop(cluster: ClusterSimulator) -> ClusterSimulator:
    """A cluster where namespace, flags and web are applied."""
    target(cluster).apply(load(NAMESPACE, FLAGS, WEB), (), revision="r1")
    cluster.requests.clear()
    return cluster


def lines(plan: Plan) -> list[str]:
    """Each change as a person reads it, with its fields."""
    return [
        " ".join([str(change), *(f"{field.path}: {field}" for field in change.fields)])
        for change in plan.changes
        if change.action is not Action.UNCHANGED or change.note
    ]


def faults(cluster: ClusterSimulator, *documents: str, **settings: Any) -> list[str]:  # noqa: ANN401
    """The messages of a plan that fails, without the cluster having been written to."""
    with pytest.raises((ClusterError, ExceptionGroup)) as caught:
        target(cluster, **settings).plan(load(*documents), ())
    assert [] == cluster.writes()
    return [str(error) for error in flatten(caught.value)]


def test_first_plan_creates_everything(cluster: ClusterSimulator) -> None:
    """Objects of a namespace that does not exist yet are tried in another one, in the exact requests below."""
    plan = target(cluster).plan(load(NAMESPACE, FLAGS), ())
    assert ["Namespace/shop created", "ConfigMap/shop/flags created"] == lines(plan)
    trial = "/api/v1/namespaces/default/configmaps/kubeoci-preview-00c74f96"
    assert [
        "GET /api",
        "GET /api/v1/namespaces/default",
        "GET /api/v1/namespaces/default/secrets/app",
        "GET /api/v1/namespaces/shop",
        "GET /api/v1/namespaces/shop",
        f"GET {FLAGS_PATH}",
        "GET /apis",
        f"PATCH {trial}?dryRun=All",
        "PATCH /api/v1/namespaces/shop?dryRun=All",
    ] == sorted(cluster.requests)  # reads run at the same time


def test_edit_is_one_dry_run(shop: ClusterSimulator) -> None:
    """What is proved to be unchanged costs one list per kind and namespace; the edited object one dry-run more."""
    edited = load(NAMESPACE, FLAGS.replace("red", "blue"), WEB)
    assert ["ConfigMap/shop/flags configured data.color: red => blue"] == lines(target(shop).plan(edited, ()))
    assert [f"PATCH {FLAGS_PATH}?dryRun=All"] == [text for text in shop.requests if not text.startswith("GET")]


def test_created_objects_come_with_masked_bodies(shop: ClusterSimulator) -> None:
    """The plan shows what is created, without the values of Secrets."""
    plan = target(shop).plan(load(NAMESPACE, FLAGS, WEB, SECRET), ())
    assert ["Secret/shop/login"] == list(plan.bodies)
    assert 'pw: "***"' in plan.bodies["Secret/shop/login"]
    assert "correct-horse" not in repr(plan)


def test_removed_objects_are_deleted(shop: ClusterSimulator) -> None:
    """What is in the inventory and not desired any more goes, unless prune is off."""
    kept = load(NAMESPACE, WEB)
    assert ["ConfigMap/shop/flags deleted"] == lines(target(shop).plan(kept, ()))
    assert [] == lines(target(shop, prune=False).plan(kept, ()))


def test_what_goes_with_a_namespace_is_told(cluster: ClusterSimulator) -> None:
    """Objects of others in it, but not what the server makes by itself, nor what an owner deletes."""
    inner = "apiVersion: v1\nkind: Namespace\nmetadata: {name: inner}\n"
    target(cluster).apply(load(NAMESPACE, inner), (), revision="r1")
    owned = {"name": "pod", "namespace": "inner", "ownerReferences": [{"name": "x"}]}
    cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": owned})
    for name in ("kube-root-ca.crt", "theirs"):
        cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "inner"}})
    told = "with it goes 1 object that is not of this inventory: ConfigMap/inner/theirs"
    assert [f"Namespace/inner deleted ({told})"] == lines(target(cluster).plan(load(NAMESPACE), ()))


def test_what_goes_with_a_definition_is_told(cluster: ClusterSimulator) -> None:
    """Each object of its kinds, in any namespace; no more than some by name."""
    target(cluster).apply(load(NAMESPACE, DEFINITION, CART), (), revision="r1")
    for name in ("a", "b", "c", "d"):
        cluster.put(load(CART.replace("blue", name))[0].body)
    told = "with it go 4 objects that are not of this inventory: Cart/shop/a, Cart/shop/b, Cart/shop/c and 1 more"
    found = lines(target(cluster).plan(load(NAMESPACE), ()))
    assert f"CustomResourceDefinition/carts.shop.dev deleted ({told})" in found
    assert [] == [text for text in cluster.writes() if "DELETE" in text]


def test_that_data_goes_is_told(cluster: ClusterSimulator) -> None:
    """A claim has a volume behind it."""
    claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\n"
    target(cluster, wait=False).apply(load(NAMESPACE, claim), (), revision="r1")
    told = "its volume goes with it, unless it is retained"
    assert [f"PersistentVolumeClaim/shop/data deleted ({told})"] == lines(target(cluster).plan(load(NAMESPACE), ()))


def test_kinds_of_the_same_run_are_shown_as_created(cluster: ClusterSimulator) -> None:
    """A custom resource whose definition comes with it cannot be asked about yet."""
    plan = target(cluster).plan(load(NAMESPACE, DEFINITION, CART), ())
    assert "Cart/shop/blue created (its definition is applied in the same run)" == lines(plan)[-1]
    assert [] == cluster.writes()


def test_missing_kind_and_namespace_are_told_together(cluster: ClusterSimulator) -> None:
    """All faults at once, each with its file and line."""
    found = faults(cluster, FLAGS, WEB, CART)
    assert "ConfigMap/shop/flags (0.yaml:1): the namespace shop does not exist (3 objects)" in found[0]
    assert "Cart/shop/blue (2.yaml:1): the API server does not serve Cart of shop.dev/v1" in found[1]


def test_foreign_objects_are_refused(shop: ClusterSimulator) -> None:
    """An object of Flux is not taken over."""
    labels = {"kustomize.toolkit.fluxcd.io/name": "apps"}
    shop.put(load(SECRET)[0].body | {"metadata": {"name": "login", "namespace": "shop", "labels": labels}})
    found = faults(shop, NAMESPACE, FLAGS, WEB, SECRET)
    assert ["Secret/shop/login (3.yaml:1): it belongs to the Flux Kustomization apps"] == [
        text.split(";")[0] for text in found
    ]


def test_unowned_objects_are_adopted(shop: ClusterSimulator) -> None:
    """What nobody owns is taken over, and the plan says so."""
    shop.put(load(SECRET)[0].body)
    plan = target(shop).plan(load(NAMESPACE, FLAGS, WEB, SECRET), ())
    assert ["Secret/shop/login configured (adopted)"] == [line.split(" metadata")[0] for line in lines(plan)]


def test_two_inventories_cannot_share_an_object(shop: ClusterSimulator) -> None:
    """The second one is refused, naming the first."""
    found = faults(shop, NAMESPACE, inventory_name="other")
    assert "Namespace/shop (0.yaml:1): it belongs to the ApplySet default/app;" in found[0]


def test_nothing_desired_is_refused(shop: ClusterSimulator) -> None:
    """An empty artifact would delete everything."""
    assert ["nothing is left to apply, so all 3 objects would be deleted"] == [
        text.split(";")[0] for text in faults(shop)
    ]
    plan = target(shop, allow_empty=True).plan((), ())
    assert 3 == [change.action for change in plan.changes].count(Action.DELETED)


def test_server_faults_name_the_manifest(shop: ClusterSimulator) -> None:
    """What the API server would refuse fails the plan."""
    shop.fail(f"PATCH {FLAGS_PATH}", Fault(status=400, body=b'{"kind":"Status","message":"data: too colourful"}'))
    found = faults(shop, NAMESPACE, FLAGS.replace("red", "infrared"), WEB)
    assert ["ConfigMap/shop/flags (1.yaml:1): data: too colourful (cluster.invalid)"] == found


def test_forbidden_dry_run_falls_back_to_the_manifest(shop: ClusterSimulator) -> None:
    """Who may not dry-run still sees the fields, with a note."""
    shop.fail(f"PATCH {FLAGS_PATH}", Fault(status=403, body=b'{"kind":"Status","message":"no patch for you"}'))
    plan = target(shop).plan(load(NAMESPACE, FLAGS.replace("red", "blue"), WEB), ())
    assert ["ConfigMap/shop/flags configured (not dry-run: no patch for you) data.color: red => blue"] == lines(plan)


def test_hand_edits_are_taken_back(shop: ClusterSimulator) -> None:
    """A field that kubectl changed is ours again."""
    shop.edit(WEB_PATH, "kubectl-edit", lambda body: body["spec"].update(replicas=7))
    plan = target(shop).plan(load(NAMESPACE, FLAGS, WEB), ())
    assert ["Deployment/shop/web configured spec.replicas: 7 => 2"] == lines(plan)


def test_fields_of_controllers_are_left_to_them(shop: ClusterSimulator) -> None:
    """An autoscaler keeps its replicas, and the plan says so."""
    shop.edit(WEB_PATH, "kube-controller-manager", lambda body: body["spec"].update(replicas=7))
    plan = target(shop).plan(load(NAMESPACE, FLAGS, WEB), ())
    assert ["Deployment/shop/web unchanged (kept theirs: .spec.replicas of kube-controller-manager)"] == lines(plan)


def test_conflicts_can_be_forced_or_refused(shop: ClusterSimulator) -> None:
    """`conflicts: force` takes every field, `fail` none."""
    shop.edit(WEB_PATH, "autoscaler", lambda body: body["spec"].update(replicas=7))
    plan = target(shop, conflicts="force").plan(load(NAMESPACE, FLAGS, WEB), ())
    assert ["Deployment/shop/web configured spec.replicas: 7 => 2"] == lines(plan)
    found = faults(shop, NAMESPACE, FLAGS, WEB, conflicts="fail")
    assert "Deployment/shop/web (2.yaml:2): other field managers own .spec.replicas of autoscaler" in found[0]


def test_replacement_needs_force(shop: ClusterSimulator) -> None:
    """An immutable field is an error with a hint, or with `force` a replacement; the server is asked which it is."""
    changed = WEB.replace("{app: web}", "{app: shop}")
    assert "set force: true" in faults(shop, NAMESPACE, FLAGS, changed)[0]
    plan = target(shop, force=True).plan(load(NAMESPACE, FLAGS, changed), ())
    assert "Deployment/shop/web recreated" in lines(plan)[0]
    assert "POST /apis/apps/v1/namespaces/shop/deployments?dryRun=All" == shop.requests[-1]


def test_marks_keep_us_away(shop: ClusterSimulator) -> None:
    """`reconcile: disabled` on the live object stops us."""
    mark = {"kustomize.toolkit.fluxcd.io/reconcile": "Disabled"}
    shop.edit(FLAGS_PATH, "kubectl-edit", lambda body: body["metadata"].update(annotations=mark))
    plan = target(shop).plan(load(NAMESPACE, FLAGS.replace("red", "blue"), WEB), ())
    assert ["ConfigMap/shop/flags skipped (kustomize.toolkit.fluxcd.io/reconcile: disabled)"] == lines(plan)


def test_drift_shows_live_values(shop: ClusterSimulator) -> None:
    """Changed fields with their live value; vanished objects by name; nothing is written."""
    desired = load(NAMESPACE, FLAGS, WEB)
    shop.edit(FLAGS_PATH, "kubectl-edit", lambda body: body["data"].update(color="pink", extra="theirs"))
    shop.remove(WEB_PATH)
    drift = target(shop).drift(desired, ())
    assert (ObjectId("apps", "Deployment", "shop", "web"),) == drift.missing
    assert [{"color": "pink"}] == [body["data"] for body in drift.live.values()]
    assert (True, 2, []) == (drift.parent_found, drift.found, shop.writes())


@pytest.mark.parametrize(
    ("path", "left"),
    [
        (".spec.replicas", {"spec": {"list": [{"name": "a", "image": "b"}]}, "metadata": {"k8s.io/x": "y"}}),
        (".metadata.k8s.io/x", {"spec": {"replicas": 1, "list": [{"name": "a", "image": "b"}]}}),
        (
            '.spec.list[name="a"].image',
            {"spec": {"replicas": 1, "list": [{"name": "a"}]}, "metadata": {"k8s.io/x": "y"}},
        ),
        ('.spec.list[name="a"]', {"spec": {"replicas": 1}, "metadata": {"k8s.io/x": "y"}}),
        (".spec.list[0]", {"spec": {"replicas": 1}, "metadata": {"k8s.io/x": "y"}}),
    ],
)
def test_fields_of_others_leave_the_body(path: str, left: dict[str, Any]) -> None:
    """A path in the server's syntax finds its field, and maps that become empty go with it."""
    body = {"spec": {"replicas": 1, "list": [{"name": "a", "image": "b"}]}, "metadata": {"k8s.io/x": "y"}}
    assert remove(body, path)
    assert left == body


def test_elements_of_sets_are_found_by_value() -> None:
    """`[="v"]` means the element that is equal."""
    body = {"finalizers": ["a", "b"]}
    assert remove(body, '.finalizers[="a"]')
    assert {"finalizers": ["b"]} == body


def test_unknown_field_is_not_found() -> None:
    """What the body does not have cannot be left out."""
    assert not remove({"spec": {"list": [{"name": "a"}]}}, '.spec.list[name="b"].image')
