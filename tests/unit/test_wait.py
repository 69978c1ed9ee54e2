# SPDX-License-Identifier: Apache-2.0
"""Waiting: streams instead of polling, messages in words, and an early end."""

import threading
from collections.abc import Callable, Iterator

import pytest

from kubeoci.cluster.checks import HealthCheck, HealthCheckExpr
from kubeoci.cluster.target import Outcome, Settings, Target
from kubeoci.errors import InputError
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import FLAGS, NAMESPACE, WEB, WEB_PATH, access, load, target

WATCH = "GET /apis/apps/v1/namespaces/shop/deployments?watch=1"
JOBS = "/apis/batch/v1/namespaces/shop/jobs"
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: shop}
spec: {ttlSecondsAfterFinished: 0, template: {spec: {restartPolicy: Never, containers: [{name: a, image: "a:1"}]}}}
"""
API = HealthCheck("apps/v1", "Deployment", "api", "other")
API_PATH = "/apis/apps/v1/namespaces/other/deployments/api"
TOO_SLOW = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster whose Deployment `web` never becomes ready by itself."""
    with ClusterSimulator() as simulator:
        simulator.unready.add("web")
        yield simulator


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubeoci.cluster.streams._POLL_SECONDS", 0.05)


def up(cluster: ClusterSimulator, *documents: str, **settings: object) -> Outcome:
    """Apply the namespace and the Deployment, or other objects."""
    return target(cluster, **settings).apply(load(NAMESPACE, *(documents or (WEB,))), (), revision="r1")


def healing(cluster: ClusterSimulator, path: str = WEB_PATH) -> Callable[[], None]:
    """Let the controllers do their work from now on, this object first."""

    def heal() -> None:
        cluster.unready.clear()
        cluster.edit(path, "controller", lambda body: body["metadata"].update(annotations={"touched": "yes"}))

    return heal


def failing(cluster: ClusterSimulator) -> Callable[[], None]:
    """Let the Deployment exceed its own deadline."""
    return lambda: cluster.edit(WEB_PATH, "controller", lambda body: body["status"].update(conditions=[TOO_SLOW]))


def waits(cluster: ClusterSimulator) -> list[str]:
    """What was asked of Deployments after the last write to them."""
    last = max(number for number, text in enumerate(cluster.requests) if text.startswith("PATCH /apis/apps"))
    return [text for text in cluster.requests[last + 1 :] if "/deployments" in text]


def test_change_arrives_by_watch(cluster: ClusterSimulator) -> None:
    """One stream for the kind and nothing else, however long it takes."""
    cluster.then(WATCH, healing(cluster))
    assert () == up(cluster).reasons
    assert [WATCH] == waits(cluster)


def test_ready_at_once_asks_nothing(cluster: ClusterSimulator) -> None:
    """What its apply answered as ready is not asked for again."""
    assert () == up(cluster, FLAGS).reasons
    assert [] == cluster.watches


def test_the_stream_begins_with_what_is_there(cluster: ClusterSimulator) -> None:
    """The initial events come in the same request, and only our objects are asked for."""
    cluster.then(WATCH, healing(cluster))
    up(cluster)
    query = cluster.watches[0]
    assert ("true", "NotOlderThan", "true") == (
        query["sendInitialEvents"], query["resourceVersionMatch"], query["allowWatchBookmarks"],
    )  # fmt: skip
    assert query["labelSelector"].startswith("applyset.kubernetes.io/part-of=applyset-")


def test_nothing_happens_nothing_is_asked(cluster: ClusterSimulator) -> None:
    """Waiting for an idle object is one open request."""
    up(cluster, timeout_seconds=1.5)
    assert [WATCH] == waits(cluster)[:1]
    assert not [text for text in waits(cluster)[1:] if "/pods" not in text and "/events" not in text]


def test_deadline_says_what_is_missing(cluster: ClusterSimulator) -> None:
    """Each unready object is named with its progress; the inventory is complete."""
    outcome = up(cluster, timeout_seconds=0.6)
    assert ("Deployment/shop/web: not ready in time: 1 of 2 replicas created (cluster.not_ready)",) == outcome.reasons
    assert ("cluster.not_ready", 2) == (outcome.code, len(outcome.inventory))


def test_failed_object_ends_the_wait_early(cluster: ClusterSimulator) -> None:
    """Nobody waits until the deadline for what has failed."""
    cluster.then(WATCH, failing(cluster))
    outcome = up(cluster, timeout_seconds=3600.0)
    assert "0 available: too slow" in outcome.reasons[0]


