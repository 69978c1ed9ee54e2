# SPDX-License-Identifier: Apache-2.0
"""What every step of the engine works with, and the results that the engine gives."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from kubeoci.changes import Change
from kubeoci.cluster import marks
from kubeoci.cluster.answers import Refused, short
from kubeoci.cluster.checks import HealthCheck, HealthCheckExpr
from kubeoci.cluster.ignorerules import IgnoreRule
from kubeoci.cluster.inventory import PART_OF, Entry, ParentRef
from kubeoci.cluster.mapper import Mapper
from kubeoci.cluster.mask import Masks
from kubeoci.cluster.rest import Rest
from kubeoci.errors import ClusterError, KubeociError, Stopped
from kubeoci.identity import ObjectId

Body = dict[str, Any]
"""One object as JSON gives it."""

WRITERS = 32
"""Writes at the same time; on one machine 16 gave half of the objects per second (measured)."""
READERS = 16
"""Lists and dry-runs at the same time; more gave nothing (measured)."""
GRACE_SECONDS = 30.0
"""Time that is left after the deadline to write down what happened."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How one inventory is applied; the words are those of a Flux Kustomization.

    `namespace` and `inventory_name` name the ApplySet parent, a Secret. `timeout_seconds` is for apply and wait
    together, and again for deleting. `conflicts` is `smart`, `force` or `fail`; `deletion_policy` is `MirrorPrune`,
    `Delete`, `WaitForTermination` or `Orphan`. `fail_fast` ends waiting at the first failed object;
    `health_checks` are awaited too, with `wait: false` they alone. To prune more than `max_prune` is refused.
    Without `adopt` an object that exists and is nobody's is refused. Fields of `override_managers` are taken,
    those of `ignore_fields` are left to others. `owner`, `project/stack/name`, says whose the inventory is. `former` is
    where the state has it, given only when it has to be moved from there.
    """

    namespace: str
    inventory_name: str
    prune: bool = True
    wait: bool = True
    timeout_seconds: float = 300.0
    force: bool = False
    conflicts: str = "smart"
    allow_empty: bool = False
    deletion_policy: str = "MirrorPrune"
    fail_fast: bool = False
    health_checks: tuple[HealthCheck, ...] = ()
    health_check_exprs: tuple[HealthCheckExpr, ...] = ()
    max_prune: int | None = None
    adopt: bool = True
    override_managers: tuple[str, ...] = ()
    ignore_fields: tuple[IgnoreRule, ...] = ()
    owner: str = ""
    former: ParentRef | None = None

    @property
    def ref(self) -> ParentRef:
        """The ApplySet parent."""
        return ParentRef(self.namespace, self.inventory_name)

    @property
    def keeps_objects(self) -> bool:
        """Whether objects stay in the cluster when their owner goes."""
        return self.deletion_policy == "Orphan" or (self.deletion_policy == "MirrorPrune" and not self.prune)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an apply would do. `bodies` has the masked YAML of each object that is created, by `str(id)`."""

    changes: tuple[Change, ...]
    bodies: dict[str, str]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done. `reasons` are complete sentences, empty on success; `code` is the first one's, "" on success.

    `inventory` is what now belongs to the resource, also after a failure. `written`: any write request was sent.
    `warnings` are for the caller to show.
    """

    changes: tuple[Change, ...]
    inventory: tuple[Entry, ...]
    reasons: tuple[str, ...]
    code: str
    warnings: tuple[str, ...]
    written: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """How the cluster differs from what was applied.

    `live` has only objects that differ: the fields that we set, with their live values, unmasked. `found` counts the
    recorded objects that exist.
    """

    missing: tuple[ObjectId, ...]
    live: dict[ObjectId, Body]
    parent_found: bool
    found: int


@dataclass(slots=True)
class Site:
    """One cluster and one inventory, for the time of one operation.

    `twin` is the other parent while the inventory moves: what is under it is ours, too.
    """

    rest: Rest
    mapper: Mapper
    settings: Settings
    stop: threading.Event
    progress: Callable[[str], None]
    masks: Masks
    warnings: list[str] = field(default_factory=list)
    ready_by: float = 0.0
    told: str = ""
    twin: ParentRef | None = None

    @property
    def applyset(self) -> str:
        """The value of the label that each of our objects gets."""
        return self.settings.ref.applyset

    @property
    def manager(self) -> str:
        """The field manager of this inventory."""
        return self.settings.ref.manager

    @property
    def selector(self) -> str:
        """The label selector of our objects."""
        if self.twin:
            return f"{PART_OF} in ({self.applyset},{self.twin.applyset})"
        return f"{PART_OF}={self.applyset}"

    @property
    def applysets(self) -> tuple[str, ...]:
        """The values of the label that make an object ours."""
        return (self.applyset, self.twin.applyset) if self.twin else (self.applyset,)

    def is_ours(self, live: Body) -> bool:
        """Whether the object carries our label, or that of the twin."""
        return marks.applyset(live) in self.applysets

    def is_settled(self, live: Body) -> bool:
        """Whether the object carries the label that it should have."""
        return marks.applyset(live) == self.applyset

    def is_moving(self, live: Body) -> bool:
        """Whether the object is still under the twin."""
        return self.twin is not None and marks.applyset(live) == self.twin.applyset

    def start_clock(self) -> None:
        """Start the time of `timeout_seconds`, and a little more for the records."""
        self.ready_by = time.monotonic() + self.settings.timeout_seconds
        self.rest.deadline = self.ready_by + GRACE_SECONDS

    def check_time(self) -> None:
        """Raise Stopped when the time is over, so that what is left of it goes to the records."""
        if time.monotonic() > self.ready_by:
            raise Stopped("stopped.deadline", "ran out of time", advice="raise the timeout")

    def tell(self, text: str) -> None:
        """Show a line of progress, masked, unless it is the one that was shown last."""
        masked = self.masks.text(text)
        if masked != self.told:
            self.told = masked
            self.progress(masked)

    def warn(self, text: str) -> None:
        """Keep a warning, masked and once, for the end of the operation."""
        masked = self.masks.text(text)
        if masked not in self.warnings:
            self.warnings.append(masked)

    def drain(self) -> tuple[str, ...]:
        """All warnings of this operation, those of the server's headers among them."""
        for text in self.rest.warnings:
            self.warn(text)
        return tuple(self.warnings)

    def fault(self, place: str, error: KubeociError) -> ClusterError:
        """The error told of one object, without its secrets."""
        where = f"{place}: {error.where}" if error.where else place
        what = short(self.masks.text(error.text)) if isinstance(error, Refused) else self.masks.text(error.what)
        return ClusterError(error.code, what, where=where, advice=self.masks.text(error.advice))


def raise_all(what: str, faults: Iterable[KubeociError]) -> None:
    """Nothing when there are no faults; the one fault; or all of them as an `ExceptionGroup`."""
    found = list(faults)
    if len(found) == 1:
        raise found[0]
    if found:
        raise ExceptionGroup(what, found)
