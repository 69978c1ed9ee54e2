# SPDX-License-Identifier: Apache-2.0
"""Applying: the order of requests, no request without need, and every way to be interrupted."""

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kubeoci.cluster import inventory
from kubeoci.cluster.answers import Refused, refusal
from kubeoci.cluster.claim import Claim
from kubeoci.cluster.inventory import PART_OF, Entry
from kubeoci.cluster.judge import judge
from kubeoci.cluster.target import Outcome
from kubeoci.errors import ClusterError
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import (
    CART,
    DEFINITION,
    FLAGS,
    FLAGS_PATH,
    NAMESPACE,
    PARENT_PATH,
    SECRET,
    WEB,
    WEB_PATH,
    load,
    target,
)

SHOP = (NAMESPACE, FLAGS, WEB)
CLAIM = FINAL = f"PATCH {PARENT_PATH}?force=true"


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """An empty cluster."""
    with ClusterSimulator() as simulator:
        yield simulator


def up(cluster: ClusterSimulator, *documents: str, recorded: tuple[Entry, ...] = (), **settings: object) -> Outcome:
    """Apply documents; the requests of this run only are left in the record."""
    cluster.requests.clear()
    return target(cluster, **settings).apply(load(*documents), recorded, revision="r1")


def test_first_apply_writes_the_inventory_first_and_last(cluster: ClusterSimulator) -> None:
    """One request per object, between the inventory without uids and the one with them."""
    outcome = up(cluster, *SHOP)
    assert [
        "POST /api/v1/namespaces/default/secrets",
        "PATCH /api/v1/namespaces/shop",
        f"PATCH {FLAGS_PATH}",
        f"PATCH {WEB_PATH}",
        f"PATCH {PARENT_PATH}?force=true",
    ] == cluster.writes()
    assert ((), "", True) == (outcome.reasons, outcome.code, outcome.written)
    assert all(entry.uid for entry in outcome.inventory)


