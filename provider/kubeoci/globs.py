# SPDX-License-Identifier: Apache-2.0
"""Globs over one component of a name, as Go's `filepath.Match` reads them.

`*` is any run of characters, `?` one, `[a-c]` a class and `[^a-c]` its opposite, a backslash takes the next character
as it is. `[!a]` is no negation, and what is malformed matches nothing.
"""

import re
from collections.abc import Callable

Glob = Callable[[str], object]


def compile_glob(glob: str) -> Glob | None:
    """A test for one whole component, in linear time; None for a malformed glob."""
    pieces = _pieces(glob)
    if pieces is None:
        return None
    first, *rest = pieces
    # each star takes as little as it can and is never asked again; only the last one must reach the end
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    return re.compile(first + middle + (f".*{rest[-1]}" if rest else ""), re.DOTALL).fullmatch


def _pieces(glob: str) -> list[str] | None:
    """Regular expressions for what stands between stars, or None for a malformed glob."""
    pieces, at = [""], 0
    while at < len(glob):
        char, at = glob[at], at + 1
        if char == "*":
            pieces += [""] if len(pieces) == 1 or pieces[-1] else []  # two stars in a row are one
            continue
        if char == "[":
            piece, at = _class(glob, at)
        elif char == "\\":
            piece, at = re.escape(glob[at : at + 1]), at + 1
        else:
            piece = "." if char == "?" else re.escape(char)
        if not piece:
            return None
        pieces[-1] += piece
    return pieces


def _class(glob: str, at: int) -> tuple[str, int]:
    """The regular expression of a class whose `[` is before `at`, and what follows it; empty when malformed."""
    negated = glob[at : at + 1] == "^"
    at += negated
    members: list[str] = []
    while glob[at : at + 1] != "]" or not members:
        low, at = _member(glob, at)
        high = low
        if glob[at : at + 1] == "-":
            high, at = _member(glob, at + 1)
        if not low or not high:
            return "", at
        # a range from high to low is empty, but it is a member: the class does not end before it
        members.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    inside = "".join(members)
    if not inside:
        return ("." if negated else "(?!)"), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _member(glob: str, at: int) -> tuple[str, int]:
    """One character of a class and what follows it; empty when there is none or it should have been escaped."""
    char = glob[at : at + 1]
    if char == "\\":
        return glob[at + 1 : at + 2], at + 2
    return ("" if char in ("-", "]") else char), at + 1
