# SPDX-License-Identifier: Apache-2.0
"""Reading the properties of a resource: each has a type, each fault a property path, and all are told at once.

A property that is not known yet counts as not given and is listed in `Reader.pending`: what depends on it is unknown.
"""

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from kubeoci.errors import InputError, KubeociError, flatten
from kubeoci.lifecycle.values import UNKNOWN, Value, Values, has_unknown, reveal

SIGNATURE = "4dabf18193072939515e22adb298388d"  # marks typed values on Pulumi's wire: cannot be a user's key
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # stands for "unknown" on Pulumi's wire

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")


def duration(text: str) -> float:
    """Seconds of `1h30m`, `90s`, `1.5h`: Flux's grammar, a sum over 0 and below 2^63 ns. Raises `InputError`."""
    seconds = 0.0
    if _DURATION.fullmatch(text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if not 0 < seconds < 2**63 / 1e9:
        raise InputError("input.invalid", f"{text!r} is no duration", advice="write it like 90s, 5m or 1h30m")
    return seconds


@dataclass(slots=True)
class Reader:
    """The properties `values` below the path `where`. Collects `faults`, and in `pending` what is not known yet."""

    values: Values
    where: str = ""
    faults: list[KubeociError] = field(default_factory=list)
    pending: set[str] = field(default_factory=set)

    def path(self, name: str) -> str:
        """The property path of `name`, as check failures print it; of the object itself when `name` is empty."""
        return f"{self.where}.{name}" if self.where and name else self.where or name

    def fault(self, name: str, what: str, advice: str = "", code: str = "input.invalid") -> None:
        """Keep one fault of the property `name`."""
        self.faults.append(InputError(code, what, where=self.path(name), advice=advice))

    def adopt(self, name: str, error: BaseException) -> None:
        """Keep what another part of the core found wrong with the property `name`."""
        self.faults += [fault.at(self.path(name)) for fault in flatten(error)]

    def known(self, names: Collection[str]) -> None:
        """Refuse every property that is not one of `names`."""
        for name in sorted(set(self.values) - set(names)):
            close = ", ".join(sorted(names))
            self.fault(name, "there is no such property", f"there are: {close}", "input.unknown")

    def raw(self, name: str) -> Value:
        """The value in clear, None when absent or not known yet."""
        value = self.values.get(name)
        if has_unknown(value):
            self.pending.add(name)
            return None
        return reveal(value)

    def text(self, name: str, default: str = "", *, required: bool = False) -> str:
        """A text; `default` when absent. A required one must not be empty."""
        value = self.raw(name)
        if value is None:
            if required and name not in self.pending:
                self.fault(name, "is missing", "give it as text")
            return default
        if not isinstance(value, str):
            self.fault(name, f"must be text, not {_kind(value)}")
            return default
        if required and not value:
            self.fault(name, "is empty")
        return value

    def choice(self, name: str, options: Collection[str], default: str) -> str:
        """One of `options`."""
        value = self.text(name, default)
        if value not in options:
            self.fault(name, f"{value!r} is not possible here", f"choose one of {', '.join(options)}")
            return default
        return value

    def matching(
        self, name: str, pattern: re.Pattern[str], what: str, advice: str, *, default: str = "", required: bool = False
    ) -> str:
        """A text that the whole `pattern` fits; else it is a fault, that it `is {what}`."""
        value = self.text(name, required=required) or default
        if value and not pattern.fullmatch(value):
            self.fault(name, f"{value!r} is {what}", advice)
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """A boolean."""
        value = self.raw(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fault(name, f"must be true or false, not {_kind(value)}")
            return default
        return value

    def maybe(self, name: str) -> bool | None:
        """A boolean, or None when the user does not say."""
        return self.boolean(name, default=False) if self.raw(name) is not None else None

    def integer(self, name: str) -> int | None:
        """A whole number, 0 or more; numbers travel as doubles, so 3.0 is 3 and 3.5 a fault."""
        value = self.raw(name)
        if value is None:
            return None
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not 0 <= number <= 2**53 or int(number) != number:  # nan is not within any bounds
            self.fault(name, "must be a whole number, 0 or more")
            return None
        return int(number)

    def texts(self, name: str, default: Iterable[str] = ()) -> tuple[str, ...]:
        """A list of texts."""
        value = self.raw(name)
        if value is None:
            return tuple(default)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fault(name, "must be a list of texts")
            return tuple(default)
        return tuple(value)

    def table(self, name: str) -> dict[str, str]:
        """A map from text to text."""
        value = self.raw(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            self.fault(name, "must be a map from text to text")
            return {}
        return dict(value)

    def seconds(self, name: str, default: float) -> float:
        """A duration in Flux's grammar, in seconds."""
        value = self.text(name)
        if not value:
            return default
        try:
            return duration(value)
        except InputError as error:
            self.adopt(name, error)
            return default

    def section(self, name: str, names: Collection[str]) -> "Reader | None":
        """The nested object `name`, None when absent. It shares `faults`; a part not known makes `name` pending."""
        value = self.values.get(name)
        value = reveal(value) if not has_unknown(value) else value
        if value is None or value is UNKNOWN or not isinstance(value, dict):
            if value is UNKNOWN or has_unknown(value):
                self.pending.add(name)
            elif value is not None:
                self.fault(name, f"must be an object with {', '.join(names)}, not {_kind(value)}")
            return None
        if has_unknown(value):
            self.pending.add(name)
        inner = Reader(value, self.path(name), self.faults)
        inner.known(names)
        return inner

    def sections(self, name: str, names: Collection[str]) -> "list[Reader]":
        """Each item of a list of nested objects. They share `faults`; what is not known yet makes `name` pending."""
        value = self.values.get(name)
        if value is None or has_unknown(value):
            self.pending |= {name} if value is not None else set()
            return []
        value = reveal(value)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.fault(name, f"must be a list of objects with {', '.join(names)}")
            return []
        found = [Reader(item, f"{self.path(name)}[{index}]", self.faults) for index, item in enumerate(value)]
        for each in found:
            each.known(names)
        return found


def settled(reader: Reader) -> None:
    """Raise an `ExceptionGroup` of all faults, or an `InputError` for what an update must know and does not."""
    if reader.faults:
        raise ExceptionGroup("inputs", reader.faults)
    if reader.pending:
        names = ", ".join(sorted(reader.pending))
        raise InputError("input.invalid", "is not known, although the update has begun", where=names)


def uncarriable(values: Value, where: str = "") -> list[KubeociError]:
    """Faults of texts and keys that Pulumi's wire cannot carry, since it gives them a meaning of its own."""
    if isinstance(values, str) and values == UNKNOWN_TEXT:
        return [InputError("input.invalid", "this text cannot be carried by Pulumi", where=where)]
    if isinstance(values, list):
        return [fault for index, item in enumerate(values) for fault in uncarriable(item, f"{where}[{index}]")]
    if isinstance(values, dict):
        taken = [InputError("input.invalid", "this key cannot be carried by Pulumi", where=where)]
        own: list[KubeociError] = list(taken) if SIGNATURE in values else []
        return own + [
            fault
            for key, item in values.items()
            for fault in uncarriable(item, f"{where}.{key}" if where else str(key))
        ]
    return []


def _kind(value: Value) -> str:
    """The name of a value's type in the user's words."""
    names = {bool: "true or false", float: "a number", int: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
