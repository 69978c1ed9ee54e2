# SPDX-License-Identifier: Apache-2.0
"""The rules of `ignoreFields`: which fields of which objects are left to others, as in Flux's `spec.ignore`."""

import re
from dataclasses import dataclass
from typing import Final

from kubeoci.cluster import labelselector, marks
from kubeoci.errors import InputError
from kubeoci.objects import Object

_FIXED: Final = ("/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/status")


@dataclass(frozen=True, slots=True)
class ObjectSelector:
    """Objects that all of this fits. The first five are regular expressions that must match as a whole.

    Raises InputError (`input.invalid`) for what cannot be read; the name of the part stands in front.
    """

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    label_selector: str = ""
    annotation_selector: str = ""

    def __post_init__(self) -> None:
        for part in ("group", "version", "kind", "name", "namespace"):
            try:
                re.compile(getattr(self, part))
            except re.error as error:
                raise InputError("input.invalid", f"it is no regular expression: {error}", where=part) from None
        for part, text in (("labelSelector", self.label_selector), ("annotationSelector", self.annotation_selector)):
            try:
                labelselector.parse(text)
            except InputError as error:
                raise error.at(part) from None

    def fits(self, item: Object) -> bool:
        """Whether the object is one of them."""
        ident = item.id
        pairs = (
            (self.group, ident.group),
            (self.version, item.version),
            (self.kind, ident.kind),
            (self.name, ident.name),
            (self.namespace, ident.namespace),
        )
        meta = item.body.get("metadata") or {}
        return (
            all(not pattern or re.fullmatch(pattern, value) for pattern, value in pairs)
            and labelselector.parse(self.label_selector)(marks.labels(item.body))
            and labelselector.parse(self.annotation_selector)(meta.get("annotations") or {})
        )


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """Fields by JSON pointer, such as `/spec/replicas`, of the objects that `target` fits; of all without one.

    Raises InputError (`input.invalid`) for a path that is no pointer, or whose field cannot be left to others.
    """

    paths: tuple[str, ...]
    target: ObjectSelector = ObjectSelector()

    def __post_init__(self) -> None:
        for path in self.paths:
            if not re.fullmatch(r"(/([^~/]|~[01])+)+", path):
                what, advice = f"{path!r} is no JSON pointer to a field", "write it like /spec/replicas"
                raise InputError("input.invalid", what, advice=advice)
            if any(path == fixed or path.startswith(f"{fixed}/") for fixed in _FIXED):
                raise InputError("input.invalid", f"{path} cannot be left to others")


def steps(path: str) -> tuple[str, ...]:
    """The names, and places in lists, that a pointer consists of."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:])
