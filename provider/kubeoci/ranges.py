# SPDX-License-Identifier: Apache-2.0
"""Semver ranges over tags, as Masterminds/semver and fluxcd/pkg `version` understand them.

A tag is a version if it has three numbers at heart; a range is segments joined by `||`, each a list of terms that
must all hold. A pre-release fits only where some term of its segment names one. Versions are plain tuples, so that
thousands of tags take milliseconds; the text of a range is read term by term, in time linear in its length.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from kubeoci import regex
from kubeoci.errors import InputError, RegistryError
from kubeoci.regex import Regex

_MAX_TAG_BYTES = 256
_MAX_RANGE = 512
_MAX_SEGMENTS = 32
_MAX_NUMBER = (1 << 64) - 1
_SHOWN = 5  # how many refused tags a message names

_WS = r"[\t\n\f\r ]"
_ID = r"[0-9A-Za-z-]+"
_TAIL = rf"(?:-(?P<pre>{_ID}(?:\.{_ID})*))?(?:\+{_ID}(?:\.{_ID})*)?"
_TAG = re.compile(rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?{_TAIL}", re.ASCII)
_PART = r"(?:[0-9]+|[xX*])"
_ANY = r"[0-9|xX*]+"  # to Masterminds a bar before a hyphen range is a digit of it: `1||2 - 3` is `>=1 || 2 <=3`
_PARTIAL_TEXT = rf"v?{_ANY}(?:\.{_ANY})?(?:\.{_ANY})?(?:-{_ID}(?:\.{_ID})*)?(?:\+{_ID}(?:\.{_ID})*)?"
_HYPHEN = re.compile(rf"{_WS}*+(?>({_PARTIAL_TEXT})){_WS}++-{_WS}++(?>({_PARTIAL_TEXT})){_WS}*+")
_BLANK = re.compile(rf"{_WS}*+")
_SEPARATOR = re.compile(rf"{_WS}*+,{_WS}*+|{_WS}++")
_TERM = re.compile(
    rf"(?P<op>=>|=<|>=|<=|!=|~>|[=<>~^])?{_WS}*+"
    rf"v?(?P<major>{_PART})(?:\.(?P<minor>{_PART}))?(?:\.(?P<patch>{_PART}))?{_TAIL}"
)
_SPELLINGS = {"": "=", "=>": ">=", "=<": "<=", "~>": "~"}

_Numbers = tuple[int, ...]
_Ids = tuple[tuple[int, int, str], ...]


class Version(NamedTuple):
    """A version in an order that is its precedence; build metadata is no part of it.

    `release` is 1 for a release and 0 for a pre-release, which is lower. `ids` are (0, number, "") or (1, 0, text).
    """

    numbers: _Numbers
    release: int
    ids: _Ids


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison: `numbers` are the one to three that were written before a wildcard; none for `*`."""

    operator: str
    numbers: _Numbers
    floor: Version

    def holds(self, version: Version) -> bool:
        """Whether `version` passes this comparison alone."""
        return _OPERATORS[self.operator](version, self.floor, self.numbers)


