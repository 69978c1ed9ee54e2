# SPDX-License-Identifier: Apache-2.0
"""Registries of every kind with the settings to reach them, and other people's clients: crane and oras."""

import base64
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import certificates
import toolbox
from e2e.token import Tokens, serving
from kubeoci.registry.cache import Cache
from kubeoci.registry.remote import Registry, Shared
from kubeoci.registry.transport import Settings
from registries import LOGIN, Registries
from toolbox import ToolError

KINDS = ("plain", "htpasswd", "token", "tls", "referrers")
_WITH_LOGIN = {"htpasswd", "token"}
_TAR_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Service:
    """A running registry, and what a client on this machine needs in its environment to use it.

    Attributes:
        host: `127.0.0.1:PORT`; by the name of its token service where it has one, as crane and oras demand it.
        environment: `DOCKER_CONFIG` with the login, where one is wanted, and `SSL_CERT_FILE` on https.
        ca: the authority's certificate; None on plain HTTP.
    """

    host: str
    environment: dict[str, str]
    ca: Path | None = None

    def registry(self, folder: Path) -> Registry:
        """Our client with a cache of its own and nothing learned before."""
        settings = Settings(insecure=self.ca is None, ca=self.ca.read_text() if self.ca else "")
        return Registry(settings, Cache(folder), environment=self.environment, shared=Shared())


def had(get):  # noqa: ANN001, ANN201 - whatever the function gives
    """What `get` gives; a program that cannot be had skips the test, but not in CI."""
    try:
        return get()
    except ToolError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


class Services:
    """Registries by kind, started when they are first asked for; `tokens` is the service behind `token`."""

    def __init__(self, registries: Registries, tokens: Tokens) -> None:
        self._registries, self.tokens = registries, tokens
        self._started: dict[str, Service] = {}

    def __getitem__(self, kind: str) -> Service:
        """The registry of this kind. Raises ToolError when its program cannot be had."""
        if kind not in self._started:
            self._started[kind] = self._start(kind)
        return self._started[kind]

    def _start(self, kind: str) -> Service:
        folder = self._registries.folder
        if kind == "referrers":
            return self._service(kind, self._registries.referrers(kind))
        tls = folder if kind == "tls" else None
        token = self.tokens.trusted if kind == "token" else None
        host = self._registries.distribution(kind, login=kind == "htpasswd", token=token, tls=tls)
        if token:
            host = host.replace("127.0.0.1", "localhost")
        return self._service(kind, host, folder / "ca.crt" if tls else None)

    def _service(self, kind: str, host: str, ca: Path | None = None) -> Service:
        docker = self._registries.folder / f"{kind}-docker"
        docker.mkdir()
        entry = {"auth": base64.b64encode(":".join(LOGIN).encode()).decode()}
        (docker / "config.json").write_text(json.dumps({"auths": {host: entry} if kind in _WITH_LOGIN else {}}))
        environment = {"DOCKER_CONFIG": str(docker), "HOME": str(docker)} | ({"SSL_CERT_FILE": str(ca)} if ca else {})
        return Service(host, environment, ca)


@contextlib.contextmanager
def services() -> Iterator[Services]:
    """All kinds of registries, for as long as the block lasts."""
    with Registries() as registries:
        certificates.write_all(registries.folder)
        certificates.write_signer(registries.folder)
        with serving(registries.folder, LOGIN) as tokens:
            yield Services(registries, tokens)


class Crane:
    """go-containerregistry's client. Plain HTTP is its choice on loopback, when https does not answer."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._program, self._service, self._folder = toolbox.locate(["crane"])["crane"], service, folder

    def manifest(self, ref: str) -> bytes:
        """The raw bytes of a manifest."""
        return self._run("manifest", ref)

    def blob(self, ref: str) -> bytes:
        """The bytes of `REPOSITORY@DIGEST`."""
        return self._run("blob", ref)

    def push(self, ref: str, layer: Path) -> None:
        """Make `ref` name an image whose one layer is the file."""
        self._run("append", "--oci-empty-base", "--new_layer", str(layer), "--new_tag", ref)

    def _run(self, *arguments: str) -> bytes:
        return run(self._program, arguments, self._service, self._folder)


class Oras:
    """The client of the ORAS project."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._program, self._service, self._folder = toolbox.locate(["oras"])["oras"], service, folder
        self._flags = ["--ca-file", str(service.ca)] if service.ca else ["--plain-http"]

    def manifest(self, ref: str) -> bytes:
        """The raw bytes of a manifest."""
        return self._run("manifest", "fetch", *self._flags, ref)

    def blob(self, ref: str) -> bytes:
        """The bytes of `REPOSITORY@DIGEST`."""
        return self._run("blob", "fetch", *self._flags, "--output", "-", ref)

    def push(self, ref: str, layer: Path) -> None:
        """Make `ref` name an artifact whose one layer is the file."""
        self._run("push", *self._flags, "--artifact-type", "application/x-test", ref, f"{layer.name}:{_TAR_GZIP}")

    def attach(self, ref: str, file: Path, artifact_type: str) -> None:
        """Attach the file to what `ref` names."""
        self._run("attach", *self._flags, "--artifact-type", artifact_type, ref, f"{file.name}:text/plain")

    def discover(self, ref: str) -> set[str]:
        """The digests of everything attached to what `ref` names; of their types some registries know nothing."""
        document = json.loads(self._run("discover", *self._flags, "--format", "json", "--depth", "1", ref))
        found = document.get("referrers") or document.get("manifests") or []
        return {row["digest"] for row in found}

    def _run(self, *arguments: str) -> bytes:
        return run(self._program, arguments, self._service, self._folder)


def run(program: Path, arguments: tuple[str, ...], service: Service, folder: Path) -> bytes:
    """What a program writes to standard output, run in `folder`; AssertionError with its complaint if it fails."""
    environment = os.environ | service.environment
    done = subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, timeout=60, check=False
    )
    assert not done.returncode, f"{program.name} {' '.join(arguments)}: {done.stderr.decode()}"
    return done.stdout
