# SPDX-License-Identifier: Apache-2.0
"""Server-side apply where other field managers own some of the fields that we want to set.

*smart*, the rule of kluctl: what a person changed by hand with kubectl and the like is taken back; what a controller
owns, such as the replicas of an autoscaler, is left to it and leaves our body. *force* takes all, *fail* nothing.
Our own label is never fought for: who has it took the object since we looked.
"""

import copy
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from kubeoci.cluster.answers import Cause, Refused
from kubeoci.cluster.inventory import PART_OF
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.site import Body, Site
from kubeoci.errors import ClusterError
from kubeoci.identity import ObjectId

_MANAGER = re.compile(r'conflict with "([^"]*)"')
_ELEMENT = re.compile(r'\[((?:[^"\]]|"(?:[^"\\]|\\.)*")*)\]')
_PAIR = re.compile(r'([^=,]*)=("(?:[^"\\]|\\.)*"|[^,]*)')
_LABEL = f".metadata.labels.{PART_OF}"
_PAUSES = (0.1, 0.2, 0.4, 0.8)
_BY_HAND = ("kubectl", "kluctl")
_ALSO_BY_HAND = frozenset({"rancher", "k9s", "before-first-apply"})


@dataclass(frozen=True, slots=True)
class Offer:
    """What an apply gave: the object afterwards, the body that was sent, and whether it was forced.

    `kept` names the fields that were left to others: `.spec.replicas of kube-controller-manager`.
    """

    result: Body
    body: Body
    force: bool
    kept: tuple[str, ...] = ()


def offer(
    site: Site,
    kind: Kind,
    ident: ObjectId,
    body: Body,
    *,
    force: bool = False,
    dry_run: bool = False,
    over: Collection[str] = (),
) -> Offer:
    """Apply the body, settling conflicts by `site.settings.conflicts`; managers in `over` never keep a field.

    Raises `Refused` as the server does, and ClusterError: `cluster.conflict` where the setting settles nothing,
    `cluster.owned` where another inventory has the object.
    """
    path = kind.path(ident.namespace, ident.name)
    try:
        return Offer(_apply(site, path, body, force=force, dry_run=dry_run), body, force)
    except Refused as error:
        causes = _causes(error)
        if not causes:
            raise
        mended, kept = _settle(site, body, causes, {*over, *site.settings.override_managers})
    return Offer(_apply(site, path, mended, force=True, dry_run=dry_run), mended, force=True, kept=kept)


def _apply(site: Site, path: str, body: Body, *, force: bool, dry_run: bool) -> Body:
    """The apply, some times where others change the object in the same moment: the server says 409 to that too."""
    for pause in _PAUSES:
        try:
            return site.rest.apply(path, body, manager=site.manager, force=force, dry_run=dry_run)
        except Refused as error:
            if error.status != HTTPStatus.CONFLICT or _causes(error):
                raise
        site.rest.pause(pause)
    return site.rest.apply(path, body, manager=site.manager, force=force, dry_run=dry_run)


def _causes(error: Refused) -> list[Cause]:
    """The fields that other managers own."""
    is_conflict = error.status == HTTPStatus.CONFLICT
    return [cause for cause in error.causes if is_conflict and cause.reason == "FieldManagerConflict"]


def _settle(site: Site, body: Body, causes: Iterable[Cause], over: Collection[str]) -> tuple[Body, tuple[str, ...]]:
    policy, former = site.settings.conflicts, site.twin.manager if site.twin else ""
    # what the inventory's own manager has at the place that it moves from is no conflict
    found = [(cause.field, manager) for cause in causes if (manager := _manager(cause)) != former]
    for holder in (manager for field, manager in found if field == _LABEL):
        advice = "remove it there, or take this object out of the artifact"
        raise ClusterError("cluster.owned", f"{holder} took it for another inventory just now", advice=advice)
    if policy == "force":
        return body, ()
    theirs = [
        (field, manager)
        for field, manager in found
        if policy == "fail" or not (manager in over or _is_by_hand(manager))
    ]
    mended = copy.deepcopy(body)
    stuck = [item for item in theirs if policy == "fail" or not remove(mended, item[0])]
    if stuck:
        fields = ", ".join(f"{field} of {manager}" for field, manager in stuck)
        advice = "leave the fields out of the manifest, or set conflicts: force"
        raise ClusterError("cluster.conflict", f"other field managers own {fields}", advice=advice)
    return mended, tuple(f"{field} of {manager}" for field, manager in theirs)


def remove(node: Any, path: str) -> bool:  # noqa: ANN401 - any JSON
    """Take the field out of a body, in place, and the maps that become empty; False when it is not there.

    `path` is in the server's syntax: `.spec.containers[name="web"].image`, `.metadata.labels.app.kubernetes.io/name`.
    """
    if isinstance(node, dict):
        return _remove_from_map(node, path)
    return _remove_from_list(node, path) if isinstance(node, list) else False


def _remove_from_map(node: dict[str, Any], path: str) -> bool:
    for key in sorted(node, key=len, reverse=True):  # names may hold dots: the longest that fits is tried first
        rest = path[len(key) + 1 :]
        if not path.startswith(f".{key}") or rest[:1] not in {"", ".", "["}:
            continue
        if rest and not remove(node[key], rest):
            continue
        if not rest or not node[key]:
            del node[key]
        return True
    return False


def _remove_from_list(node: list[Any], path: str) -> bool:
    match = _ELEMENT.match(path)
    item = _element(node, match.group(1)) if match else None
    if match is None or item is None:
        return False
    rest = path[match.end() :]
    if rest:
        return remove(node[item], rest)
    del node[item]
    return True


def _element(node: list[Any], selector: str) -> int | None:
    """The index of the element: `name="web",port=80` by keys, `="v"` by value, `0` by place."""
    if selector.isdigit():
        return int(selector) if int(selector) < len(node) else None
    pairs = [(key, json.loads(value)) for key, value in _PAIR.findall(selector)]
    for index, item in enumerate(node):
        if all((item.get(key) if isinstance(item, dict) and key else item) == value for key, value in pairs):
            return index
    return None


def _manager(cause: Cause) -> str:
    match = _MANAGER.search(cause.message)
    return match.group(1) if match else cause.message


def _is_by_hand(manager: str) -> bool:
    return manager.startswith(_BY_HAND) or manager in _ALSO_BY_HAND
