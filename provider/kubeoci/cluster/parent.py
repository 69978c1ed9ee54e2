# SPDX-License-Identifier: Apache-2.0
"""The inventory's copy in the cluster, read and written so that two runs at once notice each other."""

import threading
import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from kubeoci.cluster import inventory
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.claim import Claim
from kubeoci.cluster.inventory import Entry, Parent, ParentRef
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.rest import Rest
from kubeoci.cluster.site import GRACE_SECONDS, Body, Site
from kubeoci.errors import ClusterError, KubeociError

_SECRETS = Kind("", "v1", "Secret", "secrets", namespaced=True)


_LAST_SECONDS = 5.0
_TRIES = 4
_AGAIN_SECONDS = 0.2
_RUNS = 2  # the clock is started twice: to apply and wait, and to delete


class ParentStore:
    """One ApplySet parent. Every write carries the resourceVersion that was read before.

    `refusal` is why it could not be claimed: then nothing may be written at all.
    """

    def __init__(self, site: Site, ref: ParentRef) -> None:
        """Reads the parent. Raises ClusterError `cluster.owned` for a Secret of somebody else."""
        self.ref = ref
        self._site = site
        self._path = _SECRETS.path(ref.namespace, ref.name)
        body = site.rest.get(self._path)
        self.found: Parent | None = inventory.read_parent(body) if body else None
        self.refusal: KubeociError | None = None
        self._claim: Claim | None = None
        self._lock = threading.Lock()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries that the cluster has, none without a parent."""
        return self.found.entries if self.found else ()

    @property
    def revisions(self) -> tuple[dict[str, Any], ...]:
        """The revisions that were applied, newest last."""
        return self.found.revisions if self.found else ()

    def check_free(self) -> None:
        """Raise ClusterError `cluster.busy` while another run works on this inventory."""
        claim = self.found.claim if self.found else None
        if claim and claim != self._claim and claim.is_live():
            raise self._busy(f"another run is at work on this inventory: {claim}")

    def check_owner(self, former: ParentRef | None = None) -> None:
        """Raise ClusterError `cluster.owned` when the inventory is that of another resource.

        For a parent that the state does not know: that of a first apply, or of a move from `former`. Else the state
        says whose it is, also after a resource was renamed. A first apply may take what nobody signed, a move may not.
        """
        if not self.found or not self.found.entries or (former and former == self.found.twin):
            return
        owner, own = self.found.owner, self._site.settings.owner
        if (own and owner == own) or not (former or (own and owner)):
            return
        raise ClusterError(
            "cluster.owned",
            f"the inventory belongs to the resource {owner}" if owner else "the inventory has objects already",
            where=self._where,
            advice=f"set another inventoryName; if that resource is this one, import {self.ref}",
        )

    @property
    def _owner(self) -> str:
        """Whose the inventory is from now on: whoever does not say so changes nothing."""
        return self._site.settings.owner or (self.found.owner if self.found else "")

    @property
    def _where(self) -> str:
        return f"Secret/{self.ref}"

    def claim(self, entries: Iterable[Entry], twin: ParentRef | None = None) -> bool:
        """Write down, before the first object is written, that this run is at work and what may exist from now on.

        Sends one request however often it is called, from any thread; whether this call sent it. Raises what the
        first call raised: ClusterError `cluster.busy` when another run was quicker.
        """
        with self._lock:
            if self.refusal:
                raise self.refusal
            if self._claim:
                return False
            claim = Claim.make(_RUNS * (self._site.settings.timeout_seconds + GRACE_SECONDS))
            try:
                self._put(entries, self.revisions, twin, claim)
            except KubeociError as error:
                claim.release()
                self.refusal = error
                raise
            self._claim = claim
            return True

    def release(self) -> None:
        """The run of this process is over, also when nobody could be told."""
        if self._claim:
            self._claim.release()

    def write(
        self, entries: Iterable[Entry], revisions: Iterable[Mapping[str, Any]], twin: ParentRef | None = None
    ) -> bool:
        """Bring the parent to this content, without a claim; False when it is like that already: nothing is sent.

        Raises ClusterError `cluster.busy` when somebody else wrote since it was read.
        """
        wanted, history = tuple(sorted(set(entries))), tuple(revisions)
        if self.found and self.found.content == (wanted, history, None, self._owner, twin):
            return False
        self._put(wanted, history, twin)
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

    def _put(
        self,
        entries: Iterable[Entry],
        revisions: Iterable[Mapping[str, Any]],
        twin: ParentRef | None,
        claim: Claim | None = None,
    ) -> None:
        body = inventory.parent_body(self.ref, entries, list(revisions), claim, self._owner, twin)
        rest = self._rest()
        for number in range(_TRIES):
            try:
                self.found = inventory.read_parent(self._send(body, rest))
            except ClusterError as error:
                if number + 1 == _TRIES or not self._is_doubtful(error):
                    raise self._told(error) from error
                if self._is_written(body, rest, error):
                    return
                rest.pause(_AGAIN_SECONDS)
            else:
                return

    def _is_doubtful(self, error: ClusterError) -> bool:
        """Whether a write that failed may have been done, its answer lost, or may be right a moment later."""
        if isinstance(error, Refused):
            lost = not self.found and error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            return lost or error.status == HTTPStatus.CONFLICT
        return not self.found  # only a creation is not repeated by itself

    def _is_written(self, body: Body, rest: Rest, error: ClusterError) -> bool:
        """Look at what is there: ours, or what was there before, so that it can be tried again, or somebody else's."""
        live = rest.get(self._path)
        if live is None and not self.found:
            return False
        if live is None:
            raise self._busy() from error
        now = inventory.read_parent(live)
        if live.get("data") == body["data"]:
            self.found = now
            return True
        if not self._is_as_before(now):
            raise self._busy() from error
        self.found = now
        return False

    def _is_as_before(self, now: Parent) -> bool:
        """Whether no other run wrote: while our claim is there nobody may, before it only an untouched Secret shows."""
        if not self.found or now.content != self.found.content:
            return False
        return self._claim is not None or now.resource_version == self.found.resource_version

    def _told(self, error: ClusterError) -> ClusterError:
        is_conflict = isinstance(error, Refused) and error.status == HTTPStatus.CONFLICT
        return self._busy() if is_conflict else error

    def _rest(self) -> Rest:
        """The server; a run that was stopped, or ran out of time, has a little left to say that it is over."""
        if not self._claim:
            return self._site.rest
        rest = self._site.rest.fork(threading.Event())
        until = 0.0 if self._site.stop.is_set() else self._site.rest.deadline
        rest.deadline = max(until, time.monotonic() + _LAST_SECONDS)
        return rest

    def _send(self, body: Body, rest: Rest) -> Body:
        manager = self.ref.manager
        if not self.found:
            return rest.create(_SECRETS.collection(self.ref.namespace), body, manager=manager)
        meta = {**body["metadata"], "resourceVersion": self.found.resource_version}
        return rest.apply(self._path, {**body, "metadata": meta}, manager=manager, force=True)

    def _busy(self, what: str = "somebody else changed the inventory during this run") -> ClusterError:
        return ClusterError(
            "cluster.busy",
            what,
            where=self._where,
            advice="wait until the other run has ended, then run again",
        )


def with_revision(revisions: Iterable[Mapping[str, Any]], revision: str) -> list[Mapping[str, Any]]:
    """The history with this revision as its newest; the same list when it is that already."""
    history = list(revisions)
    if not revision or (history and history[-1].get("revision") == revision):
        return history
    return [*history, {"revision": revision}][-inventory.MAX_REVISIONS :]
