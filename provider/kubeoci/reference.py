# SPDX-License-Identifier: Apache-2.0
"""Where an artifact lives: `[oci://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`.

The grammar is that of the distribution specification, with two rules of our own: the host is always written out
(`nginx` could mean any registry), and Docker Hub's three names are one registry, `docker.io`.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import NoReturn

from kubeoci import digest as digests
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError

SCHEME = "oci://"

_HUB = "docker.io"
_HUB_NAMES = frozenset({_HUB, "index.docker.io", "registry-1.docker.io"})
_MAX_PATH = 255
_MAX_PORT = 65535

_FORBIDDEN = re.compile(r"[^\x21-\x7e]|[?#]")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository of one registry. `host` is lower case and holds the port: `docker.io`, `127.0.0.1:5000`."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"

    @property
    def api_host(self) -> str:
        """The host that answers requests: Docker Hub's is `registry-1.docker.io`."""
        return "registry-1.docker.io" if self.host == _HUB else self.host

    @property
    def credential_key(self) -> str:
        """The name under which Docker's configuration keeps the credentials of the host."""
        return "https://index.docker.io/v1/" if self.host == _HUB else self.host

    @property
    def is_loopback(self) -> bool:
        """Whether the host is `localhost`, in 127.0.0.0/8, or `[::1]`: plain HTTP is expected there."""
        name = self.host.rpartition("]")[0].removeprefix("[") or self.host.partition(":")[0]
        try:
            return name == "localhost" or ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository with a tag, a digest, both or neither. Where both are given the digest decides."""

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """`text` as a reference. Raises `KubeociError` `reference.invalid`, with the rule and a suggestion."""
    scheme, mark, bare = text.partition("://")
    bare = bare if mark else scheme
    host, slash, rest = bare.partition("/")
    if "@" in host:  # what stands before it may be a password: the text must not be repeated
        raise KubeociError(
            "reference.invalid",
            "a reference starts with the host of its registry and holds no user name or password",
            advice="write oci://HOST[:PORT]/REPOSITORY and give credentials apart",
        )
    if mark and scheme + mark != SCHEME:
        _refuse(text, "only the scheme oci:// is known", SCHEME + bare)
    if found := _FORBIDDEN.search(bare):
        _refuse(text, f"the character {found[0]!r} cannot be part of a reference")
    if not slash or not _is_host(host):
        _refuse(text, "the host of the registry is missing", f"{SCHEME}{_HUB}/{bare}")
    name, _, digest = rest.partition("@")
    path, _, tag = name.partition(":")
    _check_ends(text, rest, name)
    return Reference(
        _repository(text, _host(text, host), path),
        check_tag(tag) if tag else None,
        digests.parse(digest) if digest else None,
    )


def check_tag(text: str) -> str:
    """`text` if it is a tag: 1 to 128 of `A-Za-z0-9_.-`, no leading `.` or `-`. Raises `reference.invalid`."""
    if _TAG.fullmatch(text):
        return text
    raise KubeociError(
        "reference.invalid",
        f"{text[:150]!r} is no tag",
        advice="use at most 128 letters, digits, '_', '.' and '-', the first no '.' or '-'",
    )


def _refuse(text: str, rule: str, suggestion: str = "") -> NoReturn:
    advice = f"did you mean {suggestion}?" if suggestion else "write oci://HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]"
    raise KubeociError("reference.invalid", f"{text!r}: {rule}", advice=advice)


def _is_host(first: str) -> bool:
    """Docker's rule for telling a host from the first part of a repository."""
    return "." in first or ":" in first or first.lower() == "localhost"


def _check_ends(text: str, rest: str, name: str) -> None:
    """A separator promises something behind it."""
    if name.endswith(":"):
        _refuse(text, "a tag is missing after ':'")
    if rest.endswith("@"):
        _refuse(text, "a digest is missing after '@'")


def _host(text: str, host: str) -> str:
    """The canonical form of a host with or without a port."""
    found = _HOST.fullmatch(host)
    if not found:
        _refuse(text, f"{host!r} is no host")
    name, port = found[1].lower(), found[2]
    if name.startswith("["):
        name = _address(text, name)
    elif not all(_LABEL.fullmatch(label) for label in name.split(".")):
        _refuse(text, f"{name!r} is no host name")
    if port is None:
        return _HUB if name in _HUB_NAMES else name
    if not 1 <= int(port) <= _MAX_PORT:
        _refuse(text, f"port {port} is not between 1 and {_MAX_PORT}")
    return f"{name}:{int(port)}"


def _address(text: str, name: str) -> str:
    """`[IPv6]` in its shortest form."""
    try:
        return f"[{ipaddress.IPv6Address(name[1:-1])}]"
    except ValueError:
        _refuse(text, f"{name} is no IPv6 address")


def _repository(text: str, host: str, path: str) -> Repository:
    if host == _HUB and "/" not in path:
        path = f"library/{path}"
    if len(path) > _MAX_PATH:
        _refuse(text, f"the repository is longer than {_MAX_PATH} characters")
    if not _PATH.fullmatch(path):
        lower = path.lower()
        hint = text.replace(path, lower) if _PATH.fullmatch(lower) else ""
        _refuse(text, f"{path!r} is no repository: lower-case letters, digits and single . _ - between them", hint)
    return Repository(host, path)
