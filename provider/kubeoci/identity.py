# SPDX-License-Identifier: Apache-2.0
"""What names a Kubernetes object for its whole life: group, kind, namespace and name, without a version."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class ObjectId:
    """One object. `group` and `namespace` are empty for the core group and for cluster-scoped kinds."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`Deployment.apps/shop/web`, `ConfigMap/shop/flags`, `Namespace/shop`: unique within a cluster."""
        return "/".join([self.group_kind, *([self.namespace] if self.namespace else []), self.name])

    @property
    def group_kind(self) -> str:
        """`Kind[.group]`, as ApplySet annotations write it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def short(self) -> str:
        """`Deployment/shop/web`: what a person reads in messages, as Flux prints it."""
        return "/".join([self.kind, *([self.namespace] if self.namespace else []), self.name])

    def entry(self) -> str:
        """`<ns>_<name>_<group>_<kind>`, a colon in the name as two underscores: cli-utils `ObjMetadata.String()`."""
        return "_".join([self.namespace, self.name.replace(":", "__"), self.group, self.kind])

    @classmethod
    def from_entry(cls, text: str) -> "ObjectId":
        """The reverse of `entry`: split at the first and the last two underscores. Raises ValueError."""
        namespace, rest = text.split("_", 1)
        name, group, kind = rest.rsplit("_", 2)
        if not name or not kind:
            raise ValueError(f"not an inventory entry: {text!r}")
        return cls(group, kind, namespace, name.replace("__", ":"))
