# SPDX-License-Identifier: Apache-2.0
"""The dialect of regular expressions: what is understood how, and what is refused."""

import pytest

from kubeoci import expression
from kubeoci.expression import At, Chars, Choice, Place, Repeat, Series

A, B = Chars(((97, 97),)), Chars(((98, 98),))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", Series(())),
        ("a", A),
        ("ab", Series((A, B))),
        ("a|b|", Choice((A, B, Series(())))),
        ("(a)", A),
        ("(?:a|b){2,3}", Repeat(Choice((A, B)), 2, 3)),
        ("a*?", Repeat(A, 0, None)),
        ("a+", Repeat(A, 1, None)),
        ("a??", Repeat(A, 0, 1)),
        ("a{2}", Repeat(A, 2, 2)),
        ("a{2,}", Repeat(A, 2, None)),
        ("a{}", Series((A, Chars(((123, 123),)), Chars(((125, 125),))))),
        (r"^\b$", Series((At(Place.TEXT_START), At(Place.WORD_EDGE), At(Place.TEXT_END)))),
        ("(?m)^$", Series((At(Place.LINE_START), At(Place.LINE_END)))),
        ("(?m:^)^", Series((At(Place.LINE_START), At(Place.TEXT_START)))),
        (".", Chars(((0, 9), (11, 0x10FFFF)))),
        ("(?s).", Chars(((0, 0x10FFFF),))),
        ("(?i)a", Chars(((97, 97), (65, 65)))),
        ("(?i)[Y-b]", Chars(((89, 98), (121, 122), (65, 66)))),
        (r"\D", Chars(((0, 47), (58, 0x10FFFF)))),
        (r"\n", Chars(((10, 10),))),
        (r"\_", Chars(((95, 95),))),
        ("[]a]", Chars(((93, 93), (97, 97)))),
        ("[^]]", Chars(((0, 92), (94, 0x10FFFF)))),
        ("[a-]", Chars(((97, 97), (45, 45)))),
        (r"[\d-]", Chars(((48, 57), (45, 45)))),
        (r"[\[-\]]", Chars(((91, 93),))),
        (r"[^\w\W]", Chars(())),
    ],
)
def test_understood(text: str, tree: expression.Node) -> None:
    """Each form gives one tree."""
    assert tree == expression.parse(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(a+)+b", "repeated without bound"),
        ("(?:a|b)*", "repeated without bound"),
        ("(a){2,}", "repeated without bound"),
        ("a(?i)b", "a group that is neither"),
        ("(?U)a", "a group that is neither"),
        ("(?-i:a)", "a group that is neither"),
        ("(?=a)", "a group that is neither"),
        ("(?<!a)", "a group that is neither"),
        ("(?P<n>a)", "a group that is neither"),
        ("(?<n>a)", "a group that is neither"),
        ("(?>a)", "a group that is neither"),
        ("(?#a)", "a group that is neither"),
        ("a++", "possessive"),
        ("a{2}+", "possessive"),
        ("a**", "repeats a repetition"),
        ("a{2}{3}", "repeats a repetition"),
        ("a{,3}", "lower bound"),
        ("*a", "repeats nothing"),
        ("a|{2}", "repeats nothing"),
        ("^*", "takes no character"),
        (r"\b?", "takes no character"),
        ("a{3,2}", "backwards"),
        ("a{01}", "starts with 0"),
        ("a{1001}", "more than 1000 times"),
        ("a{99999999999999999999}", "more than 1000 times"),
        (r"(a)\1", r"\1"),
        (r"\pL", r"\p"),
        (r"[\P{Greek}]", r"\P"),
        (r"a\z", r"\z"),
        (r"a\Z", r"\Z"),
        (r"\Qa\E", r"\Q"),
        (r"\x41", r"\x"),
        (r"[\b]", r"\b"),
        ("\\é", "\\é"),
        ("a\\", "bad escape"),
        ("[[:alpha:]]", "a set in a set"),
        ("[a[:alpha:]]", "a set in a set"),
        ("[a&&b]", "a set in a set"),
        ("[+--]", "a set in a set"),
        ("[b-a]", "backwards"),
        (r"[a-\d]", "from or to a class"),
        (r"[\d-z]", "from or to a class"),
        ("[a", "does not end"),
        ("[a-", "does not end"),
        ("[]", "does not end"),
        ("(?i)é", "beyond ASCII"),
        ("(?i)[a-é]", "beyond ASCII"),
        ("(", "`)` is missing"),
        ("a)", "without its `(`"),
        ("(" * 51 + ")" * 51, "nested more than 50"),
        ("a" * 1025, "1024 characters"),
    ],
)
def test_refused(text: str, told: str) -> None:
    """What only one of the two engines knows, or what they read differently, is refused with its name."""
    with pytest.raises(ValueError, match=r".+") as caught:
        expression.parse(text)
    assert told in str(caught.value)
