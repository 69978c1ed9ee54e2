# SPDX-License-Identifier: Apache-2.0
"""How far rollouts are, row by row of kstatus."""

import pytest

from kubeoci.cluster import health
from kubeoci.cluster.states import State
from simulator.live import CREATED, Body, body, is_

ALL = {"updateStrategy": {"rollingUpdate": {"partition": 0}}}
PARTITION = {"updateStrategy": {"rollingUpdate": {"partition": 1}}}
ROLLED_OUT = is_("Progressing", reason="NewReplicaSetAvailable")["conditions"] + is_("Available")["conditions"]


def deployment(spec: Body | None = None, **counts: object) -> Body:
    """A Deployment of three replicas that is as it should be, but for some counts."""
    status = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}
    return body("Deployment", {"replicas": 3, **(spec or {})}, status | is_("Available") | counts)


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


def replica_set(**counts: object) -> Body:
    """A ReplicaSet of two replicas that is as it should be, but for some counts."""
    names = ("replicas", "fullyLabeledReplicas", "availableReplicas", "readyReplicas")
    return body("ReplicaSet", {"replicas": 2}, {**dict.fromkeys(names, 2), **counts})


CURRENT = [
    *[deployment(), deployment({"progressDeadlineSeconds": 2**31 - 1})],
    deployment({"progressDeadlineSeconds": 600}) | {"status": deployment()["status"] | {"conditions": ROLLED_OUT}},
    deployment({"replicas": 0}, replicas=0, updatedReplicas=0, availableReplicas=0, readyReplicas=0),
    deployment({"replicas": "3"}, replicas=1, updatedReplicas=1, availableReplicas=1, readyReplicas=1),
    *[stateful_set(), stateful_set(PARTITION, updatedReplicas=1, currentRevision="a", updateRevision="b")],
    stateful_set({"updateStrategy": {"type": "OnDelete"}}, readyReplicas=0),
    stateful_set(PARTITION, updatedReplicas=2, currentReplicas=0),
    stateful_set(currentRevision="a", updateRevision="a"),
    stateful_set(ALL, currentReplicas=0, currentRevision="a", updateRevision="b"),
    stateful_set({"updateStrategy": {"rollingUpdate": {"partition": "1"}}}),
    deployment(conditions=ROLLED_OUT[1:]) | {"spec": {"replicas": 3, "progressDeadlineSeconds": "600"}},
    body("Job", {}, {"conditions": [*is_("Complete")["conditions"], *is_("Failed")["conditions"]]}),
    *[daemon_set(), daemon_set(desiredNumberScheduled=0), daemon_set(numberReady=3)],
    *[replica_set(), replica_set(conditions=is_("ReplicaFailure", "False")["conditions"])],
    *[body("Job", {"suspend": True}), body("Job", {}, is_("Complete"))],
    body("Job", {"suspend": True}, is_("Suspended")),
    body("Job", {}, {"conditions": [*is_("Failed", "False")["conditions"], *is_("Complete")["conditions"]]}),
]

