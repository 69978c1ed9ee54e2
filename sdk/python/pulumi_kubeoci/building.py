# SPDX-License-Identifier: Apache-2.0
"""The objects inside the arguments that change manifests on their way, each as a class and as a typed dict."""

import dataclasses
from collections.abc import Sequence
from typing import Required, TypeAlias, TypedDict

import pulumi


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImageArgs:
    """Another name, tag or digest for the images called `name`."""

    name: pulumi.Input[str]
    new_name: pulumi.Input[str] | None = None
    new_tag: pulumi.Input[str] | None = None
    digest: pulumi.Input[str] | None = None


class ImageArgsDict(TypedDict, total=False):
    """`ImageArgs` as a dict; `name` is required."""

    name: Required[pulumi.Input[str]]
    new_name: pulumi.Input[str]
    new_tag: pulumi.Input[str]
    digest: pulumi.Input[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SelectorArgs:
    """Objects that all of this fits; the first five are regular expressions that must match as a whole."""

    group: pulumi.Input[str] | None = None
    version: pulumi.Input[str] | None = None
    kind: pulumi.Input[str] | None = None
    name: pulumi.Input[str] | None = None
    namespace: pulumi.Input[str] | None = None
    label_selector: pulumi.Input[str] | None = None
    annotation_selector: pulumi.Input[str] | None = None


class SelectorArgsDict(TypedDict, total=False):
    """`SelectorArgs` as a dict."""

    group: pulumi.Input[str]
    version: pulumi.Input[str]
    kind: pulumi.Input[str]
    name: pulumi.Input[str]
    namespace: pulumi.Input[str]
    label_selector: pulumi.Input[str]
    annotation_selector: pulumi.Input[str]


Selector: TypeAlias = pulumi.Input[SelectorArgs | SelectorArgsDict]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PatchArgs:
    """YAML of a strategic merge patch, or of the operations of a JSON 6902 patch; these need a `target`."""

    patch: pulumi.Input[str]
    target: Selector | None = None


class PatchArgsDict(TypedDict, total=False):
    """`PatchArgs` as a dict; `patch` is required."""

    patch: Required[pulumi.Input[str]]
    target: Selector


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreRuleArgs:
    """Fields, by JSON pointers such as `/spec/replicas`, that are left to others once their object exists."""

    paths: pulumi.Input[Sequence[pulumi.Input[str]]]
    target: Selector | None = None


class IgnoreRuleArgsDict(TypedDict, total=False):
    """`IgnoreRuleArgs` as a dict; `paths` is required."""

    paths: Required[pulumi.Input[Sequence[pulumi.Input[str]]]]
    target: Selector


IgnoreRules: TypeAlias = pulumi.Input[Sequence[pulumi.Input[IgnoreRuleArgs | IgnoreRuleArgsDict]]]
Images: TypeAlias = pulumi.Input[Sequence[pulumi.Input[ImageArgs | ImageArgsDict]]]
Patches: TypeAlias = pulumi.Input[Sequence[pulumi.Input[PatchArgs | PatchArgsDict]]]
