# SPDX-License-Identifier: Apache-2.0
"""Live objects as a cluster would show them, for tests of their health."""

from typing import Any

Body = dict[str, Any]
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
