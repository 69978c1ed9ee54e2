# SPDX-License-Identifier: Apache-2.0
"""In what order objects are applied and deleted: the stages and ranks of fluxcd/pkg `ssa`, written anew.

What others need comes first: definitions, then classes, then everything else; webhooks come last, because they may
refuse what is applied after them. Inside a stage all objects of one rank are independent of each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from kubeoci.identity import ObjectId
from kubeoci.objects import Object

Levels = Mapping[ObjectId, int]
"""How many steps an object has to wait for others of its stage, where it says so itself; see `dependencies`."""

DEFINITIONS = frozenset({"CustomResourceDefinition", "Namespace", "ClusterRole"})
"""Kinds of the first stage: nothing else starts before they are ready."""

_FLAT: Final[Levels] = {}

_FIRST = (
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
)
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_MIDDLE = len(_FIRST)
_RANKS = {
    **{kind: index for index, kind in enumerate(_FIRST)},
    **{kind: index for index, kind in enumerate(_LAST, start=_MIDDLE + 1)},
}


def rank(kind: str) -> int:
    """The place of a kind in the order of application, whatever its group; kinds without one share a rank."""
    return _RANKS.get(kind, _MIDDLE)


def stages(objects: Iterable[Object]) -> list[list[Object]]:
    """Always three lists, each in order, maybe empty: definitions, classes (kinds named `…Class`), the rest.

    A stage starts when everything in the stage before it is ready.
    """
    found: list[list[Object]] = [[], [], []]
    for item in sorted(objects, key=lambda item: _key(item.id)):
        found[stage(item.id.kind)].append(item)
    return found


def batches(items: Sequence[Object], levels: Levels = _FLAT) -> list[list[Object]]:
    """A stage, cut by level and rank: what may be applied at the same time, batch after batch."""
    ordered = sorted(items, key=lambda item: _key(item.id, levels))
    return [list(group) for _, group in groupby(ordered, key=lambda item: _key(item.id, levels)[:3])]


def deletion_order(ids: Iterable[ObjectId], levels: Levels = _FLAT) -> list[ObjectId]:
    """The reverse of the order of application: what others need goes last."""
    return sorted(ids, key=lambda ident: _key(ident, levels), reverse=True)


def deletion_batches(ids: Iterable[ObjectId], levels: Levels = _FLAT) -> list[list[ObjectId]]:
    """`deletion_order`, cut by level and rank: what may be deleted at the same time, batch after batch."""
    return [list(group) for _, group in groupby(deletion_order(ids, levels), key=lambda ident: _key(ident, levels)[:3])]


def _key(ident: ObjectId, levels: Levels = _FLAT) -> tuple[int, int, int, ObjectId]:
    return stage(ident.kind), levels.get(ident, 0), rank(ident.kind), ident


def stage(kind: str) -> int:
    """Which of the three stages a kind belongs to."""
    if kind in DEFINITIONS:
        return 0
    return 1 if kind.endswith("Class") else 2
