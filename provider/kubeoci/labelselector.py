# SPDX-License-Identifier: Apache-2.0
"""Label selectors as kubectl takes them: `app=web,tier!=db,env in (a, b),!old,new`."""

import re
from collections.abc import Callable, Mapping

from kubeoci.errors import InputError

Labels = Mapping[str, str]
Requirement = Callable[[Labels], bool]

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_PARTS = re.compile(r",(?![^(]*\))")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_EQUALS = re.compile(rf"({_KEY})\s*(=|==|!=)\s*({_VALUE})")
_IN = re.compile(rf"({_KEY})\s+(in|notin)\s+\(\s*({_VALUE}(?:\s*,\s*{_VALUE})*)\s*\)")


def parse(text: str) -> Requirement:
    """What labels must be like; an empty text fits all. Raises InputError (`input.invalid`)."""
    parts = [_requirement(part.strip()) for part in _PARTS.split(text)] if text.strip() else []
    return lambda labels: all(part(labels) for part in parts)


def _requirement(part: str) -> Requirement:
    if found := _IN.fullmatch(part):
        key, word, values = found.groups()
        return _among(key, {value.strip() for value in values.split(",")}, is_wanted=word == "in")
    if found := _EQUALS.fullmatch(part):
        key, sign, value = found.groups()
        return _among(key, {value}, is_wanted=sign != "!=")
    if found := _EXISTS.fullmatch(part):
        sign, key = found.groups()
        return lambda labels: (key in labels) != bool(sign)
    raise InputError("input.invalid", f"{part!r} is no label selector", advice="write it like app=web,tier!=db")


def _among(key: str, values: set[str], *, is_wanted: bool) -> Requirement:
    """A label that is not there is none of the values."""
    return lambda labels: (key in labels and labels[key] in values) == is_wanted
