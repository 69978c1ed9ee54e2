# SPDX-License-Identifier: Apache-2.0
"""The parents of an inventory: one, and for the time of a move from one Secret to another two.

A move is an update like others: each object gets the new label and the new field manager, in its own write. Until all
have them, and until the state says where they are now, two Secrets name each other as twins. So a run that is killed
in between leaves nothing that the next one, with the old settings or the new, does not find; and a destroy neither.
"""

import contextlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kubeoci.cluster import inventory
from kubeoci.cluster.inventory import Entry, Parent, ParentRef
from kubeoci.cluster.parent import ParentStore
from kubeoci.cluster.site import Site
from kubeoci.errors import ClusterError, KubeociError
from kubeoci.identity import ObjectId


class Parents:
    """What a `ParentStore` is for an inventory that stays: it reads, claims, writes and deletes both."""

    def __init__(self, site: Site, *, is_known: bool) -> None:
        """Reads them, and tells the site of the twin. `is_known`: the state has objects of the inventory.

        Raises ClusterError `cluster.owned` for a Secret of somebody else.
        """
        self._site = site
        self._store = ParentStore(site, site.settings.ref)
        former, found = site.settings.former, self._store.found
        if former:
            self._twin = _existing(site, former)
        else:
            self._twin = (
                _twin(site, self._store) if is_known or (found and found.owner == site.settings.owner) else None
            )
        site.twin = former or (self._twin.ref if self._twin else None)
        third = _twin(site, self._twin) if former and self._twin else None
        self._third = third if third and third.ref != site.settings.ref else None

    @property
    def found(self) -> Parent | None:
        """The parent where the settings say that it is."""
        return self._store.found

    @property
    def refusal(self) -> KubeociError | None:
        """Why they could not be claimed: then nothing may be written at all."""
        return self._store.refusal or (self._twin.refusal if self._twin else None)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries of both."""
        return inventory.union(self._twin.entries if self._twin else (), self._store.entries)

    @property
    def revisions(self) -> tuple[dict[str, Any], ...]:
        """The revisions that were applied, newest last."""
        return self._store.revisions or (self._twin.revisions if self._twin else ())

    def check_free(self) -> None:
        """Raise ClusterError `cluster.busy` while another run works on one of them."""
        for store in self._stores():
            store.check_free()

    def check_owner(self) -> None:
        """Of a parent that the state does not know: raise ClusterError `cluster.owned` when it is another resource's.

        `cluster.inventory` when another move from the same place has begun: some objects may be there by now.
        """
        former = self._site.settings.former
        self._store.check_owner(former)
        if self._third and self._third.entries:
            raise ClusterError(
                "cluster.inventory",
                f"a move between {former} and {self._third.ref} has not ended",
                where=f"Secret/{former}",
                advice="set namespace and inventoryName to one of these, run again, and then to the new ones",
            )

    def claim(self, entries: Iterable[Entry]) -> bool:
        """As `ParentStore.claim`. The twin first: who works there at present is met before anything is written."""
        if not self._twin:
            return self._store.claim(entries)
        if self._twin.claim(self._twin.entries, self._store.ref) and self._third:
            self._third.delete()  # what is left of the move before, and nobody would find again
        try:
            return self._store.claim(entries, self._twin.ref)
        except KubeociError:
            with contextlib.suppress(KubeociError):  # what is told is why; an unwithdrawn claim ends by itself
                self._twin.write(self._twin.entries, self._twin.revisions, self._store.ref)
            raise

    def release(self) -> None:
        """The run of this process is over."""
        for store in self._stores():
            store.release()

    def write(
        self, entries: Iterable[Entry], revisions: Iterable[Mapping[str, Any]], moving: Collection[ObjectId]
    ) -> bool:
        """As `ParentStore.write`. `moving` are the objects that may still be under the twin.

        The twin goes when there are none, and the state knows of the move.
        """
        if not self._twin:
            return self._store.write(entries, revisions)
        left = [entry for entry in self._twin.entries if entry.id in moving]
        is_over = not left and not self._site.settings.former
        try:
            written = self._twin.delete() if is_over else self._twin.write(left, self._twin.revisions, self._store.ref)
        except KubeociError:
            self._store.write(entries, revisions, self._twin.ref)
            raise
        return self._store.write(entries, revisions, None if is_over else self._twin.ref) or written

    def delete(self) -> bool:
        """Remove both; False when there is none."""
        deleted = [store.delete() for store in self._stores()]
        return any(deleted)

    def _stores(self) -> tuple[ParentStore, ...]:
        """The twin first: while the other one is there, the next run finds what is left."""
        return (self._twin, self._store) if self._twin else (self._store,)


def _twin(site: Site, store: ParentStore) -> ParentStore | None:
    """The other parent of a move. A link counts in both directions only: a name that is free may be taken by others."""
    if not store.found or not store.found.twin:
        return None
    other = _existing(site, store.found.twin)
    return other if other and other.found and other.found.twin == store.ref else None


def _existing(site: Site, ref: ParentRef) -> ParentStore | None:
    """The parent; None where there is none, or somebody else's Secret has its name by now."""
    try:
        store = ParentStore(site, ref)
    except ClusterError as error:
        if error.code != "cluster.owned":
            raise
        return None
    return store if store.found else None
