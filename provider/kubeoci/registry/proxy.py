# SPDX-License-Identifier: Apache-2.0
"""Which proxy leads to a host: the one that was given, else the usual variables of the environment.

The rules are those of Go's tools: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` in either case; loopback hosts are never
asked through a proxy of the environment. `NO_PROXY` has hosts, domains with or without a dot or `*.` in front,
addresses, networks (`10.0.0.0/8`), each with a port if need be, and `*` for everything.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from kubeoci.errors import RegistryError

_SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of an environment, by the scheme of what is asked, and the hosts that need none."""

    http: str = field(default="", repr=False)
    https: str = field(default="", repr=False)
    none_for: tuple[str, ...] = ()

    @classmethod
    def of(cls, environment: Mapping[str, str] | None = None) -> "Proxies":
        """What the environment says now. `HTTP_PROXY` is not believed in a CGI script, where a client can set it."""
        given = os.environ if environment is None else environment
        http = given.get("http_proxy", "") if "REQUEST_METHOD" in given else _either(given, "HTTP_PROXY")
        spared = (entry.strip().lower() for entry in _either(given, "NO_PROXY").split(","))
        return cls(http, _either(given, "HTTPS_PROXY"), tuple(entry for entry in spared if entry))

    def to(self, scheme: str, host: str, port: int) -> str:
        """The URL of the proxy to ask for a host (without brackets); empty for none."""
        if host == "localhost" or _is_loopback(host) or any(_spares(entry, host, port) for entry in self.none_for):
            return ""
        return self.https if scheme == "https" else self.http


def split(proxy: str) -> tuple[str, str]:
    """The URL of a proxy without user, and `user:password` or an empty text. `host:port` means plain HTTP.

    Raises `registry.unreachable`, without repeating the URL: it may hold a password.
    """
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        fine = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        advice = "write http://HOST:PORT; it comes from HTTPS_PROXY or HTTP_PROXY where no proxy is given"
        raise RegistryError("registry.unreachable", "the address of the proxy is no http(s) URL", advice=advice)
    user, _, place = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{place}", unquote(user)


def _either(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name.lower()) or environment.get(name) or ""


def _spares(entry: str, host: str, port: int) -> bool:
    """Whether one entry of `NO_PROXY` is about this host and port."""
    if entry == "*":
        return True
    if "/" in entry:
        return _is_within(host, entry)
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and (":" not in name or name.endswith("]")):
        if wanted != str(port):
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*")
    return host == entry.removeprefix(".") or host.endswith(f".{entry.removeprefix('.')}")


def _is_within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
