# SPDX-License-Identifier: Apache-2.0
"""What the health of some objects depends on beyond themselves; asked for only where it matters."""

import time
from collections.abc import Iterable, Mapping

from kubeoci.cluster import health
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.expressions import Judge
from kubeoci.cluster.health import Context
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.site import Body, Site
from kubeoci.identity import ObjectId
from kubeoci.normalise import at, maps

_LATE = "WaitForFirstConsumer"
_DEFINITIONS = ("apiextensions.k8s.io", "CustomResourceDefinition")
_KUBERNETES = frozenset(
    {"", "apps", "autoscaling", "batch", "extensions", "policy"}
    | {
        f"{name}.k8s.io"
        for name in (
            "admissionregistration", "apiextensions", "apiregistration", "certificates", "coordination", "discovery",
            "events", "flowcontrol.apiserver", "networking", "node", "rbac.authorization", "resource", "scheduling",
            "storage",
        )
    }
)  # fmt: skip
"""Groups of the API server itself: no definition describes their kinds."""


def look(site: Site, bodies: Mapping[ObjectId, Body], judges: Mapping[tuple[str, str], Judge]) -> Context:
    """The context in which these objects are judged, from now on."""
    begun = Context(since=time.time(), judges=judges)
    late = _late_classes(site, [body for ident, body in bodies.items() if ident.group_kind == "PersistentVolumeClaim"])
    return Context(late, _observing(site, bodies, begun), begun.since, judges)


def _late_classes(site: Site, claims: Iterable[Body]) -> frozenset[str]:
    """StorageClasses whose claims are bound by their first Pod; asked for only if there is a claim to wait for."""
    is_needed = any(not health.status(body).is_current for body in claims)
    kind = site.mapper.find("storage.k8s.io", "StorageClass") if is_needed else None
    if kind is None:
        return frozenset()
    try:
        items = site.rest.list_all(kind.collection()).items
    except Refused:  # who may not read classes waits as kstatus does: until the claim is bound
        return frozenset()
    return frozenset(item["metadata"]["name"] for item in items if item.get("volumeBindingMode") == _LATE)


def _observing(site: Site, bodies: Mapping[ObjectId, Body], begun: Context) -> frozenset[tuple[str, str]]:
    """Kinds of new and silent custom resources whose schema has `status.observedGeneration`: one GET for each."""
    silent = {
        (ident.group, ident.kind): body["apiVersion"].rpartition("/")[2]
        for ident, body in bodies.items()
        if ident.group not in _KUBERNETES
        and (ident.group, ident.kind) not in begun.judges
        and health.is_silent(body)
        and health.is_fresh(body, begun)
    }
    definitions = site.mapper.find(*_DEFINITIONS) if silent else None
    return frozenset(
        key for key, version in silent.items() if definitions and _is_observed(site, definitions, *key, version)
    )


def _is_observed(site: Site, definitions: Kind, group: str, name: str, version: str) -> bool:
    kind = site.mapper.resolve(group, version, name)
    try:
        definition = site.rest.get(definitions.path("", f"{kind.plural}.{group}"))
    except Refused:  # who may not read definitions waits as kstatus does
        return False
    schema = ("schema", "openAPIV3Schema", "properties", "status", "properties", "observedGeneration")
    return any(
        item.get("name") == version and at(item, *schema) is not None
        for item in maps(at(definition, "spec", "versions"))
    )
