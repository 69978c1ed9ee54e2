# SPDX-License-Identifier: Apache-2.0
"""Ranges of tags: the grammar, every cell of the table of operators, and the choice of a tag."""

import itertools
import time

import pytest
import semver

from kubeoci import ranges
from kubeoci.errors import InputError, RegistryError

TAGS = ("0.0.0", "0.0.3", "0.1.2", "0.2.0", "1.0.0", "1.1.9", "1.2.3", "1.2.4", "1.9.0", "2.0.0")
PRE = ("1.2.3-beta.1", "1.2.3-beta.2", "1.2.3-beta.11", "1.2.4-beta.2", "2.0.0-rc.1")


def fitting(text: str, tags: tuple[str, ...] = TAGS) -> list[str]:
    """Which of `tags` lie in the range."""
    parsed = ranges.parse(text)
    return [tag for tag in tags if parsed.matches(tag)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.2.3", ["1.2.3"]),
        ("=1.2", ["1.2.3", "1.2.4"]),
        ("1", ["1.0.0", "1.1.9", "1.2.3", "1.2.4", "1.9.0"]),
        ("*", list(TAGS)),
        ("!=1.2.3", [tag for tag in TAGS if tag != "1.2.3"]),
        ("!=1.2", [tag for tag in TAGS if not tag.startswith("1.2.")]),
        ("!=1", [tag for tag in TAGS if not tag.startswith("1.")]),
        ("!=*", [tag for tag in TAGS if tag != "0.0.0"]),
        (">1.2.3", ["1.2.4", "1.9.0", "2.0.0"]),
        (">1.1", ["1.2.3", "1.2.4", "1.9.0", "2.0.0"]),
        (">1", ["2.0.0"]),
        (">*", [tag for tag in TAGS if tag != "0.0.0"]),
        (">=1.9", ["1.9.0", "2.0.0"]),
        ("=>2", ["2.0.0"]),
        ("<0.1", ["0.0.0", "0.0.3"]),
        ("<=0.1.2", ["0.0.0", "0.0.3", "0.1.2"]),
        ("<=1.1", ["0.0.0", "0.0.3", "0.1.2", "0.2.0", "1.0.0", "1.1.9"]),
        ("=<0", ["0.0.0", "0.0.3", "0.1.2", "0.2.0"]),
        ("<=*", ["0.0.0", "0.0.3"]),
        ("~1.2.3", ["1.2.3", "1.2.4"]),
        ("~0.0.0", list(TAGS)),
        ("~>1.2", ["1.2.3", "1.2.4"]),
        ("~0", ["0.0.0", "0.0.3", "0.1.2", "0.2.0"]),
        ("^1.2.3", ["1.2.3", "1.2.4", "1.9.0"]),
        ("^0.1.1", ["0.1.2"]),
        ("^0.0.3", ["0.0.3"]),
        ("^0.0", ["0.0.0", "0.0.3"]),
        ("^1.1", ["1.1.9", "1.2.3", "1.2.4", "1.9.0"]),
        ("^0", ["0.0.0", "0.0.3", "0.1.2", "0.2.0"]),
        ("^*", ["0.0.0"]),
        ("1.2 - 1.9", ["1.2.3", "1.2.4", "1.9.0"]),
        ("3,1 - 2", []),
        (">=1.2.4 <2", ["1.2.4", "1.9.0"]),
        (">= 1.2.4 , < 1.9", ["1.2.4"]),
        ("0.0.3 || 2.x.7", ["0.0.3", "2.0.0"]),
        ("1.2.4|| 1.9 - 1.9", ["1.2.4", "1.9.0"]),
        ("1.9||2 - 1", ["1.9.0", "2.0.0"]),
        ("1.x.3", ["1.0.0", "1.1.9", "1.2.3", "1.2.4", "1.9.0"]),
        ("v1.X", ["1.0.0", "1.1.9", "1.2.3", "1.2.4", "1.9.0"]),
        ("x.9.9", list(TAGS)),
        ("1.*.99999999999999999999", ["1.0.0", "1.1.9", "1.2.3", "1.2.4", "1.9.0"]),
        ("01.02.03", ["1.2.3"]),
        ("=v1.2.3+build.01", ["1.2.3"]),
        ("!=1.2.3+other", [tag for tag in TAGS if tag != "1.2.3"]),
        (">=1.2 <1.9 !=1.2.3", ["1.2.4"]),
        (">1.2.3,<2\t!=1.9.0", ["1.2.4"]),
        ("\t1.2.3\n||\f2\r", ["1.2.3", "2.0.0"]),
        ("~ 1.2 || ^ 2", ["1.2.3", "1.2.4", "2.0.0"]),
        ("1.2.3  -\t1.2", ["1.2.3", "1.2.4"]),
        ("x - 0.1", ["0.0.0", "0.0.3", "0.1.2"]),
        ("1.9 - *", []),
        ("0 - 1 || 2 - 3", list(TAGS)),
        ("0.1 - 1.1 !=1.0.0", ["0.1.2", "0.2.0", "1.1.9"]),
        ("!=1.x.x", [tag for tag in TAGS if not tag.startswith("1.")]),
        (">1.1.x", ["1.2.3", "1.2.4", "1.9.0", "2.0.0"]),
        ("<1.x", ["0.0.0", "0.0.3", "0.1.2", "0.2.0"]),
        ("<*", []),
        (">=*", list(TAGS)),
        ("~1.x", ["1.0.0", "1.1.9", "1.2.3", "1.2.4", "1.9.0"]),
        ("~*", list(TAGS)),
        ("~0.0", ["0.0.0", "0.0.3"]),
        ("~0.0.3", ["0.0.3"]),
        ("^0.0.0", ["0.0.0"]),
        ("^0.x", ["0.0.0", "0.0.3", "0.1.2", "0.2.0"]),
        ("^1.x", ["1.0.0", "1.1.9", "1.2.3", "1.2.4", "1.9.0"]),
    ],
)
def test_operators(text: str, expected: list[str]) -> None:
    """Each operator with three, two, one and no numbers."""
    assert expected == fitting(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">=1.0.0", []),
        (">=1.0.0-0", list(PRE)),
        ("*-0", list(PRE)),
        ("~1.2.3-beta.2", ["1.2.3-beta.2", "1.2.3-beta.11", "1.2.4-beta.2"]),
        (">=1.0.0 <2.0.0-0", list(PRE[:4])),
        (">=1.0.0-0 <2.0.0", list(PRE)),
        (">=1.0.0 || 2.0.0-rc.1", ["2.0.0-rc.1"]),
        ("!=1.2-beta.2", ["1.2.3-beta.1", "1.2.3-beta.11", "2.0.0-rc.1"]),
        ("1.1-3", []),
        ("1.2.3-beta.2", ["1.2.3-beta.2"]),
        ("=1.2-beta.2", ["1.2.3-beta.1", "1.2.3-beta.2", "1.2.3-beta.11", "1.2.4-beta.2"]),
        ("!=1.2.3-beta.1", list(PRE[1:])),
        ("!=1-0", ["2.0.0-rc.1"]),
        ("!=*-0", list(PRE)),
        (">1.2.3-beta.2", ["1.2.3-beta.11", "1.2.4-beta.2", "2.0.0-rc.1"]),
        (">1.2-0", ["2.0.0-rc.1"]),
        ("<=1.2.3-beta.2", ["1.2.3-beta.1", "1.2.3-beta.2"]),
        ("<=1.2-0", ["1.2.3-beta.1", "1.2.3-beta.2", "1.2.3-beta.11", "1.2.4-beta.2"]),
        ("<2.0.0-rc.1", list(PRE[:4])),
        ("^1.2.3-beta.11", ["1.2.3-beta.11", "1.2.4-beta.2"]),
        ("^2.0.0-0", ["2.0.0-rc.1"]),
        ("1.0.x-0", []),
        ("1.2.x-0", ["1.2.3-beta.1", "1.2.3-beta.2", "1.2.3-beta.11", "1.2.4-beta.2"]),
        ("1.2.3-beta.2 - 1.2.3-rc", ["1.2.3-beta.2", "1.2.3-beta.11"]),
        (">=1.0.0+0-0", []),
    ],
)
def test_prereleases(text: str, expected: list[str]) -> None:
    """A pre-release needs a term in its own segment that names one; then it compares in the full order."""
    assert expected == fitting(text, PRE)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "latest", "1.0.0.1", "x1", "1x", "v1.2.3-beta.01", "12.3.34~ 1.2.3", "==1", "1,,2", ",1", "1,"),
        *("1 ||", "|| 1", "||", ">=1.0.0<2.0.0", "3 1 - 2", "1.0.0-", ">", "18446744073709551616", "\u0661", "1\v2"),
        *("!1", "<>1", "= =1", "> =1", "1.", ".1", "1..2", "1.0.0-a..b", "1.0.0+", "1.0.0+a_b", "V1", "vv1", "~~1"),
        *("- 1", "1 -", "1 - 2 - 3", "1 - >2", "1 - 2x", "1x - 2", "1 ||2 - 3", "1 - 2||3 - 4", "1.0.0-b_1", "1;2"),
        *("1 | 2", "1 ||| 2", "1,,", "1 , , 2", "1.18446744073709551616", "1.2.3-01", "1.2.3-1.00", "x*", "1 and 2"),
        *("1||" * 32 + "1", " " * 513, "\u00a01"),
    ],
)
def test_what_is_no_range(text: str) -> None:
    """Everything outside the grammar is an input error."""
    with pytest.raises(InputError) as caught:
        ranges.parse(text)
    assert "range.invalid" == caught.value.code


