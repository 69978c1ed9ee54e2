# SPDX-License-Identifier: Apache-2.0
"""kubeoci.lifecycle.reach: credentials, certificates and proxies out of the cluster's Secrets."""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kubeoci import reference
from kubeoci.cluster.rest import Access
from kubeoci.errors import InputError, KubeociError, RegistryError
from kubeoci.lifecycle import command, reach
from kubeoci.lifecycle.contract import Call
from kubeoci.lifecycle.inputs import Reader
from kubeoci.lifecycle.reach import Names
from kubeoci.lifecycle.secrets import Keeper, Pending
from kubeoci.lifecycle.session import Session
from kubeoci.registry import protocols
from kubeoci.registry.transport import Settings
from simulator.cluster import ClusterSimulator

PLACE = reference.parse("registry.example.com/shop/app").repository
CONFIG = {"auths": {"registry.example.com": {"username": "bot", "password": "correct-horse"}}}
DOCKER = "kubernetes.io/dockerconfigjson"


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """An API server."""
    with ClusterSimulator() as simulator:
        yield simulator


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A call below a command."""
    monkeypatch.setenv("KUBEOCI_CACHE", str(tmp_path))
    monkeypatch.setattr(command, "ident", lambda: "7-42")
    return Call(Session())


def keep(cluster: ClusterSimulator, name: str, texts: Mapping[str, str], kind: str = "Opaque") -> None:
    """Store a Secret in the namespace `shop`."""
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    meta = {"name": name, "namespace": "shop"}
    cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": kind, "data": data})


def filled(call: Call, cluster: ClusterSimulator, names: Names) -> Settings:
    """The settings with what these names add."""
    return reach.filled(call, Keeper(Access(cluster.kubeconfig), "shop"), names, Settings(), PLACE)


def test_credentials_of_a_pull_secret(call: Call, cluster: ClusterSimulator) -> None:
    """One GET; the password is nowhere in print."""
    keep(cluster, "regcred", {".dockerconfigjson": json.dumps(CONFIG)}, DOCKER)
    settings = filled(call, cluster, Names(pull="regcred"))
    assert settings.credentials
    assert ("bot", "correct-horse") == (settings.credentials.username, settings.credentials.password)
    assert ["GET /api/v1/namespaces/shop/secrets/regcred"] == cluster.requests
    assert "correct-horse" not in repr(settings)


def test_credentials_of_a_service_account(call: Call, cluster: ClusterSimulator) -> None:
    """The first of its Secrets that has something for the registry."""
    other = {"auths": {"other.example.com": {"username": "x", "password": "y"}}}
    keep(cluster, "other", {".dockerconfigjson": json.dumps(other)}, DOCKER)
    keep(cluster, "regcred", {".dockerconfigjson": json.dumps(CONFIG)}, DOCKER)
    account: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "bot", "namespace": "shop"},
    }
    cluster.put({**account, "imagePullSecrets": [{"name": "other"}, {"name": "regcred"}]})
    settings = filled(call, cluster, Names(account="bot"))
    assert settings.credentials
    assert "bot" == settings.credentials.username


def test_account_without_pull_secrets_is_nobody(call: Call, cluster: ClusterSimulator) -> None:
    """Then the usual places are searched."""
    cluster.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": "shop"}})
    assert filled(call, cluster, Names(account="bot")).credentials is None


def test_certificates_and_proxy(call: Call, cluster: ClusterSimulator) -> None:
    """As Flux names the keys; user and password become part of the proxy's URL."""
    keep(cluster, "tls", {"ca.crt": "CA", "tls.crt": "C", "tls.key": "K"})
    keep(cluster, "proxy", {"address": "http://proxy:3128\n", "username": "a@b", "password": "c/d"})
    settings = filled(call, cluster, Names(certificate="tls", proxy="proxy"))
    assert ("CA", "C", "K") == (settings.ca, settings.certificate, settings.key)
    assert "http://a%40b:c%2Fd@proxy:3128" == settings.proxy


WRONG: dict[str, tuple[Names, dict[str, str], str]] = {
    "opaque pull secret": (Names(pull="it"), {".dockerconfigjson": "{}"}, "Secret shop/it"),
    "half a pair": (Names(certificate="it"), {"tls.crt": "C"}, "neither ca.crt nor tls.crt with tls.key"),
    "no certificate": (Names(certificate="it"), {"other": "C"}, "neither ca.crt nor tls.crt with tls.key"),
    "no address": (Names(proxy="it"), {"username": "correct-horse"}, "no URL of a proxy"),
    "password in the address": (Names(proxy="it"), {"address": "http://a:correct-horse@b"}, "no URL of a proxy"),
}


@pytest.mark.parametrize("case", WRONG)
def test_secret_that_says_something_else(call: Call, cluster: ClusterSimulator, case: str) -> None:
    """It is named, and nothing of it is told."""
    names, texts, message = WRONG[case]
    keep(cluster, "it", texts)
    with pytest.raises(RegistryError, match=message) as caught:
        filled(call, cluster, names)
    assert "correct-horse" not in str(caught.value)


@pytest.mark.parametrize("names", [Names(pull="it"), Names(account="it"), Names(certificate="it"), Names(proxy="it")])
def test_what_is_not_there(
    call: Call, cluster: ClusterSimulator, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pending in the preview, an error in the update."""
    with pytest.raises(Pending, match="shop/it"):
        filled(call, cluster, names)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.raises(InputError, match=r"there is no (Secret|ServiceAccount) shop/it; make it first"):
        filled(call, cluster, names)


def test_unknown_cluster_is_pending(call: Call) -> None:
    """A cluster that is made in the same `up` is not asked."""
    with pytest.raises(Pending, match="secretRef: the cluster is not known yet"):
        reach.filled(call, Keeper(None, "shop"), Names(pull="it"), Settings(), PLACE)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"secretRef": {"name": "a"}, "credentials": {}}, "secretRef: credentials is given as well"),
        ({"secretRef": {"name": "a"}, "serviceAccountName": "b"}, "secretRef: serviceAccountName is given as well"),
        ({"certSecretRef": {"name": "a"}, "ca": "b"}, "certSecretRef: ca is given as well"),
        ({"proxySecretRef": {"name": "a"}, "proxy": "b"}, "proxySecretRef: proxy is given as well"),
        ({"secretRef": {}}, "secretRef.name: is missing"),
        ({"secretRef": "a"}, "secretRef: must be an object with name"),
    ],
)
def test_names_that_contradict(values: dict[str, Any], message: str) -> None:
    """Each thing has one source."""
    reader = Reader(values)
    reach.read(reader, None)
    assert str(reader.faults[0]).startswith(message)


def test_folder_needs_no_secrets() -> None:
    """A setting without effect is an error."""
    reader = Reader({"secretRef": {"name": "a"}})
    reach.read(reader, protocols.parse("oci-layout:build"))
    assert all(isinstance(fault, KubeociError) and fault.code == "input.unknown" for fault in reader.faults)
    assert 1 == len(reader.faults)
