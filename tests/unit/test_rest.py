# SPDX-License-Identifier: Apache-2.0
"""Requests to an API server: what is repeated, what is told, and what stays secret."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from kubeoci.cluster.answers import Refused, refusal
from kubeoci.cluster.login import Login
from kubeoci.cluster.rest import Access, connect
from kubeoci.errors import ClusterError, KubeociError, Stopped
from simulator.cluster import ClusterSimulator, Fault, kubeconfig
from simulator.raw import Raw
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
@pytest.mark.parametrize(
    "fault",
    [
        *[Fault(status=status) for status in (429, 502, 503, 504)],
        *[Fault(status=500, body=text) for text in (b"etcdserver: leader changed", b"request timed out", b"Timeout")],
        Fault(drop=True),
        Fault(status=200, body=b'{"kind": "Namesp'),
    ],
)
def test_transient_failures_are_repeated(cluster: ClusterSimulator, fault: Fault) -> None:
    """Overload, a proxy's failure, etcd, a broken connection and an answer that was cut are tried again."""
    cluster.fail("GET ", fault, times=2)
    assert access(cluster).get(SYSTEM) is not None
    assert [f"GET {SYSTEM}"] * 3 == cluster.requests


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 413, 415, 422, 500, 501])
def test_other_failures_are_told_at_once(cluster: ClusterSimulator, status: int) -> None:
    """Nothing is repeated that cannot succeed."""
    cluster.fail("GET ", Fault(status=status, body=b"no"), times=2)
    with pytest.raises(Refused) as caught:
        access(cluster).send("GET", SYSTEM)
    assert (status, 1) == (caught.value.status, len(cluster.requests))


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("fault", [Fault(status=503, body=b"down"), Fault(status=429, body=b"busy")])
def test_repetitions_end(cluster: ClusterSimulator, fault: Fault) -> None:
    """After five of them the failure is told as it is; where there is no deadline this holds for 429 too."""
    cluster.fail("GET ", fault, times=99)
    with pytest.raises(Refused, match=fault.body.decode()):
        access(cluster).get(SYSTEM)
    assert 6 == len(cluster.requests)


@pytest.mark.usefixtures("_no_pauses")
def test_a_throttled_server_is_waited_for(cluster: ClusterSimulator) -> None:
    """Within a deadline any number of 429 is survived: the server lives."""
    cluster.fail("GET ", Fault(status=429), times=40)
    rest = access(cluster)
    rest.deadline = time.monotonic() + 60
    assert rest.get(SYSTEM) is not None
    assert 41 == len(cluster.requests)


