# SPDX-License-Identifier: Apache-2.0
"""Which identities a keyless signature may be by, compared as a whole.

A pattern must fit from the first to the last character. Flux looks for it anywhere, so a pattern that lived on that
fails here, and the verdict says that it matches a part only.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kubeoci import regex
from kubeoci.regex import Regex
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.faults import bad_policy

MAX_SUBJECT_CHARACTERS = 2048
MAX_ISSUER_CHARACTERS = 512

_MAX_TOLD = 300
_EXTENSION = re.compile(r"1\.3\.6\.1\.4\.1\.57264\.1\.(?:[2-69]|[1-9][0-9]{1,3})")
"""Fulcio's, without those of the issuer (1 and 8) and of the subject (7)."""


@dataclass(frozen=True, slots=True)
class IdentityMatch:
    """One issuer together with one subject, each given as a text or as a regular expression.

    `extensions` are texts that the certificate must have besides, by object identifier: `1.3.6.1.4.1.57264.1.12` is
    the source repository. Raises `trust.bad_policy` unless there is one of each pair and all of it can be used.
    """

    issuer: str | None = None
    issuer_regex: str | None = None
    subject: str | None = None
    subject_regex: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    _issuer: "_Wanted" = field(init=False, repr=False, compare=False)
    _subject: "_Wanted" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_issuer", _wanted("issuer", self.issuer, self.issuer_regex, MAX_ISSUER_CHARACTERS))
        object.__setattr__(
            self, "_subject", _wanted("subject", self.subject, self.subject_regex, MAX_SUBJECT_CHARACTERS)
        )
        object.__setattr__(self, "extensions", dict(self.extensions))
        for name in self.extensions:
            if not _EXTENSION.fullmatch(name):
                advice = "take one of Fulcio's other than 1, 7 and 8: 1.3.6.1.4.1.57264.1.<number>"
                raise bad_policy(f"{name!r:.80} is no extension that says more of an identity", advice)

    def __str__(self) -> str:
        more = "".join(f" with {name} {value}" for name, value in sorted(self.extensions.items()))
        return f"{self._subject} of issuer {self._issuer}{more}"

    def matches(self, identity: str, issuer: str, extensions: Mapping[str, str]) -> None:
        """Raise `Rejected` (`identity`) unless a certificate with these values is by whom this names."""
        self._issuer.check(issuer)
        self._subject.check(identity)
        for name, value in self.extensions.items():
            found = extensions.get(name)
            if found != value:
                what = "is missing" if found is None else f"is {_told(found)}"
                raise Rejected(Reason.IDENTITY, f"the extension {name} {what}, not {_told(value)}")

    def document(self) -> dict[str, object]:
        """What was given, for a hash."""
        return {
            "issuer": self.issuer,
            "issuer_regex": self.issuer_regex,
            "subject": self.subject,
            "subject_regex": self.subject_regex,
            "extensions": dict(self.extensions),
        }


def check(allowed: Sequence[IdentityMatch], identity: str, issuer: str, extensions: Mapping[str, str]) -> None:
    """Raise `Rejected` (`identity`) unless one of `allowed` matches; halves of two are not mixed."""
    verdicts = []
    for match in allowed:
        try:
            return match.matches(identity, issuer, extensions)
        except Rejected as verdict:
            verdicts.append(verdict.text)
    raise Rejected(Reason.IDENTITY, " and ".join(dict.fromkeys(verdicts)))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One half of an identity: `what` it is, the `text` it was given as, and the pattern unless the text is exact."""

    what: str
    text: str
    pattern: Regex | None
    max_characters: int

    def __str__(self) -> str:
        return self.text

    def check(self, value: str) -> None:
        """Raise `Rejected` unless `value` is wanted. What is too long is not even compared."""
        if len(value) > self.max_characters:
            what = f"the {self.what} has {len(value)} characters, over {self.max_characters}, and is not compared"
            raise Rejected(Reason.IDENTITY, what)
        if self.pattern is None:
            if value != self.text:
                raise Rejected(Reason.IDENTITY, f"the {self.what} is {_told(value)}, not {_told(self.text)}")
        elif not self.pattern.fullmatch(value):
            is_part = self.pattern.search(value)
            how = "matches a part only of" if is_part else "does not match"
            told = f"the pattern {_told(self.text)} {how} the {self.what} {_told(value)}"
            more = ": write .* where anything may stand before or after" if is_part else ""
            raise Rejected(Reason.IDENTITY, f"{told}{more}")


def _wanted(what: str, exact: str | None, pattern: str | None, max_characters: int) -> _Wanted:
    """The half that was given. Raises `trust.bad_policy`."""
    if (exact is None) == (pattern is None):
        how = "no" if exact is None else "two ways to match the"
        raise bad_policy(f"an identity names {how} {what}", f"give one of {what} and {what}_regex")
    text = exact if pattern is None else pattern
    if not text:
        raise bad_policy(f"the {what} of an identity is empty", "name who signs")
    return _Wanted(what, text, None if pattern is None else _compiled(what, pattern), max_characters)


def _compiled(what: str, pattern: str) -> Regex:
    try:
        return regex.compile(pattern)
    except ValueError as error:
        raise bad_policy(
            f"the pattern {_told(pattern)} of the {what} cannot be used: {error}",
            "write it so that RE2 and Python read it alike",
        ) from None


def _told(value: str) -> str:
    return repr(value if len(value) <= _MAX_TOLD else f"{value[:_MAX_TOLD]}…")
