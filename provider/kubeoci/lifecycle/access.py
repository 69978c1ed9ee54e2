# SPDX-License-Identifier: Apache-2.0
"""How a resource reaches its registry: the settings that both resources share, and every fault in them.

What a resource does not say itself is taken from the provider's configuration for that very host: credentials never go
to another one. What neither says is searched in the Docker configuration.
"""

from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

from kubeoci import reference
from kubeoci.errors import KubeociError
from kubeoci.lifecycle.inputs import Reader
from kubeoci.lifecycle.values import Values, has_unknown, reveal
from kubeoci.reference import Repository
from kubeoci.registry import proxy
from kubeoci.registry.keychain import Credentials
from kubeoci.registry.protocols import Folder, Located
from kubeoci.registry.transport import Settings

REGISTRY_ONLY: Final = ("credentials", "insecure", "ca", "clientCertificate", "proxy", "realms")
"""Inputs that mean nothing where no registry is asked."""
INPUTS: Final = (*REGISTRY_ONLY, "timeout")
SECRET: Final = frozenset({"credentials", "clientCertificate", "proxy"})

_CERTIFICATE: Final = ("CERTIFICATE",)
_KEYS: Final = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


def read(reader: Reader, place: Located | None, config: Values | None = None) -> Settings:
    """The settings, with what is wrong in `reader`; `config` is the provider's.

    `timeout` of an OCIRepository means the cluster's part too.
    """
    if place and isinstance(place.place, Folder):
        for name in REGISTRY_ONLY:
            if reader.values.get(name) is not None:
                reader.fault(name, "has no effect on an OCI image layout", "leave it out", "input.unknown")
    reader = _layered(reader, place, config or {})
    username, password = _pair(reader, "credentials", ("username", "password"))
    certificate, key = _pair(reader, "clientCertificate", ("certificate", "key"))
    _check_pem(reader, "clientCertificate.certificate", certificate, _CERTIFICATE)
    _check_pem(reader, "clientCertificate.key", key, _KEYS)
    ca = reader.text("ca")
    _check_pem(reader, "ca", ca, _CERTIFICATE)
    has_both = bool(certificate and key)  # one without the other is a fault already
    return Settings(
        credentials=Credentials(username, password) if username else None,
        insecure=reader.maybe("insecure"),
        ca=ca,
        certificate=certificate if has_both else "",
        key=key if has_both else "",
        proxy=_checked(reader, "proxy", proxy.split),
        realms=_realms(reader),
        timeout_seconds=reader.seconds("timeout", Settings().timeout_seconds),
    )


def host(text: str) -> str:
    """The canonical form of a host with or without a port. Raises `reference.invalid`."""
    if "/" in text:
        raise KubeociError("reference.invalid", f"{text!r} is no host", advice="write HOST or HOST:PORT alone")
    return reference.parse(f"{text}/any/repository").repository.host


def _layered(reader: Reader, place: Located | None, config: Values) -> Reader:
    """The resource's own settings over those of the provider for its host; what is wrong goes to `reader`."""
    registries = config.get("registries")
    if has_unknown(registries):
        reader.pending.add("credentials")
        return reader
    if place is None or not isinstance(place.place, Repository) or not isinstance(table := reveal(registries), dict):
        return reader
    entries = [cast("Values", entry) for key, entry in table.items() if host(key) == place.place.host]
    own = {name: value for name, value in reader.values.items() if value is not None}
    return Reader({**(entries[0] if entries else {}), **own}, reader.where, reader.faults, reader.pending)


def _pair(reader: Reader, name: str, names: tuple[str, str]) -> tuple[str, str]:
    """Two texts that only make sense together; empty when the object `name` is not there."""
    section = reader.section(name, names)
    if section is None:
        return "", ""
    return section.text(names[0], required=True), section.text(names[1], required=True)


def _check_pem(reader: Reader, name: str, text: str, labels: tuple[str, ...]) -> None:
    """Text of a file with one of these PEM blocks; its path is a common mistake."""
    if text and not any(f"-----BEGIN {label}-----" in text for label in labels):
        reader.fault(name, f"holds no PEM block of type {labels[0]}", "give the text of the file, not its path")


def _checked(reader: Reader, name: str, check: Callable[[str], object]) -> str:
    text = reader.text(name)
    try:
        if text:
            check(text)
    except KubeociError as error:
        reader.adopt(name, error)
    return text


def _realms(reader: Reader) -> tuple[tuple[str, str], ...]:
    """The map from registry to token service as pairs; a service is an https URL, or http for a registry on http."""
    table = reader.table("realms")
    for registry, url in sorted(table.items()):
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            reader.fault("realms", f"{url!r} for {registry} is no URL of a token service", "write https://HOST/PATH")
    return tuple(sorted(table.items()))
