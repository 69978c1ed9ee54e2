# SPDX-License-Identifier: Apache-2.0
"""What a live object says about itself, row by row."""

import time
from typing import Any

import pytest

from kubeoci.cluster import health
from kubeoci.cluster.health import Context, Health, State

Body = dict[str, Any]
NOW = 1_767_225_620.0  # 20 s after CREATED
CREATED = "2026-01-01T00:00:00Z"
VERSIONS = {
    "Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "ReplicaSet": "apps/v1",
    "Job": "batch/v1", "CronJob": "batch/v1", "PodDisruptionBudget": "policy/v1", "Thing": "example.com/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1", "APIService": "apiregistration.k8s.io/v1",
}  # fmt: skip


def body(kind: str, spec: Body | None = None, status: Body | None = None, **meta: object) -> Body:
    """A live object."""
    metadata = {"name": "a", "creationTimestamp": CREATED, **meta}
    return {"apiVersion": VERSIONS.get(kind, "v1"), "kind": kind, "metadata": metadata, "spec": spec, "status": status}


def is_(kind: str, holds: str = "True", reason: str = "", message: str = "") -> Body:
    """A status with one condition."""
    condition = {"type": kind, "status": holds, "reason": reason, "message": message}
    return {"conditions": [{name: value for name, value in condition.items() if value}]}


def deployment(spec: Body | None = None, **counts: int) -> Body:
    """A Deployment of three replicas that is as it should be, but for some counts."""
    status = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3, **counts}
    return body("Deployment", {"replicas": 3, **(spec or {})}, status | is_("Available"))


def stateful_set(spec: Body | None = None, **status: object) -> Body:
    """A StatefulSet of two replicas that is as it should be, but for some fields."""
    counts = {"replicas": 2, "readyReplicas": 2, "currentReplicas": 2, "updatedReplicas": 2}
    return body("StatefulSet", {"replicas": 2, **(spec or {})}, {**counts, **status})


def daemon_set(**counts: int) -> Body:
    """A DaemonSet on two nodes that is as it should be, but for some counts."""
    names = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberReady",
    )
    return body("DaemonSet", {}, {**dict.fromkeys(names, 2), "observedGeneration": 1, **counts}, generation=1)


def replica_set(**counts: int) -> Body:
    """A ReplicaSet of two replicas that is as it should be, but for some counts."""
    names = ("replicas", "fullyLabeledReplicas", "availableReplicas", "readyReplicas")
    return body("ReplicaSet", {"replicas": 2}, {**dict.fromkeys(names, 2), **counts})


def pod(phase: str, **status: object) -> Body:
    """A Pod in a phase."""
    return body("Pod", {}, {"phase": phase, **status})


def waiting(reason: str) -> list[Body]:
    """Container statuses of one container that waits."""
    return [{"name": "web", "state": {"waiting": {"reason": reason}}}]


PARTITION = {"updateStrategy": {"rollingUpdate": {"partition": 1}}}
ROLLED_OUT = is_("Progressing", reason="NewReplicaSetAvailable")["conditions"] + is_("Available")["conditions"]
CLAIM = {"storageClassName": "late"}

CURRENT: list[Body] = [
    *[body(kind) for kind in ("Secret", "ConfigMap", "CronJob", "PodDisruptionBudget", "Namespace", "Service")],
    body("Service", {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}),
    body("PersistentVolumeClaim", {}, {"phase": "Bound"}),
    *[pod("Succeeded"), pod("Running", **is_("Ready"))],
    *[deployment(), deployment({"progressDeadlineSeconds": 2**31 - 1})],
    deployment({"progressDeadlineSeconds": 600}) | {"status": deployment()["status"] | {"conditions": ROLLED_OUT}},
    *[stateful_set(), stateful_set(PARTITION, updatedReplicas=1, currentRevision="a", updateRevision="b")],
    stateful_set({"updateStrategy": {"type": "OnDelete"}}, readyReplicas=0),
    *[daemon_set(), daemon_set(desiredNumberScheduled=0), replica_set()],
    *[body("Job", {"suspend": True}), body("Job", {}, is_("Complete"))],
    *[body("CustomResourceDefinition", {}, is_("Established")), body("APIService", {}, is_("Available"))],
    *[body("Thing"), body("Thing", {}, is_("Ready")), body("Thing", {}, {"conditions": None})],
    body("Thing", {}, {"observedGeneration": 2}, generation=2),
]  # fmt: skip

