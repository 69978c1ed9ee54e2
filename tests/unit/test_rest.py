# SPDX-License-Identifier: Apache-2.0
"""Requests to an API server: what is repeated, what is told, and what stays secret."""

import json
import threading
import time
from collections.abc import Iterator

import pytest

from kubeoci.cluster.answers import Refused, refusal
from kubeoci.cluster.rest import Access, connect
from kubeoci.errors import ClusterError, Stopped
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import access

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
SYSTEM = "/api/v1/namespaces/kube-system"
BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}, "data": {"k": "v"}}


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """An empty cluster."""
    with ClusterSimulator() as simulator:
        yield simulator


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubeoci.cluster.rest.random.uniform", lambda _low, _high: 0.0)


def test_connecting_sends_nothing(cluster: ClusterSimulator) -> None:
    """A connection is only credentials until the first request."""
    rest = access(cluster)
    assert (cluster.server, []) == (rest.server, cluster.requests)


def test_missing_object_is_none(cluster: ClusterSimulator) -> None:
    """An object that is not there, or whose namespace is not, is None."""
    rest = access(cluster)
    assert rest.get(f"{CONFIGMAPS}/nope") is None
    assert rest.get("/api/v1/namespaces/nope") is None


def test_missing_kind_is_an_error(cluster: ClusterSimulator) -> None:
    """A kind that nobody serves is no missing object."""
    with pytest.raises(Refused) as caught:
        access(cluster).get("/apis/shop.dev/v1/carts")
    assert "cluster.kind_missing" == caught.value.code


