# SPDX-License-Identifier: Apache-2.0
"""Giving everything up: what is ours is deleted, or released, and the inventory itself goes last."""

from collections.abc import Iterable, Sequence

from kubeoci.changes import Action
from kubeoci.cluster import inventory, live, prune
from kubeoci.cluster.apply import tell
from kubeoci.cluster.inventory import Entry
from kubeoci.cluster.live import Live
from kubeoci.cluster.mask import Masks
from kubeoci.cluster.parents import Parents
from kubeoci.cluster.prune import Decision, Pruned
from kubeoci.cluster.site import Outcome, Site
from kubeoci.errors import ClusterError, KubeociError, Stopped
from kubeoci.identity import ObjectId


def destroy(site: Site, recorded: Iterable[Entry]) -> Outcome:
    """Delete by `deletion_policy`. The parent stays while anything of the inventory is left.

    A namespace that is the parent's own goes after the parent: deleting it first would take the inventory with it.
    """
    site.start_clock()
    known = list(recorded)
    parent = Parents(site, is_known=bool(known))
    parent.check_free()
    entries = inventory.union(parent.entries, known)
    found = live.read(site, {entry.id: entry.version for entry in entries}, [entry.id for entry in entries])
    site.masks = Masks(found.bodies.values())
    if parent.found and found.bodies:
        parent.claim(entries)
    try:
        return _destroy(site, entries, found, parent)
    finally:
        parent.release()


def _destroy(site: Site, entries: Sequence[Entry], found: Live, parent: Parents) -> Outcome:
    done, last = _clear(site, entries, found)
    unknown = [change.subject.short for change in done.changes if change.action is Action.UNKNOWN]
    done.faults += [ClusterError("cluster.incomplete", "its API service is down", where=name) for name in unknown]
    if done.faults or done.left:
        done.left += [item.entry for item in last]
        _keep(site, parent, done)
    else:
        _finish(site, parent, last, done)
    code, reasons = tell(done.faults, 0)
    return Outcome(tuple(done.changes), tuple(sorted(done.left)), reasons, code, site.drain(), done.written)


def _clear(site: Site, entries: Sequence[Entry], found: Live) -> tuple[Pruned, list[Decision]]:
    """Everything but the parent and its namespace; gives what must come after the parent."""
    if site.settings.keeps_objects:
        return prune.orphan(site, entries, found), []
    home = ObjectId("", "Namespace", "", site.settings.namespace)
    decisions = prune.decide(site, entries, found, {}, keeps_parent=False)
    last = [item for item in decisions if item.entry.id == home and item.action is Action.DELETED]
    return prune.delete(site, [item for item in decisions if item not in last]), last


def _keep(site: Site, parent: Parents, done: Pruned) -> None:
    """Write down what is left, and that nobody works on it any more."""
    if not parent.found:
        return
    try:
        done.written |= parent.write(done.left, parent.revisions, {entry.id for entry in done.left})
    except KubeociError as error:
        done.faults.append(error if isinstance(error, Stopped) else site.fault("the inventory", error))


def _finish(site: Site, parent: Parents, last: Sequence[Decision], done: Pruned) -> None:
    try:
        done.written |= parent.delete()
    except KubeociError as error:
        done.faults.append(site.fault("the inventory", error))
        done.left += [item.entry for item in last]
        return
    final = prune.delete(site, last)
    done.changes += final.changes
    done.left += final.left
    done.faults += final.faults
    done.written |= final.written
