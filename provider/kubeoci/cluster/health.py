# SPDX-License-Identifier: Apache-2.0
"""Whether an object has become what it was meant to be: the rules of cli-utils' kstatus, written anew.

The first rule that holds decides: being deleted; a controller that has not seen the newest generation; the user's own
expressions for the kind; the conditions Reconciling and Stalled; the rule of the kind; the condition Ready; and else
the object is as it should be. Stricter than kstatus: a Job is done when it is complete, a Pod that failed has failed,
an APIService must be available, and a custom resource whose controller will say what it has seen is given time to.
"""

import calendar
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubeoci.cluster import workloads
from kubeoci.cluster.states import (
    CURRENT,
    Body,
    Health,
    State,
    condition,
    conditions,
    first,
    is_int,
    progress,
    told,
)
from kubeoci.normalise import at, maps

__all__ = ["Context", "Health", "State", "is_fresh", "is_silent", "status"]

UNSCHEDULABLE_SECONDS = 15.0
"""How long a Pod may wait for a node before that counts as a failure."""
FRESH_SECONDS = 10.0
"""How long a new custom resource is given until its controller says that it has seen it."""

GroupKind = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Context:
    """What has to be known beyond an object itself.

    `late_classes` names StorageClasses with WaitForFirstConsumer: their claims stay unbound until a Pod wants them, and
    nothing waits for that. `observing` are the custom kinds whose schema has `status.observedGeneration`. `since` is
    the Unix time at which waiting began. `judges` are the user's own rules by kind.
    """

    late_classes: frozenset[str] = frozenset()
    observing: frozenset[GroupKind] = frozenset()
    since: float = 0.0
    judges: Mapping[GroupKind, Callable[[Body], Health]] = field(default_factory=dict)


def status(body: Body | None, context: Context | None = None, *, now: float | None = None) -> Health:
    """The health of a live object, `None` for one that is not there. `now` is a Unix time."""
    if not body:
        return Health(State.NOT_FOUND, "NotFound", "it does not exist")
    context = context or Context()
    key = _key(body)
    early = _leaving_or_unseen(body)
    if early or key in context.judges:
        return early or context.judges[key](body)
    early = _general(body)
    if early:
        return early
    if key == ("", "Pod"):
        return _pod(body, time.time() if now is None else now)
    if key == ("", "PersistentVolumeClaim"):
        return _claim(body, context.late_classes)
    rule = _RULES.get(key)
    return rule(body) if rule else _custom(body, key in context.observing and is_fresh(body, context, now))


def is_silent(body: Body) -> bool:
    """Whether a custom resource says nothing of itself: it may be too new for that."""
    return not is_int(at(body, "status", "observedGeneration")) and not condition(body, "Ready")


def is_fresh(body: Body, context: Context, now: float | None = None) -> bool:
    """Whether an object was made less than `FRESH_SECONDS` ago, by its own word and by our clock since we wait."""
    moment = time.time() if now is None else now
    return max(moment - context.since, _age(body, moment)) < FRESH_SECONDS


def _key(body: Body) -> GroupKind:
    group = str(body.get("apiVersion", "")).rpartition("/")[0]
    kind = str(body.get("kind"))
    return ("apps" if group == "extensions" and kind in _ONCE_EXTENSIONS else group, kind)


def _leaving_or_unseen(body: Body) -> Health | None:
    meta = body.get("metadata") or {}
    if meta.get("deletionTimestamp"):
        return Health(State.TERMINATING, "Terminating", "it is being deleted")
    seen, generation = at(body, "status", "observedGeneration"), meta.get("generation")
    if is_int(seen) and is_int(generation) and seen != generation:
        message = f"generation {generation} is not seen by its controller yet, {seen} is"
        return progress("LatestGenerationNotObserved", message)
    return None


def _general(body: Body) -> Health | None:
    """The conditions of kstatus, which hold for objects of every kind."""
    for item in conditions(body):
        if (item.get("type"), item.get("status")) == ("Reconciling", "True"):
            return told(State.IN_PROGRESS, item)
        if (item.get("type"), item.get("status")) == ("Stalled", "True"):
            return told(State.FAILED, item)
    return None


