# SPDX-License-Identifier: Apache-2.0
"""What is told of objects that did not become ready: few lines, few requests, nothing secret."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kubeoci.cluster import symptoms
from kubeoci.cluster.mapper import Mapper
from kubeoci.cluster.mask import Masks
from kubeoci.cluster.site import Settings, Site
from kubeoci.cluster.states import Health, State
from kubeoci.cluster.wait import Unready
from kubeoci.errors import Stopped
from kubeoci.identity import ObjectId
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import NAMESPACE, SECRET, WEB, access, load, target

Body = dict[str, Any]
WEB_ID = ObjectId("apps", "Deployment", "shop", "web")
PODS, EVENTS = "GET /api/v1/namespaces/shop/pods", "GET /api/v1/namespaces/shop/events"
LATE = Health(State.IN_PROGRESS, "LessReady", "1 of 3 replicas ready")
ENDED = {"exitCode": 137, "reason": "OOMKilled"}
CRASHING = {
    "name": "web", "restartCount": 4, "ready": False, "lastState": {"terminated": ENDED},
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
}  # fmt: skip

HOMELESS = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster with the namespace `shop`."""
    with ClusterSimulator() as simulator:
        simulator.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield simulator


def site(cluster: ClusterSimulator, stop: threading.Event | None = None) -> Site:
    """An operation on the cluster."""
    rest, stop = access(cluster, stop), stop or threading.Event()
    return Site(rest, Mapper(rest), Settings("default", "app"), stop, lambda _text: None, Masks())


def web(**status: Any) -> Body:  # noqa: ANN401 - any JSON
    """The live Deployment."""
    spec = {"selector": {"matchLabels": {"app": "web"}}}
    return {"metadata": {"name": "web", "namespace": "shop", "uid": "u-web"}, "spec": spec, "status": status}


def put_pod(cluster: ClusterSimulator, name: str, **status: object) -> Body:
    """A Pod of the Deployment."""
    metadata = {"name": name, "namespace": "shop", "labels": {"app": "web"}}
    return cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})


def put_event(cluster: ClusterSimulator, uid: str, reason: str, seen: str, **more: Any) -> None:  # noqa: ANN401 - any JSON
    """A Warning about an object."""
    about = {"kind": "Pod", "namespace": "shop", "name": "web-1", "uid": uid}
    event = {
        "type": "Warning",
        "reason": reason,
        "message": f"it {reason}",
        "lastTimestamp": seen,
        "involvedObject": about,
    }
    metadata = {"name": f"{reason}{seen}", "namespace": "shop"}
    cluster.put({"apiVersion": "v1", "kind": "Event", "metadata": metadata, **event, **more})


def told(cluster: ClusterSimulator, body: Body, ident: ObjectId = WEB_ID, found: Health = LATE) -> list[str]:
    """The lines about one object."""
    return symptoms.tell(site(cluster), {ident: Unready(found, body)})[ident].split("\n  ")


def test_own_message_comes_first(cluster: ClusterSimulator) -> None:
    """With nothing behind it, that is all; two questions were asked."""
    assert ["not ready in time: 1 of 3 replicas ready"] == told(cluster, web())
    assert [PODS, EVENTS] == cluster.requests


def test_failure_is_not_called_late(cluster: ClusterSimulator) -> None:
    """What failed did not run out of time."""
    assert ["too often"] == told(cluster, web(), found=Health(State.FAILED, "JobFailed", "too often"))


