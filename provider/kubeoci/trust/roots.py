# SPDX-License-Identifier: Apache-2.0
"""Sigstore's trusted root: which logs, certificate authorities and time stamp authorities count, and from when to when.

What is read here is kept as values; the document for sigstore's library is written anew from them, so that it never
sees more than we do.
"""

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kubeoci.artifact import canonical
from kubeoci.errors import TrustError
from kubeoci.trust import keys, strict
from kubeoci.trust.evidence import Reason, Rejected
from kubeoci.trust.faults import trust_root

MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
MAX_BYTES = 1 << 20
MAX_ITEMS = 64
MAX_CERTIFICATES = 10

_log = logging.getLogger(__name__)
_ALWAYS = datetime.min.replace(tzinfo=UTC)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_KINDS = {  # how a root calls the algorithm of a log's key -> what the key has to be
    "PKIX_ECDSA_P256_SHA_256": "P-256",
    "PKIX_ECDSA_P384_SHA_384": "P-384",
    "PKIX_ECDSA_P521_SHA_512": "P-521",
    "PKIX_ED25519": "Ed25519",
    "PKIX_RSA_PKCS1V15_2048_SHA256": "RSA",
    "PKIX_RSA_PKCS1V15_3072_SHA256": "RSA",
    "PKIX_RSA_PKCS1V15_4096_SHA256": "RSA",
}
_ADVICE = "give what `cosign trusted-root create` or the operator of your Sigstore writes"

Shape = dict[str, "Shape | None"]
_WINDOW: Shape = {"start": None, "end": None}
_KEY: Shape = {"rawBytes": None, "keyDetails": None, "validFor": _WINDOW}
_LOGS: Shape = {
    "baseUrl": None,
    "hashAlgorithm": None,
    "publicKey": _KEY,
    "logId": {"keyId": None},
    "checkpointKeyId": {"keyId": None},
    "operator": None,
}
_AUTHORITIES: Shape = {
    "subject": {"organization": None, "commonName": None},
    "uri": None,
    "certChain": {"certificates": {"rawBytes": None}},
    "validFor": _WINDOW,
    "operator": None,
}
_ROOT: Shape = {
    "mediaType": None,
    "tlogs": _LOGS,
    "certificateAuthorities": _AUTHORITIES,
    "ctlogs": _LOGS,
    "timestampAuthorities": _AUTHORITIES,
}
_LISTS = frozenset({"tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities", "certificates"})