@pytest.mark.parametrize("text", [" " * 512, "1" + " " * 511, "1 -" * 170, "1-" + "a." * 255, "1 " * 256])
def test_long_texts_take_no_time(text: str) -> None:
    """The time to read a range does not explode with its length: it would be minutes."""
    start = time.thread_time()
    try:
        ranges.parse(text)
    except InputError as error:
        assert "range.invalid" == error.code  # noqa: PT017 - some of the texts are ranges
    assert time.thread_time() - start < 10


@pytest.mark.parametrize(
    "tag",
    [
        *("1", "1.0", "v1.0", "latest", "1.0.0.1", "1.0.0-01", "1.0.0-", "1.0.0_b", "V1.0.0", "1.0.0\n", "1.0.", ".."),
        *("", "1.0.0-a..b", "1.0.0-a.01", "1.0.0+", "1.0.0+a..b", " 1.0.0", "1.0.x", "\u0661.0.0", "1.0." + "1" * 256),
        "18446744073709551616.0.0",
    ],
)
def test_what_is_no_version(tag: str) -> None:
    """A tag that is no version is passed over, never an error."""
    assert ranges.parse_version(tag) is None


@pytest.mark.parametrize(
    ("tag", "same"),
    [
        ("v1.0.0", "1.0.0"),
        ("01.02.03", "1.2.3"),
        ("1.0-rc.1", "1.0.0-rc.1"),
        ("1-a.b.c", "1.0.0-a.b.c"),
        ("1.0.0+x", "1.0.0"),
        ("1.0+a.01", "1.0.0"),
        ("1.0.0-rc.1+b", "v1.0.0-rc.1"),
        ("18446744073709551615.0.0", "v018446744073709551615.0.0"),
    ],
)
def test_spellings_of_one_version(tag: str, same: str) -> None:
    """A leading v, zeros, missing numbers and build metadata do not make another version."""
    assert ranges.parse_version(same) == ranges.parse_version(tag) is not None


