# SPDX-License-Identifier: Apache-2.0
"""A plan without a cluster: the objects of the artifact against the objects of the last update."""

from collections.abc import Mapping
from typing import Any

from kubeoci import yaml
from kubeoci.changes import Action, Change, FieldChange
from kubeoci.cluster.diff import fields
from kubeoci.identity import ObjectId


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    """What differs between two maps from object id to masked YAML, in the order of their ids.

    What is deleted is so on the assumption that prune is on; the caller leaves it out otherwise.
    """
    found = []
    for key in sorted({*old, *new}):
        before, after = _body(old.get(key)), _body(new.get(key))
        body = after if after is not None else before
        assert body is not None  # noqa: S101 - the key is in one of the two
        action = Action.CONFIGURED
        differing: tuple[FieldChange, ...] = ()
        if before is None or after is None:
            action = Action.CREATED if before is None else Action.DELETED
        elif old[key] == new[key]:
            action = Action.UNCHANGED
        else:
            differing = fields(before, after)
        found.append(Change(identify(key), action, str(body.get("apiVersion", "v1")), differing))
    return tuple(found)


def identify(key: str) -> ObjectId:
    """The reverse of `str(ObjectId)`: `Deployment.apps/shop/web`, `Namespace/shop`."""
    group_kind, *rest = key.split("/")
    kind, _, group = group_kind.partition(".")
    return ObjectId(group, kind, rest[0] if len(rest) > 1 else "", rest[-1])


def _body(text: str | None) -> dict[str, Any] | None:
    """One stored document; an object too large to be stored has only its size and hash there."""
    if text is None:
        return None
    value = yaml.load(text.encode(), "state")[0].value
    return value if isinstance(value, dict) else {}