def test_long_lists_come_page_by_page(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages are read, and every object says its kind."""
    monkeypatch.setattr("kubeoci.cluster.rest.PAGE", 1)
    listing = access(cluster).list_all("/api/v1/namespaces")
    assert [("Namespace", "default"), ("Namespace", "kube-system")] == [
        (item["kind"], item["metadata"]["name"]) for item in listing.items
    ]
    assert ["GET /api/v1/namespaces"] * 2 == cluster.requests


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=429), Fault(drop=True)])
def test_transient_failures_are_repeated(cluster: ClusterSimulator, fault: Fault) -> None:
    """Overload, a proxy's failure and a broken connection are tried again."""
    cluster.fail("GET ", fault, times=2)
    assert access(cluster).get(SYSTEM) is not None
    assert [f"GET {SYSTEM}"] * 3 == cluster.requests


def test_retry_after_is_obeyed(cluster: ClusterSimulator) -> None:
    """The server says when to come back."""
    cluster.fail("GET ", Fault(status=429, headers={"Retry-After": "1"}))
    before = time.monotonic()
    access(cluster).get(SYSTEM)
    assert 1.0 <= time.monotonic() - before < 3.0


def test_schema_faults_are_not_repeated(cluster: ClusterSimulator) -> None:
    """A 500 about our own body is the user's error, told without the server's preamble."""
    text = "failed to create typed patch object (default/a; /v1, Kind=ConfigMap): .date: field not declared in schema"
    status = json.dumps({"kind": "Status", "message": text}).encode()
    cluster.fail("PATCH ", Fault(status=500, body=status), times=9)
    with pytest.raises(Refused) as caught:
        access(cluster).apply(f"{CONFIGMAPS}/a", BODY, manager="m")
    assert ("cluster.invalid", ".date: field not declared in schema") == (caught.value.code, caught.value.what)
    assert 1 == len(cluster.requests)


def test_create_is_not_repeated_after_a_broken_connection(cluster: ClusterSimulator) -> None:
    """Nobody knows whether the first POST arrived."""
    cluster.fail("POST ", Fault(drop=True))
    with pytest.raises(ClusterError, match="no connection"):
        access(cluster).create(CONFIGMAPS, BODY, manager="m")
    assert [f"POST {CONFIGMAPS}"] == cluster.requests


def test_credentials_are_renewed_once(cluster: ClusterSimulator) -> None:
    """A 401 loads the kubeconfig again; a second one is an error."""
    cluster.fail("GET ", Fault(status=401), times=3)
    rest = access(cluster)
    with pytest.raises(Refused) as caught:
        rest.get(SYSTEM)
    assert "cluster.unauthorized" == caught.value.code
    assert 2 == len(cluster.requests)
    assert rest.get("/api/v1/namespaces/default") is not None


def test_unreachable_server_is_told_at_once() -> None:
    """Nobody listens there: no repetition, and the URL is named."""
    with ClusterSimulator() as cluster:
        config = cluster.kubeconfig
    with pytest.raises(ClusterError) as caught:
        connect(Access(config), stop=threading.Event()).get("/api")
    assert ("cluster.unreachable", cluster.server) == (caught.value.code, caught.value.where)


def test_warning_headers_are_kept_once(cluster: ClusterSimulator) -> None:
    """What the server warns of reaches the user, each text one time."""
    cluster.fail("GET ", Fault(headers={"Warning": '299 - "v1 is \\"old\\""'}), times=2)
    rest = access(cluster)
    rest.get(SYSTEM)
    rest.get(SYSTEM)
    assert ['v1 is "old"'] == rest.warnings


def test_stop_and_deadline_end_requests(cluster: ClusterSimulator) -> None:
    """After a stop or the deadline nothing is sent."""
    stop = threading.Event()
    rest = access(cluster, stop)
    rest.deadline = time.monotonic() - 1
    with pytest.raises(Stopped, match="ran out of time"):
        rest.get(SYSTEM)
    stop.set()
    with pytest.raises(Stopped, match="stopped on request"):
        rest.get(SYSTEM)
    assert [] == cluster.requests


def test_operations_have_their_own_deadline(cluster: ClusterSimulator) -> None:
    """Resources that are applied at the same time share connections, not deadlines and warnings."""
    rest = access(cluster)
    other = rest.fork()
    other.deadline = time.monotonic() - 1
    assert rest.get(SYSTEM) is not None
    with pytest.raises(Stopped):
        other.get(SYSTEM)


def test_delete_is_exact(cluster: ClusterSimulator) -> None:
    """Only the object with this uid is deleted; a missing one is gone."""
    body = cluster.put(BODY)
    rest = access(cluster)
    with pytest.raises(Refused) as caught:
        rest.delete(f"{CONFIGMAPS}/a", uid="other")
    assert 409 == caught.value.status
    assert rest.delete(f"{CONFIGMAPS}/a", uid=body["metadata"]["uid"]) is None
    assert rest.delete(f"{CONFIGMAPS}/a", uid="any") is None


def test_watch_follows_a_list(cluster: ClusterSimulator) -> None:
    """Events after the listing arrive, and `stop` from another thread ends the stream."""
    rest = access(cluster)
    since = rest.list_all(CONFIGMAPS).resource_version
    cluster.put(BODY)
    with rest.watch(CONFIGMAPS, selector="", since=since) as watch:
        threading.Timer(0.2, watch.stop).start()
        assert [("ADDED", "a")] == [(event["type"], event["object"]["metadata"]["name"]) for event in watch]


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (403, "forbidden", "cluster.forbidden"),
        (404, "404 page not found", "cluster.kind_missing"),
        (409, "conflict", "cluster.conflict"),
        (413, "too large", "cluster.invalid"),
        (422, "invalid", "cluster.invalid"),
        (500, "etcdserver: leader changed", "cluster.failed"),
    ],
)
def test_refusals_have_codes(status: int, text: str, code: str) -> None:
    """Text bodies of proxies and old endpoints are understood too."""
    found = refusal(status, {}, text.encode())
    assert (code, text) == (found.code, found.what)


def test_only_etcd_makes_a_500_transient() -> None:
    """Other failures of the server would come again."""
    assert refusal(500, {}, b"etcdserver: request timed out").is_transient
    assert not refusal(500, {}, b"nil pointer").is_transient
