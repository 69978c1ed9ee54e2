# SPDX-License-Identifier: Apache-2.0
"""One cluster and one inventory: everything that the lifecycle of a resource asks of Kubernetes."""

import threading
from collections.abc import Callable, Iterable, Sequence

from kubeoci.changes import Action
from kubeoci.cluster import inventory, live, plan, prune
from kubeoci.cluster.apply import apply, tell
from kubeoci.cluster.inventory import Entry
from kubeoci.cluster.live import Live
from kubeoci.cluster.mapper import Kind, Mapper
from kubeoci.cluster.mask import Masks
from kubeoci.cluster.parent import ParentStore
from kubeoci.cluster.prune import Decision, Pruned
from kubeoci.cluster.rest import Rest
from kubeoci.cluster.site import Drift, Outcome, Plan, Settings, Site
from kubeoci.errors import ClusterError
from kubeoci.identity import ObjectId
from kubeoci.objects import Object

__all__ = ["Drift", "Outcome", "Plan", "Settings", "Target"]

_KUBE_SYSTEM = Kind("", "v1", "Namespace", "namespaces", namespaced=False).path("", "kube-system")


class Target:
    """What one resource owns in one cluster. Every method raises ClusterError, Stopped, or a group of ClusterErrors.

    `log` gets warnings, each once and masked; `progress` lines that may be dropped. One operation at a time.
    """

    def __init__(
        self,
        rest: Rest,
        settings: Settings,
        *,
        stop: threading.Event,
        log: Callable[[str], None],
        progress: Callable[[str], None],
    ) -> None:
        self._rest = rest
        self._mapper = Mapper(rest)
        self._settings = settings
        self._stop = stop
        self._log = log
        self._progress = progress

    @property
    def mapper(self) -> Mapper:
        """What the cluster serves."""
        return self._mapper

    def cluster_uid(self) -> str:
        """The uid of the namespace kube-system: a cluster's identity, whatever its address is."""
        body = self._rest.get(_KUBE_SYSTEM)
        if body is None:
            advice = "check that the kubeconfig names a Kubernetes cluster"
            raise ClusterError(
                "cluster.failed", "it has no namespace kube-system", where=self._rest.server, advice=advice
            )
        return str(body["metadata"]["uid"])

    def inventory(self) -> tuple[Entry, ...] | None:
        """What the cluster's copy of the inventory says; None when there is none."""
        store = ParentStore(self._site())
        return store.entries if store.found else None

    def plan(self, desired: Sequence[Object], recorded: Iterable[Entry]) -> Plan:
        """What `apply` would do. Sends only GET and `dryRun=All`. `recorded` are the entries of the state."""
        return plan.plan(self._site(), desired, recorded)

    def apply(self, desired: Sequence[Object], recorded: Iterable[Entry], *, revision: str) -> Outcome:
        """Make it so. Raises only while nothing is written; afterwards everything is in the outcome."""
        return apply(self._site(), desired, recorded, revision=revision)

    def drift(self, desired: Sequence[Object], recorded: Iterable[Entry]) -> Drift:
        """How the cluster differs from `desired`. Sends only GET and `dryRun=All`."""
        return plan.drift(self._site(), desired, recorded)

    def destroy(self, recorded: Iterable[Entry]) -> Outcome:
        """Delete, or release, all that is ours by `deletion_policy`; the parent goes last.

        Only a namespace that is the parent's own goes after it. What failed is in the outcome, and stays recorded.
        """
        site = self._site()
        site.start_clock()
        parent = ParentStore(site)
        entries = inventory.union(parent.entries, recorded)
        found = live.read(site, {entry.id: entry.version for entry in entries}, [entry.id for entry in entries])
        site.masks = Masks(list(found.bodies.values()))
        home = ObjectId("", "Namespace", "", self._settings.namespace)
        done, last = self._clear(site, entries, found, home)
        unknown = [item.subject.short for item in done.changes if item.action is Action.UNKNOWN]
        done.faults += [ClusterError("cluster.incomplete", "its API service is down", where=name) for name in unknown]
        if not done.faults and not done.left:
            done.written |= parent.delete()
            final = prune.delete(site, last)
            done.changes += final.changes
            done.left += final.left
            done.faults += final.faults
            done.written |= final.written
        else:
            done.left += [item.entry for item in last]
        code, reasons = tell(done.faults, 0)
        return Outcome(tuple(done.changes), tuple(sorted(done.left)), reasons, code, site.drain(), done.written)

    def _clear(
        self, site: Site, entries: Sequence[Entry], found: Live, home: ObjectId
    ) -> tuple[Pruned, list[Decision]]:
        """Everything but the parent and its namespace; gives what must come after the parent."""
        policy = self._settings.deletion_policy
        if policy == "Orphan" or (policy == "MirrorPrune" and not self._settings.prune):
            return prune.orphan(site, entries, found), []
        decisions = prune.decide(site, entries, found, {}, keeps_parent=False)
        last = [item for item in decisions if item.entry.id == home and item.action is Action.DELETED]
        return prune.delete(site, [item for item in decisions if item not in last]), last

    def _site(self) -> Site:
        self._rest.warnings.clear()
        return Site(self._rest, self._mapper, self._settings, self._stop, self._log, self._progress, masks=Masks([]))
