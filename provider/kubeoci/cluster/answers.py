# SPDX-License-Identifier: Apache-2.0
"""What an API server's refusal means: one error class with the facts that the engine decides by.

The table was measured on a real server; its traps: a schema fault of server-side apply is a 500 without a reason, an
unknown group is a 404 in plain text, and a missing namespace is a 404 about another object than the one asked for.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubeoci.errors import ClusterError

_TYPED = re.compile(r"failed to (?:create typed (?:patch|live) object|convert \w+ object)(?: \([^)]*\))?:? ?")
_TRANSIENT = re.compile(r"etcdserver|timeout|timed out", re.IGNORECASE)
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_LONGEST = 1000  # characters of a server's message that are shown: some repeat the whole object

_ADVICE = {
    "cluster.unauthorized": "renew the credentials of the kubeconfig",
    "cluster.forbidden": "ask for a role that allows this",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `details.causes`: reason (`FieldManagerConflict`), message, and the field in the server's syntax."""

    reason: str
    message: str
    field: str


class Refused(ClusterError):  # noqa: N818 - what the server did, as its name says
    """The API server answered, but not with what was asked for.

    `status` is the HTTP status, `causes` are the single faults, `subject` is (plural, name) of the object that the
    answer is about, `retry_seconds` what `Retry-After` said (0 when absent), `text` all of `what`, of which an error
    shows one line: a secret in it can be found only as long as nothing is cut.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        where: str = "",
        advice: str = "",
        status: int = 0,
        causes: tuple[Cause, ...] = (),
        subject: tuple[str, str] = ("", ""),
        retry_seconds: float = 0.0,
    ) -> None:
        super().__init__(code, short(what), where=where, advice=advice)
        self.status = status
        self.causes = causes
        self.subject = subject
        self.retry_seconds = retry_seconds
        self.text = what

    @property
    def is_missing(self) -> bool:
        """Whether the object itself does not exist: not its kind, not its namespace."""
        return self.status == 404 and self.code == "cluster.failed"  # noqa: PLR2004 - HTTP's own number

    @property
    def is_throttled(self) -> bool:
        """Whether the server has too much to do."""
        return self.status == 429  # noqa: PLR2004 - HTTP's own number

    @property
    def is_before(self) -> bool:
        """Whether it was refused before anything was done: 502, 504 and etcd leave that open."""
        return self.status in {429, 503}

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later: overload, a proxy's failure, etcd that changes its leader."""
        if self.status in {429, 502, 503, 504}:
            return True
        return self.status == 500 and self.code == "cluster.failed" and bool(_TRANSIENT.search(self.what))  # noqa: PLR2004


def refusal(status: int, headers: Mapping[str, str], data: bytes) -> Refused:
    """The error for an answer of 400 or more. `data` is a `Status` object, or any text of a proxy before the server."""
    body = _status_object(data)
    details = body.get("details") or {}
    text = str(body.get("message") or data.decode(errors="replace").strip() or f"HTTP {status}")
    causes = tuple(
        Cause(str(item.get("reason", "")), str(item.get("message", "")), str(item.get("field", "")))
        for item in details.get("causes") or []
    )
    subject = (str(details.get("kind", "")), str(details.get("name", "")))
    code = _code(status, text, subject, is_status=bool(body))
    return Refused(
        code,
        _TYPED.sub("", text),
        advice=_ADVICE.get(code, ""),
        status=status,
        causes=causes,
        subject=subject,
        retry_seconds=_seconds(headers.get("Retry-After", "")),
    )


def warnings(headers: Mapping[str, str]) -> list[str]:
    """What the server says in `Warning` headers, each text once."""
    found = _WARNING.findall(headers.get("Warning", ""))
    return list(dict.fromkeys(text.replace('\\"', '"') for text in found))


def _status_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) and value.get("kind") == "Status" else {}


def _code(status: int, text: str, subject: tuple[str, str], *, is_status: bool) -> str:
    fixed = {
        400: "cluster.invalid",
        401: "cluster.unauthorized",
        403: "cluster.forbidden",
        405: "cluster.invalid",
        409: "cluster.conflict",
        413: "cluster.invalid",
        415: "cluster.invalid",
        422: "cluster.invalid",
    }
    if status == 404:  # noqa: PLR2004 - HTTP's own number
        return _missing(subject, is_status=is_status)
    if status == 500 and _TYPED.search(text):  # noqa: PLR2004 - HTTP's own number
        return "cluster.invalid"
    return fixed.get(status, "cluster.failed")


def _missing(subject: tuple[str, str], *, is_status: bool) -> str:
    kind, name = subject
    if not is_status or not name:  # "404 page not found", or a Status that names no object
        return "cluster.kind_missing"
    return "cluster.namespace_missing" if kind == "namespaces" else "cluster.failed"


def short(text: str, longest: int = _LONGEST) -> str:
    """One line of at most so many characters, and a mark where there was more. No word is cut: half a secret is one."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest + 1].rpartition(' ')[0]} …".lstrip()


def _seconds(text: str) -> float:
    return float(text[:9]) if text.isascii() and text.isdigit() else 0.0
