# SPDX-License-Identifier: Apache-2.0
"""What was done, or would be done, to objects; the words are those of fluxcd/pkg `ssa`."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubeoci.identity import ObjectId


class Action(StrEnum):
    """What happens to one object."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    RECREATED = "recreated"
    DELETED = "deleted"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs. `path` is `spec.replicas` or `spec.containers[0].image`; values are short text, masked.

    `before` is empty for a field that appears, `after` for one that goes.
    """

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.before} => {self.after}"


@dataclass(frozen=True, slots=True)
class Change:
    """What was done, or would be done, to one object; `note` says why where the action alone does not."""

    subject: ObjectId
    action: Action
    api_version: str
    fields: tuple[FieldChange, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        return f"{self.subject.short} {self.action}" + (f" ({self.note})" if self.note else "")


def listed(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 2 more`: no more than `most` of the names."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def remarks(changes: Iterable[Change]) -> list[str]:
    """The changes with a note, as lines; those with the same action and note are one: a thousand may be adopted."""
    groups: dict[tuple[Action, str], list[str]] = defaultdict(list)
    for change in changes:
        if change.note:
            groups[change.action, change.note].append(change.subject.short)
    return [f"{listed(names)} {action} ({note})" for (action, note), names in groups.items()]


def summary(changes: Iterable[Change]) -> str:
    """`1 created, 2 configured, 40 unchanged`: counts in the order of `Action`, zero counts left out."""
    counts = Counter(change.action for change in changes)
    return ", ".join(f"{counts[action]} {action}" for action in Action if counts[action]) or "no objects"
