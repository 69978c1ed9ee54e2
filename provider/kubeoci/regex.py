# SPDX-License-Identifier: Apache-2.0
"""Regular expressions of users in linear time, with the answers of RE2, which Flux uses.

Python's own matcher backtracks and cannot be stopped: `.*-.*-.*-.*-x` takes seconds on a tag of 128 characters. Here
a text is read once, character by character, while the set of all places in the expression that it may have come to is
carried along. Sets that were seen are kept, so that thousands of tags cost a look-up for each of their characters.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from kubeoci import expression
from kubeoci.expression import At, Chars, Choice, Node, Place, Repeat, Series

_MAX_STEPS = 2000
_MAX_KEPT = 50_000  # numbers in all the sets that are kept, about 3 MB
_END = 0


@dataclass(frozen=True, slots=True)
class Regex:
    """An expression that was understood; equal to every other with the same `pattern`."""

    pattern: str
    _anywhere: "_Automaton" = field(repr=False, compare=False)
    _whole: "_Automaton" = field(repr=False, compare=False)

    def search(self, text: str) -> bool:
        """Whether it fits some part of `text`, as Go's `MatchString` says."""
        return self._anywhere.fits(text)

    def fullmatch(self, text: str) -> bool:
        """Whether it fits `text` from the first to the last character."""
        return self._whole.fits(text)


def compile(pattern: str) -> Regex:  # noqa: A001 - the verb of Python's own module
    """`pattern`, ready to be asked. Raises ValueError that says what is not allowed or not understood."""
    node = expression.parse(pattern)
    if (size := _size(node)) > _MAX_STEPS:
        raise ValueError(f"its repetitions make {size:.4g} steps of it, more than {_MAX_STEPS}")
    program = _Program()
    start = program.add(node, _END)
    steps = tuple(program.steps)
    return Regex(pattern, _Automaton(steps, start, is_floating=True), _Automaton(steps, start, is_floating=False))


class _Step(NamedTuple):
    """Go on at each of `to`: past one of `chars`, if `place` is here, or freely."""

    to: tuple[int, ...]
    chars: Chars | None = None
    place: Place | None = None


def _size(node: Node) -> int:
    """How many steps `_Program` makes of a tree, or takes to make none."""
    if isinstance(node, Chars | At):
        return 1
    if isinstance(node, Repeat):
        times = node.low + 1 if node.high is None else node.high
        return times * _size(node.item) + max(1, times - node.low)
    return sum(map(_size, node.items)) + 1


class _Program:
    """The steps of a tree, each made after those that it leads to; the first one is the end."""

    def __init__(self) -> None:
        self.steps = [_Step(())]

    def add(self, node: Node, to: int) -> int:
        """Steps that lead through `node` to the step `to`; the first of them."""
        if isinstance(node, Chars):
            return self._append(_Step((to,), chars=node))
        if isinstance(node, At):
            return self._append(_Step((to,), place=node.place))
        if isinstance(node, Choice):
            return self._append(_Step(tuple(self.add(item, to) for item in node.items)))
        if isinstance(node, Series):
            for item in reversed(node.items):
                to = self.add(item, to)
            return to
        return self._repeat(node, to)

    def _repeat(self, node: Repeat, to: int) -> int:
        after = to
        if node.high is None:
            to = self._append(_Step(()))
            self.steps[to] = _Step((self.add(node.item, to), after))
        for _ in range(node.low, node.high or 0):
            to = self._append(_Step((self.add(node.item, to), after)))
        for _ in range(node.low):
            to = self.add(node.item, to)
        return to

    def _append(self, step: _Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1


@dataclass(slots=True)
class _State:
    """Where a text may have come to, the kind of its last character, whether it fits, and what follows which next."""

    places: frozenset[int]
    before: str
    fits: bool
    after: dict[str, "_State"] = field(default_factory=dict)


class _Automaton:
    """All texts that a program fits, or all that hold one."""

    def __init__(self, steps: tuple[_Step, ...], start: int, *, is_floating: bool) -> None:
        self._steps = steps
        self._first = frozenset({start})
        self._again = self._first if is_floating else frozenset[int]()
        self._states: dict[tuple[frozenset[int], str, bool], _State] = {}
        self._kept = 0

    def fits(self, text: str) -> bool:
        """Whether the text matches: one step for each character, whatever the expression."""
        state = self._state(self._first, "", fits=False)
        for char in text:
            state = state.after.get(char) or self._next(state, char)
            if state.fits:
                return True
        return (state.after.get("") or self._next(state, "")).fits

    def _next(self, state: _State, char: str) -> _State:
        """What comes after `state` with one more character, or with the end of the text for an empty one."""
        reached = self._reached(state, char)
        takers = (self._steps[place] for place in reached if char)
        places = {place for step in takers if step.chars and step.chars.holds(char) for place in step.to}
        fits = _END in reached and (not char or bool(self._again))
        found = self._state(self._again.union(places), _kind(char), fits=fits)
        state.after[char] = found
        self._kept += 1
        return found

    def _reached(self, state: _State, after: str) -> set[int]:
        """Every step that can be come to without another character."""
        reached: set[int] = set()
        waiting = list(state.places)
        while waiting:
            place = waiting.pop()
            if place not in reached:
                reached.add(place)
                step = self._steps[place]
                if step.chars is None and (step.place is None or _is_at(step.place, state.before, _kind(after))):
                    waiting += step.to
        return reached

    def _state(self, places: frozenset[int], before: str, *, fits: bool) -> _State:
        """The one state of its kind. Too many are forgotten: what a text makes must not grow without bound."""
        key = (places, before, fits)
        if found := self._states.get(key):
            return found
        if self._kept > _MAX_KEPT:
            self._states, self._kept = {}, 0
        self._kept += len(places) + 1
        return self._states.setdefault(key, _State(places, before, fits))


def _kind(char: str) -> str:
    """All that conditions tell apart: the edge of the text, a line feed, a letter of a word, and the rest."""
    if char in ("", "\n"):
        return char
    return "w" if char == "_" or (char.isascii() and char.isalnum()) else " "


def _is_at(place: Place, before: str, after: str) -> bool:
    """Whether a condition holds between two kinds of characters."""
    if place is Place.TEXT_START:
        return before == ""
    if place is Place.TEXT_END:
        return after == ""
    if place is Place.LINE_START:
        return before in ("", "\n")
    if place is Place.LINE_END:
        return after in ("", "\n")
    return ((before == "w") != (after == "w")) == (place is Place.WORD_EDGE)
