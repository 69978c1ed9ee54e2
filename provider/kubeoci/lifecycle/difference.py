# SPDX-License-Identifier: Apache-2.0
"""Comparing old with new inputs, path by path: pure and symmetric."""

from collections.abc import Iterable, Sequence

from kubeoci.lifecycle.contract import Kind, Path
from kubeoci.lifecycle.values import UNKNOWN, Value, Values, reveal


def compare(olds: Values, news: Values, names: Iterable[str], ignore: Sequence[str] = ()) -> dict[Path, Kind]:
    """Every path below the properties `names` that differs; `ignore` holds paths as Pulumi's ignoreChanges has them.

    An unknown value differs from everything but another unknown one. Null and missing are the same.
    """
    entries: dict[Path, Kind] = {}
    for name in sorted(names):
        _walk((name,), reveal(olds.get(name)), reveal(news.get(name)), entries)
    return {path: kind for path, kind in entries.items() if not any(_covers(text, path) for text in ignore)}


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


def render(path: Path) -> str:
    """`files["a.yaml"]`, `tags[0]`, `ref.tag`: the path grammar of Pulumi."""
    text = str(path[0])
    for part in path[1:]:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier():
            text += f".{part}"
        else:
            text += '["' + part.replace('"', '\\"') + '"]'
    return text


def _covers(ignored: str, path: Path) -> bool:
    """Whether `ignored` names `path` or something above it."""
    return any(ignored in (render(path[:length]), _quoted(path[:length])) for length in range(1, len(path) + 1))


def _quoted(path: Path) -> str:
    """The same path with every key in brackets, which users write too."""
    return str(path[0]) + "".join(f"[{part}]" if isinstance(part, int) else f'["{part}"]' for part in path[1:])
