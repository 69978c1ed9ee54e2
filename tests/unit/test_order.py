# SPDX-License-Identifier: Apache-2.0
"""The order of application and deletion."""

import random

from kubeoci.cluster import order
from kubeoci.identity import ObjectId
from kubeoci.objects import Object

KINDS = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "OddClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
    "Certificate",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
]


def item(kind: str, name: str = "a", group: str = "") -> Object:
    """An object of some kind."""
    return Object(ObjectId(group, kind, "shop", name), "v1", {}, "a.yaml:1")


def shuffled() -> list[Object]:
    """One object of each kind, in no order."""
    items = [item(kind) for kind in KINDS]
    random.Random(1).shuffle(items)
    return items


def test_stages() -> None:
    """Definitions, classes, the rest; inside a stage the order is Flux's."""
    found = [[item.id.kind for item in stage] for stage in order.stages(shuffled())]
    assert [KINDS[:3], KINDS[3:11], KINDS[11:]] == found


def test_stages_are_always_three() -> None:
    """A stage without objects is empty, not left out."""
    assert [[], [], [item("Service")]] == order.stages([item("Service")])


def test_ties() -> None:
    """Kinds without a rank are ordered by group, kind, namespace and name."""
    items = [item("B", "b", "x"), item("B", "a", "x"), item("A", "z", "x"), item("Z", "z", "a")]
    assert ["z", "z", "a", "b"] == [entry.id.name for entry in order.stages(items)[2]]


def test_batches() -> None:
    """What shares a rank is applied together."""
    stage = [item("Service", "b"), item("X"), item("ConfigMap"), item("Service", "a"), item("Y")]
    assert [["ConfigMap"], ["Service", "Service"], ["X", "Y"]] == [
        [entry.id.kind for entry in batch] for batch in order.batches(stage)
    ]


def test_deletion_order() -> None:
    """Deletion is the reverse."""
    assert KINDS[::-1] == [ident.kind for ident in order.deletion_order(entry.id for entry in shuffled())]


def test_deletion_batches() -> None:
    """Deleted rank by rank, what others need last."""
    ids = [item(kind).id for kind in ("Namespace", "Service", "CustomResourceDefinition", "X", "Y")]
    assert [["Y", "X"], ["Service"], ["Namespace"], ["CustomResourceDefinition"]] == [
        [ident.kind for ident in batch] for batch in order.deletion_batches(ids)
    ]
