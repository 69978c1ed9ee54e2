# SPDX-License-Identifier: Apache-2.0
"""From a kubeconfig to what a connection needs: the server, TLS and the headers that say who we are.

The `kubernetes` package reads the file and runs its exec plugins. Three of its habits are mended here: a failed plugin
is only logged there, impersonation (`as…`) is passed over, and keys would stay on disk until the process ends.
"""

import importlib
import io
import os
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kubeoci.errors import ClusterError, Stopped

PLUGIN_SECONDS = 60.0
"""How long a credential plugin may take; some open a browser and wait for somebody."""
_LOOK_SECONDS = 0.1

_ONE_AT_A_TIME = threading.Lock()  # the package keeps its temporary files in one table per process
_DEFAULT = "~/.kube/config"


@dataclass(frozen=True, slots=True)
class Impersonation:
    """Who to act as: the server checks whether we may. `groups` and `uid` mean nothing without a user."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """Which cluster. `kubeconfig` is a path or the YAML text itself; empty is `$KUBECONFIG`, then the default place.

    `context` chooses one of its contexts; empty is its current one. `impersonate` replaces whom the kubeconfig names.
    """

    kubeconfig: str = field(default="", repr=False)
    context: str = ""
    impersonate: Impersonation | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach one API server. Only the server is safe to print."""

    server: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    tls: ssl.SSLContext | None = field(repr=False)
    server_name: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)


def login(access: Access, stop: threading.Event | None = None) -> Login:
    """Read the kubeconfig and get its credentials, running its exec plugin if it has one; no request to the cluster.

    Raises ClusterError (`cluster.config`), which never quotes the file: it may hold tokens; and `Stopped`.
    """
    import kubernetes  # noqa: PLC0415 - 0.3 s, only needed with a cluster

    configuration = kubernetes.client.Configuration()
    with _ONE_AT_A_TIME, _private_folder() as folder:
        try:
            user = _in_time(access, lambda: _load(access, configuration, folder), stop or threading.Event())
            tls = _tls(configuration)
        except (ClusterError, Stopped):
            raise
        except Exception as error:
            raise _fault(access, f"it cannot be used ({type(error).__name__})") from error
    if {"exec", "auth-provider"} & set(user) and not (configuration.api_key or configuration.cert_file):
        raise _fault(access, f"its credential plugin{_plugin(user)} failed", advice="run it by hand to see why")
    proxy = configuration.proxy or ""
    if proxy and kubernetes.client.rest.should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
        proxy = ""
    headers = [("Authorization", configuration.api_key["BearerToken"])] if configuration.api_key else []
    headers += _impersonation(access, user)
    return Login(configuration.host.rstrip("/"), tuple(headers), tls, configuration.tls_server_name or "", proxy)


def _in_time(access: Access, load: Callable[[], Mapping[str, Any]], stop: threading.Event) -> Mapping[str, Any]:
    """What `load` gives. The package waits for a plugin as long as that runs: it does so in a thread of its own."""
    future: Future[Mapping[str, Any]] = Future()

    def work() -> None:
        """Hand over whatever came of it, errors of the interpreter too: nobody else would tell them."""
        try:
            future.set_result(load())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    until = time.monotonic() + PLUGIN_SECONDS
    while time.monotonic() < until:
        if wait([future], _LOOK_SECONDS).done:
            return future.result()
        if stop.is_set():
            raise Stopped("stopped.cancelled", "stopped on request")
    what = f"its credential plugin does not answer within {PLUGIN_SECONDS:.0f} s"
    raise _fault(access, what, advice="run it by hand to see what it waits for")


def _load(access: Access, configuration: Any, folder: str) -> Mapping[str, Any]:  # noqa: ANN401 - an untyped package
    """Fill `configuration`; gives the plain `user` entry."""
    incluster_config: Any = importlib.import_module("kubernetes.config.incluster_config")
    kube_config: Any = importlib.import_module("kubernetes.config.kube_config")
    source = _source(access)
    if source is None:
        incluster_config.load_incluster_config(client_configuration=configuration)
        return {}
    merged = kube_config.KubeConfigMerger(source).config
    plain = getattr(merged, "value", merged)
    if not isinstance(plain, dict):
        raise _fault(access, "it is no kubeconfig")
    context = access.context or str(plain.get("current-context") or "")
    entry = _named(plain, "contexts", "context", context)
    if entry is None:
        what = f"it has no context {context!r}" if context else "it has no current context"
        raise _fault(access, what, advice=f"choose one of {', '.join(_names(plain, 'contexts')) or 'none'}")
    if _named(plain, "clusters", "cluster", entry.get("cluster")) is None:
        raise _fault(access, f"context {context!r} names a cluster that it does not describe")
    loader = kube_config.KubeConfigLoader(merged, context, config_base_path=None, temp_file_path=folder)
    loader.load_and_set(configuration)
    return _named(plain, "users", "user", entry.get("user")) or {}