def test_unseen_object_is_not_asked_about(cluster: ClusterSimulator) -> None:
    """There is nothing behind an object that does not exist."""
    assert ["it does not exist"] == told(cluster, {}, found=Health(State.NOT_FOUND, "NotFound", "it does not exist"))
    assert [] == cluster.requests


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (
            {"containerStatuses": [CRASHING]},
            "container web: CrashLoopBackOff: back-off 40s, ended with exit code 137 (OOMKilled), 4 restarts",
        ),
        ({"initContainerStatuses": [CRASHING | {"name": "init"}]}, "container init: CrashLoopBackOff: back-off 40s"),
        (
            {"containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
            "container web: ImagePullBackOff",
        ),
        (
            {"containerStatuses": [{"name": "web", "ready": False, "state": {"running": {}}}]},
            "container web: runs, but is not ready",
        ),
        (
            {"containerStatuses": [{"name": "web", "state": {"terminated": {"exitCode": 1, "message": "no db"}}}]},
            "container web: ended with exit code 1 (no db)",
        ),
        (
            {"conditions": [HOMELESS]},
            "Unschedulable: no room",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}, "Evicted: low on disk"),
        ({"phase": "Pending", "containerStatuses": None, "conditions": None}, "Pending"),
        ({}, "nobody has seen it yet"),
        (
            {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]},
            "Pending",
        ),
    ],
)  # fmt: skip
def test_state_of_a_pod(cluster: ClusterSimulator, status: Body, line: str) -> None:
    """Why each container is not well, else what the Pod says of itself."""
    put_pod(cluster, "web-1", **status)
    assert told(cluster, web())[1].startswith(f"Pod/shop/web-1: {line}")


@pytest.mark.parametrize("status", [{"phase": "Succeeded"}, {"conditions": [{"type": "Ready", "status": "True"}]}])
def test_healthy_pods_are_not_mentioned(cluster: ClusterSimulator, status: Body) -> None:
    """Only what keeps the object from being ready."""
    put_pod(cluster, "web-1", **status)
    assert 1 == len(told(cluster, web()))


def test_many_pods_are_counted(cluster: ClusterSimulator) -> None:
    """Two of them are shown."""
    for number in range(5):
        put_pod(cluster, f"web-{number}", containerStatuses=[CRASHING])
    lines = told(cluster, web())
    assert ("and 3 more of its 5 Pods are not ready", 4) == (lines[-1], len(lines))


def test_last_warnings_are_told(cluster: ClusterSimulator) -> None:
    """Three of them, about the object and its first sick Pod, the newest last."""
    pod = put_pod(cluster, "web-1", phase="Pending")
    put_event(cluster, "u-web", "FailedA", "2026-01-01T00:00:04Z")
    put_event(cluster, pod["metadata"]["uid"], "FailedB", "2026-01-01T00:00:03Z", count=7)
    put_event(cluster, pod["metadata"]["uid"], "FailedC", "", lastTimestamp=None, eventTime="2026-01-01T00:00:05Z")
    put_event(cluster, pod["metadata"]["uid"], "FailedOld", "2026-01-01T00:00:01Z")
    put_event(cluster, "other", "FailedD", "2026-01-01T00:00:09Z")
    assert [
        "Warning FailedB of Pod/shop/web-1: it FailedB (x7)",
        "Warning FailedA of Pod/shop/web-1: it FailedA",
        "Warning FailedC of Pod/shop/web-1: it FailedC",
    ] == told(cluster, web())[2:]
    assert [PODS, EVENTS, EVENTS] == cluster.requests


def test_a_quota_is_told(cluster: ClusterSimulator) -> None:
    """The Deployment itself says why its Pods cannot be made."""
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    assert "FailedCreate: exceeded quota" == told(cluster, web(conditions=[condition]))[1]


def test_a_pod_of_the_artifact_speaks_for_itself(cluster: ClusterSimulator) -> None:
    """One question, for its events."""
    body = put_pod(cluster, "alone", containerStatuses=[CRASHING])
    lines = told(cluster, body, ObjectId("", "Pod", "shop", "alone"))
    assert lines[1].startswith("Pod/shop/alone: container web: CrashLoopBackOff")
    assert [EVENTS] == cluster.requests