def test_order_is_that_of_semver() -> None:
    """Any two versions compare as the semver library compares them."""
    tags = [*TAGS, *PRE, "1.2.3-beta", "1.2.3-1", "1.2.3-alpha.1", "1.2.3-alpha.beta", "1.2.3-Beta", "1.2.3--"]
    wrong = []
    for one, other in itertools.product(tags, tags):
        ours = (ranges.parse_version(one) > ranges.parse_version(other)) - (
            ranges.parse_version(one) < ranges.parse_version(other)
        )
        if ours != semver.Version.parse(one).compare(other):
            wrong.append((one, other))
    assert [] == wrong


def test_the_highest_is_chosen_in_any_order() -> None:
    """The choice depends on the versions, not on the order in which the registry lists them."""
    tags = ("6.0.9", "6.0.10", "6.1.0", "latest")
    chosen = {ranges.select(order, ranges.parse("6.0.x")).tag for order in itertools.permutations(tags)}
    assert {"6.0.10"} == chosen


def test_selection_says_what_it_passed_over() -> None:
    """The highest tags above the choice are named with the reason, and so are tags of the same version."""
    tags = ["7.0.0", "6.0.1-rc.1", "6.0.0", "v6.0.0", "5.0.0", "latest", "6.0.2"]
    assert ranges.Selection(
        tag="6.0.0",
        considered=7,
        rejected=(
            "7.0.0: refused by semverFilter",
            "6.0.2: refused by semverFilter",
            "6.0.1-rc.1: a pre-release that the range does not take",
        ),
        tied=("v6.0.0",),
    ) == ranges.select(tags, ranges.parse("6.x"), r"\.0\.[01]-|6\.0\.0")


