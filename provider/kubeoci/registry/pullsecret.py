# SPDX-License-Identifier: Apache-2.0
"""Credentials out of a Secret of Kubernetes, matched as the kubelet and Flux match them.

A key may have globs in the labels of its host (`*.azurecr.io`, one label each), and a path that ends where a component
of the repository's ends. Keys are tried in reverse order of their text, so a longer one comes before what it starts
with, and a host before globs. A Secret that cannot help is an error: nobody should go on as nobody by accident.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import NoReturn

from kubeoci.errors import RegistryError
from kubeoci.globs import compile_glob
from kubeoci.reference import Repository
from kubeoci.registry import dockerconfig
from kubeoci.registry.dockerconfig import HUB_NAMES, Credentials, plain

_KEYS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
_MAX_BYTES = 1 << 20  # no Secret is larger


def pull_secret(name: str, type: str, data: Mapping[str, str], repository: Repository) -> Credentials:  # noqa: A002
    """What the Secret `name` of this type holds for `repository`; `data` is in base64, as the API server gives it.

    Raises `RegistryError` `registry.credentials`, which names the Secret and nothing of what is in it but its hosts:
    another type, a key that is missing, content that cannot be read, and nothing for the host.
    """
    wanted = _KEYS.get(type)
    if not wanted:
        _refuse(name, f"the type {type!r:.80} is none of {' and '.join(_KEYS)}")
    if wanted not in data:
        _refuse(name, f"a Secret of type {type} must have the key {wanted}")
    document = _document(name, data[wanted])
    auths = document if wanted == ".dockercfg" else dockerconfig.parse(name, document).auths
    fitting = [key for key in sorted(auths, key=plain, reverse=True) if _fits(plain(key), repository)]
    found = next(filter(None, (dockerconfig.credentials(name, key, auths[key]) for key in fitting)), None)
    if found is None:
        hosts = sorted({plain(key).partition("/")[0][:80] for key in auths})
        _refuse(name, f"it has nothing for {repository}, only for {', '.join(hosts[:10]) or 'no registry at all'}")
    return found


def _document(name: str, text: str) -> dict[str, object]:
    """The JSON object in a value; no reason is repeated, since it would quote the text."""
    try:
        raw = base64.b64decode(text, validate=True) if len(text) <= 2 * _MAX_BYTES else b""
        document = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        _refuse(name, "its content is no JSON in base64")
    if not isinstance(document, dict):
        _refuse(name, "its content is no JSON object")
    return document


def _fits(key: str, repository: Repository) -> bool:
    """Whether a key without scheme and API version is for the repository."""
    host, _, path = key.partition("/")
    if path and not f"{repository.path}/".startswith(f"{path}/"):
        return False
    names = HUB_NAMES if repository.host in HUB_NAMES else {repository.host}
    return host in names or any(_is_like(host, name) for name in names)


def _is_like(pattern: str, host: str) -> bool:
    """Whether each label of `pattern` is a glob for the one of `host` in its place; ports are equal texts."""
    labels, port = _split(pattern)
    wanted, wanted_port = _split(host)
    globs = [compile_glob(label) for label in labels]
    return (
        port == wanted_port
        and len(labels) == len(wanted)
        and all(glob and glob(label) for glob, label in zip(globs, wanted, strict=True))
    )


def _split(host: str) -> tuple[list[str], str]:
    """The labels and the port of a host; an address in brackets is one label, and no glob."""
    name, _, port = host.partition(":")
    return ([host], "") if host.startswith("[") else (name.split("."), port)


def _refuse(name: str, why: str) -> NoReturn:
    advice = "make it with `kubectl create secret docker-registry`"
    raise RegistryError("registry.credentials", f"cannot be used: {why}", where=name, advice=advice)
