# SPDX-License-Identifier: Apache-2.0
"""Where requests go: origins, and the connections that a process keeps to each of them."""

import ipaddress
import ssl
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kubeoci.errors import RegistryError
from kubeoci.registry import proxy as proxies
from kubeoci.registry.answer import visible
from kubeoci.registry.proxy import Proxies

if TYPE_CHECKING:
    import urllib3

_PORTS = {"http": 80, "https": 443}
_BLOCK = 1 << 17  # must be sent within the limit for connecting: not more than a slow line takes in ten seconds


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
            shown = url.partition("?")[0].rpartition("@")[2][:200]
            raise RegistryError("registry.unsafe_redirect", f"not an http(s) URL: {shown!r}") from error
        if not parts.hostname or parts.username is not None:
            raise RegistryError("registry.unsafe_redirect", "a URL without a host, or with a user", where=visible(url))
        return cls(parts.scheme, parts.hostname, port)


@dataclass(frozen=True, slots=True)
class Route:
    """What connections to an origin are made of: PEM texts, and the URL of a proxy (empty: the environment decides).

    `ca` is trusted in addition to the system's authorities. `certificate` and its `key` say who we are.
    """

    ca: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)


class Connections:
    """Open connections and pauses of this process, by origin. Thread-safe.

    The variables of the environment that name proxies are read once, when the first connection is made.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._lock = threading.Lock()
        self._pools: dict[tuple[Origin, Route], urllib3.HTTPConnectionPool] = {}
        self._paused: dict[Origin, float] = {}
        self._environment = environment
        self._proxies: Proxies | None = None

    def pool(self, origin: Origin, route: Route) -> "urllib3.HTTPConnectionPool":
        """The pool for an origin and a way to it, made on first use.

        Raises `registry.credentials` for texts that are no PEM, `registry.unreachable` for a proxy that is no URL.
        """
        with self._lock:
            if (origin, route) not in self._pools:
                self._proxies = self._proxies or Proxies.of(self._environment)
                proxy = route.proxy or self._proxies.to(origin.scheme, origin.host, origin.port)
                self._pools[origin, route] = _make_pool(origin, route, proxy)
            return self._pools[origin, route]

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


def _make_pool(origin: Origin, route: Route, proxy: str) -> "urllib3.HTTPConnectionPool":
    import urllib3  # noqa: PLC0415 - loaded with the first request

    options: dict[str, Any] = {"maxsize": 32, "block": True, "blocksize": _BLOCK}
    if origin.scheme == "https":
        options["ssl_context"] = _context(origin, route)
    if not proxy:
        kind = urllib3.HTTPSConnectionPool if origin.scheme == "https" else urllib3.HTTPConnectionPool
        return _timed(kind(origin.host, origin.port, **options))
    url, user = proxies.split(proxy)
    options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=user) if user else None
    options["proxy_ssl_context"] = ssl.create_default_context() if url.startswith("https:") else None
    return _timed(urllib3.ProxyManager(url, **options).connection_from_host(origin.host, origin.port, origin.scheme))


def _timed(pool: "urllib3.HTTPConnectionPool") -> "urllib3.HTTPConnectionPool":
    """Let the answers of a pool end with their operation."""
    from kubeoci.registry.timed import TimedResponse  # noqa: PLC0415 - loaded with the first request

    pool.ConnectionCls = type("TimedConnection", (pool.ConnectionCls,), {"response_class": TimedResponse})
    return pool


def _context(origin: Origin, route: Route) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if route.ca:  # adds to the system's authorities; `cafile=` would have replaced them
            context.load_verify_locations(cadata=route.ca)
    except ssl.SSLError as error:
        raise RegistryError("registry.credentials", "`ca` holds no PEM certificate", where=origin.host) from error
    if route.certificate:
        _identify(context, origin, route)
    return context


def _identify(context: ssl.SSLContext, origin: Origin, route: Route) -> None:
    """Show a certificate. OpenSSL takes it from a file only; nobody else may read that, and it is gone at once."""
    with tempfile.TemporaryDirectory(prefix="kubeoci-") as folder:
        path = Path(folder) / "tls.pem"
        path.write_text(f"{route.certificate}\n{route.key}\n")
        try:
            context.load_cert_chain(path, password="")  # an empty password: never ask at a terminal
        except (ssl.SSLError, OSError) as error:
            what = "the client certificate and its key are no PEM texts, or do not belong together"
            raise RegistryError("registry.credentials", what, where=origin.host) from error