def test_a_storm_of_429_costs_time_only(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server that refuses more requests than there are objects gets them all in the end, once each."""
    monkeypatch.setattr("kubeoci.cluster.rest.random.uniform", lambda _low, _high: 0.0)
    cluster.fail("PATCH ", Fault(status=429), times=90)
    maps = [FLAGS.replace("flags", f"flags-{number}") for number in range(60)]
    assert () == up(cluster, NAMESPACE, *maps).reasons
    assert 90 + 1 + 60 + 1 == sum(text.startswith("PATCH ") for text in cluster.requests)


@pytest.mark.parametrize("before", [0, 980, 990, 1000])
def test_a_refusal_is_masked_before_it_is_cut(cluster: ClusterSimulator, before: int) -> None:
    """A server that repeats a Secret's value tells nobody, wherever the cut of its long message falls."""
    message = f"{'x' * before} correct-horse {'y ' * 2000}"
    status = json.dumps({"kind": "Status", "message": message}).encode()
    cluster.fail("PATCH /api/v1/namespaces/shop/secrets", Fault(status=422, body=status), times=9)
    outcome = up(cluster, NAMESPACE, SECRET)
    assert "cluster.invalid" == outcome.code
    assert "correct" not in repr(outcome)
    assert len(outcome.reasons[0]) < 1200


def test_every_object_carries_our_label(cluster: ClusterSimulator) -> None:
    """The label of the ApplySet makes our objects findable."""
    up(cluster, *SHOP)
    flags, parent = cluster.at(FLAGS_PATH), cluster.at(PARENT_PATH)
    assert flags is not None
    assert parent is not None
    assert [parent["metadata"]["labels"]["applyset.kubernetes.io/id"]] == list(flags["metadata"]["labels"].values())


def test_second_apply_writes_nothing(cluster: ClusterSimulator) -> None:
    """Two requests of discovery, the inventory, and one list per kind and namespace."""
    first = up(cluster, *SHOP)
    again = up(cluster, *SHOP, recorded=first.inventory)
    assert [
        "GET /api",
        "GET /api/v1/namespaces",
        "GET /api/v1/namespaces/default/secrets/app",
        "GET /api/v1/namespaces/shop/configmaps",
        "GET /apis",
        "GET /apis/apps/v1/namespaces/shop/deployments",
    ] == sorted(cluster.requests)
    assert (first.inventory, False) == (again.inventory, again.written)


def test_edit_is_one_dry_run_and_one_write(cluster: ClusterSimulator) -> None:
    """Nothing but the edited object is written, between a claim in the inventory and its end."""
    first = up(cluster, *SHOP)
    outcome = up(cluster, NAMESPACE, FLAGS.replace("red", "blue"), WEB, recorded=first.inventory)
    assert [CLAIM, f"PATCH {FLAGS_PATH}", FINAL] == cluster.writes()
    assert ["Namespace/shop unchanged", "ConfigMap/shop/flags configured", "Deployment/shop/web unchanged"] == [
        str(change) for change in outcome.changes
    ]


def test_new_revision_is_written_down(cluster: ClusterSimulator) -> None:
    """Another artifact with the same objects changes the history in the inventory only."""
    first = up(cluster, *SHOP)
    cluster.requests.clear()
    target(cluster).apply(load(*SHOP), first.inventory, revision="r2")
    assert [f"PATCH {PARENT_PATH}?force=true"] == cluster.writes()


def test_ownership_alone_is_taken_once(cluster: ClusterSimulator) -> None:
    """A field that we newly name with the value it has is owned by one request, and called unchanged."""
    up(cluster, *SHOP)
    cluster.edit(FLAGS_PATH, "theirs", lambda body: body["data"].update(size="big"))
    documents = (NAMESPACE, FLAGS.replace("{color: red}", "{color: red, size: big}"), WEB)
    outcome = up(cluster, *documents)
    assert "ConfigMap/shop/flags unchanged (field ownership)" in [str(change) for change in outcome.changes]
    assert [CLAIM, f"PATCH {FLAGS_PATH}", FINAL] == cluster.writes()
    up(cluster, *documents)
    assert [] == cluster.writes()


def test_definitions_are_served_before_their_objects(cluster: ClusterSimulator) -> None:
    """A definition and its custom resource go up in one run."""
    outcome = up(cluster, NAMESPACE, CART, DEFINITION)
    assert () == outcome.reasons
    order = [text for text in cluster.writes() if "secrets" not in text]
    assert "PATCH /apis/shop.dev/v1/namespaces/shop/carts/blue" == order[-1]
    assert up(cluster, NAMESPACE, CART, DEFINITION, recorded=outcome.inventory).written is False


def test_unserved_endpoint_is_waited_for(cluster: ClusterSimulator) -> None:
    """An established definition whose endpoint still answers 404 is asked again."""
    cluster.fail("GET /apis/shop.dev/v1/carts", Fault(status=404, body=b"404 page not found"), times=2)
    assert () == up(cluster, NAMESPACE, CART, DEFINITION).reasons
    assert 3 == cluster.requests.count("GET /apis/shop.dev/v1/carts")


def test_own_namespace_comes_before_the_inventory(cluster: ClusterSimulator) -> None:
    """The inventory may live in a namespace that the artifact makes; destroy takes it away last."""
    outcome = up(cluster, *SHOP, namespace="shop")
    assert ["PATCH /api/v1/namespaces/shop", "POST /api/v1/namespaces/shop/secrets"] == cluster.writes()[:2]
    cluster.requests.clear()
    target(cluster, namespace="shop").destroy(outcome.inventory)
    assert ["DELETE /api/v1/namespaces/shop/secrets/app", "DELETE /api/v1/namespaces/shop"] == cluster.writes()[-2:]


def test_failed_object_does_not_stop_its_stage(cluster: ClusterSimulator) -> None:
    """The others are applied, the failure is told, and the inventory knows what may exist."""
    status = b'{"kind":"Status","message":"data: too colourful"}'
    cluster.fail(f"PATCH {FLAGS_PATH}", Fault(status=400, body=status))
    outcome = up(cluster, *SHOP)
    assert ("ConfigMap/shop/flags (1.yaml:1): data: too colourful (cluster.invalid)",) == outcome.reasons
    assert ("cluster.invalid", True) == (outcome.code, outcome.written)
    assert [False, True, True] == [bool(entry.uid) for entry in outcome.inventory]
    assert () == up(cluster, *SHOP, recorded=outcome.inventory).reasons


def test_failed_stage_stops_the_next(cluster: ClusterSimulator) -> None:
    """Without its namespace nothing else is tried."""
    cluster.fail("PATCH /api/v1/namespaces/shop", Fault(status=403, body=b'{"kind":"Status","message":"no"}'))
    outcome = up(cluster, *SHOP)
    assert (
        "Namespace/shop (0.yaml:1): no; ask for a role that allows this (cluster.forbidden)",
        "2 objects were not applied, because an earlier stage failed",
    ) == outcome.reasons


def test_secret_values_do_not_reach_reasons(cluster: ClusterSimulator) -> None:
    """A server that repeats a value is not quoted with it."""
    status = b'{"kind":"Status","message":"data.pw: Invalid value: \\"correct-horse\\""}'
    cluster.fail("PATCH /api/v1/namespaces/shop/secrets", Fault(status=400, body=status))
    outcome = up(cluster, NAMESPACE, SECRET)
    assert ('Secret/shop/login (1.yaml:1): data.pw: Invalid value: "***" (cluster.invalid)',) == outcome.reasons


def test_immutable_field_is_replaced_with_force(cluster: ClusterSimulator) -> None:
    """Delete and create anew, only with `force`, only this object."""
    up(cluster, *SHOP)
    before = cluster.at(WEB_PATH)
    outcome = up(cluster, NAMESPACE, FLAGS, WEB.replace("{app: web}", "{app: shop}"), force=True)
    after = cluster.at(WEB_PATH)
    assert before is not None
    assert after is not None
    assert before["metadata"]["uid"] != after["metadata"]["uid"]
    assert [CLAIM, f"DELETE {WEB_PATH}", f"PATCH {WEB_PATH}", FINAL] == cluster.writes()
    assert () == outcome.reasons


def test_leaving_object_is_made_anew(cluster: ClusterSimulator) -> None:
    """An object that somebody is deleting is applied again once it is gone."""
    up(cluster, *SHOP)
    cluster.edit(FLAGS_PATH, "them", lambda body: body["metadata"].update(finalizers=["a/b"], deletionTimestamp="now"))
    threading.Timer(0.3, cluster.remove, [FLAGS_PATH]).start()
    outcome = up(cluster, *SHOP)
    assert "ConfigMap/shop/flags recreated (it is being deleted)" in [str(change) for change in outcome.changes]
    assert cluster.at(FLAGS_PATH) is not None


def test_object_that_others_change_at_the_same_moment(
    cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """409 without a field that somebody owns: the same apply again, a few times; then it is told."""
    monkeypatch.setattr("kubeoci.cluster.conflicts._PAUSES", (0.01, 0.01))
    modified = Fault(status=409, body=b'{"kind":"Status","message":"the object has been modified"}')
    cluster.fail(f"PATCH {FLAGS_PATH}", modified, times=2)
    assert () == up(cluster, *SHOP).reasons
    assert [f"PATCH {FLAGS_PATH}"] * 3 == [text for text in cluster.writes() if FLAGS_PATH in text]
    cluster.fail(f"PATCH {FLAGS_PATH}?dryRun", modified, times=99)
    outcome = up(cluster, NAMESPACE, FLAGS.replace("red", "blue"), WEB)
    assert ("ConfigMap/shop/flags (1.yaml:1): the object has been modified (cluster.conflict)",) == outcome.reasons


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_runs_at_once_one_writes(
    cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch, *, is_first: bool
) -> None:
    """Both have read before either writes; the loser writes nothing at all, also where the entries stay the same."""
    if not is_first:
        up(cluster, *SHOP)
    cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    cluster.requests.clear()
    door = threading.Barrier(2)
    monkeypatch.setattr("kubeoci.cluster.apply.check", lambda *_: door.wait())
    edited = load(FLAGS.replace("red", "blue"), WEB.replace("web:1", "web:2"))
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(target(cluster).apply, edited, (), revision=name) for name in ("r2", "r3")]
    told = [error for error in (run.exception() for run in runs) if error]
    assert ["cluster.busy"] == [error.code for error in told if isinstance(error, ClusterError)]
    objects = [request for request in cluster.writes() if "/secrets" not in request]
    assert [f"PATCH {FLAGS_PATH}", f"PATCH {WEB_PATH}"] == sorted(objects)


@pytest.mark.parametrize("conflicts", ["smart", "force", "fail"])
def test_object_that_another_stack_made_meanwhile_stays_theirs(
    cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch, conflicts: str
) -> None:
    """Two inventories want the same new object: who comes second is told, however conflicts are settled."""
    cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    other = target(cluster, inventory_name="other")
    monkeypatch.setattr("kubeoci.cluster.apply.check", lambda *_: None)
    real = judge
    met = []

    def late(*given: Any) -> Any:  # noqa: ANN401 - as judge
        verdict = real(*given)
        if not met:
            met.append(given)
            other.apply(load(FLAGS), (), revision="r1")
        return verdict

    monkeypatch.setattr("kubeoci.cluster.apply.judge", late)
    outcome = up(cluster, FLAGS.replace("red", "blue"), conflicts=conflicts)
    assert "cluster.owned" == outcome.code
    assert "took it for another inventory just now" in outcome.reasons[0]
    body = cluster.at(FLAGS_PATH)
    assert body is not None
    assert ("red", inventory.applyset_id("other", "default")) == (
        body["data"]["color"],
        body["metadata"]["labels"][PART_OF],
    )


def test_run_that_comes_later_is_told_who_is_at_work(cluster: ClusterSimulator) -> None:
    """It writes nothing, and neither does a destroy."""
    up(cluster, *SHOP)
    claim = Claim.make(60.0)
    meta = cluster.at(PARENT_PATH)
    assert meta is not None
    parent = inventory.read_parent(meta)
    cluster.put(inventory.parent_body(inventory.ParentRef("default", "app"), parent.entries, parent.revisions, claim))
    cluster.requests.clear()
    with pytest.raises(ClusterError, match=f"another run is at work on this inventory: process {claim.pid} on "):
        up(cluster, *SHOP)
    with pytest.raises(ClusterError, match="another run is at work"):
        target(cluster).destroy(())
    assert [] == cluster.writes()
    claim.release()
    up(cluster, *SHOP)
    assert [FINAL] == cluster.writes()


def test_stopped_run_says_that_it_is_over(cluster: ClusterSimulator) -> None:
    """The next run, on another machine, need not wait."""
    stop = threading.Event()
    cluster.unready.add("web")
    threading.Timer(0.3, stop.set).start()
    target(cluster, stop).apply(load(*SHOP), (), revision="r1")
    body = cluster.at(PARENT_PATH)
    assert body is not None
    assert (None, 3) == (
        inventory.read_parent(body).claim,
        sum(bool(e.uid) for e in inventory.read_parent(body).entries),
    )


def test_inventory_of_others_is_refused(cluster: ClusterSimulator) -> None:
    """A Secret of that name that is no inventory is left alone."""
    cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app", "namespace": "default"}})
    with pytest.raises(ClusterError, match="exists and is no inventory"):
        up(cluster, *SHOP)
    assert [] == cluster.writes()


@pytest.mark.parametrize("step", ["POST /api/v1/namespaces/default", f"PATCH {FLAGS_PATH}", f"PATCH {WEB_PATH}"])
def test_run_killed_anywhere_is_finished_by_the_next(cluster: ClusterSimulator, step: str) -> None:
    """What a killed first run left is known to the next one, without any state, and destroyed without a rest."""

    class KilledError(BaseException):
        """As if the process had ended."""

    def dying(status: int, headers: Mapping[str, str], data: bytes) -> Refused:
        if status == 418:
            raise KilledError
        return refusal(status, headers, data)

    before = set(cluster.objects)
    cluster.fail(step, Fault(status=418))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kubeoci.cluster.rest.refusal", dying)
        with pytest.raises(KilledError):
            up(cluster, *SHOP)
    assert () == up(cluster, *SHOP).reasons
    assert () == target(cluster).destroy(()).reasons
    assert before == set(cluster.objects)


def test_stop_leaves_what_is_known(cluster: ClusterSimulator) -> None:
    """After a stop the outcome says so once, with everything that may exist."""
    stop = threading.Event()
    engine = target(cluster, stop)
    cluster.unready.add("web")
    threading.Timer(0.3, stop.set).start()
    outcome = engine.apply(load(*SHOP), (), revision="r1")
    assert ("stopped.cancelled", 3) == (outcome.code, len(outcome.inventory))
    assert ("stopped on request; run again to finish",) == outcome.reasons


def test_label_is_not_forced_on_templates(cluster: ClusterSimulator) -> None:
    """Our label is on the object, not on its Pods."""
    up(cluster, *SHOP)
    web = cluster.at(WEB_PATH)
    assert web is not None
    assert PART_OF in web["metadata"]["labels"]
    assert {"app": "web"} == web["spec"]["template"]["metadata"]["labels"]
