# SPDX-License-Identifier: Apache-2.0
"""The inputs of both resources: what is accepted, defaulted and refused."""

import pytest

from kubeoci.cluster.rest import Access
from kubeoci.lifecycle import settings
from kubeoci.lifecycle.values import UNKNOWN, Secret, Values

ARTIFACT: Values = {"url": "oci://localhost:5000/shop/app", "path": "deploy"}
REPOSITORY: Values = {"url": "oci://localhost:5000/shop/app", "inventoryName": "shop-dev-app"}
DIGEST = "sha256:" + "0" * 64


def artifact_faults(**extra: object) -> list[str]:
    """Where an OCIArtifact with these inputs is faulty."""
    return [fault.where for fault in settings.artifact({**ARTIFACT, **extra})[1].faults]


def repository_faults(**extra: object) -> list[str]:
    """Where an OCIRepository with these inputs is faulty."""
    return [fault.where for fault in settings.repository({**REPOSITORY, **extra}, {})[1].faults]


def test_artifact_defaults() -> None:
    """Two inputs are enough; the tag is `latest`."""
    given, reader = settings.artifact(ARTIFACT)
    assert ([], ("latest",), "oci", "keep") == (reader.faults, given.tags, given.format, given.on_delete)
    assert "localhost:5000/shop/app" == str(given.repository)


def test_tag_in_url_is_the_tag() -> None:
    """A tag in the url is the same as `tags`."""
    assert ("v1",) == settings.artifact({**ARTIFACT, "url": "localhost:5000/app:v1"})[0].tags


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        ({"url": "nginx"}, "url"),
        ({"url": "localhost:5000/app:v1", "tags": ["v2"]}, "tags"),
        ({"url": f"localhost:5000/app@{DIGEST}"}, "url"),
        ({"tags": ["ok", "not ok"]}, "tags[1]"),
        ({"tags": []}, "tags"),
        ({"tags": ["a", "a"]}, "tags"),
        ({"path": ""}, "path"),
        ({"format": "zip"}, "format"),
        ({"onDelete": "burn"}, "onDelete"),
        ({"created": "yesterday"}, "created"),
        ({"annotations": {"dev.kubeoci.tree-digest": "x"}}, 'annotations["dev.kubeoci.tree-digest"]'),
        ({"credentials": {"username": "ann"}}, "credentials.password"),
        ({"ca": "/etc/ca.crt"}, "ca"),
        ({"clientCertificate": {"certificate": "x"}}, "clientCertificate.key"),
        ({"clientCertificate": {"certificate": "a.crt", "key": "a.key"}}, "clientCertificate.key"),
        ({"proxy": "socks5://127.0.0.1:1"}, "proxy"),
        ({"realms": {"ghcr.io": "ghcr.io/token"}}, "realms"),
        ({"url": "oci-layout:out", "proxy": "http://127.0.0.1:1"}, "proxy"),
        ({"verify": {}}, "verify"),
        ({"timeout": "soon"}, "timeout"),
    ],
)
def test_artifact_refuses(extra: Values, where: str) -> None:
    """Each bad input is a fault of its own path."""
    assert where in artifact_faults(**extra)


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        ({"url": "localhost:5000/app:v1"}, "url"),
        ({"ref": {"tag": "not ok"}}, "ref.tag"),
        ({"ref": {"semver": "6.0.y.z"}}, "ref.semver"),
        ({"ref": {"digest": "sha256:zz"}}, "ref.digest"),
        ({"ref": {"semverFilter": ".*"}}, "ref.semverFilter"),
        ({"ref": {"semver": "1.x", "semverFilter": "("}}, "ref.semverFilter"),
        ({"ref": {"branch": "main"}}, "ref.branch"),
        ({"layerSelector": {"operation": "melt"}}, "layerSelector.operation"),
        ({"interval": "often"}, "interval"),
        ({"targetNamespace": "Shop"}, "targetNamespace"),
        ({"namespace": "a_b"}, "namespace"),
        ({"inventoryName": ""}, "inventoryName"),
        ({"conflicts": "maybe"}, "conflicts"),
        ({"deletionPolicy": "Never"}, "deletionPolicy"),
        ({"cluster": {"file": "x"}}, "cluster.file"),
        ({"verify": {"provider": "cosign"}}, "verify"),
    ],
)
def test_repository_refuses(extra: Values, where: str) -> None:
    """Each bad input is a fault of its own path."""
    assert where in repository_faults(**extra)


