# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.matching: whom a policy names, and who only looks like it."""

import pytest

from kubeoci.errors import TrustError
from kubeoci.trust import matching
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.matching import IdentityMatch

ISSUER = "https://token.actions.githubusercontent.com"
SUBJECT = "https://github.com/org/app/.github/workflows/release.yml@refs/heads/main"
SOURCE = "1.3.6.1.4.1.57264.1.12"
EXACT = IdentityMatch(issuer=ISSUER, subject=SUBJECT)
PATTERNS = IdentityMatch(
    issuer_regex=r"https://token\.actions\.githubusercontent\.com", subject_regex=r"^https://github\.com/org/.*$"
)


def verdict(match: IdentityMatch, subject: str, issuer: str, extensions: dict[str, str] | None = None) -> str:
    """Why an identity is not the one."""
    with pytest.raises(Rejected) as caught:
        match.matches(subject, issuer, extensions or {})
    assert Reason.IDENTITY == caught.value.reason
    return caught.value.text


@pytest.mark.parametrize("match", [EXACT, PATTERNS])
def test_matches(match: IdentityMatch) -> None:
    """The same words, or a pattern that fits all of them."""
    match.matches(SUBJECT, ISSUER, {})


@pytest.mark.parametrize("match", [EXACT, PATTERNS])
@pytest.mark.parametrize(
    ("subject", "issuer", "told"),
    [
        (SUBJECT, f"{ISSUER}.evil.io", "the issuer"),
        (f"https://evil/?{SUBJECT}", ISSUER, "the subject"),
        (f"{SUBJECT}\n", ISSUER, "the subject"),
        (SUBJECT, f"{ISSUER}\n", "the issuer"),
        (SUBJECT, "https://accounts.example", "the issuer"),
        ("jo@github.com", ISSUER, "the subject"),
        (SUBJECT.upper(), ISSUER, "the subject"),
        ("", ISSUER, "the subject"),
        (SUBJECT, "", "the issuer"),
    ],
)
def test_what_only_looks_alike(match: IdentityMatch, subject: str, issuer: str, told: str) -> None:
    """More before or after, another case, the wrong half: the verdict names the half."""
    assert told in verdict(match, subject, issuer)


def test_verdicts() -> None:
    """What was found, what was wanted, and how a pattern that Flux would take is to be mended."""
    assert f"the issuer is 'x', not '{ISSUER}'" == verdict(EXACT, SUBJECT, "x")
    match = IdentityMatch(issuer=ISSUER, subject_regex="github.com/org")
    told = f"the pattern 'github.com/org' {{}} the subject '{SUBJECT}'"
    part = told.format("matches a part only of")
    assert f"{part}: write .* where anything may stand before or after" == verdict(match, SUBJECT, ISSUER)
    assert "the pattern 'github.com/org' does not match the subject 'jo'" == verdict(match, "jo", ISSUER)


def test_a_dot_stays_a_wildcard() -> None:
    """As in Flux, whose users wrote their patterns so."""
    IdentityMatch(issuer_regex="https://a.b", subject_regex="jo@a.b").matches("jo@axb", "https://a-b", {})


@pytest.mark.parametrize(
    ("subject", "issuer", "told"),
    [("a" * 2049, "i", "the subject has 2049 characters"), ("a", "i" * 513, "the issuer has 513 characters")],
)
def test_what_is_too_long_is_not_compared(subject: str, issuer: str, told: str) -> None:
    """Not even where everything would fit."""
    assert told in verdict(IdentityMatch(issuer_regex=".*", subject_regex=".*"), subject, issuer)
    assert told in verdict(IdentityMatch(issuer=issuer, subject=subject), subject, issuer)


def test_the_longest_are_compared() -> None:
    """The limits themselves are inside."""
    IdentityMatch(issuer_regex="i*", subject_regex="a*").matches("a" * 2048, "i" * 512, {})


