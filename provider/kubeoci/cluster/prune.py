# SPDX-License-Identifier: Apache-2.0
"""Deleting what belongs to the inventory and is no longer wanted, and nothing else.

An object goes only if it is the very one that we applied (uid), still carries our label, and no mark on it forbids
it. Namespaces go last, and only when nothing of ours is left in them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from kubeoci.changes import Action, Change
from kubeoci.cluster import dependencies, inventory, marks, order, termination
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.inventory import Entry
from kubeoci.cluster.live import Live
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.parallel import attempt
from kubeoci.cluster.site import WRITERS, Body, Site
from kubeoci.errors import ClusterError, KubeociError, Stopped
from kubeoci.identity import ObjectId


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to happen to one entry: DELETED, SKIPPED or UNKNOWN; None when it is gone already.

    `kept` says whether the entry stays in the inventory when it is not deleted. Of a higher `level` goes first.
    """

    entry: Entry
    action: Action | None
    note: str = ""
    uid: str = ""
    kept: bool = False
    level: int = 0

    @property
    def change(self) -> Change:
        """As a line of a plan or an outcome."""
        return Change(self.entry.id, self.action or Action.UNKNOWN, self.entry.api_version, (), self.note)


@dataclass(slots=True)
class Pruned:
    """What was deleted or not. `left` are the entries that stay in the inventory."""

    changes: list[Change] = field(default_factory=list)
    left: list[Entry] = field(default_factory=list)
    faults: list[KubeociError] = field(default_factory=list)
    written: bool = False


def decide(
    site: Site, entries: Iterable[Entry], live: Live, wanted: Mapping[ObjectId, str], *, keeps_parent: bool = True
) -> list[Decision]:
    """A decision for each entry, in the order of deletion. `wanted` has the uids (maybe "") of what stays."""
    byid = {entry.id: entry for entry in entries}
    uids = {uid for uid in wanted.values() if uid}
    levels = dependencies.levels(dependencies.known(live.bodies))
    found = [_decide(site, byid[ident], live, uids, levels) for ident in order.deletion_order(byid, levels)]
    staying = {item.entry.id.namespace for item in found if item.kept} | {ident.namespace for ident in wanted}
    staying |= _of_parents(site) if keeps_parent else set()
    return [_spare_namespace(item, staying) for item in found]


def delete(site: Site, decisions: Sequence[Decision]) -> Pruned:
    """Carry the decisions out, rank by rank, and wait until each object is gone."""
    done = Pruned(
        changes=[item.change for item in decisions if item.action not in {None, Action.DELETED}],
        left=[item.entry for item in decisions if item.kept],
    )
    for item in decisions:
        if item.action in {Action.SKIPPED, Action.UNKNOWN}:
            site.warn(f"{item.entry.id.short} is not deleted: {item.note}")
    due = {item.entry.id: item for item in decisions if item.action is Action.DELETED}
    for batch in order.deletion_batches(due, {ident: item.level for ident, item in due.items()}):
        _delete_batch(site, [due[ident] for ident in batch], done)
    return done


def orphan(site: Site, entries: Iterable[Entry], live: Live) -> Pruned:
    """Take our label off what we own and leave it where it is."""
    done = Pruned()
    ours = [entry for entry in entries if entry.id in live.bodies and site.is_ours(live.bodies[entry.id])]
    for entry, result in zip(ours, attempt(lambda entry: _release(site, entry), ours, WRITERS), strict=True):
        done.written = True
        if isinstance(result, KubeociError):
            done.faults.append(site.fault(entry.id.short, result))
            done.left.append(entry)
        else:
            done.changes.append(Change(entry.id, Action.SKIPPED, entry.api_version, (), "kept in the cluster"))
    return done


def _of_parents(site: Site) -> set[str]:
    """The namespaces that hold the inventory; a former one until the state says where the inventory is now."""
    refs = (site.settings.ref, site.settings.former)
    return {ref.namespace for ref in refs if ref}