def test_throttling_eases_off(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each 429 halves what is sent at a time, by all operations on the server."""
    monkeypatch.setattr("kubeoci.cluster.rest.random.uniform", lambda _low, _high: 0.0)
    cluster.fail("GET ", Fault(status=429), times=3)
    rest = access(cluster)
    rest.fork().get(SYSTEM)
    assert 4 == rest._link.gate.allowed  # noqa: SLF001 - what nobody else can see


def test_an_endless_list_is_an_error(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that always promises one more page is given up."""
    monkeypatch.setattr("kubeoci.cluster.rest.PAGES", 3)
    more = b'{"kind": "PodList", "apiVersion": "v1", "metadata": {"continue": "on"}, "items": null}'
    cluster.fail("GET ", Fault(status=200, body=more), times=9)
    with pytest.raises(ClusterError, match="has no end"):
        access(cluster).list_all("/api/v1/pods")
    assert 3 == len(cluster.requests)


def test_pauses_double(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """One second, two, four and so on to a minute, each shortened by chance."""
    pauses: list[float] = []
    monkeypatch.setattr("kubeoci.cluster.rest.random.uniform", lambda _low, high: high)
    monkeypatch.setattr("kubeoci.cluster.rest.Rest.pause", lambda _rest, seconds: pauses.append(seconds))
    cluster.fail("GET ", Fault(status=429), times=8)
    rest = access(cluster)
    rest.deadline = time.monotonic() + 600
    rest.get(SYSTEM)
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] == pauses


def test_retry_after_is_obeyed(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server says when to come back."""
    pauses: list[float] = []
    monkeypatch.setattr("kubeoci.cluster.rest.Rest.pause", lambda _rest, seconds: pauses.append(seconds))
    cluster.fail("GET ", Fault(status=429, headers={"Retry-After": "7"}), times=2)
    access(cluster).get(SYSTEM)
    assert [7.0, 7.0] == pauses


@pytest.mark.parametrize(("deadline", "asked"), [(5.0, "6"), (None, "61")])
def test_too_long_a_pause_is_told_at_once(cluster: ClusterSimulator, deadline: float | None, asked: str) -> None:
    """Nobody sleeps until a deadline that cannot be met; without one a minute is the most."""
    cluster.fail("GET ", Fault(status=429, body=b"busy", headers={"Retry-After": asked}))
    rest = access(cluster)
    rest.deadline = time.monotonic() + deadline if deadline else rest.deadline
    with pytest.raises(Refused, match="busy"):
        rest.get(SYSTEM)
    assert 1 == len(cluster.requests)


@pytest.mark.parametrize("text", ["soon", "²", "-1", "1.5", "", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_odd_retry_after_is_none(text: str) -> None:
    """Only seconds in digits are taken; API servers send nothing else."""
    assert 0.0 == refusal(429, {"Retry-After": text}, b"").retry_seconds


def test_an_answer_that_is_no_object_is_an_error(cluster: ClusterSimulator) -> None:
    """JSON of another shape than every object of Kubernetes has."""
    cluster.fail("GET ", Fault(status=200, body=b"[]"))
    with pytest.raises(ClusterError, match="the answer is no JSON object"):
        access(cluster).get(SYSTEM)


@pytest.mark.usefixtures("_no_pauses")
def test_a_server_that_answered_before_is_restarting() -> None:
    """A connection that is refused now is tried again, and the last refusal told."""
    with ClusterSimulator() as cluster:
        rest = access(cluster)
        rest.get(SYSTEM)
        rest.close()
    with pytest.raises(ClusterError, match="Connection refused") as caught:
        rest.get(SYSTEM)
    assert "cluster.unreachable" == caught.value.code


def test_proxies_are_used(cluster: ClusterSimulator) -> None:
    """`proxy-url` of the kubeconfig leads to a server that only the proxy can reach."""
    config = kubeconfig("http://cluster.invalid").replace("'}}", f"', proxy-url: '{cluster.server}'}}}}")
    assert connect(Access(config), stop=threading.Event()).get(SYSTEM) is not None


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[" * 100_000, b"\xff\xfe"])
def test_an_answer_that_is_no_json_is_an_error(cluster: ClusterSimulator, body: bytes) -> None:
    """Something else answers there, again and again."""
    cluster.fail("GET ", Fault(status=200, body=body), times=99)
    with pytest.raises(ClusterError, match="its answer is no JSON") as caught:
        access(cluster).get(SYSTEM)
    assert ("cluster.failed", cluster.server) == (caught.value.code, caught.value.where)


@pytest.mark.parametrize("status", [200, 503])
def test_answers_have_a_limit(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """No server fills the memory, nor with a complaint."""
    monkeypatch.setattr("kubeoci.cluster.rest.MAX_BYTES", 1000)
    monkeypatch.setattr("kubeoci.cluster.rest._MAX_COMPLAINT_BYTES", 1000)
    cluster.fail("GET ", Fault(status=status, body=b"x" * 2000))
    with pytest.raises(ClusterError, match="more than 1000 bytes"):
        access(cluster).get(SYSTEM)


def test_a_trickle_does_not_outlast_the_deadline() -> None:
    """A server that sends a byte now and then is given up in time."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
    with Raw(head, b" ") as raw:
        rest = connect(Access(kubeconfig(f"http://{raw.host}")), stop=threading.Event())
        rest.deadline = time.monotonic() + 0.3
        with pytest.raises(Stopped, match="ran out of time"):
            rest.get(SYSTEM)


def test_a_silent_server_does_not_outlast_the_deadline() -> None:
    """A server that takes the request and says nothing is given up in time."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"http://127.0.0.1:{server.getsockname()[1]}"
        rest = connect(Access(kubeconfig(host)), stop=threading.Event())
        rest.deadline = time.monotonic() + 0.3
        with pytest.raises(KubeociError) as caught:
            rest.get(SYSTEM)
    assert caught.value.code in {"stopped.deadline", "cluster.unreachable"}


def test_schema_faults_are_not_repeated(cluster: ClusterSimulator) -> None:
    """A 500 about our own body is the user's error, told without the server's preamble."""
    text = "failed to create typed patch object (default/a; /v1, Kind=ConfigMap): .date: field not declared in schema"
    status = json.dumps({"kind": "Status", "message": text}).encode()
    cluster.fail("PATCH ", Fault(status=500, body=status), times=9)
    with pytest.raises(Refused) as caught:
        access(cluster).apply(f"{CONFIGMAPS}/a", BODY, manager="m")
    assert ("cluster.invalid", ".date: field not declared in schema") == (caught.value.code, caught.value.what)
    assert 1 == len(cluster.requests)


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize(
    ("status", "body", "tries"),
    [(429, b"", 2), (503, b"", 2), (502, b"", 1), (504, b"", 1), (500, b"etcdserver: request timed out", 1)],
)
def test_create_is_repeated_only_where_nothing_was_done(
    cluster: ClusterSimulator, status: int, body: bytes, tries: int
) -> None:
    """A second POST after a first one that was carried out would meet its own object."""
    cluster.fail("POST ", Fault(status=status, body=body))
    with contextlib.suppress(Refused):
        access(cluster).create(CONFIGMAPS, BODY, manager="m")
    assert [f"POST {CONFIGMAPS}"] * tries == cluster.requests


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


def test_failed_renewal_is_told(cluster: ClusterSimulator) -> None:
    """A credential plugin that fails in the middle is an error, not an anonymous request."""
    rest = access(cluster)

    def broken() -> Login:
        raise ClusterError("cluster.config", "its credential plugin failed")

    rest._link._source = broken  # noqa: SLF001 - as a plugin would
    cluster.fail("GET ", Fault(status=401))
    with pytest.raises(ClusterError, match="its credential plugin failed"):
        rest.get(SYSTEM)
    assert 1 == len(cluster.requests)


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


def test_time_that_runs_out_between_attempts(cluster: ClusterSimulator) -> None:
    """The server's last words say why, not only that it took too long; a stop is still a stop."""

    class Late(threading.Event):
        """A pause that takes longer than it should."""

        def wait(self, timeout: float | None = None) -> bool:
            rest.deadline = time.monotonic() - 1
            return super().wait(0 if timeout else None)

    cluster.fail("GET", Fault(status=429), times=2)
    stop = Late()
    rest = access(cluster, stop)
    rest.deadline = time.monotonic() + 60
    with pytest.raises(Refused) as caught:
        rest.get(SYSTEM)
    assert (429, 1) == (caught.value.status, len(cluster.requests))


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
