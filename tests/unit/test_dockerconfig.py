# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.dockerconfig: one file, every form that tools have written."""

import base64
from pathlib import Path

import pytest

from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry import dockerconfig
from kubeoci.registry.dockerconfig import Credentials

ANN = Credentials("ann", "pw")
ENTRY = {"auth": base64.b64encode(b"ann:pw").decode()}
HUB = Repository("docker.io", "library/nginx")
APP = Repository("reg.io:5000", "shop/app")


def entry(auths: object, repository: Repository = APP) -> Credentials | None:
    """What a file with these `auths` says."""
    return dockerconfig.parse("config.json", {"auths": auths}).entry(repository)


@pytest.mark.parametrize(
    ("key", "repository"),
    [
        ("reg.io:5000", APP),
        ("REG.io:5000", APP),
        ("https://reg.io:5000", APP),
        ("http://reg.io:5000/v1/", APP),
        ("https://reg.io:5000/v2/", APP),
        ("reg.io:5000/shop", APP),
        ("reg.io:5000/shop/app", APP),
        ("https://index.docker.io/v1/", HUB),
        ("index.docker.io", HUB),
        ("registry-1.docker.io", HUB),
        ("docker.io", HUB),
        ("docker.io/library", HUB),
    ],
)
def test_keys_that_fit(key: str, repository: Repository) -> None:
    """Scheme, API version, case of the host and Docker Hub's three names do not matter."""
    assert ANN == entry({key: ENTRY}, repository)


@pytest.mark.parametrize(
    "key", ["reg.io", "reg.io:5001", "reg.io:5000/sho", "reg.io:5000/shop/app2", "a.reg.io:5000", "*"]
)
def test_keys_that_do_not_fit(key: str) -> None:
    """Ports are equal, and prefixes end at a slash."""
    assert entry({key: ENTRY}) is None


def test_longest_prefix_wins() -> None:
    """A team's key goes before the host's."""
    other = {"username": "bob", "password": "x"}
    assert ANN == entry({"reg.io:5000": other, "reg.io:5000/shop": ENTRY})


def test_exact_text_beats_normalised() -> None:
    """What is written like the host is meant for it."""
    other = {"username": "bob", "password": "x"}
    assert ANN == entry({"https://reg.io:5000/v1/": other, "reg.io:5000": ENTRY})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"auth": ""}, None),
        ({"auth": base64.b64encode(b"ann:p:w\0\0").decode()}, Credentials("ann", "p:w")),
        ({"auth": base64.b64encode(b"ann:pw").decode().rstrip("=")}, ANN),
        ({"username": "ann", "password": "pw"}, ANN),
        ({**ENTRY, "username": "old", "password": "old"}, ANN),
        ({**ENTRY, "identitytoken": "id"}, Credentials("ann", "pw", "id")),
        ({**ENTRY, "identitytoken": "id", "registrytoken": "reg"}, Credentials("ann", "pw", "", "reg")),
    ],
)
def test_entries(values: dict[str, str], expected: Credentials | None) -> None:
    """Registry token, identity token, `auth`, user and password: the first that is there."""
    assert expected == entry({"reg.io:5000": values})


@pytest.mark.parametrize("auth", ["!!!", base64.b64encode(b"no colon").decode(), base64.b64encode(b"\xff:x").decode()])
def test_broken_auth_names_file_and_key(auth: str) -> None:
    """The text itself is a secret and not repeated."""
    with pytest.raises(RegistryError, match=r"config.json: .*'reg.io:5000'") as caught:
        entry({"reg.io:5000": {"auth": auth}})
    assert "registry.credentials" == caught.value.code
    assert auth not in str(caught.value)


@pytest.mark.parametrize("auths", [[1], "x", {"reg.io:5000": 1}, {"reg.io:5000": {"auth": 1}}])
def test_wrong_shapes_are_told(auths: object) -> None:
    """A file that was broken by hand is not taken for an empty one."""
    with pytest.raises(RegistryError, match=r"config.json"):
        entry(auths)


def test_broken_file_is_named(tmp_path: Path) -> None:
    """Nothing of its content is."""
    path = tmp_path / "config.json"
    path.write_text("{secret")
    with pytest.raises(RegistryError, match="it is no JSON") as caught:
        dockerconfig.read(path)
    assert "secret" not in str(caught.value)


def test_large_file_is_not_read(tmp_path: Path) -> None:
    """No such file is a configuration."""
    path = tmp_path / "config.json"
    path.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(RegistryError, match="larger than"):
        dockerconfig.read(path)


def test_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    """As for every file that is there but cannot be read."""
    with pytest.raises(RegistryError, match="Is a directory"):
        dockerconfig.read(tmp_path)


@pytest.mark.parametrize("document", [[], 1, {"credHelpers": {"a": 1}}, {"credsStore": 1}, {"auths": 1}])
def test_other_documents_are_told(document: object) -> None:
    """Of the parts that are about credentials, each has one type."""
    with pytest.raises(RegistryError, match=r"registry\.credentials"):
        dockerconfig.parse("config.json", document)


def test_missing_file_is_none(tmp_path: Path) -> None:
    """Most people have only one of them."""
    assert dockerconfig.read(tmp_path / "none" / "config.json") is None


def test_ambiguous_entries() -> None:
    """Two entries for one host that differ."""
    other = {"username": "bob", "password": "x"}
    config = dockerconfig.parse("f", {"auths": {"reg.io": ENTRY, "https://reg.io/v1/": other, "b": ENTRY, "c": {}}})
    assert ["reg.io"] == config.ambiguous()


def test_credentials_are_not_printed() -> None:
    """Neither by `repr` nor in a format."""
    assert ["Credentials(***)"] * 2 == [repr(ANN), f"{ANN}"]


def test_many_slashes_take_no_time() -> None:
    """A key is read in linear time; a test that hangs has failed."""
    assert "a" + "/" * 200_000 + "b" == dockerconfig.plain("https://a" + "/" * 200_000 + "b/v2" + "/" * 200_000)


def test_fingerprints() -> None:
    """Equal for equal credentials, and nothing like them."""
    assert ANN.fingerprint == Credentials("ann", "pw").fingerprint
    assert ANN.fingerprint != Credentials("an", "npw").fingerprint