WAITING = [
    (deployment(replicas=1), "LessReplicas", "1 of 3 replicas created"),
    (deployment(updatedReplicas=1), "LessUpdated", "1 of 3 replicas updated"),
    (deployment(replicas=5), "ExtraPods", "2 old replicas still run"),
    (deployment(availableReplicas=0), "LessAvailable", "0 of 3 updated replicas available"),
    (deployment(readyReplicas=2), "LessReady", "2 of 3 replicas ready"),
    (deployment({"progressDeadlineSeconds": 600}), "ReplicaSetNotAvailable", "new ReplicaSet"),
    (body("Deployment"), "LessReplicas", "0 of 1 replicas created"),
    (body("Deployment", {}, {"replicas": True}), "LessReplicas", "0 of 1 replicas created"),
    (stateful_set(replicas=1), "LessReplicas", "1 of 2 replicas created"),
    (stateful_set(readyReplicas=1), "LessReady", "1 of 2 replicas ready"),
    (stateful_set(replicas=3), "ExtraPods", "1 old replicas still run"),
    (stateful_set(PARTITION, updatedReplicas=0), "PartitionRollout", "0 of 1 replicas updated"),
    (stateful_set(ALL, updatedReplicas=1), "PartitionRollout", "1 of 2 replicas updated"),
    (deployment(replicas=1, updatedReplicas=0, readyReplicas=0), "LessReplicas", "1 of 3 replicas created"),
    (deployment(replicas=5, availableReplicas=0, readyReplicas=0), "ExtraPods", "2 old replicas still run"),
    (stateful_set(replicas=1, readyReplicas=0, currentReplicas=0), "LessReplicas", "1 of 2 replicas created"),
    (daemon_set(numberAvailable=0, numberReady=0), "LessAvailable", "0 of 2 Pods available"),
    (replica_set(replicas=3, readyReplicas=1), "LessReady", "1 of 2 replicas ready"),
    (body("Job", {"suspend": False}, {**is_("Suspended"), "startTime": CREATED}), "JobInProgress", "0 of 1"),
    (body("Job", {}, is_("Complete", "False")), "JobNotStarted", "not started"),
    (stateful_set(currentReplicas=1), "LessCurrent", "1 of 2 replicas current"),
    (stateful_set(currentRevision="a", updateRevision="b"), "RevisionMismatch", "revision b"),
    (body("StatefulSet"), "LessReplicas", "0 of 1 replicas created"),
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
    (body("Job", {}, {"startTime": CREATED}), "JobInProgress", "0 of 1 Pods completed, 0 running, 0 failed"),
    (body("Job", {"completions": 3}, {"startTime": CREATED, "active": 1, "succeeded": 1}), "JobInProgress", "1 of 3"),
]

FAILED = [
    (deployment() | {"status": is_("Progressing", "False", "ProgressDeadlineExceeded", "slow")},
     "ProgressDeadlineExceeded", "0 of 3 replicas updated, 0 available: slow"),
    (body("Deployment", {}, is_("Progressing", "False", "ProgressDeadlineExceeded")),
     "ProgressDeadlineExceeded", "the progress deadline is exceeded"),
    (body("Job", {}, is_("Failed", message="too often")), "JobFailed", "too often"),
    (body("Job", {}, is_("Failed", reason="BackoffLimitExceeded")), "JobFailed", "BackoffLimitExceeded"),
    (body("Job", {}, is_("Failed")), "JobFailed", "failed"),
    (body("Job", {}, {"conditions": [*is_("Failed")["conditions"], *is_("Complete")["conditions"]]}),
     "JobFailed", "failed"),
]  # fmt: skip


@pytest.mark.parametrize("live", CURRENT)
def test_current(live: Body) -> None:
    """Nothing to wait for."""
    assert health.status(live).is_current


@pytest.mark.parametrize(("live", "reason", "words"), WAITING)
def test_waiting(live: Body, reason: str, words: str) -> None:
    """Still on its way, and what is missing, in numbers."""
    found = health.status(live)
    assert (State.IN_PROGRESS, reason, True) == (found.state, found.reason, words in found.message)


@pytest.mark.parametrize(("live", "reason", "words"), FAILED)
def test_failed(live: Body, reason: str, words: str) -> None:
    """It will not get better by waiting."""
    found = health.status(live)
    assert (State.FAILED, reason, True) == (found.state, found.reason, words in found.message)


def test_unavailable_deployment() -> None:
    """All counts are right, but the Deployment does not say that it is available."""
    live = deployment()
    live["status"]["conditions"] = None
    assert "DeploymentNotAvailable" == health.status(live).reason


@pytest.mark.parametrize("kind", ["DaemonSet", "Deployment", "ReplicaSet"])
def test_old_groups(kind: str) -> None:
    """Kinds that were once in the group `extensions` have the same rules there."""
    assert not health.status(body(kind) | {"apiVersion": "extensions/v1beta1"}).is_current
