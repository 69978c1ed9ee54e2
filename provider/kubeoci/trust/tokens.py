# SPDX-License-Identifier: Apache-2.0
"""The identity token of whoever signs without a key: where it comes from, and whether it can serve.

Sources, the first one wins: a token that was given, `SIGSTORE_ID_TOKEN`, and what the machine has by itself (GitHub
Actions, Google Cloud, Buildkite, GitLab, CircleCI, in this order). Nobody is ever asked, and no browser is opened.

A token is a secret: nothing of it but issuer and identity is told. Its signature is checked by the certificate
authority alone.
"""

import base64
import binascii
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from kubeoci.trust import strict
from kubeoci.trust.evidence import Rejected
from kubeoci.trust.faults import sign_token

AUDIENCE = "sigstore"
VARIABLE = "SIGSTORE_ID_TOKEN"

_GIVEN = "identityToken"
_AMBIENT = "the machine"
_MAX_CHARACTERS = 32 << 10
_LEEWAY_SECONDS = 5
_MAX_TOLD = 200
_JWT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
_DETAIL = re.compile(r" \(|(?<= an error): ")
_ADVICE = (
    f"set identityToken or {VARIABLE}, or give the job the right to ask for one "
    "(GitHub Actions: `permissions: id-token: write`; GitLab: `id_tokens` with the audience sigstore)"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that can serve now. `identity` is the one it states, `source` says where it was found."""

    raw: str = field(repr=False)
    source: str
    identity: str
    issuer: str

    def __str__(self) -> str:
        return f"{self.identity} of issuer {self.issuer} (token of {self.source})"


def find(given: str = "", environment: Mapping[str, str] | None = None) -> Token:
    """The token to sign with; `environment` is `os.environ` when left out. Raises `trust.sign_token`.

    May ask services of the machine, which can take long: to be called just before it is needed, and with a deadline.
    """
    environment = os.environ if environment is None else environment
    if given:
        return read(given, _GIVEN)
    if raw := environment.get(VARIABLE):
        return read(raw, VARIABLE)
    return read(_ambient(), _AMBIENT)


def read(raw: str, source: str) -> Token:
    """The token `raw`, if it is one for Sigstore and in its time. Raises `trust.sign_token`."""
    raw = raw.strip()
    if len(raw) > _MAX_CHARACTERS:
        _refuse(source, f"is longer than {_MAX_CHARACTERS} characters")
    claims = _claims(raw, source)
    for name in ("iss", "sub"):
        if not isinstance(claims.get(name), str) or not claims[name]:
            _refuse(source, f"does not state {name}")
    audience = claims.get("aud")
    if AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
        _refuse(source, f"is not for the audience {AUDIENCE}", "ask for one with this audience")
    _check_time(claims, source)
    email = claims.get("email")
    return Token(raw, source, email if isinstance(email, str) and email else str(claims["sub"]), str(claims["iss"]))


def _claims(raw: str, source: str) -> strict.Members:
    """What the middle of a JWT states."""
    if not _JWT.fullmatch(raw):  # a line feed in it would make a library repeat it in an error
        _refuse(source, "is no JWT of three parts")
    middle = raw.split(".")[1]
    try:
        text = base64.b64decode(middle + "=" * (-len(middle) % 4), altchars=b"-_", validate=True)
        return strict.document(text, "it")
    except (binascii.Error, ValueError, Rejected):  # the reason might repeat a part of it
        _refuse(source, "holds no JSON object")


def _check_time(claims: strict.Members, source: str) -> None:
    now = time.time()
    times = {name: claims.get(name) for name in ("iat", "exp")} | ({"nbf": claims["nbf"]} if "nbf" in claims else {})
    for name, value in times.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            _refuse(source, f"does not state {name} as a time")
        if name == "exp" and value + _LEEWAY_SECONDS <= now:
            _refuse(source, "is no longer valid", "fetch it just before it is used")
        if name != "exp" and value - _LEEWAY_SECONDS > now:
            _refuse(source, "is not valid yet", "compare the clocks")


def _ambient() -> str:
    """What the machine itself has."""
    from sigstore import oidc  # noqa: PLC0415 - loads slowly

    try:
        found = oidc.detect_credential(AUDIENCE)
    except oidc.IdentityError as error:
        told = _DETAIL.split(str(error))[0][:_MAX_TOLD]  # what follows is what a service answered
        raise sign_token(f"the machine gives no identity token: {told}", _ADVICE) from None
    except Exception as error:  # noqa: BLE001 - a library over services of others
        raise sign_token(f"the machine gives no identity token ({type(error).__name__})", _ADVICE) from None
    if not found:
        raise sign_token("there is no identity token to sign with", _ADVICE)
    return found


def _refuse(source: str, what: str, advice: str = _ADVICE) -> NoReturn:
    raise sign_token(f"the token of {source} {what}", advice)