def _decide(site: Site, entry: Entry, live: Live, wanted_uids: set[str], levels: order.Levels) -> Decision:
    if entry.id in live.unknown:
        return Decision(entry, Action.UNKNOWN, "the API service of its group is down", kept=True)
    body = live.bodies.get(entry.id)
    if body is None:
        return Decision(entry, None)
    uid = str(body["metadata"]["uid"])
    if uid in wanted_uids:  # the same object under another API group
        return Decision(entry, None)
    reason = _reason_to_spare(site, entry, body, uid)
    if reason:
        return Decision(entry, Action.SKIPPED, reason)
    return Decision(entry, Action.DELETED, uid=uid, level=levels.get(entry.id, 0))


def _reason_to_spare(site: Site, entry: Entry, body: Body, uid: str) -> str:
    if entry.uid and uid != entry.uid:
        return "somebody else made it anew since we applied it"
    if not site.is_ours(body):
        other = marks.applyset(body)
        return f"it belongs to the ApplySet {other} now" if other else "our label was taken off it"
    mark = marks.reason_to_keep(body)
    return f"it is marked {mark}" if mark else ""


def _spare_namespace(item: Decision, staying: set[str]) -> Decision:
    ident = item.entry.id
    if item.action is Action.DELETED and ident.group_kind == "Namespace" and ident.name in staying:
        return Decision(item.entry, Action.SKIPPED, "other objects of this resource are in it", item.uid, kept=True)
    return item


def _delete_batch(site: Site, batch: Sequence[Decision], done: Pruned) -> None:
    site.tell(f"deleting {batch[0].entry.id.short}" + (f" and {len(batch) - 1} more" if len(batch) > 1 else ""))
    pending: list[tuple[Kind, ObjectId, str]] = []
    gone: list[Decision] = []
    for item, result in zip(batch, attempt(lambda item: _delete_one(site, item), batch, WRITERS), strict=True):
        if isinstance(result, KubeociError):
            _note_failure(site, item, result, done)
            continue
        done.written = True
        gone.append(item)
        if result:
            pending.append((result, item.entry.id, item.uid))
    stuck = _wait(site, pending, done)
    for item in gone:
        if item.entry.id in stuck:
            done.left.append(item.entry)
            done.faults.append(site.fault(item.entry.id.short, _stuck(stuck[item.entry.id])))
        else:
            done.changes.append(item.change)


def _wait(site: Site, pending: Sequence[tuple[Kind, ObjectId, str]], done: Pruned) -> dict[ObjectId, Body]:
    try:
        return termination.gone(site, pending)
    except KubeociError as error:
        done.faults.append(error)
        return {ident: {} for _, ident, _ in pending}


def _note_failure(site: Site, item: Decision, error: KubeociError, done: Pruned) -> None:
    done.left.append(item.entry)
    if isinstance(error, Refused) and error.status == HTTPStatus.CONFLICT:
        note = "it changed while we deleted it"
        done.changes.append(Change(item.entry.id, Action.SKIPPED, item.entry.api_version, (), note))
        site.warn(f"{item.entry.id.short} is not deleted: {note}")
        return
    done.faults.append(error if isinstance(error, Stopped) else site.fault(item.entry.id.short, error))


def _delete_one(site: Site, item: Decision) -> Kind | None:
    """Delete; gives the kind while the object is still there, None when it is gone."""
    site.check_time()
    ident = item.entry.id
    kind = site.mapper.find(ident.group, ident.kind, item.entry.version)
    if kind is None:
        return None
    return kind if site.rest.delete(kind.path(ident.namespace, ident.name), uid=item.uid) else None


def _release(site: Site, entry: Entry) -> None:
    ident = entry.id
    kind = site.mapper.find(ident.group, ident.kind, entry.version)
    if not kind:
        return
    path = kind.path(ident.namespace, ident.name)
    label = "/metadata/labels/" + inventory.PART_OF.replace("/", "~1")
    try:
        site.rest.patch(path, [{"op": "remove", "path": label}], manager=site.manager)
    except Refused:
        live = site.rest.get(path)
        if live and site.is_ours(live):
            raise  # else it is released, or gone: the answer was lost, or somebody was quicker


def _stuck(body: Body) -> ClusterError:
    finalizers = (body.get("metadata") or {}).get("finalizers") or (body.get("spec") or {}).get("finalizers") or []
    names = ", ".join(str(name) for name in finalizers)
    what = f"it is still being deleted, finalizers left: {names}" if names else "it is still being deleted"
    return ClusterError("cluster.not_ready", what, advice="find out what should remove them" if names else "run again")
