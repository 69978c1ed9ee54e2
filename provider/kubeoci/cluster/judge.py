# SPDX-License-Identifier: Apache-2.0
"""What has to happen to one object: decided without a request where the proof holds, else by a dry-run.

The same verdicts serve preview, apply and refresh, so the three cannot disagree.
"""

import copy
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from kubeoci.changes import Action, FieldChange
from kubeoci.cluster import diff, marks, proof
from kubeoci.cluster.adoption import Legacy, foresee, legacy
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.conflicts import Offer, offer
from kubeoci.cluster.ignoring import adjusted
from kubeoci.cluster.inventory import PART_OF
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.site import Body, Site
from kubeoci.errors import ClusterError
from kubeoci.objects import Object

NEVER_ANEW = frozenset({"Namespace", "CustomResourceDefinition", "PersistentVolumeClaim", "PersistentVolume"})
"""Kinds whose deletion loses data: `force` is not enough for them, only a mark on the object itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to one object. `body` is what to send, None when no request is needed."""

    action: Action
    fields: tuple[FieldChange, ...] = ()
    note: str = ""
    body: Body | None = None
    force: bool = False


def labelled(body: Body, applyset: str) -> Body:
    """The body with our label; the argument is not changed."""
    meta = body.get("metadata") or {}
    return {**body, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), PART_OF: applyset}}}


def judge(site: Site, item: Object, live: Body | None, uid: str = "") -> Verdict:
    """The verdict on one object whose kind is served. `uid` is the one that the inventory recorded.

    Raises `Refused` when the server would not take the object, ClusterError for a conflict that nothing settles.
    """
    skip = marks.reason_to_skip(item.body, live)
    if skip:
        return Verdict(Action.SKIPPED, note=skip)
    item = adjusted(site, item, live)
    body = labelled(item.body, site.applyset)
    if live is None:
        return Verdict(Action.CREATED, body=body)
    if is_leaving(live):
        return Verdict(Action.RECREATED, note="it is being deleted", body=body)
    if proof.unchanged(body, live, site.manager):
        return Verdict(Action.UNCHANGED)
    return _try(site, item, live, body, uid)


def _try(site: Site, item: Object, live: Body, body: Body, uid: str) -> Verdict:
    kind = site.mapper.resolve(*item.gvk)
    try:
        found = legacy(site, item, live)
        tried = offer(site, kind, item.id, body, dry_run=True, over=found.managers)
        if found:
            tried = replace(tried, result=foresee(site, kind, item, live, tried.result))
        return _compare(site, live, tried, found)
    except Refused as error:
        if error.status == HTTPStatus.UNPROCESSABLE_ENTITY and _is_replaceable(site, kind, item, body):
            return _replacement(site, item, live, uid, error)
        if error.status == HTTPStatus.FORBIDDEN or "does not support dry run" in error.what:
            return unverified(site, item, live, f"not dry-run: {error.what}")
        raise


def unverified(site: Site, item: Object, live: Body, note: str) -> Verdict:
    """The verdict from the manifest alone, where the server cannot be asked."""
    body = labelled(item.body, site.applyset)
    fields = differences(site, proof.project(body, live), body)
    return Verdict(Action.CONFIGURED, fields, note, body) if fields else Verdict(Action.UNCHANGED, note=note)


def differences(site: Site, before: Body, after: Body) -> tuple[FieldChange, ...]:
    """The fields that differ, masked."""
    return diff.fields(*site.masks.pair(before, after))


def is_leaving(live: Body) -> bool:
    """Whether the object is being deleted already."""
    return bool(live["metadata"].get("deletionTimestamp"))


def _compare(site: Site, live: Body, tried: Offer, found: Legacy) -> Verdict:
    notes = [] if site.is_settled(live) else [_origin(site, live, found)]
    notes += [f"kept theirs: {', '.join(tried.kept)}"] if tried.kept else []
    note = "; ".join(notes)
    if proof.drifted(live, tried.result):
        fields = differences(site, live, tried.result)
        return Verdict(Action.CONFIGURED, fields, note, tried.body, tried.force)
    if _owned(live, site.manager) != _owned(tried.result, site.manager):
        return Verdict(Action.UNCHANGED, (), note or "field ownership", tried.body, tried.force)
    return Verdict(Action.UNCHANGED, note=note)


def _origin(site: Site, live: Body, found: Legacy) -> str:
    """How a plan tells where an object comes from that does not carry our label yet."""
    if site.is_moving(live):
        return f"moved from {site.twin}"
    return f"adopted from {', '.join(found.managers)}" if found else "adopted"


def _owned(body: Body, manager: str) -> list[tuple[Any, Any]]:
    return [
        (entry.get("apiVersion"), entry.get("fieldsV1"))
        for entry in body["metadata"].get("managedFields") or []
        if (entry.get("manager"), entry.get("operation")) == (manager, "Apply") and not entry.get("subresource")
    ]


def _is_replaceable(site: Site, kind: Kind, item: Object, body: Body) -> bool:
    """Whether the body is valid for a new object, so that only a rule about updates refused it.

    The server's messages vary, so it is asked: creating it anew in a dry-run must fail only because it exists.
    """
    try:
        site.rest.create(kind.collection(item.id.namespace), copy.deepcopy(body), manager=site.manager, dry_run=True)
    except Refused as error:
        return error.status == HTTPStatus.CONFLICT and "already exists" in error.what
    return False  # it vanished meanwhile: the next run creates it


def _replacement(site: Site, item: Object, live: Body, uid: str, error: Refused) -> Verdict:
    """Delete and create anew, if the user allows it for an object that is ours; else the server's refusal."""
    is_ours = site.is_ours(live) and uid in {"", live["metadata"]["uid"]}
    allowed = site.settings.force and item.id.kind not in NEVER_ANEW
    if is_ours and (allowed or marks.may_recreate(item.body, live)):
        body = labelled(item.body, site.applyset)
        return Verdict(Action.RECREATED, differences(site, proof.project(body, live), body), error.what, body)
    mark = "annotate it with kustomize.toolkit.fluxcd.io/force: enabled"
    way = mark if item.id.kind in NEVER_ANEW else f"set force: true, or {mark}"
    advice = f"undo the change, or {way} to have it deleted and made anew" if is_ours else "undo the change"
    raise ClusterError(error.code, error.what, advice=advice)
