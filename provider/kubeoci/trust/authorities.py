# SPDX-License-Identifier: Apache-2.0
"""Sigstore's signing configuration: whom to ask for a certificate, a log entry and time stamps.

The services are chosen here, and sigstore's library sees no others. Where there are logs of both versions the first
is taken: its entries can be told in the legacy format as well, and every verifier reads them.
"""

import logging
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from kubeoci.errors import TrustError
from kubeoci.trust import strict
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.faults import bad_policy
from kubeoci.trust.roots import MAX_BYTES, MAX_ITEMS, window

MEDIA_TYPE = "application/vnd.dev.sigstore.signingconfig.v0.2+json"

_log = logging.getLogger(__name__)
_LISTS = ("caUrls", "rekorTlogUrls", "tsaUrls", "oidcUrls")
_CHOICES = ("rekorTlogConfig", "tsaConfig")
_LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1")
_ADVICE = "give what `cosign signing-config create` or the operator of your Sigstore writes"


@dataclass(frozen=True, slots=True)
class Authorities:
    """The addresses of one certificate authority, one log with its version (1 or 2), and time stamp authorities."""

    ca: str
    log: str
    log_version: int
    stampers: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """The configuration for sigstore's library, holding only these."""
        return {
            "mediaType": MEDIA_TYPE,
            "caUrls": [_document(self.ca)],
            "oidcUrls": [],
            "rekorTlogUrls": [_document(self.log, self.log_version)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [_document(url, operator=url) for url in self.stampers],
            "tsaConfig": {"selector": "ALL"},
        }


def read(text: str, *, source: str, is_users: bool, now: datetime | None = None) -> Authorities:
    """What of the configuration in `text` serves `now`. Raises `trust.bad_policy`.

    The unknown is refused in what the user wrote; in what came by TUF it is left out with a warning.
    """
    try:
        found = _document_in(text, source, is_users=is_users)
        return _chosen(found, now or datetime.now(UTC))
    except Rejected as verdict:
        raise _bad(source, verdict.text) from None


@dataclass(frozen=True, slots=True)
class _Service:
    url: str
    version: int
    operator: str


def _document_in(text: str, source: str, *, is_users: bool) -> strict.Members:
    raw = text.encode(errors="surrogatepass")
    if len(raw) > MAX_BYTES:
        strict.exceeded("it", f"is larger than {MAX_BYTES} bytes")
    found = strict.document(raw, "it")
    if found.get("mediaType") != MEDIA_TYPE:
        strict.malformed("mediaType", f"is not {MEDIA_TYPE}")
    unknown = sorted(found.keys() - {"mediaType", *_LISTS, *_CHOICES})
    if unknown and is_users:
        raise Rejected(Reason.UNSUPPORTED, f"{unknown[0]:.80} is unknown")
    if unknown:
        _log.warning("the signing configuration (%s) holds what is left out: %s", source, ", ".join(unknown)[:200])
    return found


def _chosen(found: strict.Members, now: datetime) -> Authorities:
    authorities = list(_serving(found, "caUrls", {1}, now))
    logs = sorted(_serving(found, "rekorTlogUrls", {1, 2}, now), key=lambda service: service.version)
    stampers = list(_by_operator(_serving(found, "tsaUrls", {1}, now)))
    if not authorities:
        strict.malformed("caUrls", "names no certificate authority that serves now")
    if not logs:
        strict.malformed("rekorTlogUrls", "names no log that serves now")
    if _count(found, "rekorTlogConfig", len(_by_operator(logs))) > 1:
        strict.malformed("rekorTlogConfig", "demands more than one log, and a signature has one entry")
    wanted = _count(found, "tsaConfig", len(stampers))
    if len(stampers) < wanted:
        strict.malformed("tsaUrls", f"names {len(stampers)} time stamp authorities that serve now, and needs {wanted}")
    if logs[0].version > 1 and not stampers:
        strict.malformed("tsaUrls", "names no time stamp authority, and the log (version 2) tells no time")
    if urlsplit(authorities[0].url).path:  # the library would leave it out
        strict.malformed("caUrls", f"names {authorities[0].url}: an address with a path cannot be asked")
    return Authorities(authorities[0].url, logs[0].url, logs[0].version, tuple(each.url for each in stampers[:wanted]))


def _serving(found: strict.Members, name: str, versions: Collection[int], now: datetime) -> Iterator[_Service]:
    """The services under `name` that we can talk to, at a time at which they are to be used."""
    items = strict.items(found.get(name, []), name)
    if len(items) > MAX_ITEMS:
        strict.exceeded(name, f"has {len(items)} members, and {MAX_ITEMS} are read")
    for index, item in enumerate(items):
        where = f"{name}[{index}]"
        service = strict.members(item, where, ["url", "majorApiVersion"], ["validFor", "operator"])
        version = strict.integer(service["majorApiVersion"], f"{where}.majorApiVersion")
        if version in versions and window(service.get("validFor", {}), f"{where}.validFor").holds(now):
            operator = strict.text(service.get("operator", ""), f"{where}.operator")
            yield _Service(_url(service["url"], f"{where}.url"), version, operator)


def _by_operator(services: Iterable[_Service]) -> Collection[_Service]:
    """The first of each operator."""
    found: dict[str, _Service] = {}
    for service in services:
        found.setdefault(service.operator, service)
    return found.values()


def _url(value: object, where: str) -> str:
    """An address that a token may be sent to, without a slash at its end."""
    written = strict.text(value, where).rstrip("/")
    try:
        parts = urlsplit(written)
        is_local = bool(_LOOPBACK.fullmatch(parts.hostname or ""))
    except ValueError:
        strict.malformed(where, "is no URL")
    if not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and is_local)):
        strict.malformed(where, f"is no https URL: {written!r:.200}")
    if parts.query or parts.fragment or "@" in parts.netloc:
        strict.malformed(where, "has more than host, port and path")
    return written


def _count(found: strict.Members, name: str, every: int) -> int:
    """How many services are wanted of `every` that there is."""
    choice = strict.members(found.get(name, {}), name, [], ["selector", "count"])
    selector = strict.text(choice.get("selector", "ANY"), f"{name}.selector")
    if selector == "EXACT":
        return max(1, strict.integer(choice.get("count"), f"{name}.count"))
    if selector not in {"ANY", "ALL"}:
        strict.malformed(f"{name}.selector", f"is {selector!r:.40}, not ANY, ALL or EXACT")
    return every if selector == "ALL" else min(every, 1)


def _document(url: str, version: int = 1, operator: str = "") -> dict[str, object]:
    valid = {"start": "1970-01-01T00:00:00Z"}
    return {"url": url, "majorApiVersion": version, "validFor": valid, "operator": operator}


def _bad(source: str, what: str) -> TrustError:
    return bad_policy(f"the signing configuration ({source}) cannot be used: {what}", _ADVICE)
