# SPDX-License-Identifier: Apache-2.0
"""Why an object did not become ready, as far as the cluster can say: its Pods' states and the last Warning events.

Asked only after a failure, for a few objects, within a few seconds, and told in a few short lines.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from kubeoci.cluster.answers import Refused, short
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.rest import Rest
from kubeoci.cluster.site import Body, Site
from kubeoci.cluster.states import State, condition, conditions
from kubeoci.cluster.wait import Unready
from kubeoci.errors import ClusterError, Stopped
from kubeoci.identity import ObjectId
from kubeoci.normalise import at, maps

OBJECTS = 5
"""So many objects are looked into; of the others only their own message is told."""
PODS = 2
EVENTS = 3
SECONDS = 5.0
"""Time for all questions of one failure together."""
_LONGEST = 240
_READ = 100  # Pods or events of one object
_PODS = Kind("", "v1", "Pod", "pods", namespaced=True)
_EVENTS = Kind("", "v1", "Event", "events", namespaced=True)
_WORKLOADS = {"Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "ReplicaSet.apps", "Job.batch"}


def tell(site: Site, unready: Mapping[ObjectId, Unready]) -> dict[ObjectId, str]:
    """For each object what its own status says, and for the first ones lines with what lies behind it; all masked.

    Sends only GET, at most three for an object. Raises Stopped on request.
    """
    rest = site.rest.fork()
    rest.deadline = min(site.rest.deadline, time.monotonic() + SECONDS)
    found: dict[ObjectId, str] = {}
    for number, (ident, item) in enumerate(unready.items()):
        words = short(site.masks.text(item.health.message or item.health.reason))
        late = item.health.state in {State.IN_PROGRESS, State.UNKNOWN}
        lines = _lines(rest, ident, item.body) if number < OBJECTS and item.body else []
        told = [short(site.masks.text(line), _LONGEST) for line in lines]  # masked first: a cut would hide a secret
        found[ident] = "\n  ".join([f"not ready in time: {words}" if late else words, *told])
    return found


def _lines(rest: Rest, ident: ObjectId, body: Body) -> list[str]:
    """What the cluster says, as far as it does; why it does not say more, unless it is only slow."""
    lines: list[str] = []
    try:
        lines.extend(_asked(rest, ident, body))  # what came before a failure stays
    except Stopped as error:
        if error.code == "stopped.cancelled":
            raise
    except Refused as error:
        lines.append(f"more cannot be read: {error.text}")
    except ClusterError as error:
        lines.append(f"more cannot be read: {error.what}")
    return lines


def _asked(rest: Rest, ident: ObjectId, body: Body) -> Iterator[str]:
    yield from _failures(body)
    pods = [body] if ident.group_kind == "Pod" else _pods(rest, ident, body)
    sick = [pod for pod in pods if not _is_well(pod)]
    for pod in sick[:PODS]:
        yield from _pod_lines(pod)
    if len(sick) > PODS:
        yield f"and {len(sick) - PODS} more of its {len(pods)} Pods are not ready"
    events = _events(rest, body)
    for pod in sick[:1] if ident.group_kind != "Pod" else []:
        events += _events(rest, pod)
    for event in sorted(events, key=_moment)[-EVENTS:]:
        yield _event_line(event)


def _failures(body: Body) -> Iterator[str]:
    """Conditions that say that something could not be made, a quota for example."""
    for item in conditions(body):
        if (item.get("type"), item.get("status")) == ("ReplicaFailure", "True"):
            yield f"{item.get('reason') or 'ReplicaFailure'}: {item.get('message') or ''}"


def _pods(rest: Rest, ident: ObjectId, body: Body) -> list[Body]:
    labels = at(body, "spec", "selector", "matchLabels")
    if ident.group_kind not in _WORKLOADS or not isinstance(labels, dict) or not labels:
        return []
    return _some(rest, _PODS.collection(ident.namespace), "labelSelector", labels)


def _events(rest: Rest, body: Body) -> list[Body]:
    """Warnings about one object; those about objects of the whole cluster are in the namespace `default`."""
    chosen = {"involvedObject.uid": at(body, "metadata", "uid"), "type": "Warning"}
    return _some(rest, _EVENTS.collection(at(body, "metadata", "namespace") or "default"), "fieldSelector", chosen)


def _some(rest: Rest, path: str, selector: str, chosen: Mapping[str, Any]) -> list[Body]:
    query = {selector: ",".join(f"{key}={value}" for key, value in chosen.items()), "limit": str(_READ)}
    return list(maps(at(rest.send("GET", path, query=query).value, "items")))


def _is_well(pod: Body) -> bool:
    done = at(pod, "status", "phase") == "Succeeded" or at(pod, "metadata", "deletionTimestamp")
    return bool(done) or condition(pod, "Ready").get("status") == "True"


def _pod_lines(pod: Body) -> Iterator[str]:
    """One line for each container that is not well; else what the Pod says of itself."""
    name = f"Pod/{at(pod, 'metadata', 'namespace')}/{at(pod, 'metadata', 'name')}"
    lines = [
        f"{name}: container {item.get('name')}: {words}"
        for kind in ("initContainerStatuses", "containerStatuses")
        for item in maps(at(pod, "status", kind))
        if (words := _container(item))
    ]
    if lines:
        yield from lines[:PODS]
        return
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield f"{name}: {scheduled.get('reason')}: {scheduled.get('message')}"
        return
    words = ": ".join(str(part) for part in (at(pod, "status", "reason"), at(pod, "status", "message")) if part)
    yield f"{name}: {words or at(pod, 'status', 'phase') or 'nobody has seen it yet'}"


def _container(item: Body) -> str:
    """What keeps a container from being ready; empty when nothing does, or when it has only just begun."""
    waiting, ended = (
        at(item, "state", "waiting"),
        at(item, "state", "terminated") or at(item, "lastState", "terminated"),
    )
    words = []
    if waiting and waiting.get("reason") not in {"ContainerCreating", "PodInitializing"}:
        words.append(_said(waiting))
    if ended and (ended.get("exitCode") or ended.get("reason") not in {None, "Completed"}):
        words.append(f"ended with exit code {ended.get('exitCode')} ({_said(ended)})")
    if item.get("restartCount") and words:
        words.append(f"{item['restartCount']} restarts")
    if not words and at(item, "state", "running") is not None and item.get("ready") is False:
        words.append("runs, but is not ready")
    return ", ".join(words)


def _said(state: Body) -> str:
    return ": ".join(str(part) for part in (state.get("reason"), state.get("message")) if part) or "no reason given"


def _event_line(event: Body) -> str:
    about = event.get("involvedObject") or {}
    name = "/".join(str(about[key]) for key in ("kind", "namespace", "name") if about.get(key))
    count = f" (x{event['count']})" if (event.get("count") or 1) > 1 else ""
    return f"Warning {event.get('reason')} of {name}: {event.get('message')}{count}"


def _moment(event: Body) -> str:
    """When an event was last seen, as text that sorts; the two ways of recording have different fields."""
    seen = (at(event, "series", "lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((value for value in seen if value), ""))
