# SPDX-License-Identifier: Apache-2.0
"""Where requests go: origins, and the connections that a process keeps to each of them."""

import ipaddress
import ssl
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kubeoci.errors import RegistryError
from kubeoci.registry.answer import visible

if TYPE_CHECKING:
    import urllib3

_PORTS = {"http": 80, "https": 443}
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, lower-case host without brackets, and the port that is really used."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """The origin of an absolute http(s) URL. Raises `registry.unsafe_redirect` for anything else."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError) as error:
            raise RegistryError("registry.unsafe_redirect", "not an http(s) URL", where=url[:200]) from error
        if not parts.hostname or parts.username is not None:
            raise RegistryError("registry.unsafe_redirect", "a URL without a host, or with a user", where=visible(url))
        return cls(parts.scheme, parts.hostname, port)


class Connections:
    """Open connections and pauses of this process, by origin. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[tuple[Origin, str], urllib3.HTTPConnectionPool] = {}
        self._paused: dict[Origin, float] = {}

    def pool(self, origin: Origin, ca: str) -> "urllib3.HTTPConnectionPool":
        """The pool for an origin and the certificates trusted there, made on first use."""
        with self._lock:
            if (origin, ca) not in self._pools:
                self._pools[origin, ca] = _make_pool(origin, ca)
            return self._pools[origin, ca]

    def pause(self, origin: Origin, seconds: float) -> None:
        """Nobody asks this origin for so long: it said that it is asked too often."""
        with self._lock:
            self._paused[origin] = max(self._paused.get(origin, 0.0), time.monotonic() + seconds)

    def paused(self, origin: Origin) -> float:
        """Seconds until the origin may be asked again."""
        with self._lock:
            return max(0.0, self._paused.get(origin, 0.0) - time.monotonic())


def is_private(host: str) -> bool:
    """Whether `host` is an IP literal that is not public: loopback, private, link-local. Names are not looked up."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_link_local(host: str) -> bool:
    """Whether `host` is a link-local IP literal, where clouds keep the credentials of a machine."""
    try:
        return ipaddress.ip_address(host).is_link_local
    except ValueError:
        return False


def _make_pool(origin: Origin, ca: str) -> "urllib3.HTTPConnectionPool":
    import urllib3  # noqa: PLC0415 - loaded with the first request

    if origin.scheme == "http":
        return urllib3.HTTPConnectionPool(origin.host, origin.port, maxsize=32, block=True, blocksize=_BLOCK)
    context = ssl.create_default_context()
    if ca:  # adds to the system's authorities; `cafile=` would have replaced them
        try:
            context.load_verify_locations(cadata=ca)
        except ssl.SSLError as error:
            raise RegistryError("registry.credentials", "`ca` holds no PEM certificate", where=origin.host) from error
    return urllib3.HTTPSConnectionPool(
        origin.host, origin.port, maxsize=32, block=True, blocksize=_BLOCK, ssl_context=context
    )