def _source(access: Access) -> Any:  # noqa: ANN401 - a path or a file-like object, as the package takes it
    """What to read; None when only the pod's own account is left."""
    if _is_text(access.kubeconfig):
        return io.StringIO(access.kubeconfig)
    path = access.kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT
    if any(Path(part).expanduser().is_file() for part in path.split(os.pathsep) if part):
        return path
    if not access.kubeconfig and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    advice = "set cluster.kubeconfig or KUBECONFIG" if not access.kubeconfig else "give a path that exists, or its text"
    raise ClusterError("cluster.config", "there is no such kubeconfig", where=path, advice=advice)


def _is_text(kubeconfig: str) -> bool:
    return "\n" in kubeconfig or kubeconfig.lstrip().startswith("{") or "apiVersion:" in kubeconfig


def _fault(access: Access, what: str, *, advice: str = "") -> ClusterError:
    where = "kubeconfig" if _is_text(access.kubeconfig) else access.kubeconfig or os.environ.get("KUBECONFIG", _DEFAULT)
    return ClusterError("cluster.config", what, where=where, advice=advice)


def _named(plain: Mapping[str, Any], table: str, key: str, name: object) -> Mapping[str, Any] | None:
    for item in plain.get(table) or []:
        value = getattr(item, "value", item)
        if value.get("name") == name:
            found = value.get(key) or {}
            return getattr(found, "value", found)  # type: ignore[no-any-return] # a node of the package or a dict
    return None


def _names(plain: Mapping[str, Any], table: str) -> list[str]:
    return [str(getattr(item, "value", item).get("name")) for item in plain.get(table) or []]


def _plugin(user: Mapping[str, Any]) -> str:
    """The plugin's name, without its folder and arguments."""
    command = str((user.get("exec") or {}).get("command") or "")
    return f" {Path(command).name}" if command else ""


def _impersonation(access: Access, user: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The headers that the server acts by, in the order of kubectl. Raises ClusterError for what no header can say."""
    chosen = access.impersonate
    extra = {} if chosen else user.get("as-user-extra") or {}
    if chosen is None:
        groups, uid = tuple(map(str, user.get("as-groups") or [])), str(user.get("as-uid") or "")
        chosen = Impersonation(str(user.get("as") or ""), groups, uid)
    headers = [("Impersonate-User", chosen.user)] if chosen.user else []
    headers += [("Impersonate-Group", group) for group in chosen.groups]
    headers += [("Impersonate-Uid", chosen.uid)] if chosen.uid else []
    for key, values in extra.items():
        headers += [(f"Impersonate-Extra-{quote(str(key).lower(), safe='')}", str(value)) for value in values or []]
    if headers and not chosen.user:
        raise _fault(access, "it impersonates groups, a uid or extra fields, but no user", advice="name the user too")
    if any(not value.isprintable() or value != value.strip() or not value for _, value in headers):
        raise _fault(access, "an impersonated name is empty, or holds characters that no header can carry")
    return [(name, value.encode().decode("latin-1")) for name, value in headers]  # UTF-8, as kubectl sends it


def _tls(configuration: Any) -> ssl.SSLContext | None:  # noqa: ANN401 - an untyped package
    """Everything is read now: nothing of it stays on disk."""
    if not configuration.host.startswith("https"):
        return None
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert or None)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file or None)
    return context


@contextmanager
def _private_folder() -> Iterator[str]:
    """A folder for the package's temporary files, forgotten by its table when it goes."""
    kube_config = importlib.import_module("kubernetes.config.kube_config")
    with tempfile.TemporaryDirectory(prefix="kubeoci-") as folder:
        try:
            yield folder
        finally:
            table = getattr(kube_config, "_temp_files", {})
            for key in [key for key, path in table.items() if str(path).startswith(folder)]:
                del table[key]
