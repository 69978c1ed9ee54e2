# SPDX-License-Identifier: Apache-2.0
"""Whether an object has become what it was meant to be: the rules of cli-utils' kstatus, written anew.

The first rule that holds decides: being deleted; a controller that has not seen the newest generation; the conditions
Reconciling and Stalled; the rule of the kind; the condition Ready; and else the object is as it should be. Stricter
than kstatus: a Job is done when it is complete, a Pod that failed has failed, an APIService must be available.
"""

import calendar
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kubeoci.normalise import at, maps

UNSCHEDULABLE_SECONDS = 15.0
"""How long a Pod may wait for a node before that counts as a failure."""

_NO_DEADLINE = 2**31 - 1
"""`progressDeadlineSeconds` of a Deployment that has none."""


class State(StrEnum):
    """Where an object is on its way."""

    IN_PROGRESS = "InProgress"
    CURRENT = "Current"
    FAILED = "Failed"
    TERMINATING = "Terminating"
    NOT_FOUND = "NotFound"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Health:
    """`reason` is one word for programs, `message` a few for people; both are empty for most Current objects."""

    state: State
    reason: str = ""
    message: str = ""

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.state is State.CURRENT


_CURRENT = Health(State.CURRENT)


def status(
    body: Mapping[str, Any] | None, now: float | None = None, *, late_classes: frozenset[str] = frozenset()
) -> Health:
    """The health of a live object, `None` for one that is not there.

    `now` is a Unix time. `late_classes` names StorageClasses with WaitForFirstConsumer: their claims stay unbound
    until a Pod wants them, and nothing waits for that.
    """
    if not body:
        return Health(State.NOT_FOUND, "NotFound", "it does not exist")
    early = _general(body)
    if early:
        return early
    group = str(body.get("apiVersion", "")).rpartition("/")[0]
    key = ("apps" if group == "extensions" else group, str(body.get("kind")))
    if key == ("", "Pod"):
        return _pod(body, time.time() if now is None else now)
    if key == ("", "PersistentVolumeClaim"):
        return _claim(body, late_classes)
    rule = _RULES.get(key)
    return rule(body) if rule else _ready(body)


def _progress(reason: str, message: str) -> Health:
    return Health(State.IN_PROGRESS, reason, message)


def _general(body: Mapping[str, Any]) -> Health | None:
    """What holds for objects of every kind, before the rule of the kind."""
    meta = body.get("metadata") or {}
    if meta.get("deletionTimestamp"):
        return Health(State.TERMINATING, "Terminating", "it is being deleted")
    seen, generation = at(body, "status", "observedGeneration"), meta.get("generation")
    if _is_int(seen) and _is_int(generation) and seen != generation:
        message = f"generation {generation} is not seen by its controller yet, {seen} is"
        return _progress("LatestGenerationNotObserved", message)
    for condition in _conditions(body):
        if (condition.get("type"), condition.get("status")) == ("Reconciling", "True"):
            return _told(State.IN_PROGRESS, condition)
        if (condition.get("type"), condition.get("status")) == ("Stalled", "True"):
            return _told(State.FAILED, condition)
    return None


def _ready(body: Mapping[str, Any]) -> Health:
    """The condition Ready of a custom resource; one without it is as it should be."""
    condition = _condition(body, "Ready")
    if condition.get("status") in ("False", "Unknown"):
        return _told(State.IN_PROGRESS, condition)
    return _CURRENT


def _service(body: Mapping[str, Any]) -> Health:
    if at(body, "spec", "type") == "LoadBalancer" and not at(body, "spec", "clusterIP"):
        return _progress("NoIPAssigned", "it has no cluster IP yet")
    return _CURRENT


def _claim(body: Mapping[str, Any], late_classes: frozenset[str]) -> Health:
    phase = at(body, "status", "phase") or "not set"
    if phase == "Bound":
        return _CURRENT
    chosen = "volume.kubernetes.io/selected-node" in (at(body, "metadata", "annotations") or {})
    if at(body, "spec", "storageClassName") in late_classes and not chosen:
        return Health(State.CURRENT, "WaitForFirstConsumer", "it is bound when the first Pod wants it")
    return _progress("NotBound", f"it is not bound, its phase is {phase}")


def _pod(body: Mapping[str, Any], now: float) -> Health:
    phase = at(body, "status", "phase") or ""
    if phase == "Succeeded":
        return _CURRENT
    if phase == "Failed":
        told = at(body, "status", "message") or at(body, "status", "reason") or "its containers ended with an error"
        return Health(State.FAILED, "PodFailed", str(told))
    if phase == "Running":
        return _running(body)
    if phase == "Pending":
        return _pending(body, now)
    if not phase:
        return _progress("PodNotObserved", "no kubelet has seen it yet")
    return Health(State.UNKNOWN, "UnknownPhase", f"its phase is {phase}")


