# SPDX-License-Identifier: Apache-2.0
"""Being let in: the first request goes bare, its refusal teaches the way, later requests carry a header at once.

The flow is that of the distribution project's token specification. Credentials go to the token service that the
registry names, as Docker, crane and oras send them, but only to an https one, unless the registry itself is on plain
HTTP; a Basic realm is a text and never asked. Tokens are kept for the process.
"""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import urlencode, urlsplit

from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry import challenge as challenges
from kubeoci.registry import keychain
from kubeoci.registry.answer import Answer, failure, visible
from kubeoci.registry.challenge import Challenge
from kubeoci.registry.connections import Origin, is_private
from kubeoci.registry.keychain import Credentials, Search
from kubeoci.registry.transport import Request, Transport

_REFUSED = 401
_HIDING = (403, 404)
_OK = 200
_MAX_LIFE_SECONDS = 3600
_USUAL_LIFE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class TokenKey:
    """What a token is good for, and for whom."""

    origin: Origin
    realm: str
    service: str
    scopes: tuple[str, ...]
    holder: str


@dataclass(slots=True)
class Memory:
    """What this process has learned: the challenge of each origin (None: it has none) and the tokens it got."""

    schemes: dict[Origin, Challenge | None] = field(default_factory=dict)
    tokens: dict[TokenKey, tuple[str, float]] = field(default_factory=dict, repr=False)
    locks: dict[TokenKey, threading.Lock] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def turn(self, key: TokenKey) -> threading.Lock:
        """The lock under which a token is asked for: many threads, one request."""
        with self.lock:
            return self.locks.setdefault(key, threading.Lock())

    def token(self, key: TokenKey) -> str:
        """The token if it is still good, else an empty text."""
        token, end = self.tokens.get(key, ("", 0.0))
        return token if time.monotonic() < end else ""


