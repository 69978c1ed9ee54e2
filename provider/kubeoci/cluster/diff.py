# SPDX-License-Identifier: Apache-2.0
"""Which fields of an object differ, told by paths that a person can follow."""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import islice, zip_longest
from typing import Any

from kubeoci import canonical
from kubeoci.changes import FieldChange

MAX_CHANGES = 200
"""Fields shown for one object; then a count."""
MAX_CHARACTERS = 200
"""Characters of one value."""

_NOISE = frozenset({"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"})
_KEYS = ("name", "key", "mountPath", "containerPort", "port")
_MAX_MATCHED = 500  # elements; matching longer lists takes too long
_ABSENT = object()


def fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """Every field in which two masked bodies differ, without status and what only the server sets.

    Elements of a list are paired by name or key where they have one (`containers["web"]`), else by what they hold
    (`args[0]`). Beyond 200 fields the last entry is a count, its path `…`.
    """
    found = _differences("", _meant(before), _meant(after))
    shown = list(islice(found, MAX_CHANGES))
    more = sum(1 for _ in found)
    return tuple(shown) if not more else (*shown, FieldChange("…", "", f"{more} more fields"))


def _meant(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a user can mean: no status, and no metadata that only the server writes."""
    kept = {key: value for key, value in body.items() if key != "status"}
    meta = kept.get("metadata")
    if isinstance(meta, dict):
        kept["metadata"] = {key: value for key, value in meta.items() if key not in _NOISE}
    return kept


def _differences(path: str, before: Any, after: Any) -> Iterator[FieldChange]:  # noqa: ANN401 - any JSON value
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differences(_step(path, key), before.get(key, _ABSENT), after.get(key, _ABSENT))
    elif isinstance(before, list) and isinstance(after, list):
        key = next((key for key in _KEYS if _identifies(key, before) and _identifies(key, after)), "")
        yield from _keyed(path, before, after, key) if key else _listed(path, before, after)
    elif type(before) is not type(after) or before != after:
        yield FieldChange(path, *_texts(before, after))


def _step(path: str, key: str) -> str:
    if not key.replace("_", "").replace("-", "").isalnum():
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def _identifies(key: str, items: Sequence[Any]) -> bool:
    """Whether each element is a mapping with a value of its own at `key`."""
    values = [item.get(key) if isinstance(item, dict) else None for item in items]
    return all(isinstance(value, str | int) for value in values) and len(set(values)) == len(values)


def _keyed(path: str, before: list[Any], after: list[Any], key: str) -> Iterator[FieldChange]:
    olds, news = {item[key]: item for item in before}, {item[key]: item for item in after}
    found = False
    for name in [*olds, *(name for name in news if name not in olds)]:
        shown = json.dumps(name, ensure_ascii=False)
        for change in _differences(f"{path}[{shown}]", olds.get(name, _ABSENT), news.get(name, _ABSENT)):
            found = True
            yield change
    if not found and list(olds) != list(news):
        yield FieldChange(path, _short(list(olds)), _short(list(news)))  # only the order


def _listed(path: str, before: list[Any], after: list[Any]) -> Iterator[FieldChange]:
    """Elements without a name: equal ones are matched, what lies between them is compared one by one."""
    for old_from, old_to, new_from, new_to in _unmatched(before, after):
        pairs = zip_longest(range(old_from, old_to), range(new_from, new_to))
        for old, new in pairs:
            place = new if new is not None else old
            left = _ABSENT if old is None else before[old]
            right = _ABSENT if new is None else after[new]
            yield from _differences(f"{path}[{place}]", left, right)


def _unmatched(before: list[Any], after: list[Any]) -> Iterator[tuple[int, int, int, int]]:
    if len(before) == len(after) or max(len(before), len(after)) > _MAX_MATCHED:
        yield 0, len(before), 0, len(after)
        return
    olds, news = ([json.dumps(item, sort_keys=True) for item in items] for items in (before, after))
    for tag, *place in SequenceMatcher(a=olds, b=news, autojunk=False).get_opcodes():
        if tag != "equal":
            yield place[0], place[1], place[2], place[3]


def _texts(before: object, after: object) -> tuple[str, str]:
    """Both values as short text; of two long texts the first line that differs."""
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        lines = zip_longest(before.split("\n"), after.split("\n"))
        number, old, new = next((number, *pair) for number, pair in enumerate(lines, 1) if pair[0] != pair[1])
        return _text_line(number, old), _text_line(number, new)
    return _short(before), _short(after)


def _text_line(number: int, line: str | None) -> str:
    return "" if line is None else f"line {number}: {_cut(line)}"


def _short(value: object) -> str:
    if value is _ABSENT:
        return ""
    return _cut(canonical.quoted(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
