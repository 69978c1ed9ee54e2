# SPDX-License-Identifier: Apache-2.0
"""What the cluster has of the objects that we want or know: few lists instead of many single requests.

Objects of the inventory come from one list per kind and namespace, by our label. What such a list lacks, and what is
not in the inventory yet, is looked for by name: an object without our label may belong to somebody else.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubeoci.cluster.answers import Refused
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.parallel import each
from kubeoci.cluster.site import READERS, Body, Site
from kubeoci.identity import ObjectId

_Place = tuple[Kind, str]  # one collection: a kind in one namespace


@dataclass(slots=True)
class Live:
    """`bodies` has what exists. `unserved`: their kind is unknown to the server, so they cannot exist.

    `unknown`: the API service of their group is down, so nothing is known about them.
    """

    bodies: dict[ObjectId, Body] = field(default_factory=dict)
    unserved: set[ObjectId] = field(default_factory=set)
    unknown: set[ObjectId] = field(default_factory=set)


def read(site: Site, wanted: Mapping[ObjectId, str], known: Iterable[ObjectId]) -> Live:
    """The live state of `wanted` (id -> version); `known` are those that the inventory has."""
    live = Live()
    in_inventory = set(known)
    places = _places(site, wanted, live)
    listed = [place for place, ids in places.items() if in_inventory & set(ids)]
    for found in each(lambda place: _list(site, place), listed, READERS):
        live.bodies.update({ident: body for ident, body in found.items() if ident in wanted})
    missing = {place: [ident for ident in ids if ident not in live.bodies] for place, ids in places.items()}
    searches = [(place, ids) for place, ids in missing.items() if ids]
    existing = each(lambda item: _existing(site, *item, in_inventory), searches, READERS)
    singles = [(place[0], ident) for (place, _), ids in zip(searches, existing, strict=True) for ident in ids]
    for ident, body in each(lambda item: (item[1], get(site, *item)), singles, READERS):
        if body is not None:
            live.bodies[ident] = body
    return live


def get(site: Site, kind: Kind, ident: ObjectId) -> Body | None:
    """One object by name."""
    return site.rest.get(kind.path(ident.namespace, ident.name))


def _places(site: Site, wanted: Mapping[ObjectId, str], live: Live) -> dict[_Place, list[ObjectId]]:
    places: dict[_Place, list[ObjectId]] = defaultdict(list)
    for ident, version in sorted(wanted.items()):
        kind = site.mapper.find(ident.group, ident.kind, version)
        if kind:
            places[kind, ident.namespace].append(ident)
        elif site.mapper.is_stale(ident.group):
            live.unknown.add(ident)
        else:
            live.unserved.add(ident)
    return places


def _list(site: Site, place: _Place) -> dict[ObjectId, Body]:
    kind, namespace = place
    try:
        items = site.rest.list_all(kind.collection(namespace), selector=site.selector).items
    except Refused as error:
        if error.code in {"cluster.forbidden", "cluster.kind_missing"}:  # each is asked for by name then
            return {}
        raise
    found = {}
    for item in items:
        body = {**item, "apiVersion": kind.api_version, "kind": kind.kind}
        found[_ident(kind, body)] = body
    return found


def _existing(site: Site, place: _Place, ids: list[ObjectId], known: set[ObjectId]) -> list[ObjectId]:
    """Those of `ids` that need a request of their own: a list of names rules the others out."""
    kind, namespace = place
    doubtful = [ident for ident in ids if ident not in known]
    if len(doubtful) <= 1:
        return ids
    try:
        items = site.rest.list_all(kind.collection(namespace), metadata_only=True).items
    except Refused as error:
        if error.code in {"cluster.forbidden", "cluster.kind_missing"}:
            return ids
        raise
    there = {_ident(kind, item) for item in items}
    return [ident for ident in ids if ident in known or ident in there]


def _ident(kind: Kind, body: Body) -> ObjectId:
    meta = body["metadata"]
    return ObjectId(kind.group, kind.kind, meta.get("namespace", "") if kind.namespaced else "", meta["name"])
