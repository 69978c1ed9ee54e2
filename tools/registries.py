# SPDX-License-Identifier: Apache-2.0
"""Real registries on loopback: open, with passwords, with bearer tokens, on TLS, and one with the referrers API.

with Registries() as registries:
    registries.distribution("open")  # "127.0.0.1:40001"
    registries.referrers("other")
"""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import toolbox
from processes import Processes, accepts, end_marked, free_ports, private_folder

LOGIN = ("kubeoci", "kubeoci-rig")
"""User and password of every registry that wants them."""

_LOGIN_LINE = "kubeoci:$2a$04$nKqWOMG3St.3ZwipeI417uLlLRtXL.NNQV/i9sxCJ.ISKTEYY8KgG\n"  # bcrypt of LOGIN


@dataclass(frozen=True, slots=True)
class TokenService:
    """Whose tokens a registry believes.

    Attributes:
        realm: the URL that gives tokens.
        service: the name that the registry has there.
        certificate: a PEM file with the certificate that signs.
    """

    realm: str
    service: str
    certificate: Path

    def settings(self) -> dict[str, str]:
        """The `token` section of a registry's configuration; issuer and service have one name."""
        root = str(self.certificate)
        return {"realm": self.realm, "service": self.service, "issuer": self.service, "rootcertbundle": root}


class Registries:
    """Registries that end with this block; programs are found, or built, when the first registry needs them.

    Attributes:
        folder: private folder, also for logs.
    """

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Make the folder; nothing is started yet."""
        self.folder = self._open.enter_context(private_folder())
        self._open.callback(end_marked, self.folder)
        self._processes = self._open.enter_context(Processes(self.folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def distribution(
        self,
        name: str,
        *,
        login: bool = False,
        token: TokenService | None = None,
        tls: Path | None = None,
        disk: Path | None = None,
    ) -> str:
        """Start `distribution`, deletion allowed; returns `127.0.0.1:PORT`.

        Args:
            name: of the process and its log.
            login: whether it lets in `LOGIN` only.
            token: whose tokens it wants instead.
            tls: folder of `server.crt` and `server.key`, to speak https.
            disk: where blobs lie; in memory when left out.

        Raises:
            ToolError: the program cannot be had.
            NotReadyError: it did not start.
        """
        program = toolbox.locate(["registry"])["registry"]
        return start_distribution(
            self._processes, self.folder, program, name, login=login, token=token, tls=tls, disk=disk
        )

    def referrers(self, name: str) -> str:
        """Start go-containerregistry's registry with the referrers API; returns `127.0.0.1:PORT`. Raises as above."""
        program = toolbox.locate(["registry-referrers"])["registry-referrers"]
        (port,) = free_ports(1)
        self._processes.start(name, [program, f"127.0.0.1:{port}"])
        self._processes.wait(name, lambda: accepts(port))
        return f"127.0.0.1:{port}"


def start_distribution(
    processes: Processes,
    folder: Path,
    program: Path,
    name: str,
    *,
    login: bool = False,
    token: TokenService | None = None,
    tls: Path | None = None,
    disk: Path | None = None,
) -> str:
    """As `Registries.distribution`, among the processes of somebody else."""
    (port,) = free_ports(1)
    http: dict[str, object] = {"addr": f"127.0.0.1:{port}", "secret": "one registry, one secret"}
    if tls:
        http["tls"] = {"certificate": str(tls / "server.crt"), "key": str(tls / "server.key")}
    config: dict[str, object] = {"version": 0.1, "log": {"level": "warn"}, "http": http, "storage": _storage(disk)}
    if login:
        passwords = folder / f"{name}.htpasswd"
        passwords.write_text(_LOGIN_LINE)
        config["auth"] = {"htpasswd": {"realm": "kubeoci rig", "path": str(passwords)}}
    elif token:
        config["auth"] = {"token": token.settings()}
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(config))
    processes.start(name, [program, "serve", path], {"OTEL_TRACES_EXPORTER": "none"})
    processes.wait(name, lambda: accepts(port))
    return f"127.0.0.1:{port}"


def _storage(disk: Path | None) -> dict[str, object]:
    driver: dict[str, object] = {"filesystem": {"rootdirectory": str(disk)}} if disk else {"inmemory": {}}
    return {**driver, "delete": {"enabled": True}}