Item = TypeVar("Item", "TrustedLog", "Authority")


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, both ends inside. None where it does not end."""

    start: datetime = _ALWAYS
    end: datetime | None = None

    def holds(self, time: datetime) -> bool:
        """Whether `time` lies inside."""
        return self.start <= time and (self.end is None or time <= self.end)

    def document(self) -> dict[str, str]:
        """As protobuf's JSON writes it."""
        end = {"end": self.end.isoformat()} if self.end else {}
        return {"start": self.start.isoformat(), **end}


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """A log of signatures or of certificates, known by `id`. `algorithm` is how the root calls that of its key."""

    id: bytes
    key: keys.PublicKey
    algorithm: str
    window: Window

    def holds(self, time: datetime) -> bool:
        """Whether its word counts at this time."""
        return self.window.holds(time)

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` over `message` is its own."""
        try:
            self.key.verify(signature, message)
        except Rejected:
            return False
        return True

    def document(self) -> dict[str, object]:
        """As protobuf's JSON writes it."""
        key = {"rawBytes": _base64(self.key.der), "keyDetails": self.algorithm, "validFor": self.window.document()}
        return {"baseUrl": "", "hashAlgorithm": "SHA2_256", "publicKey": key, "logId": {"keyId": _base64(self.id)}}


@dataclass(frozen=True, slots=True)
class Authority:
    """Issues certificates or time stamps. `chain` has its certificates, the root last."""

    chain: tuple[x509.Certificate, ...]
    window: Window

    def holds(self, time: datetime) -> bool:
        """Whether its word counts at this time; one certificate beyond its own validity ends all of it."""
        valid = (Window(each.not_valid_before_utc, each.not_valid_after_utc).holds(time) for each in self.chain)
        return self.window.holds(time) and all(valid)

    def document(self) -> dict[str, object]:
        """As protobuf's JSON writes it."""
        chain = [{"rawBytes": _base64(each.public_bytes(Encoding.DER))} for each in self.chain]
        named = {"organization": "", "commonName": ""}
        return {"subject": named, "certChain": {"certificates": chain}, "validFor": self.window.document()}


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """What is trusted, and where that is known from: `source` is for people, such as `inline` or a URL."""

    source: str = field(compare=False)
    logs: tuple[TrustedLog, ...] = field(repr=False)
    ct_logs: tuple[TrustedLog, ...] = field(repr=False)
    authorities: tuple[Authority, ...] = field(repr=False)
    stampers: tuple[Authority, ...] = field(repr=False)

    @property
    def digest(self) -> str:
        """The hexadecimal SHA-256 of `document`: equal where the same is trusted, however it was spelled."""
        return hashlib.sha256(canonical(self.document())).hexdigest()

    def document(self) -> dict[str, object]:
        """The root for sigstore's library, holding only what was read."""
        return {
            "mediaType": MEDIA_TYPE,
            "tlogs": [each.document() for each in self.logs],
            "ctlogs": [each.document() for each in self.ct_logs],
            "certificateAuthorities": [each.document() for each in self.authorities],
            "timestampAuthorities": [each.document() for each in self.stampers],
        }

    def pruned(self, times: Collection[datetime]) -> "TrustedRoot":
        """What of it counts at each of these times. Raises `Rejected` where a kind is left out: log, sct, chain.

        Times that somebody only claims are enough: a forged one can but shrink what is trusted.
        """
        return TrustedRoot(
            self.source,
            _left(self.logs, times, Reason.LOG, "transparency log"),
            _left(self.ct_logs, times, Reason.SCT, "certificate transparency log"),
            _left(self.authorities, times, Reason.CHAIN, "certificate authority"),
            _at(self.stampers, times),
        )


def read(text: str, *, source: str, is_users: bool) -> TrustedRoot:
    """The root in `text`. Raises `trust.trust_root`.

    What this release does not know is refused in a root that the user wrote, as it may be a restriction. In one that
    came by TUF it is left out with a warning, as the writer cannot know who reads it.
    """
    try:
        return _Reader(source, is_users=is_users).root(text)
    except (Rejected, TrustError) as error:
        what = error.text if isinstance(error, Rejected) else f"{error.where} {error.what}"
        raise trust_root(f"the trusted root ({source}) cannot be used: {what}", _ADVICE) from None


@dataclass(frozen=True, slots=True)
class _Reader:
    """One reading: who wrote the root decides what becomes of the unknown."""

    source: str
    is_users: bool

    def root(self, text: str) -> TrustedRoot:
        """The root in a document. Raises Rejected, or TrustError, for what cannot be relied on."""
        raw = text.encode(errors="surrogatepass")
        if len(raw) > MAX_BYTES:
            strict.exceeded("it", f"is larger than {MAX_BYTES} bytes")
        document = strict.document(raw, "it")
        if document.get("mediaType") != MEDIA_TYPE:
            strict.malformed("mediaType", f"is not {MEDIA_TYPE}")
        known = strict.mapping(self._known(document, _ROOT, ""), "it")
        return TrustedRoot(
            self.source,
            self._each(known, "tlogs", self._log, is_needed=True),
            self._each(known, "ctlogs", self._log, is_needed=True),
            self._each(known, "certificateAuthorities", _authority, is_needed=True),
            self._each(known, "timestampAuthorities", _authority, is_needed=False),
        )

    def _known(self, value: object, shape: Shape | None, where: str) -> object:
        """`value` without the members that have no place in `shape`; every leaf is a text."""
        if shape is None:
            return strict.text(value, where)
        kept: strict.Members = {}
        for name, member in strict.mapping(value, where).items():
            place = f"{where}.{name}".lstrip(".")
            if name not in shape:
                self._unknown(f"{place:.100} is unknown")
            elif name in _LISTS:
                items = enumerate(_bounded(member, place))
                kept[name] = [self._known(item, shape[name], f"{place}[{index}]") for index, item in items]
            else:
                kept[name] = self._known(member, shape[name], place)
        return kept

    def _unknown(self, what: str) -> None:
        if self.is_users:
            raise Rejected(Reason.UNSUPPORTED, what)
        _log.warning(
            "the trusted root (%s) holds what this release does not know, and leaves out: %s", self.source, what
        )

    def _each(
        self, known: strict.Members, name: str, read: Callable[[strict.Members, str], Item | None], *, is_needed: bool
    ) -> tuple[Item, ...]:
        items = enumerate(strict.items(known.get(name, []), name))
        found = [read(strict.mapping(item, name), f"{name}[{index}]") for index, item in items]
        if is_needed and not any(found):
            strict.malformed(name, "names nothing to trust")
        return tuple(item for item in found if item is not None)

    def _log(self, item: strict.Members, where: str) -> TrustedLog | None:
        """A log; None if it works in a way that is unknown."""
        algorithm = item.get("hashAlgorithm")
        key = strict.mapping(item.get("publicKey"), f"{where}.publicKey")
        details = strict.text(key.get("keyDetails"), f"{where}.publicKey.keyDetails")
        if algorithm != "SHA2_256" or details not in _KINDS:
            self._unknown(f"{where} works with {algorithm!s:.30} and {details:.40}")
            return None
        public = keys.spki(_bytes(key, "rawBytes", f"{where}.publicKey"), f"{where}.publicKey:")
        if public.kind != _KINDS[details]:
            strict.malformed(f"{where}.publicKey", f"is a key of {public.kind}, and is called {details}")
        identity = _bytes(item.get("logId"), "keyId", f"{where}.logId")
        return TrustedLog(identity, public, details, window(key.get("validFor", {}), f"{where}.publicKey.validFor"))


def _authority(item: strict.Members, where: str) -> Authority:
    chain = strict.mapping(item.get("certChain"), f"{where}.certChain").get("certificates", [])
    place = f"{where}.certChain.certificates"
    certificates = [_certificate(each, f"{place}[{index}]") for index, each in enumerate(strict.items(chain, place))]
    if not 1 <= len(certificates) <= MAX_CERTIFICATES:
        strict.malformed(place, f"has {len(certificates)} certificates, and not 1 to {MAX_CERTIFICATES}")
    return Authority(tuple(certificates), window(item.get("validFor", {}), f"{where}.validFor"))


def _certificate(item: object, where: str) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(_bytes(item, "rawBytes", where))
    except ValueError:
        strict.malformed(where, "is no certificate")


def window(item: object, where: str) -> Window:
    """A span of time as protobuf's JSON writes it. Raises `Rejected` (`malformed`)."""
    found = strict.mapping(item, where)
    start = _moment(found["start"], f"{where}.start") if "start" in found else _ALWAYS
    end = _moment(found["end"], f"{where}.end") if "end" in found else None
    if end and end < start:
        strict.malformed(where, "ends before it starts")
    return Window(start, end)


def _moment(value: object, where: str) -> datetime:
    written = strict.text(value, where)
    try:
        return datetime.fromisoformat(written if _TIME.fullmatch(written) else "")
    except ValueError:
        strict.malformed(where, "is no time as RFC 3339 writes it")


def _bytes(item: object, name: str, where: str) -> bytes:
    return strict.base64(strict.mapping(item, where).get(name), f"{where}.{name}")


def _bounded(value: object, where: str) -> list[object]:
    items = strict.items(value, where)
    if len(items) > MAX_ITEMS:
        strict.exceeded(where, f"has {len(items)} members, and {MAX_ITEMS} are read")
    return items


def _left(items: Iterable[Item], times: Collection[datetime], reason: Reason, kind: str) -> tuple[Item, ...]:
    found = _at(items, times)
    if not found:
        told = " and ".join(sorted({f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in times}))
        raise Rejected(reason, f"the trusted root has no {kind} that counts at {told}")
    return found


def _at(items: Iterable[Item], times: Collection[datetime]) -> tuple[Item, ...]:
    return tuple(item for item in items if all(item.holds(time) for time in times))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
