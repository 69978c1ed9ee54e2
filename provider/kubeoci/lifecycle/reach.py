# SPDX-License-Identifier: Apache-2.0
"""How an OCIRepository reaches its registry by what its cluster keeps: credentials, certificates and a proxy."""

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from kubeoci.cluster import secrets as cluster
from kubeoci.cluster.secrets import KubernetesSecret
from kubeoci.errors import RegistryError
from kubeoci.lifecycle import secrets
from kubeoci.lifecycle.contract import Call
from kubeoci.lifecycle.inputs import Reader
from kubeoci.lifecycle.secrets import Keeper
from kubeoci.reference import Repository
from kubeoci.registry import proxy
from kubeoci.registry.keychain import Credentials
from kubeoci.registry.protocols import Folder, Located, Place
from kubeoci.registry.pullsecret import pull_secret
from kubeoci.registry.transport import Settings

INPUTS: Final = ("secretRef", "serviceAccountName", "certSecretRef", "proxySecretRef")

_EXCLUSIVE: Final = (
    ("secretRef", "credentials"),
    ("secretRef", "serviceAccountName"),
    ("serviceAccountName", "credentials"),
    ("certSecretRef", "ca"),
    ("certSecretRef", "clientCertificate"),
    ("proxySecretRef", "proxy"),
)


@dataclass(frozen=True, slots=True)
class Names:
    """Names of Secrets in the resource's namespace, and of a ServiceAccount; "" for none."""

    pull: str = ""
    account: str = ""
    certificate: str = ""
    proxy: str = ""


def read(reader: Reader, place: Located | None) -> Names:
    """The names, with what is wrong in `reader`: each thing has one source, and a folder needs none of them."""
    for first, second in _EXCLUSIVE:
        if reader.values.get(first) is not None and reader.values.get(second) is not None:
            reader.fault(first, f"{second} is given as well", "give one of the two")
    for name in INPUTS:
        if place and isinstance(place.place, Folder) and reader.values.get(name) is not None:
            reader.fault(name, "has no effect on an OCI image layout", "leave it out", "input.unknown")
    return Names(
        pull=secrets.name_of(reader, "secretRef"),
        account=reader.text("serviceAccountName"),
        certificate=secrets.name_of(reader, "certSecretRef"),
        proxy=secrets.name_of(reader, "proxySecretRef"),
    )


def filled(call: Call, keeper: Keeper, names: Names, settings: Settings, place: Place) -> Settings:
    """`settings` with what the named Secrets say.

    Raises `Pending`, in an update `InputError`, for what is not there; `RegistryError`, `ClusterError`.
    """
    if names.pull and isinstance(place, Repository):
        found = secrets.wanted(call, keeper, names.pull, "secretRef")
        settings = replace(settings, credentials=pull_secret(str(found), found.type, found.data, place))
    if names.account and isinstance(place, Repository):
        settings = replace(settings, credentials=_of_account(call, keeper, names.account, place))
    if names.certificate:
        settings = _certified(settings, secrets.wanted(call, keeper, names.certificate, "certSecretRef"))
    if names.proxy:
        found = secrets.wanted(call, keeper, names.proxy, "proxySecretRef")
        settings = replace(settings, proxy=_proxy(found))
    return settings


def _of_account(call: Call, keeper: Keeper, account: str, place: Repository) -> Credentials | None:
    """The first pull secret of the account that has something for the registry; nothing where it has none at all."""
    where, name = "serviceAccountName", f"ServiceAccount {keeper.namespace}/{account}"
    names = cluster.pull_secrets(secrets.server(call, keeper, where), keeper.namespace, account)
    if names is None:
        secrets.absent(call, where, name)
    fault: RegistryError | None = None
    for each in names:
        found = secrets.wanted(call, keeper, each, where)
        try:
            return pull_secret(str(found), found.type, found.data, place)
        except RegistryError as error:
            fault = fault or error
    if fault:
        raise fault
    return None


def _certified(settings: Settings, found: KubernetesSecret) -> Settings:
    """`ca.crt`, and `tls.crt` with `tls.key`, as Flux has them. One of the pair alone would have no effect."""
    ca, certificate, key = (found.text(name) for name in ("ca.crt", "tls.crt", "tls.key"))
    if not (ca or certificate or key) or bool(certificate) != bool(key):
        what = f"{found} has neither ca.crt nor tls.crt with tls.key"
        raise RegistryError("registry.credentials", what, where="certSecretRef", advice="store PEM texts under these")
    return replace(settings, ca=ca, certificate=certificate, key=key)


def _proxy(found: KubernetesSecret) -> str:
    """`address` with `username` and `password` as one URL. Raises `registry.credentials`, quoting nothing."""
    address, username, password = (found.text(name).strip() for name in ("address", "username", "password"))
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        what = f"{found} has no URL of a proxy under address"
        raise RegistryError(
            "registry.credentials", what, where="proxySecretRef", advice="write it like http://host:3128"
        )
    user = f"{quote(username, safe='')}:{quote(password, safe='')}@" if username else ""
    url = urlunsplit((parts.scheme, f"{user}{parts.netloc}", "", "", ""))
    proxy.split(url)
    return url
