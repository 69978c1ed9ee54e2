# SPDX-License-Identifier: Apache-2.0
"""What is known before anything is done: the inventory, the live objects, and what speaks against going on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeoci.changes import Action, listed
from kubeoci.cluster import dependencies, ignoring, inventory, live, prune
from kubeoci.cluster.holders import Holders
from kubeoci.cluster.inventory import Entry
from kubeoci.cluster.live import Live
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.mask import Masks
from kubeoci.cluster.parallel import each
from kubeoci.cluster.parents import Parents
from kubeoci.cluster.prune import Decision
from kubeoci.cluster.site import READERS, Site, raise_all
from kubeoci.errors import ClusterError, KubeociError
from kubeoci.identity import ObjectId
from kubeoci.objects import Object

_NAMESPACES = Kind("", "v1", "Namespace", "namespaces", namespaced=False)

Gvk = tuple[str, str, str]

_NAMED = 5  # objects that a refusal names


@dataclass(frozen=True, slots=True)
class Survey:
    """`recorded` is the inventory of state and parent together.

    `promised` are the kinds whose definitions are among the desired objects, `absent` the namespaces that do not
    exist yet. `is_first`: the state knows of no object.
    """

    parent: Parents
    recorded: tuple[Entry, ...]
    live: Live
    promised: frozenset[Gvk]
    absent: frozenset[str]
    is_first: bool

    @property
    def ids(self) -> frozenset[ObjectId]:
        """The objects of the inventory."""
        return frozenset(entry.id for entry in self.recorded)

    def uid(self, ident: ObjectId) -> str:
        """The uid that was recorded, "" when there is none."""
        return next((entry.uid for entry in self.recorded if entry.id == ident), "")


def look(site: Site, desired: Sequence[Object], recorded: Iterable[Entry]) -> Survey:
    """Read the inventory and everything that exists of it and of the desired objects. Sends only GET."""
    # the state's entries win: the parent may be older, but it knows what a killed run began
    known = list(recorded)
    parent = Parents(site, is_known=bool(known))
    entries = inventory.union(parent.entries, known)
    wanted = {entry.id: entry.version for entry in entries} | {item.id: item.version for item in desired}
    found = live.read(site, wanted, [entry.id for entry in entries])
    site.masks = Masks([*(item.body for item in desired), *found.bodies.values()])
    places = {item.id.namespace for item in desired if item.id not in found.bodies} - {""}
    places |= set() if parent.found else {site.settings.namespace}
    absent = frozenset(_absent(site, places, found))
    return Survey(parent, entries, found, frozenset(_promised(desired)), absent, is_first=not known)


def check(site: Site, desired: Sequence[Object], found: Survey) -> None:
    """Raise everything that forbids to apply, together and before the first write.

    ClusterError: `cluster.prune_refused`, `cluster.kind_missing`, `cluster.namespace_missing`, `cluster.owned`.
    """
    if found.is_first or site.settings.former:
        found.parent.check_owner()
    if found.recorded and not desired and site.settings.prune and not site.settings.allow_empty:
        what = f"nothing is left to apply, so all {len(found.recorded)} objects would be deleted"
        raise ClusterError("cluster.prune_refused", what, advice="set allowEmpty: true if that is meant")
    _check_deletions(site, desired, found)
    ignoring.remark(site, desired)
    made = {item.id.name for item in desired if item.id.group_kind == "Namespace"}
    faults: list[KubeociError] = [*_namespace_faults(site, desired, found, made), *dependencies.faults(desired)]
    holders = Holders(site)
    for item in desired:
        place = f"{item.id.short} ({item.source})"
        faults += [site.fault(place, error) for error in _faults(site, item, found, holders)]
    raise_all("the objects cannot be applied", faults)


def deletions(site: Site, desired: Iterable[Object], found: Survey) -> list[Decision]:
    """What prune would do with each entry that is no longer desired, as far as it can be told before the apply."""
    if not site.settings.prune:
        return []
    uids = {ident: str(body["metadata"].get("uid", "")) for ident, body in found.live.bodies.items()}
    wanted = {item.id: uids.get(item.id, "") for item in desired}
    return prune.decide(site, [entry for entry in found.recorded if entry.id not in wanted], found.live, wanted)


def _check_deletions(site: Site, desired: Iterable[Object], found: Survey) -> None:
    most = site.settings.max_prune
    due = [item.entry.id.short for item in deletions(site, desired, found) if item.action is Action.DELETED]
    if most is not None and len(due) > most:
        what = f"{len(due)} objects would be deleted, maxPrune is {most}: {listed(due, _NAMED)}"
        raise ClusterError("cluster.prune_refused", what, advice="raise maxPrune if that is meant")


def _faults(site: Site, item: Object, found: Survey, holders: Holders) -> Iterator[KubeociError]:
    if item.gvk not in found.promised:
        try:
            site.mapper.resolve(*item.gvk)
        except ClusterError as error:
            yield error
    body = found.live.bodies.get(item.id)
    other = holders.of(body, item.body) if body else ""
    known = any(entry.id == item.id for entry in found.recorded)
    if body and other and not (known and site.is_ours(body)):
        advice = "remove it there, or take this object out of the artifact"
        yield ClusterError("cluster.owned", f"it belongs to {other}", advice=advice)
    elif body and not site.settings.adopt and not known and not site.is_ours(body):
        advice = "set adopt: true to take it over, or take this object out of the artifact"
        yield ClusterError("cluster.owned", "it exists already, and adopt is false", advice=advice)


def _namespace_faults(site: Site, desired: Sequence[Object], found: Survey, made: set[str]) -> Iterator[ClusterError]:
    for name in sorted(found.absent - made):
        users = [item for item in desired if item.id.namespace == name]
        where = f"{users[0].id.short} ({users[0].source})" if users else f"Secret/{site.settings.ref}"
        more = f" ({len(users)} objects)" if len(users) > 1 else ""
        advice = "add the Namespace to the artifact, or create it"
        what = f"the namespace {name} does not exist{more}"
        yield ClusterError("cluster.namespace_missing", what, where=where, advice=advice)


def _promised(desired: Iterable[Object]) -> Iterator[Gvk]:
    for item in desired:
        if item.id.group_kind == "CustomResourceDefinition.apiextensions.k8s.io":
            yield from served(item.body)


def served(definition: Mapping[str, Any]) -> list[Gvk]:
    """The kinds that a CustomResourceDefinition serves."""
    spec = definition.get("spec") or {}
    group, kind = str(spec.get("group", "")), str((spec.get("names") or {}).get("kind", ""))
    return [(group, str(item.get("name")), kind) for item in spec.get("versions") or [] if item.get("served")]


def _absent(site: Site, places: set[str], found: Live) -> list[str]:
    occupied = {ident.namespace for ident in found.bodies}
    occupied |= {ident.name for ident in found.bodies if ident.group_kind == "Namespace"}
    doubtful = sorted(places - occupied)
    bodies = each(lambda name: site.rest.get(_NAMESPACES.path("", name)), doubtful, READERS)
    return [name for name, body in zip(doubtful, bodies, strict=True) if body is None]
