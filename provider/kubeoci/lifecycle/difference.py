# SPDX-License-Identifier: Apache-2.0
"""Comparing old with new inputs, path by path: pure and symmetric."""

from collections.abc import Iterable

from kubeoci.lifecycle.contract import Kind, Path
from kubeoci.lifecycle.values import UNKNOWN, Value, Values, reveal


def compare(olds: Values, news: Values, names: Iterable[str]) -> dict[Path, Kind]:
    """Every path below the properties `names` that differs.

    An unknown value differs from everything but another unknown one. Null and missing are the same.
    """
    entries: dict[Path, Kind] = {}
    for name in sorted(names):
        _walk((name,), reveal(olds.get(name)), reveal(news.get(name)), entries)
    return entries


def _walk(path: Path, old: Value, new: Value, entries: dict[Path, Kind]) -> None:
    if old is None or new is None:
        if old is not new:
            entries[path] = Kind.ADD if old is None else Kind.DELETE
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            _walk((*path, key), old.get(key), new.get(key), entries)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            _walk((*path, index), _at(old, index), _at(new, index), entries)
    elif not _equal(old, new):
        entries[path] = Kind.UPDATE


def _equal(old: Value, new: Value) -> bool:
    """Equality of leaves: `true` is not 1, and nothing but itself equals what is unknown."""
    if old is UNKNOWN or new is UNKNOWN:
        return old is new
    return isinstance(old, bool) is isinstance(new, bool) and old == new


def _at(values: list[Value], index: int) -> Value:
    return values[index] if index < len(values) else None
