# SPDX-License-Identifier: Apache-2.0
"""What the controllers of a real cluster would write into a status, all at once."""

from collections.abc import Collection
from typing import Any

Body = dict[str, Any]
_AT_ONCE: dict[str, Body] = {
    "CustomResourceDefinition": {"conditions": [{"type": "Established", "status": "True"}]},
    "Namespace": {"phase": "Active"},
}


def status(body: Body, unready: Collection[str]) -> Body | None:
    """The status that an object gets; None for kinds without a controller. Names in `unready` stay halfway."""
    kind, is_ready = body["kind"], body["metadata"]["name"] not in unready
    seen = {"observedGeneration": body["metadata"]["generation"]}
    if kind in _AT_ONCE:
        return _AT_ONCE[kind]
    if kind == "Deployment":
        before = body.get("status") or {}
        return before | seen | (_deployment(body["spec"].get("replicas", 1)) if is_ready else _started(1))
    if kind == "StatefulSet":
        count = body["spec"].get("replicas", 1)
        return seen | {**_started(count), "currentReplicas": count, "readyReplicas": count if is_ready else 0}
    if kind == "DaemonSet":
        names = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")
        return seen | dict.fromkeys(names, 1) | {"numberReady": int(is_ready)}
    if kind == "Job":
        halfway = {"active": 1} | (body.get("status") or {})
        return {"conditions": _conditions("Complete")} if is_ready else halfway
    return None


def _deployment(count: int) -> Body:
    progressing = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    return {
        **_started(count),
        "readyReplicas": count,
        "availableReplicas": count,
        "conditions": [*_conditions("Available"), progressing],
    }


def _started(count: int) -> Body:
    return {"replicas": count, "updatedReplicas": count}


def _conditions(*kinds: str) -> list[Body]:
    return [{"type": kind, "status": "True"} for kind in kinds]
