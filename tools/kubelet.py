# SPDX-License-Identifier: Apache-2.0
"""A kubelet that runs nothing: it says of each pod what a kubelet would say.

Usage: `python tools/kubelet.py https://127.0.0.1:PORT FOLDER` with the certificates of `certificates.write_all`.
It registers the node `fake`, reports pods bound to it as running, those of a Job as succeeded, and finishes
deletions. A pod's annotation `fake/fail` asks for trouble instead:

    pending   stays Pending, as when a volume is missing
    image     cannot pull its image: ImagePullBackOff
    crash     keeps crashing: CrashLoopBackOff, three restarts
    unready   runs, but its readiness probe fails
    exit      ends with exit code 1
"""

import contextlib
import datetime as dt
import sys
import time
from pathlib import Path

from api import Api, ApiError, Document

NODE = "fake"
_PODS = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{NODE}"
_WATCH_SECONDS = 300


def register(api: Api) -> None:
    """Make the node ready and large enough for everything; wait for the API server where need be."""
    labels = {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels}}
    room = {"cpu": "1k", "memory": "1Ti", "pods": "10k", "ephemeral-storage": "1Ti"}
    ready = {"type": "Ready", "status": "True", "reason": "Fake", "lastTransitionTime": _now()}
    with contextlib.suppress(ApiError):  # it is registered already
        api.request("POST", "/api/v1/nodes", node)
    status = {"capacity": room, "allocatable": room, "conditions": [ready]}
    api.request("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": status})
    api.request("PATCH", f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}})


def serve(api: Api) -> None:
    """Answer for the pods on the node, for ever: list, then watch, again when the watch ends or breaks."""
    while True:
        with contextlib.suppress(OSError, ApiError):
            pods = api.request("GET", _PODS)
            for pod in pods["items"]:
                handle(api, pod)
            version = pods["metadata"]["resourceVersion"]
            for event in api.watch(f"{_PODS}&resourceVersion={version}", _WATCH_SECONDS):
                if event["type"] == "ERROR":
                    break
                if event["type"] != "DELETED":
                    handle(api, event["object"])
        time.sleep(0.1)


def handle(api: Api, pod: Document) -> None:
    """Move one pod a step on; a pod that changed or went away meanwhile comes again with the next event."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    with contextlib.suppress(ApiError):
        if metadata.get("deletionTimestamp"):
            api.request("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}})
        elif pod["status"].get("phase", "Pending") == "Pending" and (status := next_status(pod)):
            api.request("PATCH", f"{path}/status", {"status": status})


def next_status(pod: Document) -> Document | None:
    """What to report of a pending pod; None to leave it as it is."""
    metadata, now = pod["metadata"], _now()
    fault = metadata.get("annotations", {}).get("fake/fail", "")
    if fault == "pending" or (fault == "image" and pod["status"].get("containerStatuses")):
        return None
    is_job = any(owner["kind"] == "Job" for owner in metadata.get("ownerReferences", []))
    phase = {"image": "Pending", "exit": "Failed"}.get(fault, "Succeeded" if is_job and not fault else "Running")
    is_ready = phase == "Running" and not fault
    names = [container["name"] for container in pod["spec"]["containers"]]
    return {
        "phase": phase,
        "conditions": _conditions(is_ready, now),
        "containerStatuses": [_container(name, phase, fault, now) for name in names],
        "hostIP": "127.0.0.1",
        "podIP": "10.1.0.1",
        "podIPs": [{"ip": "10.1.0.1"}],
        "startTime": now,
    }


def _conditions(is_ready: bool, now: str) -> list[Document]:
    states = {"PodScheduled": True, "Initialized": True, "ContainersReady": is_ready, "Ready": is_ready}
    return [{"type": kind, "status": str(state), "lastTransitionTime": now} for kind, state in states.items()]


def _container(name: str, phase: str, fault: str, now: str) -> Document:
    """The status of one container, as the container runtime would have it."""
    ended = {
        "startedAt": now,
        "finishedAt": now,
        "exitCode": int(bool(fault)),
        "reason": "Error" if fault else "Completed",
    }
    state: Document = {"running": {"startedAt": now}}
    if phase in {"Succeeded", "Failed"}:
        state = {"terminated": ended}
    elif fault in {"crash", "image"}:
        reason = "CrashLoopBackOff" if fault == "crash" else "ImagePullBackOff"
        state = {"waiting": {"reason": reason, "message": f"{reason} of container {name}"}}
    status = {
        "name": name,
        "image": "fake",
        "imageID": "",
        "ready": "running" in state and not fault,
        "started": "running" in state,
        "restartCount": 3 if fault == "crash" else 0,
        "state": state,
    }
    return status | ({"lastState": {"terminated": ended}} if fault == "crash" else {})


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    server = Api(sys.argv[1], Path(sys.argv[2]))
    register(server)
    serve(server)
