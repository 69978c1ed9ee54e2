# SPDX-License-Identifier: Apache-2.0
"""Which objects a rule of the user is for: the `target` of a Flux Kustomization and of kustomize itself."""

import re
from dataclasses import dataclass

from kubeoci import labelselector
from kubeoci.errors import InputError
from kubeoci.objects import Object


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
            and labelselector.parse(self.label_selector)(meta.get("labels") or {})
            and labelselector.parse(self.annotation_selector)(meta.get("annotations") or {})
        )


EVERYTHING = ObjectSelector()
"""All objects."""
