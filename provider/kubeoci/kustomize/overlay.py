# SPDX-License-Identifier: Apache-2.0
"""What a user adds to a kustomization without touching its file, in the words of a Flux Kustomization.

It is merged as Flux does it: prefix and suffix replace, patches and components come last, and an image replaces the
whole entry of the same name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubeoci.objectselector import ObjectSelector

Kustomization = dict[str, Any]
"""A kustomization file as JSON gives it."""


@dataclass(frozen=True, slots=True)
class Image:
    """Another name, tag or digest for the images called `name`. Empty: as it is."""

    name: str
    new_name: str = ""
    new_tag: str = ""
    digest: str = ""

    def entry(self) -> dict[str, str]:
        """As kustomize writes it."""
        found = {"name": self.name, "newName": self.new_name, "newTag": self.new_tag, "digest": self.digest}
        return {key: value for key, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Patch:
    """A strategic merge patch or the operations of a JSON 6902 patch, as YAML; the latter needs a `target`."""

    patch: str
    target: ObjectSelector | None = None

    def entry(self) -> dict[str, Any]:
        """As kustomize writes it."""
        return {"patch": self.patch, **({"target": _entry(self.target)} if self.target else {})}


@dataclass(frozen=True, slots=True)
class Overlay:
    """All of it. `components` are folders of the artifact, relative to `path`."""

    patches: tuple[Patch, ...] = ()
    images: tuple[Image, ...] = ()
    components: tuple[str, ...] = ()
    ignore_missing_components: bool = False
    name_prefix: str = ""
    name_suffix: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is added, so that plain manifests need no kustomize."""
        return self == Overlay(ignore_missing_components=self.ignore_missing_components)

    def onto(self, base: Mapping[str, Any], namespace: str = "") -> Kustomization:
        """The kustomization with all of this, and every object in `namespace`; the argument is not changed."""
        words = {"namespace": namespace, "namePrefix": self.name_prefix, "nameSuffix": self.name_suffix}
        made = {**base, **{name: value for name, value in words.items() if value}}
        added: dict[str, list[Any]] = {
            "patches": [each.entry() for each in self.patches],
            "components": [*self.components],
        }
        made |= {name: [*_list(base, name), *entries] for name, entries in added.items() if entries}
        if self.images:
            names = {image.name for image in self.images}
            kept = [item for item in _list(base, "images") if not _is_named(item, names)]
            made["images"] = [*kept, *(image.entry() for image in self.images)]
        return made


NONE = Overlay()
"""Nothing is added."""


def _entry(target: ObjectSelector) -> dict[str, str]:
    found = {
        "group": target.group,
        "version": target.version,
        "kind": target.kind,
        "name": target.name,
        "namespace": target.namespace,
        "labelSelector": target.label_selector,
        "annotationSelector": target.annotation_selector,
    }
    return {key: value for key, value in found.items() if value}


def _list(base: Mapping[str, Any], name: str) -> list[Any]:
    """The entries that are there; what is no list is left for the check of the whole file to refuse."""
    value = base.get(name) or []
    return value if isinstance(value, list) else [value]


def _is_named(item: Any, names: set[str]) -> bool:  # noqa: ANN401 - any YAML value
    return isinstance(item, dict) and item.get("name") in names
