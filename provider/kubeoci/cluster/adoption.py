# SPDX-License-Identifier: Apache-2.0
"""Taking over an object that was made with another tool: its fields become ours, so that we can drop them, too.

A field that leaves the manifest goes only when no other manager owns it. What kubectl, Helm or a former Flux
Kustomization set is therefore written to our name first, in one patch that holds only for the version that was read;
the apply behind it removes what the manifest lacks. Controllers and everybody else keep what is theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from kubeoci.cluster import fieldset, marks
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.site import Body, Settings, Site
from kubeoci.errors import ClusterError
from kubeoci.normalise import LAST_APPLIED
from kubeoci.objects import Object

_TOOLS: Final = frozenset({"before-first-apply", "helm", "helm-controller", "kustomize-controller"})
_TRIES: Final = 5
_LAST_APPLIED_PATH: Final = ("f:metadata", "f:annotations", f"f:{LAST_APPLIED}")


@dataclass(frozen=True, slots=True)
class Legacy:
    """What others own of an object that we take over: their names, and their fields together."""

    managers: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.managers)


def legacy(site: Site, item: Object, live: Body) -> Legacy:
    """The fields that an adoption takes over; none where the user merges.

    Of an object that is ours they are what the twin's manager has. Only entries of the same version count: the fields
    of another one may have other names.
    """
    if not site.is_ours(live) and marks.merges(item.body, live):
        return Legacy()
    entries = _entries(live)
    if any(_is_own(entry, site) and entry.get("apiVersion") != item.api_version for entry in entries):
        return Legacy()
    taken = [entry for entry in entries if _is_taken(entry, site, item, live)]
    managers = tuple(dict.fromkeys(str(entry.get("manager")) for entry in taken))
    return Legacy(managers, fieldset.union(*(entry.get("fieldsV1") or {} for entry in taken)))


def foresee(site: Site, kind: Kind, item: Object, live: Body, tried: Body) -> Body:
    """What the dry-run `tried` of an apply comes to once the fields are ours: those that the manifest lacks go.

    The server is asked what it makes of that, since it fills in its defaults; where it does not say, they are missing.
    """
    found = legacy(site, item, live)
    left = [entry for entry in _entries(tried) if not _is_taken(entry, site, item, live)]
    kept = fieldset.union(*(entry.get("fieldsV1") or {} for entry in left))
    made = fieldset.without(tried, found.fields, kept)
    if LAST_APPLIED in _annotations(live):
        _annotations(made).pop(LAST_APPLIED, None)
    if made == tried:
        return tried
    made = _completed(site, kind.path(item.id.namespace, item.id.name), made)
    return {**made, "metadata": {**made["metadata"], "managedFields": tried["metadata"].get("managedFields")}}


def _completed(site: Site, path: str, made: Body) -> Body:
    """The body with the server's defaults, as it is where the server would not say: the apply tells what is wrong."""
    meta = {name: value for name, value in made["metadata"].items() if name != "managedFields"}
    for _ in range(_TRIES):
        try:
            return site.rest.replace(path, {**made, "metadata": meta}, manager=site.manager)
        except Refused as error:
            if error.status != HTTPStatus.CONFLICT:
                break
        live = site.rest.get(path)
        if live is None:
            break
        meta["resourceVersion"] = live["metadata"]["resourceVersion"]  # a controller wrote its status
    return made


def take_over(site: Site, kind: Kind, item: Object, live: Body) -> None:
    """Write the fields of other tools to our name, unless that is done. Raises what the server refuses.

    Somebody who writes at the same time is waited for, some times; ClusterError `cluster.owned` when that was another
    owner.
    """
    path = kind.path(item.id.namespace, item.id.name)
    for attempt in range(_TRIES):
        found = legacy(site, item, live)
        if not found:
            return
        try:
            site.rest.patch(path, _patch(site, item, live, found), manager=site.manager)
        except Refused as error:
            if error.status != HTTPStatus.CONFLICT or attempt == _TRIES - 1:
                raise
        else:
            return
        live = _again(site, path, item, live)


def _again(site: Site, path: str, item: Object, before: Body) -> Body:
    body = site.rest.get(path)
    other = marks.owner(body, item.body, site.applysets) if body else ""
    if body is None or other or body["metadata"]["uid"] != before["metadata"]["uid"]:
        what = f"it belongs to {other} now" if other else "somebody deleted it just now"
        raise ClusterError("cluster.owned" if other else "cluster.conflict", what, advice="run again")
    return {**body, "apiVersion": item.api_version, "kind": item.id.kind}


def _patch(site: Site, item: Object, live: Body, found: Legacy) -> list[Body]:
    """One patch: the managers, the annotation that kubectl left, and the version for which this holds."""
    own = [entry for entry in _entries(live) if _is_own(entry, site)]
    fields = fieldset.union(*(entry.get("fieldsV1") or {} for entry in own), found.fields)
    ours = {
        "manager": site.manager,
        "operation": "Apply",
        "apiVersion": item.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldset.minus(fields, _LAST_APPLIED_PATH),
    }
    left = [each for each in _entries(live) if each not in own and not _is_taken(each, site, item, live)]
    patch: list[Body] = [{"op": "replace", "path": "/metadata/managedFields", "value": [*left, ours]}]
    if LAST_APPLIED in _annotations(live):
        patch.append({"op": "remove", "path": f"/metadata/annotations/{LAST_APPLIED.replace('/', '~1')}"})
    version = {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]}
    return [*patch, version]


def _entries(body: Body) -> list[Body]:
    return body["metadata"].get("managedFields") or []


def _annotations(body: Body) -> dict[str, Any]:
    return body["metadata"].get("annotations") or {}


def _is_own(entry: Body, site: Site) -> bool:
    """Whether it is the entry of our applies."""
    named = (entry.get("manager"), entry.get("operation")) == (site.manager, "Apply")
    return named and not entry.get("subresource")


def _is_taken(entry: Body, site: Site, item: Object, live: Body) -> bool:
    if entry.get("subresource") or entry.get("apiVersion") != item.api_version or _is_own(entry, site):
        return False
    manager = str(entry.get("manager", ""))
    if site.is_ours(live):
        return site.twin is not None and manager == site.twin.manager
    return manager == site.manager or is_tool(manager, site.settings)


def is_tool(manager: str, settings: Settings) -> bool:
    """Whether the manager is a tool that people use, or one that the user names: no controller."""
    return manager.startswith("kubectl") or manager in _TOOLS or manager in settings.override_managers
