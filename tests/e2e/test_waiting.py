# SPDX-License-Identifier: Apache-2.0
"""Waiting for real controllers: rollouts, Jobs, Pods that never get well, and API servers that are in trouble."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e.recorder import Recorder
from e2e.troubles import Trouble, Troubled, troubled
from kubeoci import objects
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.checks import HealthCheck, HealthCheckExpr
from kubeoci.cluster.login import Impersonation
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.rest import Access, connect
from kubeoci.cluster.streams import Place, Streams
from kubeoci.cluster.target import Outcome, Settings, Target
from rig import Rig

EXPIRED = '{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
_numbers = itertools.count(1)


@pytest.fixture
def namespace(rig: Rig) -> Iterator[str]:
    """A namespace of its own; what is in it goes in the background."""
    name = f"waiting-{next(_numbers)}"
    rig.api.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    rig.api.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def proxy(rig: Rig, tmp_path: Path) -> Iterator[Troubled]:
    """A proxy that makes trouble."""
    with troubled(rig, tmp_path) as found:
        yield found


def up(config: Path, namespace: str, *bodies: dict[str, Any], **settings: Any) -> Outcome:  # noqa: ANN401
    """Apply objects and wait, as a provider does."""
    stop = threading.Event()
    rest = connect(Access(str(config)), stop=stop)
    wanted = Settings(**{"namespace": namespace, "inventory_name": "app", "timeout_seconds": 60.0, **settings})
    loaded = objects.load({f"{number}.json": json.dumps(body).encode() for number, body in enumerate(bodies)})
    engine = Target(rest, wanted, stop=stop, log=lambda _text: None, progress=lambda _text: None)
    try:
        return engine.apply(loaded.objects, (), revision="r1")
    finally:
        rest.close()


def workload(kind: str, namespace: str, fault: str = "", **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A workload `web` whose Pods get the fate `fault` of tools/kubelet.py."""
    labels = {"app": kind.lower()}
    template = {
        "metadata": {"labels": labels, "annotations": {"fake/fail": fault}},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }
    version = "batch/v1" if kind == "Job" else "apps/v1"
    if kind == "Job":
        template["spec"]["restartPolicy"] = "Never"
        full = {"template": template, "backoffLimit": 0, **spec}
    else:
        full = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": namespace}, "spec": full}


