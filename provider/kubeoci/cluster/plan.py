# SPDX-License-Identifier: Apache-2.0
"""What an apply would do, found out with reads and dry-runs only; and how the cluster differs from what was applied."""

import hashlib
from collections.abc import Iterable, Sequence
from http import HTTPStatus

from kubeoci import yaml
from kubeoci.changes import Action, Change
from kubeoci.cluster import belongings, order, proof
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.conflicts import offer
from kubeoci.cluster.inventory import Entry
from kubeoci.cluster.judge import Verdict, is_leaving, judge, labelled, unverified
from kubeoci.cluster.parallel import attempt
from kubeoci.cluster.site import READERS, Body, Drift, Plan, Site, raise_all
from kubeoci.cluster.survey import Gvk, Survey, check, deletions, look, served
from kubeoci.errors import ClusterError, KubeociError
from kubeoci.identity import ObjectId
from kubeoci.objects import Object

_TRIAL_NAMESPACE = "default"  # exists in every cluster
_LATER = "its definition is applied in the same run"


def plan(site: Site, desired: Sequence[Object], recorded: Iterable[Entry]) -> Plan:
    """The changes in the order in which they would be made, then the deletions.

    Raises a ClusterError, or a group of all of them, for what would keep the apply from succeeding.
    """
    site.start_clock()
    found = look(site, desired, recorded)
    check(site, desired, found)
    verdicts = _foresee_all(site, desired, found)
    items = [item for stage in order.stages(desired) for item in stage]
    changes = [_change(item, verdicts[item.id]) for item in items]
    bodies = {
        str(item.id): yaml.dump(site.masks.body(item.body))
        for item in items
        if verdicts[item.id].action is Action.CREATED
    }
    due = belongings.remark(site, deletions(site, desired, found), found.live.bodies, found.ids)
    deleted = [item.change for item in due if item.action]
    return Plan((*changes, *deleted), bodies, site.drain())


def drift(site: Site, desired: Sequence[Object], recorded: Iterable[Entry]) -> Drift:
    """How live objects differ from `desired`, by the same verdicts as `plan`. What cannot be asked is left out."""
    site.start_clock()
    found = look(site, desired, recorded)
    bodies, asked = found.live.bodies, [item for item in desired if item.id not in found.live.unknown]
    missing = [item.id for item in asked if item.id not in bodies or is_leaving(bodies[item.id])]
    present = [item for item in asked if item.id not in set(missing)]
    results = attempt(lambda item: _foresee(site, item, found, set()), present, READERS)
    differing = {
        item.id: proof.project(item.body, bodies[item.id])
        for item, result in zip(present, results, strict=True)
        if _has_drifted(result)
    }
    count = sum(entry.id in bodies for entry in found.recorded)
    return Drift(tuple(sorted(missing)), differing, found.parent.found is not None, count)


def _has_drifted(result: Verdict | KubeociError) -> bool:
    if isinstance(result, KubeociError):
        if result.code not in {"cluster.invalid", "cluster.conflict"}:
            raise result
        return True  # the server would not take our fields as they are, so the live ones differ
    return result.action in {Action.CONFIGURED, Action.RECREATED}


def _foresee_all(site: Site, desired: Sequence[Object], found: Survey) -> dict[ObjectId, Verdict]:
    """Definitions first: what they change decides whether the server can be asked about their kinds."""
    verdicts: dict[ObjectId, Verdict] = {}
    faults: list[KubeociError] = []
    changing: set[Gvk] = set()
    for stage in order.stages(desired):
        results = attempt(lambda item: _foresee(site, item, found, changing), stage, READERS)
        for item, result in zip(stage, results, strict=True):
            if isinstance(result, KubeociError):
                faults.append(site.fault(f"{item.id.short} ({item.source})", result))
                continue
            verdicts[item.id] = result
            if item.id.kind == "CustomResourceDefinition":
                is_same = result.action is Action.UNCHANGED
                changing.update(gvk for gvk in served(item.body) if not (is_same and site.mapper.has(*gvk)))
    raise_all("the API server refuses objects", faults)
    return verdicts


def _foresee(site: Site, item: Object, found: Survey, changing: set[Gvk]) -> Verdict:
    live = found.live.bodies.get(item.id)
    body = labelled(item.body, site.applyset)
    if item.gvk in changing:
        if live is None:
            return Verdict(Action.CREATED, note=_LATER, body=body)
        if proof.unchanged(body, live, site.manager):
            return Verdict(Action.UNCHANGED)
        return unverified(site, item, live, _LATER)
    verdict = judge(site, item, live, found.uid(item.id))
    if verdict.action is not Action.CREATED:
        return verdict
    return Verdict(Action.CREATED, note=_try_creation(site, item, body, found), body=body)


def _try_creation(site: Site, item: Object, body: Body, found: Survey) -> str:
    """Let the server check an object that does not exist; gives a note where it could not. Raises `Refused`."""
    kind = site.mapper.resolve(*item.gvk)
    ident = _elsewhere(item.id) if item.id.namespace in found.absent else item.id
    meta = {**body["metadata"], "name": ident.name, **({"namespace": ident.namespace} if ident.namespace else {})}
    try:
        offer(site, kind, ident, {**body, "metadata": meta}, dry_run=True)
    except Refused as error:
        told = error.what.replace(ident.name, item.id.name)
        if error.status == HTTPStatus.FORBIDDEN or "does not support dry run" in error.what:
            return f"not dry-run: {site.masks.text(told)}"
        raise ClusterError(error.code, told, advice=error.advice) from error
    return ""


def _elsewhere(ident: ObjectId) -> ObjectId:
    """A name for the trial of an object whose namespace does not exist yet."""
    digest = hashlib.sha256(str(ident).encode()).hexdigest()[:8]
    return ObjectId(ident.group, ident.kind, _TRIAL_NAMESPACE, f"kubeoci-preview-{digest}")


def _change(item: Object, verdict: Verdict) -> Change:
    return Change(item.id, verdict.action, item.api_version, verdict.fields, verdict.note)
