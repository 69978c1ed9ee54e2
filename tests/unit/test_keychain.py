# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.keychain: which source wins, and what is said about the others."""

import json
import os
from pathlib import Path

import pytest

from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry import keychain
from kubeoci.registry.keychain import Credentials, Search

APP = Repository("reg.io", "app")
AUTHS = {"auths": {"reg.io": {"username": "ann", "password": "pw"}}}


def write(path: Path, document: object) -> str:
    """Write a configuration; its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return str(path.parent)


def helper(folder: Path, script: str) -> dict[str, str]:
    """An environment whose PATH has `docker-credential-test` with this shell script, and a home."""
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}


def find(environment: dict[str, str], given: Credentials | None = None) -> Search:
    """Search for `reg.io/app`."""
    return keychain.find(APP, given, environment)


def test_given_credentials_win(tmp_path: Path) -> None:
    """What stands in the program goes before every file, which are not even read."""
    write(tmp_path / ".docker" / "config.json", "junk")
    assert Credentials("bob", "x") == find({"HOME": str(tmp_path)}, Credentials("bob", "x")).credentials


def test_nothing_found_says_where_it_looked(tmp_path: Path) -> None:
    """Every place, in order."""
    write(tmp_path / ".docker" / "config.json", {"auths": {"other.io": {}}})
    expected = (
        "`credentials`",
        f"{tmp_path}/.docker/config.json (nothing for this host)",
        f"{tmp_path}/.config/containers/auth.json (no such file)",
    )
    assert Search(None, "", expected) == find({"HOME": str(tmp_path)})


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("DOCKER_CONFIG", "config.json"),
        ("REGISTRY_AUTH_FILE", "any.json"),
        ("XDG_RUNTIME_DIR", "containers/auth.json"),
        ("XDG_CONFIG_HOME", "containers/auth.json"),
    ],
)
def test_files(tmp_path: Path, variable: str, path: str) -> None:
    """Each of the four places is asked, also when an earlier file knows nothing of the host."""
    write(tmp_path / ".docker" / "config.json", {"auths": {"other.io": {}}})
    write(tmp_path / "x" / path, AUTHS)
    value = tmp_path / "x" / path if variable == "REGISTRY_AUTH_FILE" else tmp_path / "x"
    found = find({"HOME": str(tmp_path), variable: str(value)})
    assert (Credentials("ann", "pw"), f"`auths` in {tmp_path / 'x' / path}") == (found.credentials, found.source)


def test_helper_of_the_host_goes_first(tmp_path: Path) -> None:
    """It gets the host on its input, and its answer is used."""
    environment = helper(tmp_path, """read host; printf '{"Username": "%s", "Secret": "s"}' "$host$1" """)
    write(tmp_path / ".docker" / "config.json", {"credHelpers": {"reg.io": "test"}, **AUTHS})
    found = find(environment)
    assert Credentials("reg.ioget", "s") == found.credentials
    assert f"docker-credential-test (`credHelpers` in {tmp_path}/.docker/config.json)" == found.source


def test_token_user_means_identity_token(tmp_path: Path) -> None:
    """Docker's convention for helpers."""
    environment = helper(tmp_path, """printf '{"Username": "<token>", "Secret": "s"}'""")
    write(tmp_path / ".docker" / "config.json", {"credsStore": "test"})
    assert Credentials(identity_token="s") == find(environment).credentials


def test_helper_without_credentials_hands_on(tmp_path: Path) -> None:
    """It says so in words, as Docker's do."""
    environment = helper(tmp_path, "echo credentials not found in native keychain; exit 1")
    write(tmp_path / ".docker" / "config.json", {"credHelpers": {"reg.io": "test"}, "credsStore": "test", **AUTHS})
    assert Credentials("ann", "pw") == find(environment).credentials


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo secret; exit 3", "exit code 3"),
        ("echo secret", "form of the protocol"),
        ("""echo '{"Username": 1, "Secret": "secret"}'""", "form of the protocol"),
        ("""echo '["secret"]'""", "form of the protocol"),
        ("sleep 5", "no answer within"),
    ],
)
def test_failing_helper_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str) -> None:
    """Its output may be a secret and is never shown."""
    monkeypatch.setattr(keychain, "_HELPER_SECONDS", 0.3 if "sleep" in script else 10)
    write(tmp_path / ".docker" / "config.json", {"credHelpers": {"reg.io": "test"}})
    with pytest.raises(RegistryError, match=f"docker-credential-test.*{reason}") as caught:
        find(helper(tmp_path, script))
    assert "registry.credentials" == caught.value.code
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "../evil", "a b"])
def test_helper_that_cannot_be_run(tmp_path: Path, name: str) -> None:
    """A missing program, and a name that is none."""
    write(tmp_path / ".docker" / "config.json", {"credHelpers": {"reg.io": name}})
    with pytest.raises(RegistryError, match=r"cannot be run|is not made of letters"):
        find({"HOME": str(tmp_path), "PATH": str(tmp_path)})


def test_failing_store_is_a_warning(tmp_path: Path) -> None:
    """Docker leaves `credsStore` behind where the program is gone."""
    write(tmp_path / ".docker" / "config.json", {"credsStore": "missing", **AUTHS})
    found = find({"HOME": str(tmp_path), "PATH": str(tmp_path)})
    assert Credentials("ann", "pw") == found.credentials
    assert ["docker-credential-missing"] == [text.split(" ")[0] for text in found.warnings]