def pod(namespace: str, fault: str = "", **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A Pod of the artifact."""
    metadata = {"name": "web", "namespace": namespace, "annotations": {"fake/fail": fault}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [{"name": "web", "image": "a"}], **spec},
    }


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Deployment", {"replicas": 3}),
        ("StatefulSet", {"replicas": 2, "serviceName": "web"}),
        ("DaemonSet", {}),
        ("Job", {}),
    ],
)
def test_rollout(rig: Rig, namespace: str, kind: str, spec: dict[str, Any]) -> None:
    """Each kind of workload becomes ready, and is ready when waiting ends."""
    assert () == up(rig.kubeconfig, namespace, workload(kind, namespace, **spec)).reasons
    plural, group = f"{kind.lower()}s", "batch" if kind == "Job" else "apps"
    found = rig.api.get(f"/apis/{group}/v1/namespaces/{namespace}/{plural}/web")
    assert found is not None
    ready = {"Deployment": "availableReplicas", "StatefulSet": "readyReplicas", "DaemonSet": "numberReady"}
    assert spec.get("replicas", 1) == found["status"][ready.get(kind, "succeeded")]


def test_rollout_is_one_stream(cluster_recorder: Recorder, namespace: str) -> None:
    """No list, no question a second time: the stream begins with what is there."""
    assert () == up(cluster_recorder.kubeconfig, namespace, workload("Deployment", namespace, replicas=3)).reasons
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    asked = [request for request in cluster_recorder.requests if path in request]
    last = max(number for number, request in enumerate(asked) if request.startswith("PATCH"))
    assert [(path, True)] == [
        (urlsplit(text).path.removeprefix("GET "), "watch=1" in text) for text in asked[last + 1 :]
    ]


def test_failed_job(rig: Rig, namespace: str) -> None:
    """A Job that fails ends the wait at once, with its own words and its Pod's exit code."""
    outcome = up(rig.kubeconfig, namespace, workload("Job", namespace, "exit"))
    assert outcome.reasons[0].startswith(f"Job/{namespace}/web: Job has reached the specified backoff limit")
    assert "container web: ended with exit code 1 (Error)" in outcome.reasons[0]


def test_job_that_its_ttl_removes(rig: Rig, namespace: str) -> None:
    """A Job that is gone as soon as it has ended is done."""
    assert () == up(rig.kubeconfig, namespace, workload("Job", namespace, ttlSecondsAfterFinished=0)).reasons


@pytest.mark.parametrize(("mode", "is_awaited"), [("WaitForFirstConsumer", False), ("Immediate", True)])
def test_claims(rig: Rig, namespace: str, mode: str, is_awaited: bool) -> None:
    """A claim that its first Pod will bind is not waited for; another one that nobody binds is."""
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": namespace}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk", "namespace": namespace}}
    spec = {
        "storageClassName": namespace,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    bodies = {**kind, "provisioner": "nobody.dev/none", "volumeBindingMode": mode}, {**claim, "spec": spec}
    outcome = up(rig.kubeconfig, namespace, *bodies, timeout_seconds=2.0)
    rig.api.request("DELETE", f"/apis/storage.k8s.io/v1/storageclasses/{namespace}")
    assert is_awaited is bool(outcome.reasons)
    assert not is_awaited or "it is not bound, its phase is Pending" in outcome.reasons[0]


def test_deployment_beyond_its_own_deadline(rig: Rig, namespace: str) -> None:
    """`progressDeadlineSeconds` ends the wait before ours does."""
    body = workload("Deployment", namespace, "unready", replicas=1, progressDeadlineSeconds=1)
    outcome = up(rig.kubeconfig, namespace, body)
    assert "has timed out progressing" in outcome.reasons[0]
    assert "container web: runs, but is not ready" in outcome.reasons[0]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("crash", "container web: CrashLoopBackOff: CrashLoopBackOff of container web, ended with exit code 1 (Error)"),
        ("image", "container web: ImagePullBackOff"),
        pytest.param("unready", "container web: runs, but is not ready", marks=pytest.mark.long),
        pytest.param("pending", "Pending", marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_pods_that_never_get_well(rig: Rig, namespace: str, fault: str, words: str) -> None:
    """A Deployment that is late is told with the state of its Pods."""
    outcome = up(rig.kubeconfig, namespace, workload("Deployment", namespace, fault, replicas=1), timeout_seconds=3.0)
    assert f"Deployment/{namespace}/web: not ready in time: 0 of 1 updated replicas available" in outcome.reasons[0]
    assert words in outcome.reasons[0]


def test_pods_that_find_no_node(rig: Rig, namespace: str) -> None:
    """The scheduler's own words, in the Pod's condition and in its warning."""
    body = workload("Deployment", namespace, replicas=1)
    body["spec"]["template"]["spec"]["nodeSelector"] = {"no": "where"}
    reason = up(rig.kubeconfig, namespace, body, timeout_seconds=3.0).reasons[0]
    lines = [" ".join(line.split()) for line in reason.splitlines()]
    assert any(
        line.startswith(f"Pod/{namespace}/web-") and "Unschedulable: 0/1 nodes are available" in line for line in lines
    )
    assert any(line.startswith(f"Warning FailedScheduling of Pod/{namespace}/web-") for line in lines)


def test_quota(rig: Rig, namespace: str) -> None:
    """Pods that may not be made are told in the Deployment's own words."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    outcome = up(rig.kubeconfig, namespace, quota, workload("Deployment", namespace, replicas=1), timeout_seconds=3.0)
    assert "exceeded quota: few" in outcome.reasons[0]


@pytest.mark.parametrize(
    ("fault", "spec", "words"),
    [
        ("crash", {}, "container web crashes again and again"),
        ("exit", {}, "its containers ended with an error"),
        ("", {"nodeSelector": {"no": "where"}}, "no node takes it: 0/1 nodes are available"),
    ],
)
def test_pods_of_the_artifact(
    rig: Rig, namespace: str, monkeypatch: pytest.MonkeyPatch, fault: str, spec: dict[str, Any], words: str
) -> None:
    """A bare Pod that crashes, ended or finds no node has failed: nobody waits for the deadline."""
    monkeypatch.setattr("kubeoci.cluster.health.UNSCHEDULABLE_SECONDS", 1.0)
    outcome = up(rig.kubeconfig, namespace, pod(namespace, fault, restartPolicy="Never", **spec))
    assert f"Pod/{namespace}/web: {words}" in outcome.reasons[0]


def test_fail_fast(rig: Rig, namespace: str) -> None:
    """The first failure ends the wait for what would never get ready."""
    stuck = workload("Deployment", namespace, "pending", replicas=1)
    outcome = up(rig.kubeconfig, namespace, stuck, workload("Job", namespace, "exit"), fail_fast=True)
    assert [f"Job/{namespace}/web"] == [reason.partition(":")[0] for reason in outcome.reasons]


def test_checks_beyond_the_set(rig: Rig, namespace: str) -> None:
    """An object that somebody else makes is awaited by name, without our label."""
    body = workload("Deployment", namespace, replicas=1)
    threading.Timer(0.5, rig.api.request, ["POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body]).start()
    outcome = up(rig.kubeconfig, namespace, health_checks=(HealthCheck("apps/v1", "Deployment", "web"),))
    assert () == outcome.reasons
    found = rig.api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/web")
    assert found is not None
    assert 1 == found["status"]["availableReplicas"]


def cart_kind(group: str) -> dict[str, Any]:
    """A definition whose status says what its controller has seen; there is no controller."""
    status = {"type": "object", "properties": {"observedGeneration": {"type": "integer"}, "phase": {"type": "string"}}}
    schema = {"type": "object", "properties": {"spec": {"type": "object"}, "status": status}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    spec = {"group": group, "scope": "Namespaced", "names": {"kind": "Cart", "plural": "carts"}, "versions": [version]}
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**kind, "metadata": {"name": f"carts.{group}"}, "spec": spec}


def test_rules_of_the_user(rig: Rig, namespace: str) -> None:
    """A custom resource is ready when the user's expression says so."""
    group = f"{namespace}.dev"
    path = f"/apis/{group}/v1/namespaces/{namespace}/carts/blue"
    cart = {"apiVersion": f"{group}/v1", "kind": "Cart", "metadata": {"name": "blue", "namespace": namespace}}
    rule = HealthCheckExpr(f"{group}/v1", "Cart", current="status.phase == 'Full'", failed="status.phase == 'Lost'")
    definition = cart_kind(group)
    outcome = up(rig.kubeconfig, namespace, definition, cart, health_check_exprs=(rule,), timeout_seconds=1.5)
    assert "its expression `failed` cannot be evaluated" in outcome.reasons[0]
    rig.api.request("PATCH", f"{path}/status", {"status": {"phase": "Lost"}})
    outcome = up(rig.kubeconfig, namespace, definition, cart, health_check_exprs=(rule,))
    assert (f"Cart/{namespace}/blue: its expression `failed` is true (cluster.not_ready)",) == outcome.reasons
    rig.api.request("PATCH", f"{path}/status", {"status": {"phase": "Full"}})
    assert () == up(rig.kubeconfig, namespace, definition, cart, health_check_exprs=(rule,)).reasons
    rig.api.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/carts.{group}")


def test_a_new_custom_resource_is_given_time(
    cluster_recorder: Recorder, rig: Rig, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A controller that will say what it has seen gets a moment to; without one waiting goes on after it."""
    monkeypatch.setattr("kubeoci.cluster.health.FRESH_SECONDS", 2.0)
    group = f"{namespace}.dev"
    cart = {"apiVersion": f"{group}/v1", "kind": "Cart", "metadata": {"name": "blue", "namespace": namespace}}
    assert () == up(cluster_recorder.kubeconfig, namespace, cart_kind(group), cart).reasons
    assert any("/carts?" in request and "watch=1" in request for request in cluster_recorder.requests)
    rig.api.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/carts.{group}")


def refusal(rig: Rig, whom: Impersonation | None) -> str:
    """What the server says to somebody who reads Secrets; empty when it gives them."""
    rest = connect(Access(str(rig.kubeconfig), impersonate=whom), stop=threading.Event())
    try:
        rest.get("/api/v1/namespaces/kube-system/secrets")
    except Refused as error:
        return str(error)
    finally:
        rest.close()
    return ""


@pytest.mark.parametrize(
    ("whom", "told"),
    [
        (None, ""),
        (Impersonation("ann"), 'User "ann" cannot list resource "secrets"'),
        (Impersonation("bøb", ("dev",), "7"), 'User "bøb" cannot list'),
        (Impersonation("ann", ("system:masters",)), ""),
    ],
)
def test_impersonation(rig: Rig, whom: Impersonation | None, told: str) -> None:
    """The server takes us for the user, and for a member of the groups, that we name."""
    found = refusal(rig, whom)
    assert (bool(told), True) == (bool(found), told in found)


def test_impersonation_of_a_kubeconfig(rig: Rig) -> None:
    """`as`, `as-groups`, `as-uid` and `as-user-extra` are what the server sees."""
    config = json.loads(rig.kubeconfig.read_text())
    config["users"][0]["user"] |= {
        "as": "eve",
        "as-groups": ["a"],
        "as-uid": "9",
        "as-user-extra": {"why/now": ["b c"]},
    }
    rest = connect(Access(json.dumps(config)), stop=threading.Event())
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    found = rest.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", review, manager="test")["status"][
        "userInfo"
    ]
    rest.close()
    expected = {"username": "eve", "uid": "9", "groups": ["a", "system:authenticated"], "extra": {"why/now": ["b c"]}}
    assert expected == found


@pytest.mark.parametrize(
    ("where", "trouble", "times"),
    [
        ("PATCH /apis/apps", Trouble(429, "busy", retry_after="1"), 3),
        ("GET /apis/apps", Trouble(429, "busy"), 2),
        ("PATCH /apis/apps", Trouble(500, "etcdserver: leader changed"), 2),
        pytest.param("PATCH /apis/apps", Trouble(reset=True), 2, marks=pytest.mark.long),
        ("GET /apis/apps", Trouble(reset=True), 2),
        pytest.param("PATCH /apis/apps", Trouble(503, "no endpoints"), 2, marks=pytest.mark.long),
        ("PATCH /apis/apps", Trouble(seconds=1.0), 1),
    ],
    ids=["429-write", "429-read", "etcd", "reset-write", "reset-read", "503", "slow"],
)
def test_passing_trouble_is_survived(proxy: Troubled, namespace: str, where: str, trouble: Trouble, times: int) -> None:
    """A server that is busy, restarts or is slow costs time only."""
    proxy.trouble(where, trouble, times)
    assert () == up(proxy.kubeconfig, namespace, workload("Deployment", namespace, replicas=1)).reasons
    assert [] == proxy.ordered


@pytest.mark.parametrize(
    ("trouble", "times"),
    [
        (Trouble(410, "too old resource version"), 1),
        (Trouble(200, text=EXPIRED), 1),
        (Trouble(422, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"), 1),
        (Trouble(cut_after=0), 2),
        (Trouble(cut_after=300), 2),
        (Trouble(403, "no watch"), 1),
        (Trouble(reset=True), 2),
        (Trouble(500, "nil pointer"), 1),
        (Trouble(429, "busy"), 2),
        (Trouble(502, text="<html>"), 1),
        (Trouble(504, text="upstream timeout"), 1),
        (Trouble(seconds=1.0), 1),
        (Trouble(200, text="<html>Sign in</html>"), 1),
    ],
    ids=[
        "expired",
        "expired-event",
        "old-server",
        "cut-at-once",
        "cut-inside",
        "forbidden",
        "reset",
        "500",
        "429",
        "502",
        "504",
        "slow",
        "page",
    ],
)
def test_troubled_watch(
    proxy: Troubled, namespace: str, monkeypatch: pytest.MonkeyPatch, trouble: Trouble, times: int
) -> None:
    """A watch that is refused, cut or torn is had again, or done without."""
    monkeypatch.setattr("kubeoci.cluster.streams._POLL_SECONDS", 0.2)
    proxy.trouble("GET /apis/apps", trouble, times, inside="watch=1")
    assert () == up(proxy.kubeconfig, namespace, workload("Deployment", namespace, replicas=1)).reasons
    assert len(proxy.ordered) < times


@pytest.mark.parametrize("trouble", [Trouble(410, "too old"), Trouble(200, text=EXPIRED), Trouble(503, text="down")])
def test_watch_in_lasting_trouble(
    proxy: Troubled, namespace: str, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    """Without news the deadline ends the wait, and what was known last is told."""
    monkeypatch.setattr("kubeoci.cluster.streams._POLL_SECONDS", 0.2)
    proxy.trouble("GET /apis/apps", trouble, 500, inside="watch=1")
    outcome = up(proxy.kubeconfig, namespace, workload("Deployment", namespace, replicas=1), timeout_seconds=2.0)
    assert outcome.reasons[0].startswith(f"Deployment/{namespace}/web: not ready in time: ")


def test_version_of_the_future(rig: Rig, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server answers it with silence: the stream is given up after a while, and begins anew."""
    monkeypatch.setattr("kubeoci.cluster.rest.IDLE_SECONDS", 1.0)
    rest = connect(Access(str(rig.kubeconfig)), stop=threading.Event())
    streams = Streams(rest, time.monotonic() + 60)
    place = Place(Kind("apps", "v1", "Deployment", "deployments", namespaced=True), namespace, frozenset({"web"}))
    assert "" == streams._watch(place, "999999999")  # noqa: SLF001 - one step alone
    assert [] == list(streams.take(0.0))
    rest.close()


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Trouble(409, "the object has been modified"), "the object has been modified"),
        (Trouble(500, "nil pointer"), "nil pointer"),
        (Trouble(403, "no"), "no"),
        (Trouble(seconds=20.0), "it took too long to answer"),
        (Trouble(429, "busy", retry_after="9999"), "busy"),
    ],
    ids=["409", "500", "403", "slow", "429"],
)
def test_lasting_trouble_is_told_in_time(
    proxy: Troubled, namespace: str, monkeypatch: pytest.MonkeyPatch, trouble: Trouble, words: str
) -> None:
    """What time does not mend is reported, and nothing outlasts the deadline and its grace."""
    monkeypatch.setattr("kubeoci.cluster.site.GRACE_SECONDS", 1.0)
    proxy.trouble("PATCH /apis/apps", trouble, 9)
    begun = time.monotonic()
    outcome = up(proxy.kubeconfig, namespace, workload("Deployment", namespace, replicas=1), timeout_seconds=2.0)
    assert words in outcome.reasons[0]
    assert time.monotonic() - begun < 60
