# SPDX-License-Identifier: Apache-2.0
"""What goes with an object that is deleted, though nobody asked for it: told in a plan, before it is too late.

A Namespace takes everything in it along, a CustomResourceDefinition all objects of its kinds, a claim its volume.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from kubeoci.changes import Action, listed
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.parallel import each
from kubeoci.cluster.prune import Decision
from kubeoci.cluster.site import READERS, Site
from kubeoci.cluster.survey import served
from kubeoci.identity import ObjectId

_BY_ITSELF: Final = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})
_PASSING: Final = frozenset({"Event", "Endpoints", "EndpointSlice", "PodMetrics"})
_DATA: Final = {
    "PersistentVolumeClaim": "its volume goes with it, unless it is retained",
    "PersistentVolume": "what its reclaim policy says happens to the data",
}


def remark(
    site: Site, decisions: Sequence[Decision], bodies: dict[ObjectId, dict[str, Any]], known: Collection[ObjectId]
) -> list[Decision]:
    """The decisions, with a note on each deletion that takes more along. `known` are the objects of the inventory.

    Sends one LIST of names per kind in a Namespace that goes, and per kind of a definition; what may not be asked is
    left out.
    """
    return [_remark(site, item, bodies, known) if item.action is Action.DELETED else item for item in decisions]


def _remark(
    site: Site, item: Decision, bodies: dict[ObjectId, dict[str, Any]], known: Collection[ObjectId]
) -> Decision:
    ident = item.entry.id
    if ident.group_kind == "Namespace":
        found = _listed(site, site.mapper.namespaced_kinds(), ident.name, known)
    elif ident.group_kind == "CustomResourceDefinition.apiextensions.k8s.io":
        kinds = [site.mapper.find(group, kind, version) for group, version, kind in served(bodies.get(ident, {}))[:1]]
        found = _listed(site, [kind for kind in kinds if kind], "", known)
    else:
        note = _DATA.get(ident.kind, "") if not ident.group else ""
        return replace(item, note=note) if note else item
    return replace(item, note=_told(found)) if found else item


def _told(found: Sequence[str]) -> str:
    """`with it go 4 objects that are not of this inventory: Cart/shop/a, Cart/shop/b, Cart/shop/c and 1 more`."""
    count = "goes 1 object that is" if len(found) == 1 else f"go {len(found)} objects that are"
    return f"with it {count} not of this inventory: {listed(found)}"


def _listed(site: Site, kinds: Sequence[Kind], namespace: str, known: Collection[ObjectId]) -> list[str]:
    asked = [kind for kind in kinds if kind.kind not in _PASSING]
    return sorted(
        {name for found in each(lambda kind: _names(site, kind, namespace, known), asked, READERS) for name in found}
    )


def _names(site: Site, kind: Kind, namespace: str, known: Collection[ObjectId]) -> list[str]:
    """The objects of one kind that nobody else deletes and that are not ours; none where we may not look."""
    try:
        items = site.rest.list_all(kind.collection(namespace), metadata_only=True).items
    except Refused:
        return []
    found = []
    for meta in (item["metadata"] for item in items):
        ident = ObjectId(kind.group, kind.kind, meta.get("namespace", "") if kind.namespaced else "", meta["name"])
        is_own = ident in known or (kind.kind, ident.name) in _BY_ITSELF
        if not is_own and not meta.get("ownerReferences"):
            found.append(ident.short)
    return found
