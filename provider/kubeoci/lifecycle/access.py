# SPDX-License-Identifier: Apache-2.0
"""How a resource reaches its registry: the settings that both resources share, and every fault in them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from kubeoci.errors import KubeociError
from kubeoci.lifecycle.inputs import Reader
from kubeoci.registry import proxy
from kubeoci.registry.protocols import Folder, Located

REGISTRY_ONLY: Final = ("credentials", "insecure", "ca", "clientCertificate", "proxy", "realms")
"""Inputs that mean nothing where no registry is asked."""
INPUTS: Final = (*REGISTRY_ONLY, "timeout")
SECRET: Final = frozenset({"credentials", "clientCertificate", "proxy"})

_TIMEOUT: Final = 600.0
_CERTIFICATE: Final = ("CERTIFICATE",)
_KEYS: Final = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a registry. `username` is empty when the Docker configuration decides, `proxy` when the environment.

    `realms` are pairs of a registry and the URL of the only token service that may get its credentials.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    insecure: bool | None = None
    ca: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)
    realms: tuple[tuple[str, str], ...] = ()
    timeout_seconds: float = _TIMEOUT


def read(reader: Reader, place: Located | None) -> Access:
    """The settings, with what is wrong in `reader`. `timeout` of an OCIRepository means the cluster's part too."""
    if place and isinstance(place.place, Folder):
        for name in REGISTRY_ONLY:
            if reader.values.get(name) is not None:
                reader.fault(name, "has no effect on an OCI image layout", "leave it out", "input.unknown")
    username, password = _pair(reader, "credentials", ("username", "password"))
    certificate, key = _pair(reader, "clientCertificate", ("certificate", "key"))
    _check_pem(reader, "clientCertificate.certificate", certificate, _CERTIFICATE)
    _check_pem(reader, "clientCertificate.key", key, _KEYS)
    ca = reader.text("ca")
    _check_pem(reader, "ca", ca, _CERTIFICATE)
    return Access(
        username=username,
        password=password,
        insecure=reader.maybe("insecure"),
        ca=ca,
        certificate=certificate,
        key=key,
        proxy=_checked(reader, "proxy", proxy.split),
        realms=_realms(reader),
        timeout_seconds=reader.seconds("timeout", _TIMEOUT),
    )


def _pair(reader: Reader, name: str, names: tuple[str, str]) -> tuple[str, str]:
    """Two texts that only make sense together; empty when the object `name` is not there."""
    section = reader.section(name, names)
    if section is None:
        return "", ""
    found = section.text(names[0], required=True), section.text(names[1], required=True)
    if section.pending:
        reader.pending.add(name)
    return found


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