def test_one_failure_does_not_end_the_wait_for_others(cluster: ClusterSimulator) -> None:
    """Without `failFast` what can still become ready is waited for, and both are told."""
    cluster.unready.add("once")
    cluster.then(WATCH, failing(cluster))
    outcome = up(cluster, WEB, JOB, timeout_seconds=1.0)
    assert ["Deployment/shop/web", "Job/shop/once"] == [reason.partition(":")[0] for reason in outcome.reasons]


def test_fail_fast_ends_with_the_first_failure(cluster: ClusterSimulator) -> None:
    """With `failFast` the failed object alone is told, and nobody waits for the rest."""
    cluster.unready.add("once")
    cluster.then(WATCH, failing(cluster))
    outcome = up(cluster, WEB, JOB, timeout_seconds=3600.0, fail_fast=True)
    assert ["Deployment/shop/web"] == [reason.partition(":")[0] for reason in outcome.reasons]


def test_wait_can_be_switched_off(cluster: ClusterSimulator) -> None:
    """Without `wait` only definitions and namespaces are waited for."""
    assert () == up(cluster, wait=False).reasons
    assert [] == cluster.watches


@pytest.mark.parametrize("wait", [True, False])
def test_checks_are_awaited_by_name(cluster: ClusterSimulator, wait: bool) -> None:
    """An object beyond the set is watched alone, without our label; `wait: false` leaves it the only one."""
    cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "other"}}
    cluster.then(WATCH.replace("shop", "other"), lambda: cluster.put({**made, "spec": {"replicas": 1}}))
    assert () == up(cluster, FLAGS, wait=wait, health_checks=(API,)).reasons
    assert [("metadata.name=api", None)] == [(it["fieldSelector"], it.get("labelSelector")) for it in cluster.watches]


def test_missing_check_is_told(cluster: ClusterSimulator) -> None:
    """An object that nobody makes ends the time."""
    outcome = up(cluster, wait=False, health_checks=(API,), timeout_seconds=0.3)
    assert ("Deployment/other/api: it does not exist (cluster.not_ready)",) == outcome.reasons


def test_check_within_the_set_is_one_object(cluster: ClusterSimulator) -> None:
    """Who names an applied object waits for it once, by label."""
    cluster.then(WATCH, healing(cluster))
    assert () == up(cluster, health_checks=(HealthCheck("apps/v1", "Deployment", "web", "shop"),)).reasons
    assert 1 == len(cluster.watches)


def test_check_of_an_unknown_kind_is_an_error(cluster: ClusterSimulator) -> None:
    """Nothing could ever come of it."""
    outcome = up(cluster, FLAGS, health_checks=(HealthCheck("shop.dev/v1", "Cart", "a"),))
    assert "cluster.kind_missing" == outcome.code


def test_rule_of_the_user_decides(cluster: ClusterSimulator) -> None:
    """An expression replaces the rule of the kind, and hears of changes by the same stream."""
    rule = HealthCheckExpr("apps/v1", "Deployment", current="metadata.annotations.touched == 'yes'")
    cluster.unready.clear()
    cluster.then(WATCH, healing(cluster))
    assert () == up(cluster, health_check_exprs=(rule,)).reasons


def test_bad_rule_is_told_before_anything_is_written(cluster: ClusterSimulator) -> None:
    """An expression that cannot be read ends the apply at once."""
    with pytest.raises(InputError, match="it is no CEL"):
        up(cluster, health_check_exprs=(HealthCheckExpr("apps/v1", "Deployment", current="("),))
    assert [] == cluster.writes()


@pytest.mark.parametrize(
    ("check", "path"),
    [
        (HealthCheck("v1", "ConfigMap", "a"), "/api/v1/namespaces/default/configmaps"),
        (HealthCheck("v1", "Namespace", "a", "ignored"), "/api/v1/namespaces"),
    ],
)
def test_scope_of_a_check(cluster: ClusterSimulator, check: HealthCheck, path: str) -> None:
    """Without a namespace it is the inventory's; kinds of the whole cluster have none."""
    up(cluster, wait=False, health_checks=(check,), timeout_seconds=0.3)
    assert f"GET {path}?watch=1" in cluster.requests


@pytest.mark.usefixtures("_impatient")
def test_forbidden_watch_becomes_polling(cluster: ClusterSimulator) -> None:
    """Who may read but not watch is served too."""
    cluster.fail(WATCH, Fault(status=403, body=b'{"kind":"Status","message":"no watch"}'), times=99)
    cluster.then(WATCH, lambda: cluster.then(f"GET {WEB_PATH}", healing(cluster)))
    assert () == up(cluster).reasons
    assert [WATCH, f"GET {WEB_PATH}", f"GET {WEB_PATH}"] == waits(cluster)


