# SPDX-License-Identifier: Apache-2.0
"""`sign` of an OCIArtifact: from the inputs to somebody who signs.

Key, password and token are secrets: they are in no error, log or output. A key is read in check, so that a wrong
password fails the preview; a token is asked for in the update only.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kubeoci.artifact import Descriptor
from kubeoci.digest import Digest
from kubeoci.errors import TrustError
from kubeoci.lifecycle.inputs import Reader
from kubeoci.lifecycle.values import Value
from kubeoci.registry.protocols import Place, Store

if TYPE_CHECKING:
    from kubeoci.trust.keys import PrivateKey
    from kubeoci.trust.signers import Signer

_KEY: Final = ("key", "password")
_KEYLESS: Final = ("keyless", "identityToken", "trustedRoot", "signingConfig")
_INPUTS: Final = (*_KEY, *_KEYLESS, "formats", "annotations")
_FORMATS: Final = ("bundle", "legacy")
_CAMEL: Final = {"key_fingerprint": "keyFingerprint", "policy_hash": "policyHash"}
_SNAKE: Final = {camel: snake for snake, camel in _CAMEL.items()}


@dataclass(frozen=True, slots=True)
class Sign:
    """The settings under `sign`. `password` is None where there is none; an empty one is a password."""

    key: str = field(default="", repr=False)
    password: str | None = field(default=None, repr=False)
    identity_token: str = field(default="", repr=False)
    trusted_root: str = field(default="", repr=False)
    signing_config: str = field(default="", repr=False)
    formats: tuple[str, ...] = ("bundle",)
    annotations: Mapping[str, str] = field(default_factory=dict)


def read(reader: Reader) -> Sign | None:
    """The settings, None where there is no `sign`, or part of it is not known yet. Faults go to `reader`."""
    section = reader.section("sign", _INPUTS)
    if section is None:
        return None
    is_keyless = section.boolean("keyless", default=False)
    found = Sign(
        key=section.text("key"),
        password=section.text("password") if section.raw("password") is not None else None,
        identity_token=section.text("identityToken"),
        trusted_root=section.text("trustedRoot"),
        signing_config=section.text("signingConfig"),
        formats=section.texts("formats", ("bundle",)),
        annotations=section.table("annotations"),
    )
    if section.pending:  # so `sign` is pending in `reader` as well
        return None
    _check_ways(section, is_keyless=is_keyless)
    _check_formats(section, found)
    if not section.faults:
        _check_parts(section, found)
    return found


def signer(given: Sign, cache: Path) -> "Signer":
    """Who signs; nobody is asked yet. Raises `TrustError` for a key that cannot be used."""
    from kubeoci.trust import signers  # noqa: PLC0415 - loads cryptography

    if given.key:
        return signers.KeySigner(_private_key(given.key, _password(given)))
    from kubeoci.trust import keyless_signer  # noqa: PLC0415 - loads sigstore once it signs

    return keyless_signer.open_signer(given.identity_token, given.trusted_root, given.signing_config, cache)


def sign(
    store: Store[Place],
    place: Place,
    subject: Descriptor,
    given: Sign,
    recorded: Iterable[Mapping[str, str]],
    cache: Path,
) -> list[Value]:
    """Sign the manifest `subject`, whatever is `recorded` of it left as it is; the records for the output `signatures`.

    `cache` is a folder that keeps what the public Sigstore publishes. Raises `TrustError`, `RegistryError`.
    """
    from kubeoci.trust import sign as signatures  # noqa: PLC0415 - loads cryptography

    known = [signatures.record(_renamed(each, _SNAKE)) for each in recorded]
    kept = [each for each in known if each.digest == subject.digest and each.identity and each.format in given.formats]
    if not given.key and len(kept) == len(given.formats):  # to ask who we are would cost a certificate
        return [_renamed(each.document(), _CAMEL) for each in kept]
    who = signer(given, cache / "trust")
    made = signatures.sign(
        store, place, subject, who, formats=given.formats, annotations=given.annotations, recorded=known
    )
    return [_renamed(each.document(), _CAMEL) for each in made]


def remove(store: Store[Place], place: Place, subject: Digest, recorded: Iterable[Mapping[str, str]]) -> None:
    """Remove the recorded signatures of `subject`, and nothing of others. Raises `RegistryError`, `TrustError`."""
    from kubeoci.trust import remove as removal  # noqa: PLC0415 - loads cryptography
    from kubeoci.trust import sign as signatures  # noqa: PLC0415

    removal.remove(store, place, subject, [signatures.record(_renamed(each, _SNAKE)) for each in recorded])


def names(given: Sign) -> tuple[str, ...]:
    """By whom an artifact will be signed: the fingerprint of the key, or `keyless`."""
    if not given.key:
        return ("keyless",)
    return (_private_key(given.key, _password(given)).public.fingerprint,)


def _renamed(document: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {names.get(key, key): value for key, value in document.items()}


@lru_cache(maxsize=4)
def _private_key(text: str, password: str | None) -> "PrivateKey":
    """The key, opened once: that takes half a second and up to 128 MiB on purpose."""
    from kubeoci.trust import keys  # noqa: PLC0415 - loads cryptography

    return keys.private_key(text, password)


def _password(given: Sign) -> str | None:
    from kubeoci.trust import keys  # noqa: PLC0415 - loads cryptography

    if given.password is None and keys.needs_password(given.key):
        return os.environ.get("COSIGN_PASSWORD")
    return given.password


def _check_ways(section: Reader, *, is_keyless: bool) -> None:
    """With a key or keyless, and nothing that belongs to the other way."""
    has_key = section.values.get("key") is not None
    if has_key == is_keyless:
        what = "names a key and is keyless" if has_key else "names no key and is not keyless"
        section.fault("", what, "give `key`, or set `keyless` to true")
        return
    for name in _KEYLESS[1:] if has_key else _KEY[1:]:
        if section.values.get(name) is not None:
            section.fault(name, "has no effect here", "leave it out", code="input.unknown")
    if bool(section.values.get("trustedRoot")) != bool(section.values.get("signingConfig")):
        section.fault("", "has only one of trustedRoot and signingConfig", "give both, or none for the public Sigstore")


def _check_formats(section: Reader, found: Sign) -> None:
    if not found.formats or len(set(found.formats)) != len(found.formats) or not set(found.formats) <= set(_FORMATS):
        section.fault("formats", "must name bundle, legacy or both, once each")


def _check_parts(section: Reader, found: Sign) -> None:
    """Read the key, or whom to ask, now, so that the preview fails where the update would."""
    try:
        if found.key:
            _private_key(found.key, _password(found))
        else:
            signer(found, Path())  # what is kept there is asked for in the update
    except TrustError as error:
        where = section.path("key" if found.key else "")
        section.faults.append(TrustError(error.code, error.what, where=where, advice=error.advice))
