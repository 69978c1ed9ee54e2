# SPDX-License-Identifier: Apache-2.0
"""Regular expressions: what is accepted means what Python's own matcher says, for every text; all else is refused."""

import re

from hypothesis import strategies as st

from kubeoci import regex
from properties.effort import outcome, repeated, tried

ALPHABET = "abA_-.1 é\n"

members = st.sampled_from(["a", "b", "a-b", "A-_", r"\d", r"\W", r"\-", "1", "é", "-", ".", "]", r"\n"])
sets = st.builds(
    lambda negated, items: f"[{negated}{''.join(items)}]",
    st.sampled_from(["", "^"]),
    st.lists(members, min_size=1, max_size=3),
)
singles = st.sampled_from(["a", "b", "A", "1", "-", "é", ".", r"\.", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\n"])
conditions = st.sampled_from(["^", "$", r"\b", r"\B", r"\A"])
counts = st.sampled_from(["", "", "?", "*", "+", "??", "*?", "+?", "{2}", "{1,2}", "{2,}", "{0,1}?"])
bounded = st.sampled_from(["", "", "?", "??", "{2}", "{0,2}", "{1,3}?"])
leaves = st.one_of(st.builds(str.__add__, singles | sets, counts), conditions)


def grouped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Series, choices and groups of smaller expressions."""
    series = st.lists(inner, max_size=3).map("".join)
    choices = st.lists(inner, min_size=1, max_size=3).map("|".join)
    opening = st.sampled_from(["(", "(?:", "(?i:", "(?s:"])
    return st.builds(lambda start, inside, count: f"{start}{inside}){count}", opening, series | choices, bounded)


expressions = st.recursive(leaves, grouped, max_leaves=8)
patterns = st.builds(
    lambda flags, items: flags + "".join(items),
    st.sampled_from(["", "", "(?i)", "(?m)", "(?is)"]),
    st.lists(expressions, max_size=4),
)


def python(pattern: str) -> re.Pattern[str]:
    """The pattern for Python, whose `$` is also before a last line feed, where lines are not meant."""
    return re.compile(pattern if pattern.startswith("(?m)") else pattern.replace("$", r"\Z"), re.ASCII)


@tried(st.tuples(patterns, st.lists(st.text(ALPHABET, min_size=1, max_size=8), max_size=5)))
def test_same_answers(given: tuple[str, list[str]]) -> None:
    """An expression that is accepted finds and fits exactly what Python's matcher does."""
    pattern, texts = given
    try:
        ours = regex.compile(pattern)
    except ValueError:
        return
    theirs = python(pattern)
    for text in texts:
        assert bool(theirs.search(text)) == ours.search(text)
        assert bool(theirs.fullmatch(text)) == ours.fullmatch(text)


pieces = (
    "a",
    "(",
    ")",
    "[",
    "]",
    "|",
    "\\d",
    "{2}",
    "{9,}",
    "^",
    "$",
    ".",
    "?",
    "*",
    "+",
    "(?:",
    "(?i)",
    "\\",
    "-",
    "é",
)


def attempt(pattern: str) -> regex.Regex | str:
    """The expression, or why it is none."""
    try:
        return regex.compile(pattern)
    except ValueError as error:
        return str(error)


@tried(st.tuples(st.text(max_size=30) | repeated(pieces, 1024), st.text(max_size=20) | repeated(("a", "-", "1"), 2048)))
def test_any_text_as_a_pattern(given: tuple[str, str]) -> None:
    """Whatever is written is refused or answers soon, Python can read it too, and what fits a text is found in it."""
    pattern, text = given
    found = outcome(attempt, pattern)
    if isinstance(found, regex.Regex):
        re.compile(pattern)
        assert outcome(found.search, text) >= outcome(found.fullmatch, text)