def test_events_of_the_whole_cluster_are_in_default(cluster: ClusterSimulator) -> None:
    """Objects without a namespace have their events there; they have no Pods."""
    body = {"metadata": {"name": "a", "uid": "u"}}
    told(cluster, body, ObjectId("apiregistration.k8s.io", "APIService", "", "a"))
    assert ["GET /api/v1/namespaces/default/events"] == cluster.requests


def test_few_objects_are_looked_into(cluster: ClusterSimulator) -> None:
    """Of the sixth and later ones only the own message is told."""
    many = {ObjectId("apps", "Deployment", "shop", f"web-{n}"): Unready(LATE, web()) for n in range(8)}
    assert 8 == len(symptoms.tell(site(cluster), many))
    assert [PODS, EVENTS] * 5 == cluster.requests


def test_long_messages_are_cut(cluster: ClusterSimulator) -> None:
    """A line stays a line."""
    put_pod(cluster, "web-1", phase="Failed", message="x\n" * 9999)
    lines = told(cluster, web())
    assert (2, " …") == (len(lines), lines[1][-2:])
    assert 230 < len(lines[1]) <= 242


def test_who_may_not_read_is_told(cluster: ClusterSimulator) -> None:
    """The failure itself is told all the same."""
    cluster.fail("GET ", Fault(status=403, body=b"pods is forbidden"))
    lines = told(cluster, web())
    assert ["not ready in time: 1 of 3 replicas ready", "more cannot be read: pods is forbidden"] == lines


def test_who_may_read_pods_but_no_events(cluster: ClusterSimulator) -> None:
    """What could be read stays."""
    put_pod(cluster, "web-1", phase="Pending")
    cluster.fail(EVENTS, Fault(status=403, body=b"events is forbidden"))
    assert ["Pod/shop/web-1: Pending", "more cannot be read: events is forbidden"] == told(cluster, web())[1:]


def test_a_slow_server_is_not_waited_for(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """All questions together have a few seconds; the deadline of the operation is not touched."""
    monkeypatch.setattr(symptoms, "SECONDS", 0.0)
    here = site(cluster)
    here.rest.deadline = deadline = time.monotonic() + 60
    assert {WEB_ID: "not ready in time: 1 of 3 replicas ready"} == symptoms.tell(here, {WEB_ID: Unready(LATE, web())})
    assert ([], deadline) == (cluster.requests, here.rest.deadline)


def test_a_stop_is_obeyed(cluster: ClusterSimulator) -> None:
    """Nothing is asked after Ctrl-C."""
    stop = threading.Event()
    here = site(cluster, stop)
    stop.set()
    with pytest.raises(Stopped):
        symptoms.tell(here, {WEB_ID: Unready(LATE, web())})


def test_secrets_stay_secret(cluster: ClusterSimulator) -> None:
    """A value of a Secret in a Pod's message is masked in what the user reads."""
    cluster.unready.add("web")
    put_pod(cluster, "web-1", phase="Failed", message="login with correct-horse failed")
    outcome = target(cluster, timeout_seconds=0.3).apply(load(NAMESPACE, SECRET, WEB), (), revision="r1")
    assert "Pod/shop/web-1: login with *** failed" in outcome.reasons[0]
    assert "correct-horse" not in repr(outcome)


@pytest.mark.parametrize("before", [0, 200, 230])
def test_secrets_are_masked_before_anything_is_cut(cluster: ClusterSimulator, before: int) -> None:
    """A value of many lines, wherever the cut would be."""
    value = "first half\nsecond half"
    here = site(cluster)
    here.masks = Masks([{"apiVersion": "v1", "kind": "Secret", "stringData": {"key": value}}])
    message = "x" * before + f" {value} " + "y " * 2000
    body = put_pod(cluster, "alone", phase="Failed", message=message)
    health = Health(State.FAILED, "PodFailed", message)
    (words,) = symptoms.tell(here, {ObjectId("", "Pod", "shop", "alone"): Unready(health, body)}).values()
    assert "half" not in words
    assert "***" in words
