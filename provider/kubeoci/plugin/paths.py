# SPDX-License-Identifier: Apache-2.0
r"""The answer to Diff: property paths in the engine's grammar, and what ignoreChanges takes out of it.

A path is names joined by dots, `[0]` for an element, `["key"]` for a key of any text with `"` written as `\"`. The
engine reads no escaped backslash, so a key that holds one is told of by the path above it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from kubeoci.lifecycle.contract import Difference, Kind, Path

_TOKEN = re.compile(r'\.?([^.\["\]]+)|\["((?:[^"\\]|\\")*)"\]|\[(\d+|\*)\]')


def render(path: Path) -> str:
    """`ref.tag`, `tags[0]`, `files["deploy/a.yaml"]`. Ends before the first key that holds a backslash."""
    text = str(path[0])
    for part in path[1:]:
        if isinstance(part, int):
            text += f"[{part}]"
        elif "\\" in part:
            return text
        elif part.isidentifier() and part.isascii():
            text += f".{part}"
        else:
            text += '["' + part.replace('"', '\\"') + '"]'
    return text


def parse(text: str) -> tuple[str | int, ...]:
    """The reverse of `render`; `[*]` becomes `"*"`. Raises ValueError when `text` is no path."""
    parts: list[str | int] = []
    position = 0
    while match := _TOKEN.match(text, position):
        name, key, index = match.groups()
        if name is not None:
            parts.append(name)
        elif key is not None:
            parts.append(key.replace('\\"', '"'))
        else:
            parts.append("*" if index == "*" else int(index))
        position = match.end()
    if position != len(text) or not parts:
        raise ValueError(f"not a property path: {text!r}")
    return tuple(parts)


def remaining(difference: Difference, ignore: Sequence[str]) -> Difference:
    """`difference` without what the paths `ignore` cover; a replacement goes with the last path that asks for it.

    Facts are computed anew in each check, so the engine cannot keep the old ones for us.
    """
    patterns = list(_patterns(ignore))
    entries = {path: kind for path, kind in difference.entries.items() if not any(_covers(p, path) for p in patterns)}
    tops = {path[0] for path in entries} | {
        name for name in difference.replaces if not any(p == (name,) for p in patterns)
    }
    replaces = tuple(name for name in difference.replaces if name in tops)
    for name in replaces:
        if not any(path[0] == name for path in entries):
            entries[(name,)] = Kind.UPDATE  # the engine wants each key that replaces among the paths
    return Difference(entries, replaces)


def rendered(entries: Mapping[Path, Kind]) -> dict[str, Kind]:
    """Each path as text with its kind; paths that fall together become one update."""
    texts: dict[str, Kind] = {}
    for path, kind in entries.items():
        text = render(path)
        shortened = text in texts or any("\\" in str(part) for part in path[1:])
        texts[text] = Kind.UPDATE if shortened else kind
    return texts


def _patterns(ignore: Iterable[str]) -> Iterable[tuple[str | int, ...]]:
    for text in ignore:
        try:
            yield parse(text)
        except ValueError:  # the engine has told the user about it
            continue


def _covers(pattern: tuple[str | int, ...], path: Path) -> bool:
    """Whether `pattern` names `path` or something above it; `*` stands for any one part."""
    return len(pattern) <= len(path) and all(want in ("*", part) for want, part in zip(pattern, path, strict=False))
