# SPDX-License-Identifier: Apache-2.0
"""Deciding from what a server already told whether an object needs a request at all, and what of ours it changed.

`managedFields` names exactly the fields that our last apply set. If those are the fields that we would set now, and
each still has our value, then applying again would change nothing, not even the ownership: no request is needed.
The rule errs on one side only; what it cannot prove gets a dry run.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

_IDENTITY = ("name", "namespace")
_APART = frozenset({"apiVersion", "kind", "metadata", "status"})
_COMPARED = ("labels", "annotations", "finalizers", "ownerReferences")


def unchanged(desired: Mapping[str, Any], live: Mapping[str, Any], manager: str) -> bool:
    """Whether applying `desired` as `manager` is proved to leave `live` as it is, managedFields included."""
    meta = live.get("metadata") or {}
    entries = [entry for entry in meta.get("managedFields") or [] if _is_apply(entry, manager)]
    if meta.get("deletionTimestamp") or len(entries) != 1 or entries[0].get("apiVersion") != desired["apiVersion"]:
        return False
    return _agree(_applied(desired), live, entries[0].get("fieldsV1") or {})


def same(left: Any, right: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Deep equality with JSON's types: true is not 1, and 1 is not 1.0."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


def drifted(live: Mapping[str, Any], merged: Mapping[str, Any]) -> bool:
    """Whether a dry run's answer differs from `live` in what a user can mean.

    Flux's rule: labels, annotations and everything outside metadata and status; and finalizers and owners.
    """
    before, after = live.get("metadata") or {}, merged.get("metadata") or {}
    if any(not same(before.get(name) or None, after.get(name) or None) for name in _COMPARED):
        return True
    names = (live.keys() | merged.keys()) - _APART
    return any(name not in live or name not in merged or not same(live[name], merged[name]) for name in names)


def project(desired: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """`live` seen through `desired`: the same fields with the values that they have now, without those that are gone.

    Elements of a list are paired by the keys that managedFields name, else by position when there are as many of
    them; else the live list stands for itself.
    """
    owners = [entry.get("fieldsV1") or {} for entry in (live.get("metadata") or {}).get("managedFields") or []]
    named = {name: desired[name] for name in ("apiVersion", "kind") if name in desired}  # items of a list lack both
    seen = _project(dict(desired), dict(live), owners)
    return named | seen if isinstance(seen, dict) else named


def _is_apply(entry: Mapping[str, Any], manager: str) -> bool:
    return (entry.get("manager"), entry.get("operation")) == (manager, "Apply") and not entry.get("subresource")


def _applied(desired: Mapping[str, Any]) -> dict[str, Any]:
    """What of a manifest is owned by who applies it."""
    body = {key: value for key, value in desired.items() if key not in ("apiVersion", "kind")}
    meta = {key: value for key, value in body.pop("metadata").items() if key not in _IDENTITY}
    return {**body, "metadata": meta} if meta else body


def _agree(desired: Any, live: Any, owned: Mapping[str, Any]) -> bool:  # noqa: ANN401 - any JSON value
    """Whether `owned`, part of a fieldsV1, names what `desired` sets, no more and no less, and `live` has it so."""
    kids = {key: value for key, value in owned.items() if key != "."}
    if not kids:
        return same(desired, live)  # a leaf, or an atomic map or list: compared whole
    if isinstance(desired, dict) and isinstance(live, dict):
        return {f"f:{key}" for key in desired} == kids.keys() and all(
            key in live and _agree(value, live[key], kids[f"f:{key}"]) for key, value in desired.items()
        )
    if isinstance(desired, list) and isinstance(live, list) and len(desired) == len(live) == len(kids):
        return all(_agree_element(left, right, kids) for left, right in zip(desired, live, strict=True))
    return False


def _agree_element(desired: Any, live: Any, kids: Mapping[str, Any]) -> bool:  # noqa: ANN401 - any JSON value
    hits = [name for name in kids if _names(name, desired)]
    if len(hits) != 1 or not _names(hits[0], live):
        return False
    return hits[0].startswith("v:") or _agree(desired, live, kids[hits[0]])


def _names(name: str, element: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a `k:{…}` or `v:…` of fieldsV1 means this element; `i:` (a position) never does."""
    if name.startswith("v:"):
        return same(_parsed(name), element)
    if not name.startswith("k:") or not isinstance(element, dict):
        return False
    return all(key in element and same(value, element[key]) for key, value in _parsed(name).items())


@lru_cache(maxsize=4096)
def _parsed(name: str) -> Any:  # noqa: ANN401 - any JSON value
    return json.loads(name[2:])


def _project(desired: Any, live: Any, owners: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(desired, dict) and isinstance(live, dict):
        return {
            key: _project(value, live[key], _below(owners, f"f:{key}")) for key, value in desired.items() if key in live
        }
    if not isinstance(desired, list) or not isinstance(live, list):
        return live
    names = {name: None for owner in owners for name in owner if name.startswith(("k:", "v:"))}
    if names:
        return list(_paired(desired, live, owners, list(names)))
    if len(desired) == len(live):
        return [_project(left, right, ()) for left, right in zip(desired, live, strict=True)]
    return live


def _paired(
    desired: list[Any], live: list[Any], owners: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> Iterator[Any]:
    for wanted in desired:
        name = next((name for name in names if _names(name, wanted)), None)
        found = [item for item in live if name and _names(name, item)]
        if found and name:
            yield _project(wanted, found[0], _below(owners, name))


def _below(owners: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [owner[name] for owner in owners if owner.get(name)]