def test_deleted_object_is_told(cluster: ClusterSimulator) -> None:
    """Somebody deletes what we wait for."""
    cluster.then(WATCH, lambda: cluster.remove(WEB_PATH))
    told = "Deployment/shop/web: somebody deleted it meanwhile (cluster.not_ready)"
    assert (told,) == up(cluster, timeout_seconds=1.0).reasons


def test_object_that_comes_back_is_waited_for(cluster: ClusterSimulator) -> None:
    """Deleted and made anew: the new one counts."""

    def replace() -> None:
        body = cluster.at(WEB_PATH) or {}
        cluster.remove(WEB_PATH)
        cluster.unready.clear()
        cluster.put({**body, "metadata": {key: body["metadata"][key] for key in ("name", "namespace", "labels")}})

    cluster.then(WATCH, replace)
    assert () == up(cluster).reasons


def test_job_with_a_ttl_may_vanish(cluster: ClusterSimulator) -> None:
    """A Job that its TTL removes has ended."""
    cluster.unready.add("once")
    cluster.then(f"GET {JOBS}?watch=1", lambda: cluster.remove(f"{JOBS}/once"))
    assert () == up(cluster, JOB).reasons


def test_failed_job_with_a_ttl_has_failed(cluster: ClusterSimulator) -> None:
    """Its last known state counts."""
    cluster.unready.add("once")
    condition = {"type": "Failed", "status": "True", "message": "too often"}

    def end() -> None:
        cluster.edit(f"{JOBS}/once", "controller", lambda body: body.update(status={"conditions": [condition]}))
        cluster.remove(f"{JOBS}/once")

    cluster.then(f"GET {JOBS}?watch=1", end)
    assert ("Job/shop/once: too often (cluster.not_ready)",) == up(cluster, JOB).reasons


def test_job_without_a_ttl_must_stay(cluster: ClusterSimulator) -> None:
    """Somebody deleted it before it had ended."""
    cluster.unready.add("once")
    cluster.then(f"GET {JOBS}?watch=1", lambda: cluster.remove(f"{JOBS}/once"))
    outcome = up(cluster, JOB.replace("ttlSecondsAfterFinished: 0, ", ""), timeout_seconds=0.5)
    assert ("Job/shop/once: somebody deleted it meanwhile (cluster.not_ready)",) == outcome.reasons


def test_stop_ends_the_wait(cluster: ClusterSimulator) -> None:
    """A stop on request is noticed while nothing happens."""
    stop = threading.Event()
    cluster.then(WATCH, stop.set)
    outcome = target(cluster, stop, timeout_seconds=60.0).apply(load(NAMESPACE, WEB), (), revision="r1")
    assert "stopped.cancelled" == outcome.code


def test_progress_counts(cluster: ClusterSimulator) -> None:
    """How many are ready, and what the first of the others lacks."""
    lines: list[str] = []
    stop, wanted = threading.Event(), Settings("default", "app", timeout_seconds=0.6)
    engine = Target(access(cluster, stop), wanted, stop=stop, log=lines.append, progress=lines.append)
    engine.apply(load(NAMESPACE, FLAGS, WEB), (), revision="r1")
    assert "2/3 ready, waiting for Deployment/shop/web: 1 of 2 replicas created" in lines


def test_progress_is_throttled(cluster: ClusterSimulator) -> None:
    """Many changes in a second are one line."""
    lines: list[str] = []
    stop, wanted = threading.Event(), Settings("default", "app", timeout_seconds=0.9)
    engine = Target(access(cluster, stop), wanted, stop=stop, log=lines.append, progress=lines.append)

    def fuss() -> None:
        for number in range(20):
            cluster.edit(
                WEB_PATH, "controller", lambda body, n=number: body["metadata"].update(annotations={"n": str(n)})
            )

    cluster.then(WATCH, fuss)
    engine.apply(load(NAMESPACE, WEB), (), revision="r1")
    assert 1 == sum(line.startswith("1/2 ready, waiting for Deployment/shop/web") for line in lines)


def test_surprise_in_a_thread_is_told(cluster: ClusterSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread never dies with a traceback: whoever waits gets what went wrong, and the inventory stays whole."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("kubeoci.cluster.streams.Streams._read", broken)
    outcome = up(cluster, timeout_seconds=60.0)
    assert ("watching Deployment in shop failed: ZeroDivisionError (cluster.failed)",) == outcome.reasons
    assert 2 == len(outcome.inventory)