def test_verdicts_are_short() -> None:
    """What a stranger wrote into a certificate fills no screen."""
    assert "a…'" in (told := verdict(EXACT, "a" * 2000, ISSUER))
    assert len(told) < 600


def test_extensions_are_exact() -> None:
    """Each named one has to be there with this value; others do not matter."""
    match = IdentityMatch(issuer=ISSUER, subject=SUBJECT, extensions={SOURCE: "https://github.com/org/app"})
    match.matches(SUBJECT, ISSUER, {SOURCE: "https://github.com/org/app", "other": "x"})
    assert f"the extension {SOURCE} is 'x', not 'https://github.com/org/app'" == verdict(
        match, SUBJECT, ISSUER, {SOURCE: "x"}
    )
    assert f"the extension {SOURCE} is missing" in verdict(match, SUBJECT, ISSUER)


def test_any_of_several_matches() -> None:
    """One is enough, whichever."""
    matching.check([IdentityMatch(issuer="i", subject="s"), EXACT], SUBJECT, ISSUER, {})


def test_halves_of_two_are_not_mixed() -> None:
    """The issuer of one with the subject of the other is nobody."""
    with pytest.raises(Rejected, match=r"the subject is 's', .* and the issuer is") as caught:
        matching.check([EXACT, IdentityMatch(issuer="i", subject="s")], "s", ISSUER, {})
    assert Reason.IDENTITY == caught.value.reason


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "names no issuer"),
        ({"issuer": "i"}, "names no subject"),
        ({"subject": "s"}, "names no issuer"),
        ({"issuer": "i", "issuer_regex": "i", "subject": "s"}, "names two ways to match the issuer"),
        ({"issuer": "i", "subject": "s", "subject_regex": "s"}, "names two ways to match the subject"),
        ({"issuer": "", "subject": "s"}, "the issuer of an identity is empty"),
        ({"issuer": "i", "subject_regex": ""}, "the subject of an identity is empty"),
        ({"issuer": "i", "subject": "s", "extensions": {"1.3.6.1.4.1.57264.1.8": "x"}}, "is no extension"),
        ({"issuer": "i", "subject": "s", "extensions": {"1.3.6.1.4.1.57264.1.1": "x"}}, "is no extension"),
        ({"issuer": "i", "subject": "s", "extensions": {"1.3.6.1.4.1.57264.1.7": "x"}}, "is no extension"),
        ({"issuer": "i", "subject": "s", "extensions": {"2.5.29.17": "x"}}, "is no extension"),
    ],
)
def test_identities_that_name_nobody(values: dict[str, str], told: str) -> None:
    """Half an identity would match anybody's other half."""
    with pytest.raises(TrustError, match=told) as caught:
        IdentityMatch(**values)  # type: ignore[arg-type]
    assert "trust.bad_policy" == caught.value.code


@pytest.mark.parametrize(
    "pattern",
    [
        "[[:alpha:]]",
        r"\pL",
        r"\PL",
        r"a\z",
        r"\Qa\E",
        "(?U)a",
        "(?P<n>a)",
        "(?<n>a)",
        "(?=a)",
        "(?<!a)b",
        r"(a)\1",
        "a++",
        "(?>a)",
        "(a+)+b",
        "(a)*",
        "(?:a){2,}",
        "a" * 1025,
        "(",
    ],
)
def test_patterns_that_are_not_taken(pattern: str) -> None:
    """What RE2 and Python do not read alike, and what repeats a group without bound."""
    with pytest.raises(TrustError, match="of the subject cannot be used: ") as caught:
        IdentityMatch(issuer="i", subject_regex=pattern)
    assert "trust.bad_policy" == caught.value.code


def test_is_told_in_one_line() -> None:
    """Subject first, then the issuer."""
    match = IdentityMatch(issuer="i", subject_regex="^s$", extensions={SOURCE: "repo"})
    assert f"^s$ of issuer i with {SOURCE} repo" == str(match)
