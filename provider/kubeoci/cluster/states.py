# SPDX-License-Identifier: Apache-2.0
"""What the health of an object is told in, and how rules read a status."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kubeoci.normalise import at, maps

Body = Mapping[str, Any]
"""A live object as JSON gives it."""


class State(StrEnum):
    """Where an object is on its way."""

    IN_PROGRESS = "InProgress"
    CURRENT = "Current"
    FAILED = "Failed"
    TERMINATING = "Terminating"
    NOT_FOUND = "NotFound"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Health:
    """`reason` is one word for programs, `message` a few for people; both are empty for most Current objects."""

    state: State
    reason: str = ""
    message: str = ""

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.state is State.CURRENT


CURRENT = Health(State.CURRENT)
"""Nothing to wait for, and nothing to say."""


def progress(reason: str, message: str) -> Health:
    """Still on its way."""
    return Health(State.IN_PROGRESS, reason, message)


def first(*rules: tuple[bool, str, str]) -> Health:
    """The first (holds, reason, message) that holds keeps an object from being current."""
    return next((progress(reason, message) for holds, reason, message in rules if holds), CURRENT)


def told(state: State, condition: Body) -> Health:
    """What a condition says of itself."""
    message = str(condition.get("message") or f"{condition.get('type')}={condition.get('status')}")
    return Health(state, str(condition.get("reason") or condition.get("type")), message)


def conditions(body: Body) -> Iterator[dict[str, Any]]:
    """`status.conditions`, which may be null."""
    return maps(at(body, "status", "conditions"))


def condition(body: Body, kind: str) -> dict[str, Any]:
    """The first condition of a type, empty when there is none."""
    return next((item for item in conditions(body) if item.get("type") == kind), {})


def counts(body: Body, *names: str) -> tuple[int, ...]:
    """Numbers of the status, 0 for what is missing or no number."""
    return tuple(number(body, "status", name, default=0) for name in names)


def number(body: Body, *path: str, default: int) -> int:
    """The whole number at a path."""
    value = at(body, *path)
    return value if is_int(value) else default


def is_int(value: object) -> bool:
    """Whether it is a number that counts; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)