def test_all_faults_at_once() -> None:
    """A program with three mistakes is told of three mistakes."""
    assert ["format", "onDelete", "url"] == sorted(artifact_faults(url="nginx", format="zip", onDelete="burn"))


def test_provider_config_gives_defaults() -> None:
    """Cluster and namespace fall back to the provider's; the resource's own win."""
    config = {"namespace": "ops", "cluster": {"kubeconfig": "kc", "context": "prod"}}
    given, reader = settings.repository(REPOSITORY, config)
    assert ([], "ops", Access("kc", "prod")) == (reader.faults, given.applying.namespace, given.cluster)
    own, _ = settings.repository({**REPOSITORY, "namespace": "shop", "cluster": {"context": "dev"}}, config)
    assert ("shop", Access("", "dev")) == (own.applying.namespace, own.cluster)


def test_unknown_parts_are_pending() -> None:
    """What is not known yet is no fault."""
    _, reader = settings.repository({**REPOSITORY, "ref": {"digest": UNKNOWN}, "cluster": {"kubeconfig": UNKNOWN}}, {})
    assert ([], {"ref", "cluster"}) == (reader.faults, reader.pending)


def test_access_has_all_ways_to_a_registry() -> None:
    """Certificate, proxy and token services arrive as they were given."""
    pem = {"certificate": "-----BEGIN CERTIFICATE-----", "key": "-----BEGIN PRIVATE KEY-----"}
    extra = {"clientCertificate": pem, "proxy": "http://127.0.0.1:3128", "realms": {"ghcr.io": "https://ghcr.io/token"}}
    given, reader = settings.artifact({**ARTIFACT, **extra})
    assert ([], "http://127.0.0.1:3128") == (reader.faults, given.access.proxy)
    assert (pem["key"], (("ghcr.io", "https://ghcr.io/token"),)) == (given.access.key, given.access.realms)


def test_access_hides_credentials() -> None:
    """The representation of settings shows no password and no kubeconfig."""
    secret = {"credentials": {"username": "ann", "password": "hunter2"}, "cluster": {"kubeconfig": "token: hunter2"}}
    assert "hunter2" not in repr(settings.repository({**REPOSITORY, **secret}, {})[0])


REGISTRIES = {
    "registries": Secret(
        {
            "GHCR.io": {"credentials": {"username": "bot", "password": "pw"}, "ca": "-----BEGIN CERTIFICATE-----"},
            "quay.io": {"insecure": True},
        }
    )
}


def test_provider_reaches_its_registries() -> None:
    """What a resource does not say is taken from the entry of its own host, and of no other."""
    given, reader = settings.artifact({**ARTIFACT, "url": "ghcr.io/org/app", "insecure": False}, REGISTRIES)
    assert ([], "bot", False) == (reader.faults, given.access.credentials.username, given.access.insecure)
    other, _ = settings.artifact({**ARTIFACT, "url": "quay.io/org/app"}, REGISTRIES)
    assert (None, "", True) == (other.access.credentials, other.access.ca, other.access.insecure)
    unknown, _ = settings.artifact({**ARTIFACT, "url": "ghcr.io.evil.example/org/app"}, REGISTRIES)
    assert (None, "") == (unknown.access.credentials, unknown.access.ca)


def test_own_credentials_win() -> None:
    """As a pair: half of one and half of the other are nobody's."""
    own = {"url": "ghcr.io/org/app", "credentials": {"username": "ann", "password": "x"}}
    given, _ = settings.repository({**REPOSITORY, **own}, REGISTRIES)
    assert ("ann", "x") == (given.access.credentials.username, given.access.credentials.password)


def test_registries_that_are_not_known_make_credentials_pending() -> None:
    """Nobody is asked as nobody."""
    _, reader = settings.artifact({**ARTIFACT, "url": "ghcr.io/org/app"}, {"registries": {"ghcr.io": UNKNOWN}})
    assert {"credentials"} == reader.pending


def test_folder_needs_no_registry() -> None:
    """An entry of the provider is no setting of the resource."""
    given, reader = settings.artifact({**ARTIFACT, "url": "oci-layout:build"}, REGISTRIES)
    assert ([], None) == (reader.faults, given.access.credentials)
