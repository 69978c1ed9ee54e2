# SPDX-License-Identifier: Apache-2.0
"""One cluster and one inventory: everything that the lifecycle of a resource asks of Kubernetes."""

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from kubeoci.cluster import plan
from kubeoci.cluster.apply import apply
from kubeoci.cluster.destroy import destroy
from kubeoci.cluster.inventory import Entry
from kubeoci.cluster.mapper import Kind, Mapper
from kubeoci.cluster.mask import Masks
from kubeoci.cluster.parent import ParentStore
from kubeoci.cluster.rest import Rest
from kubeoci.cluster.site import Drift, Outcome, Plan, Settings, Site
from kubeoci.errors import ClusterError, KubeociError
from kubeoci.objects import Object

__all__ = ["Drift", "Outcome", "Plan", "Settings", "Target"]

_KUBE_SYSTEM = Kind("", "v1", "Namespace", "namespaces", namespaced=False).path("", "kube-system")


class Target:
    """What one resource owns in one cluster. Every method raises ClusterError, Stopped, or a group of ClusterErrors.

    A result has its own warnings; `log` gets those of an operation that raises. `progress` gets lines that may be
    dropped. Nothing of both is secret. One operation at a time.
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
        self._rest = rest.fork()  # operations of other resources have deadlines of their own
        self._mapper = Mapper(self._rest)
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
        with self._operation() as site:
            store = ParentStore(site, site.settings.ref)
            return store.entries if store.found else None

    def plan(self, desired: Sequence[Object], recorded: Iterable[Entry]) -> Plan:
        """What `apply` would do. Sends only GET and `dryRun=All`. `recorded` are the entries of the state."""
        with self._operation() as site:
            return plan.plan(site, desired, recorded)

    def apply(self, desired: Sequence[Object], recorded: Iterable[Entry], *, revision: str) -> Outcome:
        """Make it so. Raises only while nothing is written; afterwards everything is in the outcome."""
        with self._operation() as site:
            return apply(site, desired, recorded, revision=revision)

    def drift(self, desired: Sequence[Object], recorded: Iterable[Entry]) -> Drift:
        """How the cluster differs from `desired`. Sends only GET and `dryRun=All`."""
        with self._operation() as site:
            return plan.drift(site, desired, recorded)

    def destroy(self, recorded: Iterable[Entry]) -> Outcome:
        """Delete, or release, all that is ours by `deletion_policy`; the parent goes last.

        Only a namespace that is the parent's own goes after it. What failed is in the outcome, and stays recorded.
        """
        with self._operation() as site:
            return destroy(site, recorded)

    @contextmanager
    def _operation(self) -> Iterator[Site]:
        self._rest.warnings.clear()
        self._rest.deadline = math.inf
        site = Site(self._rest, self._mapper, self._settings, self._stop, self._progress, masks=Masks())
        try:
            yield site
        except (KubeociError, ExceptionGroup):
            for text in site.drain():
                self._log(text)
            raise
        finally:
            self._rest.deadline = math.inf