def _running(body: Mapping[str, Any]) -> Health:
    if _condition(body, "Ready").get("status") == "True":
        return _CURRENT
    crashing = [
        str(container.get("name"))
        for field in ("initContainerStatuses", "containerStatuses")
        for container in maps(at(body, "status", field))
        if at(container, "state", "waiting", "reason") == "CrashLoopBackOff"
    ]
    if crashing:
        return Health(State.FAILED, "ContainerCrashLooping", f"container {', '.join(crashing)} crashes again and again")
    return _progress("PodRunningNotReady", "it runs, but is not ready")


def _pending(body: Mapping[str, Any], now: float) -> Health:
    condition = _condition(body, "PodScheduled")
    if (condition.get("status"), condition.get("reason")) != ("False", "Unschedulable"):
        return _progress("PodPending", "its containers have not started yet")
    told = f"no node takes it: {condition.get('message') or 'no reason given'}"
    if now - _created(body) > UNSCHEDULABLE_SECONDS:
        return Health(State.FAILED, "PodUnschedulable", told)
    return _progress("PodNotScheduled", told)


def _deployment(body: Mapping[str, Any]) -> Health:
    want = _number(body, "spec", "replicas", default=1)
    total, updated, available, ready = _counts(
        body, "replicas", "updatedReplicas", "availableReplicas", "readyReplicas"
    )
    progressing, available_now = _condition(body, "Progressing"), _condition(body, "Available")
    no_deadline = _number(body, "spec", "progressDeadlineSeconds", default=_NO_DEADLINE) == _NO_DEADLINE
    is_new = (progressing.get("status"), progressing.get("reason")) == ("True", "NewReplicaSetAvailable")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Health(State.FAILED, "ProgressDeadlineExceeded", _deadline(updated, available, want, progressing))
    return _first(
        (want > total, "LessReplicas", f"{total} of {want} replicas created"),
        (want > updated, "LessUpdated", f"{updated} of {want} replicas updated"),
        (total > want, "ExtraPods", f"{total - want} old replicas still run"),
        (updated > available, "LessAvailable", f"{available} of {updated} updated replicas available"),
        (want > ready, "LessReady", f"{ready} of {want} replicas ready"),
        (not (no_deadline or is_new), "ReplicaSetNotAvailable", "the new ReplicaSet is not available"),
        (available_now.get("status") != "True", "DeploymentNotAvailable", "it is not available"),
    )


def _deadline(updated: int, available: int, want: int, condition: Mapping[str, Any]) -> str:
    told = condition.get("message") or "the progress deadline is exceeded"
    return f"{updated} of {want} replicas updated, {available} available: {told}"


def _stateful_set(body: Mapping[str, Any]) -> Health:
    strategy = at(body, "spec", "updateStrategy", "type")
    want = _number(body, "spec", "replicas", default=1)
    total, updated, current, ready = _counts(body, "replicas", "updatedReplicas", "currentReplicas", "readyReplicas")
    partition = _number(body, "spec", "updateStrategy", "rollingUpdate", "partition", default=-1)
    revision = at(body, "status", "currentRevision"), at(body, "status", "updateRevision")
    if strategy == "OnDelete":
        return _CURRENT
    found = _first(
        (want > total, "LessReplicas", f"{total} of {want} replicas created"),
        (want > ready, "LessReady", f"{ready} of {want} replicas ready"),
        (total > want, "ExtraPods", f"{total - want} old replicas still run"),
    )
    if not found.is_current:
        return found
    if partition != -1:
        wanted = want - partition
        return _first((updated < wanted, "PartitionRollout", f"{updated} of {wanted} replicas updated"))
    return _first(
        (want > current, "LessCurrent", f"{current} of {want} replicas current"),
        (revision[0] != revision[1], "RevisionMismatch", f"revision {revision[1]} is not rolled out yet"),
    )