WAITING: list[tuple[Body, str, str]] = [
    (
        body("Thing", {}, {"observedGeneration": 1}, generation=2),
        "LatestGenerationNotObserved",
        "generation 2 is not seen",
    ),
    (body("Secret", {}, is_("Reconciling", reason="Busy", message="working")), "Busy", "working"),
    (body("Thing", {}, is_("Ready", "False", "Broken", "no money")), "Broken", "no money"),
    (body("Thing", {}, is_("Ready", "Unknown")), "Ready", "Ready=Unknown"),
    (body("Service", {"type": "LoadBalancer"}), "NoIPAssigned", "no cluster IP"),
    (body("PersistentVolumeClaim", CLAIM, {"phase": "Pending"}), "NotBound", "its phase is Pending"),
    (pod("Pending"), "PodPending", "have not started"),
    (pod(""), "PodNotObserved", "no kubelet"),
    (pod("Running", containerStatuses=waiting("ContainerCreating")), "PodRunningNotReady", "not ready"),
    (deployment(replicas=1), "LessReplicas", "1 of 3 replicas created"),
    (deployment(updatedReplicas=1), "LessUpdated", "1 of 3 replicas updated"),
    (deployment(replicas=5), "ExtraPods", "2 old replicas still run"),
    (deployment(availableReplicas=0), "LessAvailable", "0 of 3 updated replicas available"),
    (deployment(readyReplicas=2), "LessReady", "2 of 3 replicas ready"),
    (deployment({"progressDeadlineSeconds": 600}), "ReplicaSetNotAvailable", "new ReplicaSet"),
    (
        deployment() | {"status": {**deployment()["status"], "conditions": []}},
        "DeploymentNotAvailable",
        "not available",
    ),
    (body("Deployment"), "LessReplicas", "0 of 1 replicas created"),
    (stateful_set(replicas=1), "LessReplicas", "1 of 2 replicas created"),
    (stateful_set(readyReplicas=1), "LessReady", "1 of 2 replicas ready"),
    (stateful_set(replicas=3), "ExtraPods", "1 old replicas still run"),
    (stateful_set(PARTITION, updatedReplicas=0), "PartitionRollout", "0 of 1 replicas updated"),
    (stateful_set(currentReplicas=1), "LessCurrent", "1 of 2 replicas current"),
    (stateful_set(currentRevision="a", updateRevision="b"), "RevisionMismatch", "revision b"),
    (body("DaemonSet", {}, {}), "NoGeneration", "no generation"),
    (body("DaemonSet", {}, {}, generation=1), "NoObservedGeneration", "no controller"),
    (body("DaemonSet", {}, {"observedGeneration": 1}, generation=1), "NoDesiredNumber", "not known"),
    (daemon_set(currentNumberScheduled=1), "LessCurrent", "1 of 2 Pods scheduled"),
    (daemon_set(updatedNumberScheduled=1), "LessUpdated", "1 of 2 Pods updated"),
    (daemon_set(numberAvailable=1), "LessAvailable", "1 of 2 Pods available"),
    (daemon_set(numberReady=1), "LessReady", "1 of 2 Pods ready"),
    (body("ReplicaSet", {}, is_("ReplicaFailure", message="quota")), "ReplicaFailure", "quota"),
    (replica_set(fullyLabeledReplicas=1), "LessLabelled", "1 of 2 replicas labelled"),
    (replica_set(availableReplicas=1), "LessAvailable", "1 of 2 replicas available"),
    (replica_set(readyReplicas=1), "LessReady", "1 of 2 replicas ready"),
    (replica_set(replicas=3), "ExtraPods", "1 old replicas still run"),
    (body("Job"), "JobNotStarted", "not started"),
    (
        body("Job", {"completions": 3}, {"startTime": CREATED, "active": 1, "succeeded": 1}),
        "JobInProgress",
        "1 of 3 Pods completed, 1 running",
    ),
    (body("CustomResourceDefinition", {}, is_("Established", "False", "Installing")), "Installing", "not established"),
    (body("APIService"), "NotAvailable", "Available=Unknown"),
    (
        body("APIService", {}, is_("Available", "False", "MissingEndpoints", "none")),
        "NotAvailable",
        "Available=False: MissingEndpoints: none",
    ),
]  # fmt: skip

