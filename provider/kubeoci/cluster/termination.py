# SPDX-License-Identifier: Apache-2.0
"""Waiting until objects are deleted: finalizers and grace periods keep them for a while.

It is watched like readiness: one stream for each kind and namespace, and no request while nothing happens.
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field

from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.site import Body, Site
from kubeoci.cluster.streams import News, Place, follow
from kubeoci.identity import ObjectId
from kubeoci.normalise import at

Leaving = tuple[Kind, ObjectId, str]
"""An object that was asked to go: its kind, itself and its uid. Another uid is another object."""


def gone(site: Site, objects: Iterable[Leaving]) -> dict[ObjectId, Body]:
    """Wait until all are deleted; gives those that are still there when time runs out, as they were seen last.

    Raises Stopped on request, ClusterError for what went wrong in a stream.
    """
    run = _Leaving({ident: (kind, uid) for kind, ident, uid in objects})
    if run.left:
        run.tell(site)
        with closing(follow(site.rest, run.places(site.selector), site.ready_by, site.stop)) as ticks:
            for news in ticks:
                run.take(news)
                if not run.left:
                    break
                run.tell(site)
    return {ident: run.bodies.get(ident, {}) for ident in run.left}


@dataclass(slots=True)
class _Leaving:
    """What is still there, and how it was seen last."""

    left: dict[ObjectId, tuple[Kind, str]]
    bodies: dict[ObjectId, Body] = field(default_factory=dict)

    def places(self, selector: str) -> list[Place]:
        """Where to look: one object by its name, more of a kind and namespace by our label.

        What loses our label meanwhile is no longer ours to wait for.
        """
        names: dict[tuple[Kind, str], set[str]] = defaultdict(set)
        for ident, (kind, _) in self.left.items():
            names[kind, ident.namespace].add(ident.name)
        return [
            Place(kind, namespace, frozenset(found), **_selectors(found, selector))
            for (kind, namespace), found in names.items()
        ]

    def take(self, news: Iterable[News]) -> None:
        """Note what has come, in order."""
        for ident, body in news:
            if ident in self.left and at(body, "metadata", "uid") != self.left[ident][1]:
                del self.left[ident]
            elif body:
                self.bodies[ident] = body

    def tell(self, site: Site) -> None:
        """Say what is waited for."""
        first, *others = self.left
        site.tell(f"waiting until {first.short} is deleted" + (f" and {len(others)} more" if others else ""))


def _selectors(names: set[str], labels: str) -> dict[str, str]:
    return {"labels": labels} if len(names) > 1 else {"fields": f"metadata.name={min(names)}"}
