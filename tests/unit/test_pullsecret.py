# SPDX-License-Identifier: Apache-2.0
"""Secrets of Kubernetes as credentials of a registry."""

import base64
import json

import pytest

from kubeoci.errors import RegistryError
from kubeoci.reference import Repository
from kubeoci.registry.dockerconfig import Credentials
from kubeoci.registry.pullsecret import pull_secret

JSON, CFG = "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"
APP = Repository("shop.azurecr.io", "team/app")
HUB = Repository("docker.io", "library/nginx")


def encoded(document: object) -> str:
    """A document as a value of a Secret."""
    return base64.b64encode(json.dumps(document).encode()).decode()


def user(auths: dict[str, object], repository: Repository = APP) -> str:
    """The user that a Secret with these entries names."""
    return pull_secret("shop/pull", JSON, {".dockerconfigjson": encoded({"auths": auths})}, repository).username


def refused(data: dict[str, str], kind: str = JSON, repository: Repository = APP) -> str:
    """What the error says."""
    with pytest.raises(RegistryError) as caught:
        pull_secret("shop/pull", kind, data, repository)
    assert ("registry.credentials", "shop/pull") == (caught.value.code, caught.value.where)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "repository"),
    [
        ("shop.azurecr.io", APP),
        ("https://SHOP.azurecr.io/v2/", APP),
        ("shop.azurecr.io/team", APP),
        ("shop.azurecr.io/team/app/", APP),
        ("*.azurecr.io", APP),
        ("https://*.azurecr.io/v1/", APP),
        ("s?op.[a-c]*.*/team", APP),
        ("*.io:5000", Repository("reg.io:5000", "app")),
        ("[::1]:5000", Repository("[::1]:5000", "app")),
        ("localhost:5000", Repository("localhost:5000", "app")),
        ("https://index.docker.io/v1/", HUB),
        ("docker.io/library", HUB),
        ("registry-1.docker.io", HUB),
        ("*.docker.io", HUB),
    ],
)
def test_keys_that_fit(key: str, repository: Repository) -> None:
    """Hosts with or without globs, and paths that end at a slash."""
    assert "ann" == user({key: {"username": "ann", "password": "pw"}}, repository)


@pytest.mark.parametrize(
    "key",
    [
        *(
            "azurecr.io",
            "*.io",
            "*",
            "*.*.*.io",
            "x.shop.azurecr.io",
            "*.azurecr.com",
            "[!s]hop.azurecr.io",
            "[.azurecr.io",
        ),
        *(
            "shop.azurecr.io:443",
            "*.azurecr.io:*",
            "shop.azurecr.io/tea",
            "shop.azurecr.io/team/app/x",
            "shop.azurecr.io/*",
        ),
        *("", "/team", "ftp://shop.azurecr.io", "index.docker.io"),
    ],
)
def test_keys_that_do_not_fit(key: str) -> None:
    """As many labels, the same port, whole components; and the error says for whom the Secret is."""
    data = {".dockerconfigjson": encoded({"auths": {key: {"username": "ann", "password": "pw"}}})}
    assert "it has nothing for shop.azurecr.io/team/app, only for " in refused(data)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["*.azurecr.io", "shop.azurecr.io"], "shop.azurecr.io"),
        (["shop.azurecr.io", "shop.azurecr.io/team/app", "shop.azurecr.io/team"], "shop.azurecr.io/team/app"),
        (["*.azurecr.io/team", "s*.azurecr.io"], "s*.azurecr.io"),
        (["https://shop.azurecr.io", "shop.azurecr.io/v1/"], "https://shop.azurecr.io"),
    ],
)
def test_the_order_of_keys(keys: list[str], expected: str) -> None:
    """In reverse order of their texts, equal ones as they are written."""
    assert expected == user({key: {"username": key, "password": "pw"} for key in keys})


def test_an_empty_entry_is_passed_over() -> None:
    """The next key that fits is asked."""
    assert "ann" == user({"shop.azurecr.io": {}, "*.azurecr.io": {"username": "ann", "password": "pw"}})


def test_the_old_type_has_no_auths() -> None:
    """Its entries lie at the top."""
    auth = {"auth": base64.b64encode(b"ann:pw").decode(), "email": None}
    found = pull_secret("s", CFG, {".dockercfg": encoded({"shop.azurecr.io": auth})}, APP)
    assert Credentials("ann", "pw") == found


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        ("Opaque", {".dockerconfigjson": encoded({})}, "the type 'Opaque' is none of"),
        ("", {}, "the type '' is none of"),
        (JSON, {}, "must have the key .dockerconfigjson"),
        (JSON, {".dockercfg": encoded({})}, "must have the key .dockerconfigjson"),
        (CFG, {".dockerconfigjson": encoded({})}, "must have the key .dockercfg"),
        (JSON, {".dockerconfigjson": "!"}, "no JSON in base64"),
        (JSON, {".dockerconfigjson": base64.b64encode(b"{pw").decode()}, "no JSON in base64"),
        (JSON, {".dockerconfigjson": base64.b64encode(b"\xff").decode()}, "no JSON in base64"),
        (JSON, {".dockerconfigjson": base64.b64encode(b"[" * 100_000).decode()}, "no JSON in base64"),
        (JSON, {".dockerconfigjson": "A" * (3 << 20)}, "no JSON in base64"),
        (JSON, {".dockerconfigjson": encoded(["pw"])}, "no JSON object"),
        (JSON, {".dockerconfigjson": encoded({"auths": ["pw"]})}, "has the wrong type"),
        (JSON, {".dockerconfigjson": encoded({})}, "only for no registry at all"),
        (JSON, {".dockerconfigjson": encoded({"auths": {"shop.azurecr.io": "pw"}})}, "no object of texts"),
        (JSON, {".dockerconfigjson": encoded({"auths": {"shop.azurecr.io": {"auth": "pw"}}})}, "no base64 text"),
        (CFG, {".dockercfg": encoded({"auths": {"shop.azurecr.io": {"auth": "pw"}}})}, "only for auths"),
    ],
)
def test_secrets_that_cannot_be_used(kind: str, data: dict[str, str], told: str) -> None:
    """Each is named with what is wrong, and with nothing of its content."""
    message = refused(data, kind)
    assert told in message
    assert "pw" not in message


def test_a_secret_full_of_keys_takes_no_time() -> None:
    """Keys are read in linear time, slashes and globs as well."""
    keys = [f"{'*' * number}a.azurecr.io" for number in range(1000)] + ["/" * number + "v1" for number in range(500)]
    assert "it has nothing" in refused({".dockerconfigjson": encoded({"auths": {key: {} for key in keys}})})
