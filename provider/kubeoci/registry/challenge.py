# SPDX-License-Identifier: Apache-2.0
"""`WWW-Authenticate` by RFC 9110: several challenges in one or more headers, quoted commas, escapes, any case."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - the grammar of a word, no password
_ITEM = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.?)*+(?:"|$))+')  # a quote that never ends takes the rest, once
_PARAMETER = re.compile(rf'(?:({_TOKEN})\s+)?({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))\s*')
_SCHEME = re.compile(rf"({_TOKEN})(?:\s+\S*)?")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to be let in. Scheme and parameter names are lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """A parameter, or an empty text."""
        return self.parameters.get(name, "")


def parse(headers: Iterable[str]) -> list[Challenge]:
    """Every challenge of all `headers`, in order. What cannot be read is passed over."""
    return [challenge for header in headers for challenge in _parse(header)]


def preferred(challenges: Iterable[Challenge]) -> Challenge | None:
    """Bearer before Basic, the first of its kind; None when there is neither."""
    known = list(challenges)
    for scheme in ("bearer", "basic"):
        for challenge in known:
            if challenge.scheme == scheme:
                return challenge
    return None


def merge(*scopes: str) -> tuple[str, ...]:
    """Scopes (`repository:app:pull,push`, several in one text with spaces) united per resource, all sorted."""
    actions: dict[str, set[str]] = {}
    for scope in " ".join(scopes).split():
        resource, colon, names = scope.rpartition(":")
        actions.setdefault(resource if colon else scope, set()).update(names.split(",") if colon else ())
    return tuple(
        f"{resource}:{','.join(sorted(names))}" if names else resource for resource, names in sorted(actions.items())
    )


def _parse(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    parameters: dict[str, str] = {}
    for raw in _ITEM.findall(header):
        item = raw.strip()
        if match := _PARAMETER.fullmatch(item):
            scheme, name, quoted, bare = match.groups()
            if scheme:
                parameters = {}
                found.append(Challenge(scheme.lower(), parameters))
            parameters.setdefault(name.lower(), bare if quoted is None else _ESCAPED.sub(r"\1", quoted))
        elif match := _SCHEME.fullmatch(item):
            parameters = {}
            found.append(Challenge(match[1].lower(), parameters))
    return found
