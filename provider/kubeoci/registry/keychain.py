# SPDX-License-Identifier: Apache-2.0
"""Which credentials are for a repository, and where they were looked for.

First match wins: credentials given in the program; then, in the order of go-containerregistry, the files
`$DOCKER_CONFIG/config.json` (else `~/.docker/config.json`), `$REGISTRY_AUTH_FILE`,
`$XDG_RUNTIME_DIR/containers/auth.json` and `$XDG_CONFIG_HOME/containers/auth.json`. Within a file: the helper of the
host, the store of the file, its entries. A file that knows nothing of the host hands on to the next. There is no netrc.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry import dockerconfig
from kubeoci.registry.dockerconfig import Credentials, DockerConfig

__all__ = ["Credentials", "Search", "find"]

_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_HELPER_SECONDS = 30
_MAX_HELPER_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Search:
    """What was found (None: go on as nobody) from which source, every place that was asked, and what went wrong."""

    credentials: Credentials | None
    source: str = ""
    looked: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find(
    repository: Repository, given: Credentials | None = None, environment: Mapping[str, str] | None = None
) -> Search:
    """Search the credentials for `repository`; `environment` is `os.environ` when left out.

    Raises `registry.credentials` for a file that is broken and for a helper of `credHelpers` that fails; a failing
    `credsStore` is a warning, since Docker leaves such lines behind on machines that lost the program.
    """
    if given:
        return Search(given, "the `credentials` given for it", ("`credentials`",))
    environment = os.environ if environment is None else environment
    looked: list[str] = ["`credentials`"]
    warnings: list[str] = []
    for path in _files(environment):
        config = dockerconfig.read(path)
        looked.append(f"{path} ({'nothing for this host' if config else 'no such file'})")
        if config is None:
            continue
        warnings += [f"{path}: several entries for {host}, they differ" for host in config.ambiguous()]
        found, source = _in_file(config, repository, environment, warnings)
        if found:
            return Search(found, source, tuple(looked), tuple(warnings))
    return Search(None, "", tuple(looked), tuple(warnings))


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    """The files to ask, in order; the same file is asked once."""
    home = Path(environment.get("HOME") or Path.home())
    folder = environment.get("DOCKER_CONFIG")
    paths = [Path(folder) if folder else home / ".docker"]
    candidates = [paths[0] / "config.json"]
    if file := environment.get("REGISTRY_AUTH_FILE"):
        candidates.append(Path(file))
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        candidates.append(Path(runtime) / "containers" / "auth.json")
    config = environment.get("XDG_CONFIG_HOME")
    candidates.append((Path(config) if config else home / ".config") / "containers" / "auth.json")
    yield from dict.fromkeys(candidates)


def _in_file(
    config: DockerConfig, repository: Repository, environment: Mapping[str, str], warnings: list[str]
) -> tuple[Credentials | None, str]:
    """Credentials and their source as one file has them: helper, store, entries."""
    if name := config.helper(repository):
        source = f"docker-credential-{name} (`credHelpers` in {config.name})"
        if found := _ask(name, repository, environment, source):
            return found, source
    if name := config.store:
        source = f"docker-credential-{name} (`credsStore` in {config.name})"
        try:
            if found := _ask(name, repository, environment, source):
                return found, source
        except RegistryError as error:
            warnings.append(str(error))
    return config.entry(repository), f"`auths` in {config.name}"


def _ask(name: str, repository: Repository, environment: Mapping[str, str], source: str) -> Credentials | None:
    """Run `docker-credential-NAME get`; None when it says that it has nothing. Its output is never repeated."""
    if not _HELPER.fullmatch(name):
        raise _failed(source, "the name of the helper is not made of letters, digits, '.', '_' and '-'")
    try:
        done = subprocess.run(
            [f"docker-credential-{name}", "get"],
            input=repository.credential_key.encode(),
            capture_output=True,
            timeout=_HELPER_SECONDS,
            check=False,
            env=dict(environment),
        )
    except subprocess.TimeoutExpired:
        raise _failed(source, f"no answer within {_HELPER_SECONDS} s") from None
    except OSError as error:
        raise _failed(source, f"it cannot be run: {error.strerror}") from error
    if done.returncode:
        if b"credentials not found" in done.stdout + done.stderr:
            return None
        raise _failed(source, f"it failed with exit code {done.returncode}")
    return _secret(source, done.stdout)


def _secret(source: str, output: bytes) -> Credentials:
    """The answer of a helper: `{"Username": …, "Secret": …}`; the user `<token>` means an identity token."""
    try:
        document = json.loads(output) if len(output) <= _MAX_HELPER_BYTES else {}
        user, secret = document["Username"], document["Secret"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _failed(source, "its answer has not the form of the protocol") from None
    if not isinstance(user, str) or not isinstance(secret, str):
        raise _failed(source, "its answer has not the form of the protocol")
    return Credentials(identity_token=secret) if user == "<token>" else Credentials(user, secret)


def _failed(source: str, why: str) -> RegistryError:
    return RegistryError(
        "registry.credentials", why, where=source, advice="install or mend it, or take it out of the file"
    )
