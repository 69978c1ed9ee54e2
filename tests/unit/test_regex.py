# SPDX-License-Identifier: Apache-2.0
"""Regular expressions with RE2's answers, in linear time."""

import pytest

from kubeoci import regex


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "anything", True),
        ("", "", True),
        (".*-rc.*", "1.0.0-rc.1", True),
        (r"^v?\d+\.\d+$", "v1.2", True),
        (r"^v?\d+\.\d+$", "v1.2.3", False),
        (r"^\d+$", "\u0661", False),
        (r"\s", "\v", False),
        ("a$", "a\n", False),
        ("(?m)a$", "a\n", True),
        ("(?m)^b", "a\nb", True),
        ("^b", "a\nb", False),
        ("a.b", "a\nb", False),
        ("(?s)a.b", "a\nb", True),
        ("(?i)RC", "1.0.0-rc.1", True),
        ("(?:a|b){2,3}", "abx", True),
        ("a{2}", "xaxax", False),
        ("a{0}b", "b", True),
        ("(a|ab)(c|bcd)$", "abcd", True),
        (r"\bb\b", "a b c", True),
        (r"\bb\b", "ab c", False),
        (r"\Bb", "ab", True),
        (r"\B", "", True),
        (r"[\]\[]", "[", True),
        ("[^a-c]", "d", True),
        ("[^a-c]", "a", False),
        ("(|a){3}b", "aab", True),
    ],
)
def test_search(pattern: str, text: str, expected: bool) -> None:
    """An expression is found anywhere in a text unless it says where."""
    assert expected == regex.compile(pattern).search(text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a|ab", "ab", True),
        ("a", "ab", False),
        ("b", "ab", False),
        ("(?:a??b){2}", "abb", True),
        ("", "", True),
        ("", "a", False),
        (".+@example\\.com", "jo@example.com", True),
        (".+@example\\.com", "jo@example.com.evil.test", False),
    ],
)
def test_fullmatch(pattern: str, text: str, expected: bool) -> None:
    """All of the text must fit, whichever alternative that takes."""
    assert expected == regex.compile(pattern).fullmatch(text)


@pytest.mark.parametrize(
    ("pattern", "longest"),
    [(".*-.*-.*-.*-x", "-a" * 5000), ("(?:a?){500}b", "a" * 5000), ("[0-9a-f]{1,900}x", "0123456789abcdef" * 200)],
)
def test_no_pattern_makes_a_text_slow(pattern: str, longest: str) -> None:
    """What takes a backtracking matcher seconds or years is answered; a test that hangs has failed."""
    assert not regex.compile(pattern).search(longest)


def test_what_is_kept_is_bounded() -> None:
    """Ever new sets of places push the old ones out, and the answers stay right."""
    wanted = regex.compile(".*a.{200}b")
    texts = [f"{number:0300b}".translate({48: "b", 49: "a"}) for number in range(0, 1 << 300, (1 << 300) // 40)]
    assert [any(text[at] + text[at + 201] == "ab" for at in range(len(text) - 201)) for text in texts] == [
        wanted.search(text) for text in texts
    ]


@pytest.mark.parametrize("pattern", ["(?:a{40}){51}", "(?:(?:(?:a{1000}){1000}){1000}){1000}", "(?:){1000}" * 100])
def test_repetitions_are_bounded(pattern: str) -> None:
    """A short expression may stand for an endless one: it is refused before it is made."""
    with pytest.raises(ValueError, match="more than 2000"):
        regex.compile(pattern)


def test_patterns_are_values() -> None:
    """Expressions of one pattern are equal, whatever they were asked, and print as the pattern."""
    asked = regex.compile("a+")
    asked.search("aaa")
    assert asked == regex.compile("a+")
    assert repr(asked) == "Regex(pattern='a+')"
