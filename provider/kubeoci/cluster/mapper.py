# SPDX-License-Identifier: Apache-2.0
"""Which kinds an API server serves, under which path and in which scope.

Two requests with aggregated discovery (Kubernetes 1.26 and newer); an older server is asked for its groups, and then
for each group and version that somebody asks about.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from kubeoci.cluster.answers import Refused
from kubeoci.cluster.rest import JSON, Rest
from kubeoci.errors import ClusterError

_AGGREGATED: Final = ",".join(
    [f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")] + [JSON]
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One served kind. `plural` is its name in paths."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection(self, namespace: str = "") -> str:
        """The path of all objects, or of those in one namespace."""
        root = f"/apis/{quote(self.group)}/{quote(self.version)}" if self.group else f"/api/{quote(self.version)}"
        inside = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{quote(self.plural, safe='')}"

    def path(self, namespace: str, name: str) -> str:
        """The path of one object."""
        return f"{self.collection(namespace)}/{quote(name, safe='')}"


class Mapper:
    """The served kinds of one cluster, asked for on first use and kept until `refresh`. Threads may share it."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._lock = threading.RLock()
        self._is_loaded = False
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        self._legacy: list[tuple[str, str]] = []  # group and version whose kinds are not asked for yet
        self._stale: set[str] = set()

    def resolve(self, group: str, version: str, kind: str) -> Kind:
        """The kind in exactly this version. Raises ClusterError `cluster.kind_missing` with the served versions."""
        found = self._find(group, version, kind)
        if found:
            return found
        name = f"{kind} of {group}/{version}" if group else f"{kind} of {version}"
        if self.is_stale(group):
            what, advice = f"the API service of {group} is down, {name} cannot be asked for", "mend it, or remove it"
            raise ClusterError("cluster.kind_missing", what, advice=advice)
        versions = self.served(group, kind)
        advice = f"use {' or '.join(versions)}" if versions else "install its CustomResourceDefinition first"
        raise ClusterError("cluster.kind_missing", f"the API server does not serve {name}", advice=advice)

    def has(self, group: str, version: str, kind: str) -> bool:
        """Whether the server serves the kind in exactly this version."""
        return self._find(group, version, kind) is not None

    def find(self, group: str, kind: str, version: str = "") -> Kind | None:
        """The kind in this version, else in any served one; None when the server does not know it."""
        found = self._find(group, version, kind) if version else None
        versions = [] if found else self.served(group, kind)
        return found or (self._kinds[group, versions[0], kind] if versions else None)

    def served(self, group: str, kind: str) -> list[str]:
        """The served versions of a kind, the server's preferred one first."""
        with self._lock:
            self._load()
            for pair in [pair for pair in self._legacy if pair[0] == group]:
                self._load_legacy(pair)
            return [key[1] for key in self._kinds if (key[0], key[2]) == (group, kind)]

    def namespaced(self, group: str, kind: str) -> bool | None:
        """Whether objects of the kind live in namespaces; None when the server does not serve it."""
        found = self.find(group, kind)
        return found.namespaced if found else None

    def namespaced_kinds(self) -> list[Kind]:
        """Every kind whose objects live in namespaces, once, in the server's preferred version."""
        with self._lock:
            self._load()
            for pair in list(self._legacy):
                self._load_legacy(pair)
            found = {(kind.group, kind.kind): kind for kind in reversed(self._kinds.values()) if kind.namespaced}
        return list(found.values())

    def is_stale(self, group: str) -> bool:
        """Whether an aggregated API server of this group is down, so that nothing about it is known."""
        with self._lock:
            self._load()
            return group in self._stale

    def learn(self, definition: Mapping[str, Any]) -> list[Kind]:
        """Take the kinds of an established CustomResourceDefinition, without a request; gives its served ones."""
        spec = definition["spec"]
        names, namespaced = spec["names"], spec.get("scope") == "Namespaced"
        found = [
            Kind(spec["group"], version["name"], names["kind"], names["plural"], namespaced)
            for version in spec.get("versions") or []
            if version.get("served")
        ]
        with self._lock:
            self._load()
            self._add(found)
        return found

    def refresh(self) -> None:
        """Forget everything; the next question asks the server again."""
        with self._lock:
            self._is_loaded = False

    def _find(self, group: str, version: str, kind: str) -> Kind | None:
        with self._lock:
            self._load()
            if (group, version) in self._legacy:
                self._load_legacy((group, version))
            return self._kinds.get((group, version, kind))

    def _add(self, kinds: Iterable[Kind]) -> None:
        self._kinds.update({(kind.group, kind.version, kind.kind): kind for kind in kinds})

    def _load(self) -> None:
        if self._is_loaded:
            return
        self._kinds, self._legacy, self._stale = {}, [], set()
        for path in ("/api", "/apis"):
            reply = self._rest.send("GET", path, accept=_AGGREGATED)
            value = self._rest.body_of(reply)  # a page of a proxy is no server without kinds
            if "as=apigroupdiscoverylist" in reply.kind:
                self._read_aggregated(value)
            else:
                self._read_groups(value)
        self._is_loaded = True

    def _read_aggregated(self, value: Mapping[str, Any]) -> None:
        for item in value.get("items") or []:
            group = (item.get("metadata") or {}).get("name", "")
            for version in item.get("versions") or []:
                if version.get("freshness") == "Stale":
                    self._stale.add(group)
                resources = version.get("resources") or []
                self._add(_aggregated(group, version["version"], resource) for resource in resources)

    def _read_groups(self, value: Mapping[str, Any]) -> None:
        self._legacy += [("", version) for version in value.get("versions") or []]
        for group in value.get("groups") or []:
            self._legacy += [(group["name"], item["version"]) for item in group.get("versions") or []]

    def _load_legacy(self, pair: tuple[str, str]) -> None:
        group, version = pair
        self._legacy.remove(pair)
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            value = self._rest.send("GET", path).value or {}
        except Refused as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE}:
                raise
            self._stale.add(group)
            return
        self._add(
            Kind(group, version, item["kind"], item["name"], bool(item.get("namespaced")))
            for item in value.get("resources") or []
            if "/" not in item["name"]  # a subresource
        )


def _aggregated(group: str, version: str, resource: Mapping[str, Any]) -> Kind:
    kind = (resource.get("responseKind") or {}).get("kind", "")
    return Kind(group, version, kind, resource["resource"], resource.get("scope") == "Namespaced")
