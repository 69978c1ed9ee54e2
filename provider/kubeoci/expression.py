# SPDX-License-Identifier: Apache-2.0
"""What a regular expression says, as a tree: only what RE2, which Flux uses, and Python read alike.

Whatever one of the two refuses or reads otherwise is refused here, with its name: named groups, look-around,
back-references, possessive and atomic groups, POSIX and Unicode classes, sets of sets, and a group that is repeated
without bound. Classes are ASCII, `$` is the end of the text alone. The flags `i`, `m` and `s` may stand at the very
start or open a group.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

_MAX_CHARACTERS = 1024
_MAX_DEPTH = 50
_MAX_COUNT = 1000  # RE2's own limit of one repetition
_ASCII, _LAST = 0x7F, 0x10FFFF

_Ranges = tuple[tuple[int, int], ...]

_FLAGS = re.compile(r"\(\?([ims]+)\)")
_GROUP = re.compile(r"\((?:\?([ims]*):)?(?!\?)")
_BRACES = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}")
_CONTROLS = dict(zip("ntrfva", "\n\t\r\f\v\a", strict=True))
_CLASSES: dict[str, _Ranges] = {
    "d": ((0x30, 0x39),),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "s": ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20)),
}


class Place(Enum):
    """What may be asked of the gap between two characters."""

    TEXT_START = auto()
    TEXT_END = auto()
    LINE_START = auto()
    LINE_END = auto()
    WORD_EDGE = auto()
    NO_WORD_EDGE = auto()


@dataclass(frozen=True, slots=True)
class Chars:
    """One character whose code point is in one of the ranges, both ends included."""

    ranges: _Ranges

    def holds(self, char: str) -> bool:
        """Whether `char` is one of them."""
        point = ord(char)
        for low, high in self.ranges:  # noqa: SIM110 - a generator takes twice the time
            if low <= point <= high:
                return True
        return False


@dataclass(frozen=True, slots=True)
class At:
    """No character, only a condition."""

    place: Place


@dataclass(frozen=True, slots=True)
class Series:
    """One after the other; none is the empty text."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Any one of them."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`low` to `high` times, without end for None. Greedy or lazy makes no difference to whether a text fits."""

    item: "Node"
    low: int
    high: int | None


Node = Chars | At | Series | Choice | Repeat

_PLACES = {"b": At(Place.WORD_EDGE), "B": At(Place.NO_WORD_EDGE), "A": At(Place.TEXT_START)}
_SIGNS = {"^": (At(Place.TEXT_START), At(Place.LINE_START)), "$": (At(Place.TEXT_END), At(Place.LINE_END))}


def parse(text: str) -> Node:
    """`text` as a tree. Raises ValueError that says what is not allowed or not understood."""
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(f"it is longer than {_MAX_CHARACTERS} characters")
    flags = _FLAGS.match(text)
    reader = _Reader(text, flags.end() if flags else 0, flags[1] if flags else "")
    node = reader.choice()
    if reader.at < len(text):
        raise ValueError("it holds a `)` without its `(`")
    return node


@dataclass(slots=True)
class _Reader:
    """A text, how far it was read, and the flags that hold there."""

    text: str
    at: int
    flags: str
    depth: int = 0

    def choice(self) -> Node:
        """Everything up to the end of the group or of the text."""
        items = [self._series()]
        while self._took("|"):
            items.append(self._series())
        return items[0] if len(items) == 1 else Choice(tuple(items))

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _took(self, piece: str) -> bool:
        """Whether `piece` comes next; goes past it then."""
        found = self.text.startswith(piece, self.at)
        self.at += len(piece) if found else 0
        return found

    def _series(self) -> Node:
        items: list[Node] = []
        while self._next() not in ("", "|", ")"):
            items.append(self._repeated())
        return items[0] if len(items) == 1 else Series(tuple(items))

    def _repeated(self) -> Node:
        """One item and how often it comes."""
        is_group = self._next() == "("
        item = self._item()
        counts = self._counts()
        if counts is None:
            return item
        low, high = counts
        if isinstance(item, At) and not is_group:
            raise ValueError("it repeats what takes no character")
        if is_group and high is None:
            raise ValueError("it holds a group that is repeated without bound")
        self._took("?")
        if self._took("+"):
            raise ValueError("it holds a possessive repetition")
        if self._counts() is not None:
            raise ValueError("it repeats a repetition")
        return Repeat(item, low, high)

    def _counts(self) -> tuple[int, int | None] | None:
        """The least and the greatest number of a repetition that comes next; None if none does."""
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._took(sign):
                return counts
        if self.text.startswith("{,", self.at):
            raise ValueError("it holds a repetition without a lower bound")
        found = _BRACES.match(self.text, self.at)
        if not found:
            return None
        self.at = found.end()
        low = _count(found[1])
        high = _count(found[3]) if found[3] else None if found[2] else low
        if high is not None and high < low:
            raise ValueError(f"the repetition {found[0]} runs backwards")
        return low, high

    def _item(self) -> Node:
        """A group, a set, a condition or one character."""
        if self._next() == "(":
            return self._group()
        if self._took("["):
            return Chars(self._set())
        if self._took("\\"):
            return self._escape()
        if self._counts() is not None:
            raise ValueError("it repeats nothing")
        char, self.at = self._next(), self.at + 1
        if char in _SIGNS:
            return _SIGNS[char]["m" in self.flags]
        if char == ".":
            return Chars(((0, _LAST),) if "s" in self.flags else _others([(0x0A, 0x0A)]))
        return Chars(self._folded((ord(char), ord(char))))

    def _group(self) -> Node:
        opening = _GROUP.match(self.text, self.at)
        if not opening:
            raise ValueError("it holds a group that is neither (...) nor (?:...), nor has it the flags i, m or s alone")
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ValueError(f"its groups are nested more than {_MAX_DEPTH} deep")
        outside, self.flags = self.flags, self.flags + (opening[1] or "")
        self.at = opening.end()
        node = self.choice()
        if not self._took(")"):
            raise ValueError("a `)` is missing")
        self.flags = outside
        self.depth -= 1
        return node

    def _escape(self) -> Node:
        """What a backslash outside of a set means."""
        char = self._next()
        if char in _PLACES:
            self.at += 1
            return _PLACES[char]
        return Chars(self._escaped())

    def _escaped(self) -> _Ranges:
        """A class, or the one character that is meant."""
        char, self.at = self._next(), self.at + 1
        if char.lower() in _CLASSES:
            ranges = _CLASSES[char.lower()]
            return ranges if char.islower() else _others(ranges)
        if not char:
            raise ValueError("it ends in a backslash: a bad escape")
        if char not in _CONTROLS and (char.isalnum() or not char.isascii()):
            raise ValueError(f"it holds \\{char}, which RE2 and Python read differently")
        point = ord(_CONTROLS.get(char, char))
        return ((point, point),)

    def _set(self) -> _Ranges:
        """The characters of a set whose `[` was read."""
        negated = self._took("^")
        ranges: list[tuple[int, int]] = []
        while not ranges or self._next() != "]":
            ranges += self._range()
        self.at += 1
        return _others(ranges) if negated else tuple(ranges)

    def _range(self) -> _Ranges:
        """One member of a set: a class, a character, or all from one to another."""
        low = self._member()
        if self._next() != "-" or self.text.startswith("-]", self.at):
            return self._folded(low[0]) if _is_single(low) else low
        self._check_nested()
        self.at += 1
        high = self._member()
        if not _is_single(low) or not _is_single(high):
            raise ValueError("it holds a set with a range from or to a class")
        if high < low:
            raise ValueError("it holds a set with a range that runs backwards")
        return self._folded((low[0][0], high[0][1]))

    def _member(self) -> _Ranges:
        self._check_nested()
        char, self.at = self._next(), self.at + 1
        if not char:
            raise ValueError("it holds a set that does not end")
        return self._escaped() if char == "\\" else ((ord(char), ord(char)),)

    def _check_nested(self) -> None:
        """Refuse what Python will one day read as a set in a set, and RE2 in part as a POSIX class."""
        if self.text.startswith(("[", "--", "&&", "||", "~~"), self.at):
            raise ValueError("it holds what may be a set in a set")

    def _folded(self, span: tuple[int, int]) -> _Ranges:
        """The range `span`, with the other case of its letters where case does not count."""
        if "i" not in self.flags:
            return (span,)
        if span[1] > _ASCII:
            raise ValueError("it ignores the case of characters beyond ASCII, which RE2 and Python read differently")
        return span, *_moved(span, "A", "Z", 32), *_moved(span, "a", "z", -32)


def _count(digits: str) -> int:
    if len(digits) > 1 and digits.startswith("0"):
        raise ValueError(f"it holds the repetition {digits[:20]}, which starts with 0")
    if len(digits) > len(str(_MAX_COUNT)) or int(digits) > _MAX_COUNT:
        raise ValueError(f"it repeats something more than {_MAX_COUNT} times")
    return int(digits)


def _is_single(ranges: _Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


def _others(ranges: Iterable[tuple[int, int]]) -> _Ranges:
    """Every character that is in none of `ranges`."""
    found, low = [], 0
    for first, last in sorted(ranges):
        if low < first:
            found.append((low, first - 1))
        low = max(low, last + 1)
    return tuple([*found, (low, _LAST)] if low <= _LAST else found)


def _moved(span: tuple[int, int], first: str, last: str, by: int) -> _Ranges:
    """The part of `span` between two letters, moved to the other case."""
    low, high = max(span[0], ord(first)), min(span[1], ord(last))
    return ((low + by, high + by),) if low <= high else ()
