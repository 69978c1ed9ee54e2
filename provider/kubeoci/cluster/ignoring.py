# SPDX-License-Identifier: Apache-2.0
"""Objects without the fields that the user leaves to others, once they exist.

An ignored field is applied when the object is created. Afterwards it is left out where somebody else owns it, or
removed it, and has its live value where nobody does, since leaving it out would delete it. So it is no difference.
"""

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from kubeoci.cluster.ignorerules import steps
from kubeoci.cluster.site import Body, Site
from kubeoci.objects import Object

_ABSENT: Final = object()


def remark(site: Site, desired: Iterable[Object]) -> None:
    """Warn of rules that fit none of the objects."""
    items = list(desired)
    for index, rule in enumerate(site.settings.ignore_fields):
        if not any(rule.target.fits(item) for item in items):
            site.warn(f"ignoreFields[{index}] fits none of the objects")


def adjusted(site: Site, item: Object, live: Body | None) -> Object:
    """The object as it is to be applied to `live`; as it is where nothing of it is ignored, or it does not exist."""
    rules = [rule for rule in site.settings.ignore_fields if rule.target.fits(item)] if live else []
    if not live or not rules:
        return item
    body = copy.deepcopy(item.body)
    others = [
        entry.get("fieldsV1") or {} for entry in live["metadata"].get("managedFields") or [] if _is_other(entry, site)
    ]
    for path in (steps(path) for rule in rules for path in rule.paths):
        value = _get(live, path)
        if _get(body, path) is _ABSENT:
            continue
        if value is _ABSENT or any(_owns(fields, live, path) for fields in others):
            _remove(body, path)
        else:
            _set(body, path, value)
    return replace(item, body=body)


def _is_other(entry: Mapping[str, Any], site: Site) -> bool:
    own = {site.manager, site.twin.manager if site.twin else site.manager}
    is_own = entry.get("manager") in own and entry.get("operation") == "Apply"
    return not is_own or bool(entry.get("subresource"))


def _owns(fields: Mapping[str, Any], live: Any, path: Sequence[str]) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a set of fields has the field at `path`, something inside it, or an atomic value around it."""
    for step in path:
        if not [name for name in fields if name != "."]:
            return True
        key = _key(fields, live, step)
        if key is None:
            return False
        fields, live = fields[key] or {}, _child(live, step)
    return True


def _key(fields: Mapping[str, Any], live: Any, step: str) -> str | None:  # noqa: ANN401 - any JSON value
    """How a set of fields names the child: by its name, or an element by some of its values."""
    if isinstance(live, dict):
        return f"f:{step}" if f"f:{step}" in fields else None
    element = _child(live, step)
    for name in fields:
        wanted = json.loads(name[2:]) if name.startswith(("k:", "v:")) else _ABSENT
        if element == wanted or (
            isinstance(element, dict) and isinstance(wanted, dict) and wanted.items() <= element.items()
        ):
            return name
    return None


def _child(node: Any, step: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(node, dict):
        return node.get(step, _ABSENT)
    is_place = isinstance(node, list) and step.isdigit() and int(step) < len(node)
    return node[int(step)] if is_place else _ABSENT


def _get(node: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON value
    for step in path:
        node = _child(node, step)
    return node


def _set(body: Body, path: Sequence[str], value: Any) -> None:  # noqa: ANN401 - any JSON value
    parent = _get(body, path[:-1])
    parent[int(path[-1]) if isinstance(parent, list) else path[-1]] = copy.deepcopy(value)


def _remove(body: Body, path: Sequence[str]) -> None:
    """Take the field out, and the maps that become empty with it."""
    parent = _get(body, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
    if not parent and len(path) > 1:
        _remove(body, path[:-1])
