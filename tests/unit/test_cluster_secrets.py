# SPDX-License-Identifier: Apache-2.0
"""kubeoci.cluster.secrets: reading Secrets and service accounts."""

import base64
from collections.abc import Iterator

import pytest

from kubeoci.cluster import secrets
from kubeoci.cluster.secrets import KubernetesSecret
from kubeoci.errors import ClusterError
from simulator.cluster import ClusterSimulator
from simulator.shop import access


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """An API server with a Secret and an account."""
    with ClusterSimulator() as simulator:
        data = {
            "cosign.pub": base64.b64encode(b"PEM").decode(),
            "bad": "?",
            "worse": base64.b64encode(b"\xff").decode(),
        }
        simulator.put(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "a"}, "data": data}
        )
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": "a"}}
        simulator.put({**account, "imagePullSecrets": [{"name": "one"}, {"name": "two"}]})
        simulator.requests.clear()
        yield simulator


def found(cluster: ClusterSimulator) -> KubernetesSecret:
    """The Secret."""
    secret = secrets.secret(access(cluster), "a", "keys")
    assert secret
    return secret


def test_secret_is_one_request(cluster: ClusterSimulator) -> None:
    """Type and data come by one GET; nothing of the data is printed."""
    secret = found(cluster)
    assert ("Opaque", "PEM", "Secret a/keys") == (secret.type, secret.text("cosign.pub"), str(secret))
    assert ["GET /api/v1/namespaces/a/secrets/keys"] == cluster.requests
    assert "UEVN" not in repr(secret)


def test_what_is_missing_is_none(cluster: ClusterSimulator) -> None:
    """No Secret, no namespace, no key, no account."""
    assert secrets.secret(access(cluster), "a", "other") is secrets.secret(access(cluster), "b", "keys") is None
    assert secrets.pull_secrets(access(cluster), "a", "other") is None
    assert "" == found(cluster).text("other")


@pytest.mark.parametrize("key", ["bad", "worse"])
def test_what_is_no_text_is_an_error(cluster: ClusterSimulator, key: str) -> None:
    """Neither base64 nor UTF-8; the value is not quoted."""
    with pytest.raises(ClusterError, match=f"Secret a/keys: its key '{key}' holds no text"):
        found(cluster).text(key)


def test_account_names_its_pull_secrets(cluster: ClusterSimulator) -> None:
    """In their order."""
    assert ("one", "two") == secrets.pull_secrets(access(cluster), "a", "bot")
