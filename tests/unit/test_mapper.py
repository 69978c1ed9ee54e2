# SPDX-License-Identifier: Apache-2.0
"""Discovery: which kinds are served, asked for in two requests."""

from collections.abc import Iterator

import pytest

from kubeoci.cluster.mapper import Kind, Mapper
from kubeoci.errors import ClusterError
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import DEFINITION, access, load

DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", namespaced=True)


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """An empty cluster."""
    with ClusterSimulator() as simulator:
        yield simulator


def test_discovery_takes_two_requests(cluster: ClusterSimulator) -> None:
    """However many questions are asked."""
    mapper = Mapper(access(cluster))
    assert DEPLOYMENT == mapper.resolve("apps", "v1", "Deployment")
    assert [True, False, None] == [mapper.namespaced(*pair) for pair in (("", "Secret"), ("", "Namespace"), ("x", "Y"))]
    assert ["GET /api", "GET /apis"] == cluster.requests


def test_old_servers_are_asked_group_by_group() -> None:
    """Without aggregated discovery only the groups in question cost a request."""
    with ClusterSimulator(aggregated=False) as cluster:
        mapper = Mapper(access(cluster))
        assert DEPLOYMENT == mapper.resolve("apps", "v1", "Deployment")
        assert mapper.namespaced("apps", "DaemonSet")
        assert ["GET /api", "GET /apis", "GET /apis/apps/v1"] == cluster.requests


def test_missing_version_names_the_served_ones(cluster: ClusterSimulator) -> None:
    """The error says which versions would do."""
    with pytest.raises(ClusterError, match=r"does not serve Deployment of apps/v1beta1; use v1 \(cluster.kind_missing"):
        Mapper(access(cluster)).resolve("apps", "v1beta1", "Deployment")


def test_missing_kind_asks_for_its_definition(cluster: ClusterSimulator) -> None:
    """Nothing of that kind is served at all."""
    with pytest.raises(ClusterError, match="install its CustomResourceDefinition first"):
        Mapper(access(cluster)).resolve("shop.dev", "v1", "Cart")


def test_stale_group_is_told_as_such(cluster: ClusterSimulator) -> None:
    """A group whose API service is down is unknown, not gone."""
    cluster.stale.add("metrics.k8s.io")
    mapper = Mapper(access(cluster))
    assert mapper.is_stale("metrics.k8s.io")
    with pytest.raises(ClusterError, match=r"the API service of metrics.k8s.io is down"):
        mapper.resolve("metrics.k8s.io", "v1", "NodeMetrics")


def test_learned_kinds_need_no_request(cluster: ClusterSimulator) -> None:
    """An established definition says all that discovery would."""
    mapper = Mapper(access(cluster))
    mapper.learn(load(DEFINITION)[0].body)
    assert mapper.has("shop.dev", "v1", "Cart")
    assert ["GET /api", "GET /apis"] == cluster.requests


def test_refresh_asks_again(cluster: ClusterSimulator) -> None:
    """After a refresh the next question goes to the server."""
    mapper = Mapper(access(cluster))
    assert mapper.find("shop.dev", "Cart") is None
    cluster.put(load(DEFINITION)[0].body)
    mapper.refresh()
    assert "/apis/shop.dev/v1/namespaces/shop/carts/a%2Fb" == mapper.resolve("shop.dev", "v1", "Cart").path(
        "shop", "a/b"
    )


def test_page_of_a_proxy_is_no_server_without_kinds(cluster: ClusterSimulator) -> None:
    """What is not understood is an error: nothing may be taken for gone because of it."""
    cluster.fail("GET /apis", Fault(status=203, body=b"[]"))
    mapper = Mapper(access(cluster))
    with pytest.raises(ClusterError, match="the answer is no JSON object"):
        mapper.find("apps", "Deployment")
    assert mapper.find("apps", "Deployment") is not None
