# SPDX-License-Identifier: Apache-2.0
"""What a registry answered, and which of our errors a refusal is."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kubeoci.errors import RegistryError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_MAX_MESSAGE = 300

_BLOB_MISSING = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"})
_CODES = {
    401: "registry.unauthorized",
    403: "registry.denied",
    404: "registry.not_found",
    429: "registry.rate_limited",
}
_ADVICE = {
    "registry.denied": "check what these credentials may do in this repository",
    "registry.not_found": "check the name; a registry may also hide what the credentials may not see",
    "registry.rate_limited": "wait, or log in: most registries allow more to known users",
}
_TLS_ADVICE = "set `insecure: false`: the registry speaks TLS"  # Go's servers say so in their 400


def visible(url: str) -> str:
    """`url` without user, query, fragment and control characters: what may stand in a message or a log."""
    parts = urlsplit(url)
    return _CONTROL.sub(" ", f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, after redirects. `headers` has lower-case names; `body` is empty when it went to a sink."""

    method: str
    url: str
    status: int
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """The first value of a header (lower-case name), or an empty text."""
        return self.headers.get(name, ("",))[0]

    @property
    def place(self) -> str:
        """`GET https://host/path`, for messages."""
        return f"{self.method} {visible(self.url)}"


class Refused(RegistryError):  # noqa: N818 - named by what the registry did
    """A refusal with what the registry itself said: its status and its own error codes (`MANIFEST_UNKNOWN`)."""

    def __init__(
        self, code: str, what: str, *, where: str = "", advice: str = "", status: int = 0, reasons: Iterable[str] = ()
    ) -> None:
        super().__init__(code, what, where=where, advice=advice)
        self.status = status
        self.reasons = frozenset(reasons)

    @property
    def misses_blobs(self) -> bool:
        """Whether a manifest was refused for blobs that the registry does not have, whatever it said before."""
        return bool(self.reasons & _BLOB_MISSING)


def complaints(answer: Answer) -> list[tuple[str, str]]:
    """The (code, message) pairs of an error body in the form of the distribution spec; none for anything else."""
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return []
    errors = document.get("errors") if isinstance(document, dict) else None
    rows = [row for row in errors if isinstance(row, dict)] if isinstance(errors, list) else []
    return [(_clean(row.get("code")), _clean(row.get("message"))) for row in rows]


def failure(answer: Answer) -> Refused:
    """The error that an unexpected status stands for; it says what the registry said."""
    said = complaints(answer)
    code = _CODES.get(answer.status, "registry.failed")
    words = "; ".join(": ".join(filter(None, pair)) for pair in said)[:_MAX_MESSAGE]
    request = _clean(answer.header("x-request-id"))
    what = f"the registry answered {answer.status}" + (f" ({words})" if words else "")
    what += f", request {request}" if request else ""
    return Refused(
        code,
        what,
        where=answer.place,
        advice=_ADVICE.get(code, _TLS_ADVICE if b"HTTPS server" in answer.body else ""),
        status=answer.status,
        reasons=[name for name, _ in said],
    )


def _clean(text: object) -> str:
    """`text` on one line and of bounded length: a server must not be able to paint on a terminal."""
    return _CONTROL.sub(" ", text)[:_MAX_MESSAGE].strip() if isinstance(text, str) else ""
