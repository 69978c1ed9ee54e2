# SPDX-License-Identifier: Apache-2.0
"""One Docker configuration file: what it says about the credentials of a repository.

The grammar is Docker's `config.json` with the path-scoped keys of containers/image: `auths` keys may carry a scheme,
`/v1/` or `/v2/`, and a repository prefix; the longest prefix wins, and text that fits exactly beats text that only
fits after these are dropped.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from kubeoci.errors import RegistryError
from kubeoci.reference import Repository

_KEY = secrets.token_bytes(32)
_SCHEME = re.compile(r"https?://")
HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
"""All names of Docker Hub; the first is how its repositories are written."""

_MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a registry may be told. Nothing of it is ever printed.

    `registry_token` is a bearer token to use as it is, `identity_token` one to trade for it; else user and password.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    def __repr__(self) -> str:
        return "Credentials(***)"

    def __bool__(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.username or self.password or self.identity_token or self.registry_token)

    @property
    def fingerprint(self) -> str:
        """Equal for equal credentials, in this process only: a key of caches that gives nothing away."""
        fields = json.dumps([self.username, self.password, self.identity_token, self.registry_token])
        return hmac.new(_KEY, fields.encode(), hashlib.sha256).hexdigest()

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header for user and password."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class DockerConfig:
    """A file that was read; `name` is how messages call it."""

    name: str
    auths: Mapping[str, object] = field(default_factory=dict, repr=False)
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str = ""

    def helper(self, repository: Repository) -> str:
        """The name of the program that `credHelpers` sets for the host, or an empty text."""
        names = (repository.credential_key, repository.host, repository.api_host)
        return next((self.helpers[name] for name in names if name in self.helpers), "")

    def entry(self, repository: Repository) -> Credentials | None:
        """The entry of `auths` that fits best. Raises `registry.credentials` when it cannot be read."""
        keys: dict[str, list[str]] = {}
        for key in self.auths:
            keys.setdefault(plain(key), []).append(key)
        for wanted in _wanted(repository):
            exact = [wanted, repository.credential_key] if wanted == repository.host else [wanted]
            for key in dict.fromkeys([key for key in exact if key in self.auths] + keys.get(wanted, [])):
                if found := credentials(self.name, key, self.auths[key]):
                    return found
        return None

    def ambiguous(self) -> list[str]:
        """Hosts that have several entries which differ: one of them is ignored."""
        groups: dict[str, list[object]] = {}
        for key, value in self.auths.items():
            if value:
                groups.setdefault(plain(key), []).append(value)
        return [key for key, values in groups.items() if any(value != values[0] for value in values)]


def read(path: Path) -> DockerConfig | None:
    """The configuration in `path`, None if there is no such file. Raises `registry.credentials` that names it."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise _broken(str(path), f"larger than {_MAX_FILE_BYTES} bytes")
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _broken(str(path), error.strerror or type(error).__name__) from error
    except (ValueError, RecursionError):
        raise _broken(str(path), "it is no JSON") from None  # the reason would quote the text
    return parse(str(path), document)


def parse(name: str, document: object) -> DockerConfig:
    """The parts of a configuration that are about credentials. Raises `registry.credentials`."""
    if not isinstance(document, dict):
        raise _broken(name, "it is no JSON object")
    auths, helpers, store = (document.get(key) for key in ("auths", "credHelpers", "credsStore"))
    if not isinstance(auths or {}, dict) or not isinstance(helpers or {}, dict) or not isinstance(store or "", str):
        raise _broken(name, "`auths`, `credHelpers` or `credsStore` has the wrong type")
    if not all(isinstance(value, str) for value in (helpers or {}).values()):
        raise _broken(name, "`credHelpers` holds something else than names")
    return DockerConfig(name, auths or {}, helpers or {}, store or "")


def plain(key: str) -> str:
    """A key of `auths` without scheme, API version and trailing slash; Docker Hub by one name."""
    scheme = _SCHEME.match(key)
    bare = (key[scheme.end() :] if scheme else key).rstrip("/")
    host, slash, path = bare.removesuffix("/v1").removesuffix("/v2").rstrip("/").partition("/")
    host = host.lower()
    return ("docker.io" if host in HUB_NAMES else host) + slash + path


def _wanted(repository: Repository) -> Iterator[str]:
    """`host/a/b`, `host/a`, `host`: what a key may name, the narrowest first."""
    parts = repository.path.split("/")
    for count in range(len(parts), 0, -1):
        yield "/".join([repository.host, *parts[:count]])
    yield repository.host


def credentials(name: str, key: str, entry: object) -> Credentials | None:
    """One entry of `auths` in the file `name`; None for the empty one that Docker leaves beside a credentials store.

    Raises `registry.credentials` for an entry that is none, naming its key and nothing of its content.
    """
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values() if value is not None):
        raise _broken(name, f"the entry {key!r:.200} of `auths` is no object of texts")
    texts = {kind.lower(): text for kind, text in cast("dict[str, str]", entry).items() if text}
    user, password = texts.get("username", ""), texts.get("password", "")
    if "auth" in texts:
        user, password = _decode(name, key, texts["auth"])
    token, identity = texts.get("registrytoken", ""), texts.get("identitytoken", "")
    found = Credentials(user, password, "" if token else identity, token)
    return found or None


def _decode(name: str, key: str, text: str) -> tuple[str, str]:
    """User and password of an `auth`: base64, split at the first colon, without the NULs that some tools append."""
    try:
        decoded = base64.b64decode(text.strip() + "=" * (-len(text.strip()) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        raise _broken(name, f"`auth` of the entry {key!r:.200} is no base64 text") from None
    user, colon, password = decoded.partition(":")
    if not colon:
        raise _broken(name, f"`auth` of the entry {key!r:.200} holds no colon between user and password")
    return user, password.rstrip("\0")


def _broken(name: str, why: str) -> RegistryError:
    return RegistryError(
        "registry.credentials",
        f"cannot be read: {why}",
        where=name,
        advice="mend it, or run `docker login` again",
    )
