# SPDX-License-Identifier: Apache-2.0
"""Server-side apply, near enough: fields are owned one by one, and lists of maps with a `name` are merged by it.

Everything else of the real thing that the engine relies on is here: conflicts with their causes, force, fields that
vanish because nobody owns them any more, and `managedFields` in the server's own form.
"""

import copy
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

Body = dict[str, Any]
Field = tuple[str, ...]  # ("f:spec", "f:containers", 'k:{"name":"web"}', "f:image")

_IDENTITY = {("f:apiVersion",), ("f:kind",), ("f:metadata", "f:name"), ("f:metadata", "f:namespace")}
_SERVER = {
    ("f:metadata", f"f:{name}")
    for name in ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields")
}


class ConflictError(Exception):
    """Other managers own fields; `causes` are as in a `Status`."""

    def __init__(self, causes: list[Body]) -> None:
        super().__init__(f"{len(causes)} conflicts")
        self.causes = causes


def apply(live: Body | None, body: Body, manager: str, *, force: bool) -> Body:
    """The object after an apply; the arguments stay as they are. Raises `ConflictError`."""
    result = copy.deepcopy(live) if live else {"metadata": {"managedFields": []}}
    owners = _owners(result)
    mine = (manager, "Apply")
    wanted = dict(leaves(body))
    rivals = [
        (field, owner)
        for owner, fields in owners.items()
        if owner != mine
        for field in sorted(fields & wanted.keys())
        if not _is_same(_get(result, field), wanted[field])
    ]
    if rivals and not force:
        raise ConflictError([_cause(field, owner) for field, owner in rivals])
    for field, owner in rivals:
        owners[owner].discard(field)
    for field in owners.get(mine, set()) - wanted.keys():
        if not any(field in fields for owner, fields in owners.items() if owner != mine):
            _drop(result, field)
    for field, value in wanted.items():
        _set(result, field, value)
    for key in ("apiVersion", "kind"):
        result[key] = body[key]
    result["metadata"] |= {key: body["metadata"][key] for key in ("name", "namespace") if key in body["metadata"]}
    owners[mine] = set(wanted)
    result["metadata"]["managedFields"] = [_entry(owner, body["apiVersion"], owners[owner]) for owner in owners]
    return result


def update(live: Body | None, after: Body, manager: str) -> Body:
    """The object after a write of the whole: what changed is now owned by `manager`, operation Update."""
    result, before = copy.deepcopy(after), dict(leaves(live)) if live else {}
    owners = _owners(live or {"metadata": {}})
    changed = {field for field, value in leaves(after) if field not in before or not _is_same(before[field], value)}
    owners = {owner: fields - changed for owner, fields in owners.items()}
    owners.setdefault((manager, "Update"), set()).update(changed)
    there = dict(leaves(after))
    entries = [_entry(owner, after["apiVersion"], fields & there.keys()) for owner, fields in owners.items()]
    result["metadata"]["managedFields"] = [entry for entry in entries if entry["fieldsV1"]]
    return result


def leaves(node: Any, at: Field = ()) -> Iterator[tuple[Field, Any]]:  # noqa: ANN401 - any JSON
    """Every field that an apply of this body owns, with its value; an atomic list is one field."""
    if at in _IDENTITY or at in _SERVER or at == ("f:status",):
        return
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, (*at, f"f:{key}"))
    elif _is_keyed(node):
        for item in node:
            step = (*at, f"k:{json.dumps({'name': item['name']}, separators=(',', ':'))}")
            yield (*step, "."), {"name": item["name"]}
            yield from leaves(item, step)
    elif at and at != ("f:metadata",):
        yield at, node


def _is_keyed(node: object) -> bool:
    return isinstance(node, list) and bool(node) and all(isinstance(item, dict) and "name" in item for item in node)


def _is_same(one: object, other: object) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _owners(body: Body) -> dict[tuple[str, str], set[Field]]:
    return {
        (entry["manager"], entry["operation"]): set(_paths(entry["fieldsV1"]))
        for entry in body["metadata"].get("managedFields") or []
    }


def _paths(tree: Body, at: Field = ()) -> Iterator[Field]:
    for key, below in tree.items():
        if below:
            yield from _paths(below, (*at, key))
        else:
            yield (*at, key)


def _entry(owner: tuple[str, str], api_version: str, fields: set[Field]) -> Body:
    tree: Body = {}
    for field in sorted(fields):
        node = tree
        for step in field:
            node = node.setdefault(step, {})
    entry = {"manager": owner[0], "operation": owner[1], "apiVersion": api_version}
    return {**entry, "fieldsType": "FieldsV1", "fieldsV1": tree}


def _cause(field: Field, owner: tuple[str, str]) -> Body:
    text = "".join(_spelt(step) for step in field if step != ".")
    return {"reason": "FieldManagerConflict", "message": f'conflict with "{owner[0]}"', "field": text}


def _spelt(step: str) -> str:
    if step.startswith("f:"):
        return f".{step[2:]}"
    return f"[name={json.dumps(json.loads(step[2:])['name'])}]"


def _child(node: Any, step: str, *, make: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """What a step leads to; None when it is not there."""
    if step == ".":
        return node
    if step.startswith("f:"):
        return node.get(step[2:]) if isinstance(node, dict) else None
    name = json.loads(step[2:])["name"]
    found = [item for item in node or [] if isinstance(item, dict) and item.get("name") == name]
    if not found and make:
        node.append({"name": name})
        found = [node[-1]]
    return found[0] if found else None


def _get(node: Any, field: Field) -> Any:  # noqa: ANN401 - any JSON
    for step in field:
        node = _child(node, step)
    return {"name": node["name"]} if field[-1] == "." and node else node


def _set(body: Body, field: Field, value: Any) -> None:  # noqa: ANN401 - any JSON
    node: Any = body
    for step, following in pairwise(field):
        if step.startswith("f:") and not isinstance(node.get(step[2:]), dict | list):
            node[step[2:]] = [] if following.startswith("k:") else {}
        node = _child(node, step, make=True)
    if field[-1].startswith("f:"):
        node[field[-1][2:]] = copy.deepcopy(value)


def _drop(body: Body, field: Field) -> None:
    """Remove a field. An element of a list goes with its own mark, the field that ends in a dot."""
    *before, last = field[:-1] if field[-1] == "." else field
    node: Any = body
    for step in before:
        node = _child(node, step)
    child = _child(node, last) if node else None
    if child is None:
        return
    if last.startswith("f:"):
        del node[last[2:]]
    else:
        node.remove(child)
