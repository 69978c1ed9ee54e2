# SPDX-License-Identifier: Apache-2.0
"""The rules of `ignoreFields`: which fields of which objects are left to others, as in Flux's `spec.ignore`."""

import re
from dataclasses import dataclass
from typing import Final

from kubeoci.errors import InputError
from kubeoci.objectselector import EVERYTHING, ObjectSelector

_FIXED: Final = ("/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/status")


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """Fields by JSON pointer, such as `/spec/replicas`, of the objects that `target` fits; of all without one.

    Raises InputError (`input.invalid`) for a path that is no pointer, or whose field cannot be left to others.
    """

    paths: tuple[str, ...]
    target: ObjectSelector = EVERYTHING

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
