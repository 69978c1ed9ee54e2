# SPDX-License-Identifier: Apache-2.0
"""What an adapter (dynamic resource, plugin, command) asks of a resource, and what it gets back.

`kubeoci.lifecycle.artifact` and `kubeoci.lifecycle.repository` are modules of this shape; `RESOURCES` in
`kubeoci.lifecycle.resources` finds them by type token.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from kubeoci.changes import Change
from kubeoci.errors import KubeociError
from kubeoci.lifecycle.session import Session
from kubeoci.lifecycle.values import Value, Values

Path = tuple[str | int, ...]
"""Where a value is: `("files", "a.yaml")`, `("tags", 0)`."""


class Severity(StrEnum):
    """How loud a message to the user is. Nothing fails because of a message."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Call:
    """The circumstances of one call.

    `log` shows a line that stays; `progress` one that may be overwritten or dropped. Neither gets a secret.
    `timeout_seconds` is the engine's custom timeout, 0 when unset. `preview` is only known to the plugin: a dynamic
    resource is never created or updated in a preview, and its check cannot tell.
    """

    session: Session
    name: str = ""
    preview: bool = False
    timeout_seconds: float = 0.0
    log: Callable[[Severity, str], None] = lambda _severity, _text: None
    progress: Callable[[str], None] = lambda _text: None


class Kind(StrEnum):
    """How one path differs."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Checked:
    """Inputs with the facts added, or what is wrong with them: `path: what; advice (code)`, all at once."""

    inputs: dict[str, Value]
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """Every path that differs, and whether the resource must be replaced. Empty `entries`: no difference."""

    entries: dict[Path, Kind]
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Planned:
    """What a preview shows: outputs (unknown where not known), the objects that change, and one line in words."""

    outputs: dict[str, Value]
    changes: tuple[Change, ...] = ()
    bodies: dict[str, str] = field(default_factory=dict)  # str(subject) -> masked YAML of an object that is created
    message: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as the engine stores it. `inputs` are what `check` would have given for the live world."""

    id: str
    outputs: dict[str, Value]
    inputs: dict[str, Value] = field(default_factory=dict)


class Incomplete(KubeociError):  # noqa: N818 - part of it is done
    """Several things went wrong; `reasons` are complete sentences with their codes, one for each."""

    def __init__(self, code: str, reasons: Sequence[str]) -> None:
        super().__init__(code, "not everything could be done")
        self.reasons = tuple(reasons)

    def __str__(self) -> str:
        return "\n".join(self.reasons) or super().__str__()


class Unfinished(Incomplete):
    """Something was written and something failed. The resource exists: `stored` must reach the state.

    `is_fresh`: all of it was made by this very run.
    """

    def __init__(self, code: str, reasons: Sequence[str], *, stored: Stored, is_fresh: bool = False) -> None:
        super().__init__(code, reasons)
        self.stored = stored
        self.is_fresh = is_fresh


class Resource(Protocol):
    """The eight things that the engine asks of a resource. Every failure is a `KubeociError` or a group of them."""

    INPUTS: frozenset[str]  # names a program may set
    FACTS: frozenset[str]  # names that check adds to the inputs
    SECRET: frozenset[str]  # input names whose values are secret even if the user forgot to say so

    def check(self, call: Call, olds: Values, news: Values) -> Checked:
        """Validate `news` and add the facts. Never raises for what the user wrote: that is a failure."""
        ...

    def diff(self, olds: Values, news: Values) -> Difference:
        """Compare inputs with inputs. Pure: no network, no clock. `olds` may hold outputs too; they are passed over."""
        ...

    def plan(self, call: Call, ident: str, olds: Values, news: Values) -> Planned:
        """What create (`ident` is empty) or update would do. Sends nothing but reads and dry-runs."""
        ...

    def create(self, call: Call, news: Values) -> Stored:
        """Make it so. Safe to repeat after any interruption. Raises `Unfinished` once something is written."""
        ...

    def update(self, call: Call, ident: str, olds: Values, news: Values) -> Stored:
        """Make it so, also when `olds` equals `news`. Raises `Unfinished` once something is written."""
        ...

    def read(self, call: Call, ident: str, outputs: Values, inputs: Values) -> Stored | None:
        """The live world, or None when it is proven gone. `inputs` and `outputs` are empty on import."""
        ...

    def delete(self, call: Call, ident: str, outputs: Values) -> None:
        """Remove what is ours. What is gone already is no failure."""
        ...

    def abandon(self, call: Call, failure: Unfinished) -> tuple[str, ...]:
        """For an engine that forgets a resource whose creation failed: leave nothing that nobody would ever delete.

        Returns what the user should read: the reasons of `failure`, and what became of what was written.
        """
        ...
