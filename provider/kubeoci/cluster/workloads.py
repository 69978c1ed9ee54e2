# SPDX-License-Identifier: Apache-2.0
"""The rules of kstatus for kinds that make Pods: how far a rollout is, in numbers that a person understands."""

from kubeoci.cluster.states import (
    CURRENT,
    Body,
    Health,
    State,
    condition,
    conditions,
    counts,
    first,
    is_int,
    number,
    progress,
)
from kubeoci.normalise import at

_NO_DEADLINE = 2**31 - 1
"""`progressDeadlineSeconds` of a Deployment that has none."""


def deployment(body: Body) -> Health:
    """Rolled out when every replica is of the newest template and available; failed beyond its own deadline."""
    want = number(body, "spec", "replicas", default=1)
    total, updated, available, ready = counts(body, "replicas", "updatedReplicas", "availableReplicas", "readyReplicas")
    progressing, available_now = condition(body, "Progressing"), condition(body, "Available")
    no_deadline = number(body, "spec", "progressDeadlineSeconds", default=_NO_DEADLINE) == _NO_DEADLINE
    is_new = (progressing.get("status"), progressing.get("reason")) == ("True", "NewReplicaSetAvailable")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Health(State.FAILED, "ProgressDeadlineExceeded", _deadline(updated, available, want, progressing))
    return first(
        (want > total, "LessReplicas", f"{total} of {want} replicas created"),
        (want > updated, "LessUpdated", f"{updated} of {want} replicas updated"),
        (total > want, "ExtraPods", f"{total - want} old replicas still run"),
        (updated > available, "LessAvailable", f"{available} of {updated} updated replicas available"),
        (want > ready, "LessReady", f"{ready} of {want} replicas ready"),
        (not (no_deadline or is_new), "ReplicaSetNotAvailable", "the new ReplicaSet is not available"),
        (available_now.get("status") != "True", "DeploymentNotAvailable", "it is not available"),
    )


def _deadline(updated: int, available: int, want: int, progressing: Body) -> str:
    told = progressing.get("message") or "the progress deadline is exceeded"
    return f"{updated} of {want} replicas updated, {available} available: {told}"


def stateful_set(body: Body) -> Health:
    """Rolled out when all replicas are ready and of the newest revision, those of a partition when it is."""
    strategy = at(body, "spec", "updateStrategy", "type")
    want = number(body, "spec", "replicas", default=1)
    total, updated, current, ready = counts(body, "replicas", "updatedReplicas", "currentReplicas", "readyReplicas")
    partition = number(body, "spec", "updateStrategy", "rollingUpdate", "partition", default=-1)
    revision = at(body, "status", "currentRevision"), at(body, "status", "updateRevision")
    if strategy == "OnDelete":
        return CURRENT
    found = first(
        (want > total, "LessReplicas", f"{total} of {want} replicas created"),
        (want > ready, "LessReady", f"{ready} of {want} replicas ready"),
        (total > want, "ExtraPods", f"{total - want} old replicas still run"),
    )
    if not found.is_current:
        return found
    if partition != -1:
        wanted = want - partition
        return first((updated < wanted, "PartitionRollout", f"{updated} of {wanted} replicas updated"))
    return first(
        (want > current, "LessCurrent", f"{current} of {want} replicas current"),
        (revision[0] != revision[1], "RevisionMismatch", f"revision {revision[1]} is not rolled out yet"),
    )


def daemon_set(body: Body) -> Health:
    """Rolled out when each node that should has a Pod that is ready."""
    scheduled, updated, available, ready = counts(
        body, "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"
    )
    want = number(body, "status", "desiredNumberScheduled", default=-1)
    return first(
        (not is_int(at(body, "metadata", "generation")), "NoGeneration", "it has no generation"),
        (
            not is_int(at(body, "status", "observedGeneration")),
            "NoObservedGeneration",
            "no controller has seen it yet",
        ),
        (want == -1, "NoDesiredNumber", "the number of nodes is not known yet"),
        (want > scheduled, "LessCurrent", f"{scheduled} of {want} Pods scheduled"),
        (want > updated, "LessUpdated", f"{updated} of {want} Pods updated"),
        (want > available, "LessAvailable", f"{available} of {want} Pods available"),
        (want > ready, "LessReady", f"{ready} of {want} Pods ready"),
    )


def replica_set(body: Body) -> Health:
    """As it should be when all its Pods are ready."""
    want = number(body, "spec", "replicas", default=1)
    total, labelled, available, ready = counts(
        body, "replicas", "fullyLabeledReplicas", "availableReplicas", "readyReplicas"
    )
    failure = condition(body, "ReplicaFailure")
    told = failure.get("message") or "its Pods cannot be created"
    return first(
        (failure.get("status") == "True", "ReplicaFailure", str(told)),
        (want > labelled, "LessLabelled", f"{labelled} of {want} replicas labelled"),
        (want > available, "LessAvailable", f"{available} of {want} replicas available"),
        (want > ready, "LessReady", f"{ready} of {want} replicas ready"),
        (total > want, "ExtraPods", f"{total - want} old replicas still run"),
    )


def job(body: Body) -> Health:
    """Done when complete, as Flux has it; kstatus is content with a Job that has started."""
    if at(body, "spec", "suspend") is True:
        return Health(State.CURRENT, "JobSuspended", "it is suspended")
    for item in conditions(body):
        if (item.get("type"), item.get("status")) == ("Complete", "True"):
            return CURRENT
        if (item.get("type"), item.get("status")) == ("Failed", "True"):
            return Health(State.FAILED, "JobFailed", str(item.get("message") or item.get("reason") or "failed"))
    if not at(body, "status", "startTime"):
        return progress("JobNotStarted", "it has not started yet")
    active, done, failed = counts(body, "active", "succeeded", "failed")
    want = number(body, "spec", "completions", default=1)
    return progress("JobInProgress", f"{done} of {want} Pods completed, {active} running, {failed} failed")
