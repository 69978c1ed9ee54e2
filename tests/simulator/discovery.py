# SPDX-License-Identifier: Apache-2.0
"""What the simulated API server serves, told in the two ways of a real one: aggregated, or group by group."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]

_CORE = "configmaps:ConfigMap secrets:Secret services:Service serviceaccounts:ServiceAccount pods:Pod"
_CORE += " persistentvolumeclaims:PersistentVolumeClaim events:Event"
_GROUPS = {
    ("", "v1"): (_CORE, "namespaces:Namespace"),
    ("apps", "v1"): ("deployments:Deployment statefulsets:StatefulSet daemonsets:DaemonSet", ""),
    ("autoscaling", "v2"): ("horizontalpodautoscalers:HorizontalPodAutoscaler", ""),
    ("batch", "v1"): ("jobs:Job cronjobs:CronJob", ""),
    ("networking.k8s.io", "v1"): ("ingresses:Ingress networkpolicies:NetworkPolicy", "ingressclasses:IngressClass"),
    ("policy", "v1"): ("poddisruptionbudgets:PodDisruptionBudget", ""),
    ("storage.k8s.io", "v1"): ("", "storageclasses:StorageClass"),
    ("rbac.authorization.k8s.io", "v1"): (
        "roles:Role rolebindings:RoleBinding",
        "clusterroles:ClusterRole clusterrolebindings:ClusterRoleBinding",
    ),
    ("apiextensions.k8s.io", "v1"): ("", "customresourcedefinitions:CustomResourceDefinition"),
}


@dataclass(frozen=True)
class Resource:
    """One served kind."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool


def built_in() -> Iterator[Resource]:
    """The kinds that are served from the start."""
    for (group, version), scopes in _GROUPS.items():
        for namespaced, text in zip((True, False), scopes, strict=True):
            for pair in text.split():
                plural, _, kind = pair.partition(":")
                yield Resource(group, version, plural, kind, namespaced)


def defined(definition: Body) -> list[Resource]:
    """The kinds of a CustomResourceDefinition."""
    spec = definition["spec"]
    names, namespaced = spec["names"], spec["scope"] == "Namespaced"
    return [
        Resource(spec["group"], version["name"], names["plural"], names["kind"], namespaced)
        for version in spec["versions"]
        if version["served"]
    ]


def answer(path: str, resources: Iterable[Resource], stale: set[str], *, aggregated: bool) -> tuple[Body, str] | None:
    """Value and media type of an answer about discovery; None for every other path."""
    first, *rest = path.strip("/").split("/")
    served = [item for item in resources if bool(item.group) == (first == "apis")]
    if first not in {"api", "apis"} or len(rest) not in {0, 1 + (first == "apis")}:
        return None
    if rest:
        group = rest[0] if first == "apis" else ""
        found = [item for item in served if (item.group, item.version) == (group, rest[-1])]
        return ({"kind": "APIResourceList", "resources": [_legacy(item) for item in found]}, "application/json")
    if aggregated:
        kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        return {"kind": "APIGroupDiscoveryList", "items": list(_aggregated(served, stale))}, kind
    if first == "api":
        return {"kind": "APIVersions", "versions": ["v1"]}, "application/json"
    groups = {item.group: {"name": item.group, "versions": _versions(served, item.group)} for item in served}
    return {"kind": "APIGroupList", "groups": list(groups.values())}, "application/json"


def _aggregated(served: list[Resource], stale: set[str]) -> Iterator[Body]:
    for group in [*dict.fromkeys(item.group for item in served), *stale]:
        versions = [
            {
                "version": version["version"],
                "freshness": "Current",
                "resources": [
                    _modern(item) for item in served if (item.group, item.version) == (group, version["version"])
                ],
            }
            for version in _versions(served, group)
        ]
        down = [{"version": "v1", "freshness": "Stale"}] if group in stale else []
        yield {"metadata": {"name": group} if group else {}, "versions": [*versions, *down]}


def _versions(served: list[Resource], group: str) -> list[Body]:
    return [{"version": name} for name in dict.fromkeys(item.version for item in served if item.group == group)]


def _modern(item: Resource) -> Body:
    scope = "Namespaced" if item.namespaced else "Cluster"
    return {"resource": item.plural, "responseKind": {"kind": item.kind}, "scope": scope, "verbs": ["get", "list"]}


def _legacy(item: Resource) -> Body:
    return {"name": item.plural, "kind": item.kind, "namespaced": item.namespaced, "verbs": ["get", "list"]}
