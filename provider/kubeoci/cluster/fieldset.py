# SPDX-License-Identifier: Apache-2.0
"""Sets of fields as `managedFields` writes them (`fieldsV1`), and what an object is without such a set.

A key is `f:name` of a map, `k:{…}` or `v:…` of a list, or `.`, the map or element itself. No key below: a leaf.
"""

import copy
import json
from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, Any]

_ITSELF = "."
_ABSENT = object()


def union(*sets: Fields) -> dict[str, Any]:
    """All fields of all sets."""
    made: dict[str, Any] = {}
    for each in sets:
        for key, below in each.items():
            made[key] = union(made.get(key, {}), below or {})
    return made


def minus(fields: Fields, path: tuple[str, ...]) -> dict[str, Any]:
    """The set without one field; maps that hold nothing else stay in it."""
    first, *rest = path
    if first not in fields:
        return dict(fields)
    made = {key: below for key, below in fields.items() if key != first}
    return {**made, first: minus(fields[first], tuple(rest))} if rest else made


def without(body: dict[str, Any], gone: Fields, kept: Fields) -> dict[str, Any]:
    """The body as the server leaves it when nobody but `kept` owns the fields in `gone` any more.

    Values that the server sets by itself afterwards, its defaults, are not known here.
    """
    made = copy.deepcopy(body)
    _remove(made, gone, kept)
    return made


def _remove(node: Any, gone: Fields, kept: Fields) -> None:  # noqa: ANN401 - any JSON value
    for key, below in gone.items():
        child = _ABSENT if key == _ITSELF else _find(node, key)
        if child is _ABSENT:
            continue
        inside = [name for name in below if name != _ITSELF]
        if key not in kept and (not inside or _ITSELF in below):
            _take_out(node, key)
            continue
        _remove(child, below, kept.get(key) or {})
        if inside and key not in kept and child in ({}, []):
            _take_out(node, key)


def _find(node: Any, key: str) -> Any:  # noqa: ANN401 - any JSON value
    name = key[2:]
    if key.startswith("f:"):
        return node.get(name, _ABSENT) if isinstance(node, dict) else _ABSENT
    found = _index(node, key)
    return _ABSENT if found is None else node[found]


def _take_out(node: Any, key: str) -> None:  # noqa: ANN401 - any JSON value
    found = key[2:] if key.startswith("f:") else _index(node, key)
    if found is not None:
        del node[found]


def _index(node: Any, key: str) -> int | None:  # noqa: ANN401 - any JSON value
    """The place of an element: by some of its values (`k:`), or by its value (`v:`)."""
    if not isinstance(node, list) or not key.startswith(("k:", "v:")):
        return None
    wanted = json.loads(key[2:])
    for place, item in enumerate(node):
        if item == wanted if key.startswith("v:") else _has(item, wanted):
            return place
    return None


def _has(item: Any, wanted: Mapping[str, Any]) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(item, dict) and all(name in item and item[name] == value for name, value in wanted.items())