def _custom(body: Body, is_awaited: bool) -> Health:
    """The condition Ready of a custom resource; one without it is as it should be, unless it is too new to tell."""
    ready = condition(body, "Ready")
    if ready.get("status") in ("False", "Unknown"):
        return told(State.IN_PROGRESS, ready)
    if is_awaited and is_silent(body):
        return progress("NotObserved", "its controller has not seen it yet")
    return CURRENT


def _service(body: Body) -> Health:
    if at(body, "spec", "type") == "LoadBalancer" and not at(body, "spec", "clusterIP"):
        return progress("NoIPAssigned", "it has no cluster IP yet")
    return CURRENT


def _claim(body: Body, late_classes: frozenset[str]) -> Health:
    phase = at(body, "status", "phase") or "not set"
    if phase == "Bound":
        return CURRENT
    chosen = "volume.kubernetes.io/selected-node" in (at(body, "metadata", "annotations") or {})
    if str(at(body, "spec", "storageClassName")) in late_classes and not chosen:
        return Health(State.CURRENT, "WaitForFirstConsumer", "it is bound when the first Pod wants it")
    return progress("NotBound", f"it is not bound, its phase is {phase}")


def _pod(body: Body, now: float) -> Health:
    phase = at(body, "status", "phase") or ""
    if phase == "Succeeded":
        return CURRENT
    if phase == "Failed":
        words = at(body, "status", "message") or at(body, "status", "reason") or "its containers ended with an error"
        return Health(State.FAILED, "PodFailed", str(words))
    if phase == "Running":
        return _running(body)
    if phase == "Pending":
        return _pending(body, now)
    if not phase:
        return progress("PodNotObserved", "no kubelet has seen it yet")
    return Health(State.UNKNOWN, "UnknownPhase", f"its phase is {phase}")


def _running(body: Body) -> Health:
    if condition(body, "Ready").get("status") == "True":
        return CURRENT
    crashing = [
        str(container.get("name"))
        for name in ("initContainerStatuses", "containerStatuses")
        for container in maps(at(body, "status", name))
        if at(container, "state", "waiting", "reason") == "CrashLoopBackOff"
    ]
    if crashing:
        return Health(State.FAILED, "ContainerCrashLooping", f"container {', '.join(crashing)} crashes again and again")
    return progress("PodRunningNotReady", "it runs, but is not ready")


def _pending(body: Body, now: float) -> Health:
    scheduled = condition(body, "PodScheduled")
    if (scheduled.get("status"), scheduled.get("reason")) != ("False", "Unschedulable"):
        return progress("PodPending", "its containers have not started yet")
    words = f"no node takes it: {scheduled.get('message') or 'no reason given'}"
    if _age(body, now) > UNSCHEDULABLE_SECONDS:
        return Health(State.FAILED, "PodUnschedulable", words)
    return progress("PodNotScheduled", words)


def _definition(body: Body) -> Health:
    for item in conditions(body):
        kind, holds, reason = item.get("type"), item.get("status"), item.get("reason")
        if (kind, holds) == ("NamesAccepted", "False"):
            return told(State.FAILED, item)
        if (kind, holds) == ("Established", "False") and reason != "Installing":
            return told(State.FAILED, item)
        if (kind, holds) == ("Established", "True"):
            return CURRENT
    return progress("Installing", "it is not established yet")


def _api_service(body: Body) -> Health:
    available = condition(body, "Available")
    words = ": ".join(str(part) for part in (available.get("reason"), available.get("message")) if part)
    message = f"Available={available.get('status', 'Unknown')}" + (f": {words}" if words else "")
    return first((available.get("status") != "True", "NotAvailable", message))


def _settled(_body: Body) -> Health:
    return CURRENT


_ONCE_EXTENSIONS = {"DaemonSet", "Deployment", "ReplicaSet"}
_RULES: dict[GroupKind, Callable[[Body], Health]] = {
    ("", "Secret"): _settled,
    ("", "ConfigMap"): _settled,
    ("batch", "CronJob"): _settled,
    ("policy", "PodDisruptionBudget"): _settled,
    ("", "Service"): _service,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("batch", "Job"): workloads.job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
    ("apiregistration.k8s.io", "APIService"): _api_service,
}


def _age(body: Body, now: float) -> float:
    """Seconds since creation; endless when the object does not say."""
    try:
        made: Any = time.strptime(str(at(body, "metadata", "creationTimestamp")), "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return float("inf")
    return now - calendar.timegm(made)
