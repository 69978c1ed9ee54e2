# SPDX-License-Identifier: Apache-2.0
"""Objects that say themselves what has to be there before them: `config.kubernetes.io/depends-on`, as cli-utils has it.

The value names objects of the same artifact, parted by commas: `<group>/namespaces/<namespace>/<kind>/<name>`, or
`<group>/<kind>/<name>` where there is no namespace; the core group is empty. What is named is applied and ready before
who names it, and deleted after it.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from kubeoci.cluster import order
from kubeoci.errors import ManifestError
from kubeoci.identity import ObjectId
from kubeoci.objects import Object

MARK: Final = "config.kubernetes.io/depends-on"

_NAMESPACED = 5  # parts of a name with a namespace
_CLUSTERED = 3

Edges = Mapping[ObjectId, frozenset[ObjectId]]
"""What each object depends on; objects without dependencies are left out."""


def named(body: Mapping[str, Any]) -> frozenset[ObjectId]:
    """What the annotation of an object names. Raises ValueError for one that cannot be read."""
    text = str(((body.get("metadata") or {}).get("annotations") or {}).get(MARK) or "")
    return frozenset(_name(part.strip()) for part in text.split(",")) if text.strip() else frozenset()


def edges(desired: Iterable[Object]) -> dict[ObjectId, frozenset[ObjectId]]:
    """The dependencies of a set that `faults` found nothing wrong with."""
    found = {item.id: named(item.body) for item in desired}
    return {ident: names for ident, names in found.items() if names}


def known(bodies: Mapping[ObjectId, Mapping[str, Any]]) -> dict[ObjectId, frozenset[ObjectId]]:
    """The dependencies of live objects; one that cannot be read, or goes in a circle, keeps nobody waiting."""
    found: dict[ObjectId, frozenset[ObjectId]] = {}
    for ident, body in bodies.items():
        with contextlib.suppress(ValueError):
            found[ident] = named(body)
    while ring := circle(found):
        del found[ring[0]]
    return {ident: names for ident, names in found.items() if names}


def levels(found: Edges) -> dict[ObjectId, int]:
    """How many steps each object has to wait for: 0 for one that depends on nothing. There must be no circle."""
    steps: dict[ObjectId, int] = {}
    for ident in TopologicalSorter(found).static_order():
        steps[ident] = max((steps[name] + 1 for name in found.get(ident, ())), default=0)
    return steps


def circle(found: Edges) -> list[ObjectId]:
    """Objects that wait for each other, the first one again at the end; empty when there are none."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        ring: list[ObjectId] = error.args[1]
        return ring[::-1]  # it comes as who is waited for by whom
    return []


def faults(desired: Iterable[Object]) -> Iterator[ManifestError]:
    """What is wrong with the annotations of a set, each with its file and line."""
    items = {item.id: item for item in desired}
    found: dict[ObjectId, frozenset[ObjectId]] = {}
    for item in items.values():
        try:
            found[item.id] = named(item.body)
        except ValueError as error:
            yield _fault(item, str(error), "write <group>/namespaces/<namespace>/<kind>/<name>")
    for ident, names in found.items():
        for name in sorted(names - items.keys()):
            yield _fault(
                items[ident], f"{name.short} is not in the artifact", "add it, or take it out of the annotation"
            )
        for name in sorted(names & items.keys()):
            if order.stage(ident.kind) < order.stage(name.kind):
                yield _fault(items[ident], f"{name.short} comes in a later stage", "take it out of the annotation")
    if ring := circle(found):
        told = " -> ".join(ident.short for ident in ring)
        yield _fault(items[ring[0]], f"the objects wait for each other: {told}", "break the circle")


def _name(text: str) -> ObjectId:
    parts = text.split("/")
    if len(parts) == _NAMESPACED and parts[1] == "namespaces" and all(parts[2:]):
        return ObjectId(parts[0], parts[3], parts[2], parts[4])
    if len(parts) == _CLUSTERED and all(parts[1:]):
        return ObjectId(parts[0], parts[1], "", parts[2])
    raise ValueError(f"{text!r:.80} names no object")


def _fault(item: Object, what: str, advice: str) -> ManifestError:
    return ManifestError("manifest.invalid", f"{MARK}: {what}", where=f"{item.id.short} ({item.source})", advice=advice)
