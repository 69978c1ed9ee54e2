# SPDX-License-Identifier: Apache-2.0
"""Regular expressions that mean the same in Flux and in Python."""

import pytest

from kubeoci import patterns


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "anything", True),
        (".*-rc.*", "1.0.0-rc.1", True),
        (r"^v?\d+\.\d+$", "v1.2", True),
        (r"^\d+$", "\u0661", False),
        ("(?:a|b){2,3}", "abx", True),
        (r"[\]\[]", "[", True),
        (r"\[a+\]", "[aa]", True),
        ("[^a-c]", "d", True),
    ],
)
def test_searches_as_re2(pattern: str, text: str, expected: bool) -> None:
    """A pattern is found anywhere, and its classes are ASCII."""
    assert expected == bool(patterns.compile_pattern(pattern).search(text))


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(a+)+b", "repeated without bound"),
        ("(?:a|b)*", "repeated without bound"),
        ("(a){2,}", "repeated without bound"),
        ("(?i)a", "a group that is neither"),
        ("(?=a)", "a group that is neither"),
        ("(?P<n>a)", "a group that is neither"),
        ("(?>a)", "a group that is neither"),
        ("a++", "possessive"),
        ("a{,3}", "lower bound"),
        (r"(a)\1", r"\1"),
        (r"\pL", r"\p"),
        (r"[\P{Greek}]", r"\P"),
        (r"a\z", r"\z"),
        (r"a\Z", r"\Z"),
        (r"\Qa\E", r"\Q"),
        ("[[:alpha:]]", "a set in a set"),
        ("[a&&b]", "a set in a set"),
        ("a" * 1025, "1024 characters"),
        ("(", "missing"),
        ("a\\", "bad escape"),
    ],
)
def test_refuses_what_two_engines_read_differently(pattern: str, told: str) -> None:
    """What only one engine knows, or what may run for ever, is refused with its name."""
    with pytest.raises(ValueError, match=r".+") as caught:
        patterns.compile_pattern(pattern)
    assert told in str(caught.value)