@pytest.mark.parametrize(
    ("are_charts", "pattern", "expected"),
    [(False, "", "1.1.0"), (True, "", "1.2.0_b.7"), (True, r"_b\.1$", "1.1.0_b.1")],
)
def test_underscores_of_charts(are_charts: bool, pattern: str, expected: str) -> None:
    """Only for charts `_` is the `+` of a version, which the tag keeps and the filter does not see."""
    tags = ["1.1.0", "1.1.0_b.1", "1.2.0_b.7", "2.0.0_b_c"]
    assert expected == ranges.select(tags, ranges.parse(">=1.0.0"), pattern, are_charts=are_charts).tag


def test_no_match_names_the_highest() -> None:
    """When nothing fits, the message has the range, how many tags there were, and why the highest were refused."""
    with pytest.raises(RegistryError) as caught:
        ranges.select(["7.0.0", "6.1.0-rc.1", "latest"], ranges.parse("6.1.x"), "^[0-9]")
    assert (
        "none of 3 tags fits '6.1.x' and semverFilter '^[0-9]', the highest: 7.0.0: not in the range; "
        "6.1.0-rc.1: a pre-release that the range does not take; latest: no version (range.no_match)"
    ) == str(caught.value)


def test_no_tags_at_all() -> None:
    """An empty repository is no match either."""
    with pytest.raises(RegistryError, match="none of 0 tags fits"):
        ranges.select([], ranges.parse("*"))


def test_a_bad_filter_is_an_input_error() -> None:
    """A filter outside the common dialect is refused with the reason."""
    with pytest.raises(InputError, match="repeated without bound"):
        ranges.compile_filter("(a+)+b")


def test_each_of_five_thousand_tags_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are to compare."""
    seen: list[str] = []
    real = ranges.parse_version
    monkeypatch.setattr(ranges, "parse_version", lambda tag: seen.append(tag) or real(tag))
    tags = [f"{number % 7}.{number}.{number % 3}" for number in range(5000)]
    assert "3.4994.2" == ranges.select(tags, ranges.parse("^3.1")).tag
    assert sorted(tags) == sorted(seen)