class Authority:
    """Sends requests with whatever lets them in. One per operation; `memory` outlives it.

    Raises `registry.unauthorized`, saying where credentials were looked for, or which source has the refused ones.
    """

    def __init__(
        self,
        transport: Transport,
        memory: Memory,
        given: Credentials | None = None,
        environment: Mapping[str, str] | None = None,
        realms: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._realms = realms
        self._transport = transport
        self._memory = memory
        self._given = given
        self._environment = environment
        self._searches: dict[Repository, Search] = {}
        self._lock = threading.Lock()

    def send(self, request: Request, repository: Repository, actions: str, also: str = "") -> Answer:
        """The answer to `request`, which needs `actions` (`pull`, `pull,push`) on `repository`. Never a 401.

        `also` has scopes of other repositories that it touches.
        """
        origin = Origin.of(request.url)
        hint = f"repository:{repository.path}:{actions} {also}".rstrip()
        header = self._usual_header(origin, repository, hint)
        answer = self._transport.send(request.having(Authorization=header))
        if answer.status in _HIDING and origin not in self._memory.schemes and self._search(repository).credentials:
            return self._probe(request, answer, repository, hint)
        if answer.status != _REFUSED:
            return answer
        return self._again(request, answer, header, repository, hint)

    def _usual_header(self, origin: Origin, repository: Repository, hint: str) -> str:
        """What let others in before. Who has no password goes bare: some repositories are open to everybody."""
        known = self._memory.schemes.get(origin)
        found = self._search(repository).credentials if known else None
        if known is None or (known.scheme == "basic" and not (found and found.username)):
            return ""
        return self._header(origin, known, repository, challenges.merge(hint))

    def _again(self, request: Request, answer: Answer, used: str, repository: Repository, hint: str) -> Answer:
        """A refusal: learn from it, and send the request once more."""
        origin = Origin.of(request.url)
        wanted = challenges.preferred(challenges.parse(answer.headers.get("www-authenticate", ())))
        if wanted is None:
            raise self._unauthorized(answer, repository, "in no way that is known (Bearer or Basic)")
        lasting = {name: wanted.get(name) for name in ("realm", "service")}  # a scope is of this request only
        self._memory.schemes[origin] = Challenge(wanted.scheme, lasting)
        if used.startswith("Basic ") and wanted.scheme == "basic":
            raise self._unauthorized(answer, repository)
        scopes = challenges.merge(hint, wanted.get("scope"))
        header = self._header(origin, wanted, repository, scopes, stale=used.removeprefix("Bearer "))
        second = self._transport.send(request.having(Authorization=header))
        if second.status == _REFUSED:
            raise self._unauthorized(second, repository)
        return second

    def _probe(self, request: Request, answer: Answer, repository: Repository, hint: str) -> Answer:
        """Some registries hide what a stranger may not see. Once per origin: ask its front door how to log in."""
        origin = Origin.of(request.url)
        door = request.url.partition("/v2/")[0] + "/v2/"
        reply = self._transport.send(Request("GET", door))
        if reply.status != _REFUSED:
            self._memory.schemes[origin] = None
            return answer
        return self._again(request, reply, "", repository, hint)

    def _header(
        self, origin: Origin, known: Challenge, repository: Repository, scopes: tuple[str, ...], *, stale: str = ""
    ) -> str:
        """The `Authorization` that answers a challenge. A token equal to `stale` is not used again."""
        search = self._search(repository)
        held = search.credentials or Credentials()
        if known.scheme == "basic":
            if not held.username:
                raise self._unauthorized(Answer("", _url(origin), _REFUSED), repository)
            return held.basic
        if held.registry_token:
            return f"Bearer {held.registry_token}"
        realm, service = known.get("realm"), known.get("service")
        check_realm(realm, origin)
        check_allowed(realm, repository, self._realms)
        key = TokenKey(origin, realm, service, scopes, held.fingerprint)
        with self._memory.turn(key):
            token = self._memory.token(key)
            if not token or token == stale:
                token, life = self._fetch(key, repository, known)
                self._memory.tokens[key] = (token, time.monotonic() + life)
        return f"Bearer {token}"

    def _fetch(self, key: TokenKey, repository: Repository, known: Challenge) -> tuple[str, float]:
        """Ask the token service; if it refuses our scopes, once more with those of the challenge alone."""
        search = self._search(repository)
        held = search.credentials or Credentials()
        answer = self._ask(self._token_request(key, held, key.scopes))
        alone = challenges.merge(known.get("scope"))
        if answer.status in {400, 401, 403} and alone and alone != key.scopes:
            answer = self._ask(self._token_request(key, held, alone))
        if answer.status in {401, 403}:
            raise self._unauthorized(answer, repository)
        if answer.status != _OK:
            raise failure(answer)
        return read_token(answer)

    def _ask(self, request: Request) -> Answer:
        """What the token service says; more than a token can be is none."""
        try:
            return self._transport.send(request)
        except RegistryError as error:
            if error.code != "registry.too_large":
                raise
            what = f"the token service sent no token, but {error.what}"
            raise RegistryError("registry.unauthorized", what, where=error.where) from error

    def _token_request(self, key: TokenKey, held: Credentials, scopes: tuple[str, ...]) -> Request:
        limit = self._transport.limits.max_token_bytes
        service = [("service", key.service)] if key.service else []
        if held.identity_token:
            form = [("grant_type", "refresh_token"), *service, ("scope", " ".join(scopes))]
            data = urlencode([*form, ("refresh_token", held.identity_token), ("client_id", "kubeoci")]).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            foreign = Origin.of(key.realm) != key.origin
            return Request(
                "POST", key.realm, kind, lambda: BytesIO(data), len(data), limit, redirects=False, foreign=foreign
            )
        query = urlencode([*service, *(("scope", scope) for scope in scopes)])
        url = key.realm + ("&" if urlsplit(key.realm).query else "?") + query
        request = Request("GET", url, max_bytes=limit, redirects=False, foreign=Origin.of(url) != key.origin)
        return request.having(Authorization=held.basic if held.username else "")

    def _search(self, repository: Repository) -> Search:
        with self._lock:
            if repository not in self._searches:
                self._searches[repository] = keychain.find(repository, self._given, self._environment)
            return self._searches[repository]

    def _unauthorized(self, answer: Answer, repository: Repository, why: str = "") -> RegistryError:
        search = self._search(repository)
        asked = f", asked at {visible(answer.url)}" if answer.url else ""
        if why:
            what, advice = f"the registry wants credentials {why}", "ask the registry's operator"
        elif search.credentials:
            what = f"the credentials from {search.source} are refused{asked}"
            advice = f"run `docker login {repository.host}` again, or mend `credentials`"
        else:
            what = f"the registry wants credentials and there are none; looked in {', '.join(search.looked)}{asked}"
            advice = f"run `docker login {repository.host}`, or set `credentials`"
        if search.warnings:
            what += f" ({'; '.join(search.warnings)})"
        return RegistryError("registry.unauthorized", what, where=str(repository), advice=advice)


def check_realm(realm: str, origin: Origin) -> None:
    """Whether credentials of `origin` may go to the token service `realm`. Raises `registry.unsafe_redirect`."""
    try:
        service = Origin.of(realm)
    except RegistryError as error:
        raise RegistryError(error.code, f"the token service is {error.what}", where=_url(origin)) from None
    if service.scheme != "https" and origin.scheme == "https":
        reason = "the token service is not on https"
    elif service.host != origin.host and is_private(service.host) and not is_private(origin.host):
        reason = "the token service has a private address"
    else:
        return
    raise RegistryError("registry.unsafe_redirect", f"{reason}: {visible(realm)}", where=_url(origin))


def check_allowed(realm: str, repository: Repository, realms: Sequence[tuple[str, str]]) -> None:
    """Whether `realms`, if there are any, name this token service for this registry; queries do not count.

    Raises `registry.unsafe_redirect`.
    """
    wanted = Origin.of(realm), urlsplit(realm).path or "/"
    allowed = [(Origin.of(url), urlsplit(url).path or "/") for host, url in realms if host == repository.host]
    if realms and wanted not in allowed:
        what = f"`realms` does not let credentials go to the token service {visible(realm)}"
        advice = f"add it to `realms` for {repository.host} if you trust it"
        raise RegistryError("registry.unsafe_redirect", what, where=str(repository), advice=advice)


def read_token(answer: Answer) -> tuple[str, float]:
    """The token and the seconds that it may be used for, some less than it says. Raises `registry.unauthorized`."""
    try:
        document = json.loads(answer.body)
        token = document.get("token") or document.get("access_token")
        seconds = document.get("expires_in") or _USUAL_LIFE_SECONDS
    except (ValueError, AttributeError, RecursionError):
        token, seconds = None, 0
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        raise RegistryError("registry.unauthorized", "the token service sent no token", where=answer.place)
    life = (
        float(max(0, min(seconds, _MAX_LIFE_SECONDS)))
        if isinstance(seconds, int | float)
        else float(_USUAL_LIFE_SECONDS)
    )
    return token, 0.9 * life - 5


def _url(origin: Origin) -> str:
    return f"{origin.scheme}://{origin.host}:{origin.port}/"
