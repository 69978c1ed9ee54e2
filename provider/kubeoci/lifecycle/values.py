# SPDX-License-Identifier: Apache-2.0
"""The values that cross the border between an adapter and the core: plain data and two sentinels.

A `Value` is None, bool, int, float, str, a list of values, a dict from str to values, `UNKNOWN`, or `Secret(value)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Value: TypeAlias = object
"""None, bool, int, float, str, list, dict, `UNKNOWN` or `Secret`; checked where it is read, not by the type checker."""

Values: TypeAlias = Mapping[str, Value]
"""The properties of one resource, by their camelCase names."""


class _Unknown:
    """The only instance is `UNKNOWN`: a value that the engine learns later, in the update."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is never printed and that the engine encrypts. It stays wrapped through the core."""

    value: Value

    def __repr__(self) -> str:
        return "Secret(***)"


def reveal(value: Value) -> Value:
    """`value` with every `Secret`, at any depth, replaced by what it holds."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def has_secret(value: Value) -> bool:
    """Whether `value` is, or holds at any depth, a `Secret`."""
    if isinstance(value, dict):
        return any(has_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(has_secret(item) for item in value)
    return isinstance(value, Secret)


def veiled(value: Value, *sources: Value) -> Value:
    """`value` as a `Secret` if one of the `sources` that it was made from is one: what reveals a secret is one."""
    return Secret(value) if any(map(has_secret, sources)) else value


def has_unknown(value: Value) -> bool:
    """Whether `value` is, or holds at any depth, something not known yet."""
    if isinstance(value, Secret):
        return has_unknown(value.value)
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN
