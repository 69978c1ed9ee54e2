# SPDX-License-Identifier: Apache-2.0
"""The inventory's copy in the cluster, read and written so that two runs at once notice each other."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from kubeoci.cluster import inventory
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.inventory import Entry, Parent
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.site import Body, Site
from kubeoci.errors import ClusterError

_SECRETS = Kind("", "v1", "Secret", "secrets", namespaced=True)


class ParentStore:
    """The ApplySet parent of one inventory. Every write carries the resourceVersion that was read before."""

    def __init__(self, site: Site) -> None:
        """Reads the parent. Raises ClusterError `cluster.owned` for a Secret of somebody else."""
        self._site = site
        settings = site.settings
        self._path = _SECRETS.path(settings.namespace, settings.inventory_name)
        body = site.rest.get(self._path)
        self.found: Parent | None = inventory.read_parent(body) if body else None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries that the cluster has, none without a parent."""
        return self.found.entries if self.found else ()

    @property
    def revisions(self) -> tuple[dict[str, Any], ...]:
        """The revisions that were applied, newest last."""
        return self.found.revisions if self.found else ()

    def write(self, entries: Iterable[Entry], revisions: Iterable[Mapping[str, Any]]) -> bool:
        """Bring the parent to this content; False when it has it already, then nothing is sent.

        Raises ClusterError `cluster.busy` when somebody else wrote since it was read.
        """
        wanted, history = tuple(sorted(set(entries))), list(revisions)
        if self.found and self.found.entries == wanted and list(self.found.revisions) == history:
            return False
        settings, manager = self._site.settings, self._site.manager
        body = inventory.parent_body(settings.inventory_name, settings.namespace, wanted, history)
        try:
            reply = self._send(body, manager)
        except Refused as error:
            if error.status == HTTPStatus.CONFLICT:
                raise self._busy() from error
            raise
        self.found = inventory.read_parent(reply)
        return True

    def delete(self) -> bool:
        """Remove the parent; False when there is none."""
        if not self.found:
            return False
        try:
            self._site.rest.delete(self._path, uid=self.found.uid)
        except Refused as error:
            if error.status == HTTPStatus.CONFLICT:
                raise self._busy() from error
            raise
        self.found = None
        return True

    def _send(self, body: Body, manager: str) -> Body:
        if not self.found:
            return self._site.rest.create(_SECRETS.collection(self._site.settings.namespace), body, manager=manager)
        meta = {**body["metadata"], "resourceVersion": self.found.resource_version}
        return self._site.rest.apply(self._path, {**body, "metadata": meta}, manager=manager, force=True)

    def _busy(self) -> ClusterError:
        settings = self._site.settings
        return ClusterError(
            "cluster.busy",
            "somebody else changed the inventory during this run",
            where=f"Secret/{settings.namespace}/{settings.inventory_name}",
            advice="wait until the other run has ended, then run again",
        )


def with_revision(revisions: Iterable[Mapping[str, Any]], revision: str) -> list[Mapping[str, Any]]:
    """The history with this revision as its newest; the same list when it is that already."""
    history = list(revisions)
    if not revision or (history and history[-1].get("revision") == revision):
        return history
    return [*history, {"revision": revision}][-inventory.MAX_REVISIONS :]