FAILED: list[tuple[Body, str, str]] = [
    (body("Thing", {}, is_("Stalled", reason="Stuck", message="gave up")), "Stuck", "gave up"),
    (pod("Failed", reason="Evicted"), "PodFailed", "Evicted"),
    (pod("Failed"), "PodFailed", "ended with an error"),
    (pod("Running", containerStatuses=waiting("CrashLoopBackOff")), "ContainerCrashLooping", "container web crashes"),
    (
        pod("Running", initContainerStatuses=waiting("CrashLoopBackOff")),
        "ContainerCrashLooping",
        "container web crashes",
    ),
    (pod("Pending", **is_("PodScheduled", "False", "Unschedulable", "no room")), "PodUnschedulable", "no room"),
    (
        body("Deployment", {}, is_("Progressing", "False", "ProgressDeadlineExceeded")),
        "ProgressDeadlineExceeded",
        "0 of 1",
    ),
    (body("Job", {}, is_("Failed", message="too often")), "JobFailed", "too often"),
    (body("CustomResourceDefinition", {}, is_("NamesAccepted", "False", "Taken")), "Taken", "NamesAccepted=False"),
    (body("CustomResourceDefinition", {}, is_("Established", "False", "Broken")), "Broken", "Established=False"),
]  # fmt: skip


@pytest.mark.parametrize("live", CURRENT)
def test_current(live: Body) -> None:
    """Nothing to wait for."""
    assert health.status(live, now=NOW).is_current


@pytest.mark.parametrize(("live", "reason", "words"), WAITING)
def test_waiting(live: Body, reason: str, words: str) -> None:
    """Still on its way, and what is missing."""
    found = health.status(live, now=NOW)
    assert (State.IN_PROGRESS, reason, True) == (found.state, found.reason, words in found.message)


@pytest.mark.parametrize(("live", "reason", "words"), FAILED)
def test_failed(live: Body, reason: str, words: str) -> None:
    """It will not get better by waiting."""
    found = health.status(live, now=NOW)
    assert (State.FAILED, reason, True) == (found.state, found.reason, words in found.message)


@pytest.mark.parametrize(
    ("live", "state"),
    [
        (None, State.NOT_FOUND),
        (pod("Running", deletionTimestamp="") | {"metadata": {"deletionTimestamp": CREATED}}, State.TERMINATING),
        (pod("Odd"), State.UNKNOWN),
    ],
)
def test_other_states(live: Body | None, state: State) -> None:
    """Gone, going, or beyond us."""
    assert state == health.status(live, now=NOW).state


def test_scheduling_takes_a_moment() -> None:
    """A Pod that finds no node is given fifteen seconds from its creation."""
    live = pod("Pending", **is_("PodScheduled", "False", "Unschedulable"))
    assert "PodNotScheduled" == health.status(live, now=NOW - 6).reason
    live["metadata"]["creationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert "PodNotScheduled" == health.status(live).reason


def test_age_unknown() -> None:
    """A Pod that does not say when it was made is old."""
    live = pod("Pending", **is_("PodScheduled", "False", "Unschedulable"))
    del live["metadata"]["creationTimestamp"]
    assert "PodUnschedulable" == health.status(live, now=NOW).reason


def test_late_binding() -> None:
    """A claim of a class that waits for its first consumer is not waited for, once a node is chosen it is."""
    live, late = body("PersistentVolumeClaim", CLAIM, {"phase": "Pending"}), Context(late_classes=frozenset({"late"}))
    found = health.status(live, late)
    assert (State.CURRENT, "WaitForFirstConsumer") == (found.state, found.reason)
    live["metadata"]["annotations"] = {"volume.kubernetes.io/selected-node": "n"}
    assert "NotBound" == health.status(live, late).reason


def test_old_groups() -> None:
    """A Deployment of the group `extensions` is a Deployment."""
    assert "LessReplicas" == health.status(body("Deployment") | {"apiVersion": "extensions/v1beta1"}, now=NOW).reason
