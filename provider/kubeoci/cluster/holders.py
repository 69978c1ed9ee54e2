# SPDX-License-Identifier: Apache-2.0
"""Who holds an object, in words that its reader can act on.

The label on an object has the id of an ApplySet, a hash. The parent that bears the same id has a name, and one of ours
also says which resource of which stack it belongs to.
"""

from dataclasses import dataclass, field

from kubeoci.cluster import marks
from kubeoci.cluster.inventory import ID, OWNER, PART_OF, applyset_id
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.site import Body, Site
from kubeoci.errors import ClusterError, Stopped

_SECRETS = Kind("", "v1", "Secret", "secrets", namespaced=True)


@dataclass(slots=True)
class Holders:
    """The holders of one refusal. Asks once for each ApplySet, and only when there is something to refuse."""

    site: Site
    _names: dict[str, str] = field(default_factory=dict)

    def of(self, live: Body, desired: Body) -> str:
        """`the Flux Kustomization apps`, `the ApplySet default/shop of shop/dev/app`; empty when nobody or we do."""
        words = marks.owner(live, desired, self.site.applysets)
        ident = marks.labels(live).get(PART_OF, "")
        return f"the ApplySet {self._name(ident)}" if words == f"the ApplySet {ident}" else words

    def _name(self, ident: str) -> str:
        if ident not in self._names:
            self._names[ident] = self._found(ident)
        return self._names[ident]

    def _found(self, ident: str) -> str:
        """The parent's name; the id where it is no Secret, or may not be looked for."""
        try:
            items = self.site.rest.list_all(_SECRETS.collection(), selector=f"{ID}={ident}", metadata_only=True).items
        except Stopped:
            raise
        except ClusterError:
            return ident
        for item in items:
            meta = item["metadata"]
            # anybody can copy the label to another Secret; the id says which one it was made for
            if applyset_id(meta["name"], meta["namespace"]) == ident:
                owner = (meta.get("annotations") or {}).get(OWNER, "")
                return f"{meta['namespace']}/{meta['name']}" + (f" of {owner}" if owner else "")
        return ident