def _daemon_set(body: Mapping[str, Any]) -> Health:
    counts = _counts(body, "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
    scheduled, updated, available, ready = counts
    want = _number(body, "status", "desiredNumberScheduled", default=-1)
    return _first(
        (not _is_int(at(body, "metadata", "generation")), "NoGeneration", "it has no generation"),
        (
            not _is_int(at(body, "status", "observedGeneration")),
            "NoObservedGeneration",
            "no controller has seen it yet",
        ),
        (want == -1, "NoDesiredNumber", "the number of nodes is not known yet"),
        (want > scheduled, "LessCurrent", f"{scheduled} of {want} Pods scheduled"),
        (want > updated, "LessUpdated", f"{updated} of {want} Pods updated"),
        (want > available, "LessAvailable", f"{available} of {want} Pods available"),
        (want > ready, "LessReady", f"{ready} of {want} Pods ready"),
    )


def _replica_set(body: Mapping[str, Any]) -> Health:
    want = _number(body, "spec", "replicas", default=1)
    total, labelled, available, ready = _counts(
        body, "replicas", "fullyLabeledReplicas", "availableReplicas", "readyReplicas"
    )
    failure = _condition(body, "ReplicaFailure")
    told = failure.get("message") or "its Pods cannot be created"
    return _first(
        (failure.get("status") == "True", "ReplicaFailure", str(told)),
        (want > labelled, "LessLabelled", f"{labelled} of {want} replicas labelled"),
        (want > available, "LessAvailable", f"{available} of {want} replicas available"),
        (want > ready, "LessReady", f"{ready} of {want} replicas ready"),
        (total > want, "ExtraPods", f"{total - want} old replicas still run"),
    )


def _job(body: Mapping[str, Any]) -> Health:
    """Done when complete, as Flux has it; kstatus is content with a Job that has started."""
    if at(body, "spec", "suspend") is True:
        return Health(State.CURRENT, "JobSuspended", "it is suspended")
    for condition in _conditions(body):
        if (condition.get("type"), condition.get("status")) == ("Complete", "True"):
            return _CURRENT
        if (condition.get("type"), condition.get("status")) == ("Failed", "True"):
            return Health(
                State.FAILED, "JobFailed", str(condition.get("message") or condition.get("reason") or "failed")
            )
    if not at(body, "status", "startTime"):
        return _progress("JobNotStarted", "it has not started yet")
    active, done, failed = _counts(body, "active", "succeeded", "failed")
    want = _number(body, "spec", "completions", default=1)
    return _progress("JobInProgress", f"{done} of {want} Pods completed, {active} running, {failed} failed")


def _definition(body: Mapping[str, Any]) -> Health:
    for condition in _conditions(body):
        kind, holds, reason = condition.get("type"), condition.get("status"), condition.get("reason")
        if (kind, holds) == ("NamesAccepted", "False"):
            return _told(State.FAILED, condition)
        if (kind, holds) == ("Established", "False") and reason != "Installing":
            return _told(State.FAILED, condition)
        if (kind, holds) == ("Established", "True"):
            return _CURRENT
    return _progress("Installing", "it is not established yet")


def _api_service(body: Mapping[str, Any]) -> Health:
    condition = _condition(body, "Available")
    if condition.get("status") == "True":
        return _CURRENT
    told = ": ".join(str(part) for part in (condition.get("reason"), condition.get("message")) if part)
    return _progress("NotAvailable", f"Available={condition.get('status', 'Unknown')}" + (f": {told}" if told else ""))


def _settled(_body: Mapping[str, Any]) -> Health:
    return _CURRENT


_RULES: dict[tuple[str, str], Callable[[Mapping[str, Any]], Health]] = {
    ("", "Secret"): _settled,
    ("", "ConfigMap"): _settled,
    ("batch", "CronJob"): _settled,
    ("policy", "PodDisruptionBudget"): _settled,
    ("", "Service"): _service,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("batch", "Job"): _job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apiregistration.k8s.io", "APIService"): _api_service,
}


def _first(*rules: tuple[bool, str, str]) -> Health:
    """The first (holds, reason, message) that holds keeps an object from being current."""
    return next((_progress(reason, message) for holds, reason, message in rules if holds), _CURRENT)


def _told(state: State, condition: Mapping[str, Any]) -> Health:
    """What a condition says of itself."""
    message = str(condition.get("message") or f"{condition.get('type')}={condition.get('status')}")
    return Health(state, str(condition.get("reason") or condition.get("type")), message)


def _conditions(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return maps(at(body, "status", "conditions"))  # the list may be null


def _condition(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return next((condition for condition in _conditions(body) if condition.get("type") == kind), {})


def _counts(body: Mapping[str, Any], *names: str) -> tuple[int, ...]:
    return tuple(_number(body, "status", name, default=0) for name in names)


def _number(body: Mapping[str, Any], *path: str, default: int) -> int:
    value = at(body, *path)
    return value if _is_int(value) else default


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _created(body: Mapping[str, Any]) -> float:
    """Creation as Unix time; long ago when the object does not say."""
    try:
        return calendar.timegm(time.strptime(str(at(body, "metadata", "creationTimestamp")), "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return 0.0