@dataclass(frozen=True, slots=True)
class Range:
    """A range that was understood; `text` is what the user wrote."""

    text: str
    segments: tuple[tuple[Term, ...], ...]

    def matches(self, tag: str) -> bool:
        """Whether `tag` is a version in the range; a tag that is no version is not."""
        version = parse_version(tag)
        return version is not None and self.holds(version)

    def holds(self, version: Version) -> bool:
        """Whether `version` lies in some segment, one that names a pre-release if it is one."""
        return any(
            (version.release or any(not term.floor.release for term in terms))
            and all(term.holds(version) for term in terms)
            for terms in self.segments
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """The highest tag of a range.

    `tied` are other tags of the same precedence, as `v1.0.0` beside `1.0.0`: if they have another digest, the choice
    is not clear. `considered` counts all tags; `rejected` says why the highest tags above the choice were refused.
    """

    tag: str
    considered: int
    rejected: tuple[str, ...]
    tied: tuple[str, ...] = ()


def parse_version(tag: str) -> Version | None:
    """The version that a tag is, or None. Two dots are needed somewhere; `v`, missing numbers, zeros are fine."""
    if tag.count(".") < 2 or len(tag) > _MAX_TAG_BYTES:  # noqa: PLR2004 - "at least two dots" is Flux's rule
        return None
    found = _TAG.fullmatch(tag)
    if not found:
        return None
    numbers = tuple(int(number or 0) for number in found.group(1, 2, 3))
    ids = _ids(found["pre"])
    return None if ids is None or max(numbers) > _MAX_NUMBER else Version(numbers, not ids, ids)


def parse(text: str) -> Range:
    """`text` as a range. Raises `InputError` `range.invalid` with the piece that cannot be read."""
    if len(text) > _MAX_RANGE:
        _refuse(text, f"it is longer than {_MAX_RANGE} bytes")
    pieces = _HYPHEN.sub(r">= \1, <= \2 ", text).split("||")
    if len(pieces) > _MAX_SEGMENTS:
        _refuse(text, f"it has more than {_MAX_SEGMENTS} parts between ||")
    return Range(text, tuple(_segment(text, piece) for piece in pieces))


def select(tags: Iterable[str], range_: Range, pattern: str = "", *, are_charts: bool = False) -> Selection:
    """The highest tag in `range_` among those in which the regular expression `pattern` is found.

    The order of `tags` does not matter. Tags of Helm charts write the `+` of a version, which no tag may hold, as `_`:
    with `are_charts` it is read so, as Flux does where it selects the layer of a chart and nowhere else. Raises
    `RegistryError` `range.no_match`, which says what was seen and why the highest of it was refused, and `InputError`
    `range.invalid` for a bad pattern.
    """
    wanted = compile_filter(pattern)
    judged = [_judge(tag, tag.replace("_", "+") if are_charts else tag, range_, wanted) for tag in set(tags)]
    fitting = [item for item in judged if not item.reason]
    best = max((item.version for item in fitting), default=None)
    refused = [item for item in judged if item.reason and (best is None or item.version > best)]
    refused.sort(key=lambda item: (item.version, item.tag), reverse=True)
    reasons = tuple(f"{item.tag}: {item.reason}" for item in refused[:_SHOWN])
    if best is None:
        _no_match(range_, pattern, len(judged), reasons)
    tied = sorted((item.tag for item in fitting if item.version == best), key=lambda tag: (len(tag), tag))
    return Selection(tied[0], len(judged), reasons, tuple(tied[1:]))


def compile_filter(pattern: str) -> Regex:
    """A `semverFilter`, to be searched anywhere in a tag. Raises `InputError` `range.invalid`."""
    try:
        return regex.compile(pattern)
    except ValueError as error:
        raise InputError("range.invalid", f"the filter {pattern[:100]!r} cannot be used: {error}") from None


class _Judged(NamedTuple):
    """One tag, and why it is refused; what is no version sorts below all versions."""

    tag: str
    version: Version
    reason: str


_NO_VERSION = Version((-1,), 0, ())


def _judge(tag: str, written: str, range_: Range, wanted: Regex) -> _Judged:
    version = parse_version(written)
    if version is None:
        return _Judged(tag, _NO_VERSION, "no version")
    if not wanted.search(tag):
        return _Judged(tag, version, "refused by semverFilter")
    if range_.holds(version):
        return _Judged(tag, version, "")
    return _Judged(
        tag, version, "not in the range" if version.release else "a pre-release that the range does not take"
    )


def _no_match(range_: Range, pattern: str, seen: int, reasons: tuple[str, ...]) -> NoReturn:
    extra = f" and semverFilter {pattern!r}" if pattern else ""
    highest = f", the highest: {'; '.join(reasons)}" if reasons else ""
    raise RegistryError("range.no_match", f"none of {seen} tags fits {range_.text!r}{extra}{highest}")


def _refuse(text: str, why: str) -> NoReturn:
    raise InputError(
        "range.invalid",
        f"the range {text[:100]!r} cannot be read: {why}",
        advice="write, for example, 6.0.x or >=1.2 <2",
    )


def _segment(text: str, piece: str) -> tuple[Term, ...]:
    """The terms of one segment, read from left to right."""
    terms: list[Term] = []
    start = _BLANK.match(piece)
    at = start.end() if start else 0
    while at < len(piece):
        found = _TERM.match(piece, at)
        if not found:
            _refuse(text, f"{piece[at:][:40]!r} is no comparison")
        terms.append(_term(text, found))
        at = found.end()
        between = _SEPARATOR.match(piece, at)
        if between is None and at < len(piece):
            _refuse(text, f"a blank or comma is missing before {piece[at:][:40]!r}")
        at = between.end() if between else at
        if between and at == len(piece) and "," in between[0]:
            _refuse(text, "a comparison is missing after the comma")
    if not terms:
        _refuse(text, "there is nothing to compare with")
    return tuple(terms)


def _term(text: str, found: re.Match[str]) -> Term:
    numbers: list[int] = []
    for part in found.group("major", "minor", "patch"):
        if part is None or part in "xX*":
            break
        numbers.append(int(part))
    ids = _ids(found["pre"])
    if ids is None or max(numbers, default=0) > _MAX_NUMBER:
        _refuse(text, f"{found[0]!r} holds a number that is too large or starts with 0")
    operator = found["op"] or ""
    padded = tuple([*numbers, 0, 0, 0][:3])
    return Term(_SPELLINGS.get(operator, operator), tuple(numbers), Version(padded, not ids, ids))


def _ids(text: str | None) -> _Ids | None:
    """The identifiers of a pre-release in comparable form; None where a number has a leading zero."""
    ids: list[tuple[int, int, str]] = []
    for part in text.split(".") if text else ():
        if not part.isdigit():
            ids.append((1, 0, part))
            continue
        if part.startswith("0") and part != "0":
            return None
        number = int(part)
        ids.append((0, number, "") if number <= _MAX_NUMBER else (1, 0, part))
    return tuple(ids)


def _differs(version: Version, floor: Version, numbers: _Numbers) -> bool:
    if len(numbers) in (0, 3):
        return version != floor
    if version.numbers[: len(numbers)] != numbers:
        return True
    # a range with two numbers tells pre-releases of those two apart, one with a single number does not
    return len(numbers) > 1 and version.ids != floor.ids


def _above(version: Version, floor: Version, numbers: _Numbers) -> bool:
    return version > floor if len(numbers) in (0, 3) else version.numbers[: len(numbers)] > numbers


def _at_most(version: Version, floor: Version, numbers: _Numbers) -> bool:
    if len(numbers) == 3:  # noqa: PLR2004 - all three are given
        return version <= floor
    return version.numbers[:2] <= (0, 0) if not numbers else version.numbers[: len(numbers)] <= numbers


def _tilde(version: Version, floor: Version, numbers: _Numbers) -> bool:
    same = numbers == (0, 0, 0) or version.numbers[: min(len(numbers), 2)] == numbers[:2]
    return version >= floor and same


def _equal(version: Version, floor: Version, numbers: _Numbers) -> bool:
    return version == floor if len(numbers) == 3 else _tilde(version, floor, numbers)  # noqa: PLR2004 - all are given


def _caret(version: Version, floor: Version, numbers: _Numbers) -> bool:
    """The first number that is not 0 must stay; where all are 0, everything that is written."""
    if not numbers:
        return version >= floor and version.numbers == (0, 0, 0)
    keep = next((index for index, number in enumerate(numbers, 1) if number), len(numbers))
    return version >= floor and version.numbers[:keep] == numbers[:keep]


_OPERATORS: dict[str, Callable[[Version, Version, _Numbers], bool]] = {
    "=": _equal,
    "!=": _differs,
    ">": _above,
    ">=": lambda version, floor, _numbers: version >= floor,
    "<": lambda version, floor, _numbers: version < floor,
    "<=": _at_most,
    "~": _tilde,
    "^": _caret,
}
