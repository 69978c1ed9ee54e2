# SPDX-License-Identifier: Apache-2.0
"""What a live object says about itself, row by row."""

import time

import pytest

from kubeoci.cluster import health
from kubeoci.cluster.health import Context, Health, State
from simulator.live import CREATED, Body, body, is_

NOW = 1_767_225_620.0  # 20 s after CREATED


def pod(phase: str, **status: object) -> Body:
    """A Pod in a phase."""
    return body("Pod", {}, {"phase": phase, **status})


def waiting(reason: str) -> list[Body]:
    """Container statuses of one container that waits."""
    return [{"name": "web", "state": {"waiting": {"reason": reason}}}]


CLAIM = {"storageClassName": "late"}

UNSEEN = "LatestGenerationNotObserved"
STALLED, BUSY = is_("Stalled")["conditions"], is_("Reconciling")["conditions"]

ESTABLISHED, TAKEN = is_("Established")["conditions"], is_("NamesAccepted", "False", "Taken")["conditions"]

CURRENT: list[Body] = [
    *[body(kind) for kind in ("Secret", "ConfigMap", "CronJob", "PodDisruptionBudget", "Namespace", "Service")],
    body("Service", {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}),
    body("PersistentVolumeClaim", {}, {"phase": "Bound"}),
    *[pod("Succeeded"), pod("Running", **is_("Ready"))],
    *[body("CustomResourceDefinition", {}, is_("Established")), body("APIService", {}, is_("Available"))],
    *[body("Thing"), body("Thing", {}, is_("Ready")), body("Thing", {}, {"conditions": None})],
    body("Thing", {}, {"observedGeneration": 2}, generation=2),
    body("Thing", {}, {"observedGeneration": "1"}, generation=2),
    body("Thing", {}, {"conditions": [{"type": "Stalled", "status": "False"}, None, "odd"]}),
    body("Thing", {}, {"conditions": [*is_("Ready")["conditions"], *is_("Ready", "False")["conditions"]]}),
    *[body(kind, {}, is_("Ready", "False")) for kind in ("ConfigMap", "Secret", "CronJob", "Service")],
    body("CustomResourceDefinition", {}, {"conditions": [*ESTABLISHED, *TAKEN]}),
    body("Thing", {}, {"observedGeneration": None}, generation=2),
    *[body(kind) | {"apiVersion": "shop.dev/v1"} for kind in ("Job", "Deployment", "Pod", "PersistentVolumeClaim")],
]  # fmt: skip

WAITING: list[tuple[Body, str, str]] = [
    (
        body("Thing", {}, {"observedGeneration": 1}, generation=2),
        UNSEEN,
        "generation 2 is not seen",
    ),
    (body("Thing", {}, {"observedGeneration": 3}, generation=2), UNSEEN, "generation 2 is not seen"),
    (body("Secret", {}, {"observedGeneration": 1}, generation=2), UNSEEN, "generation 2 is not seen"),
    (body("Secret", {}, is_("Reconciling", reason="Busy", message="working")), "Busy", "working"),
    (body("Thing", {}, {"conditions": [*BUSY, *STALLED]}), "Reconciling", "Reconciling=True"),
    (body("Thing", {}, {"observedGeneration": 1, "conditions": STALLED}, generation=2), UNSEEN, "generation 2"),
    (body("Thing", {}, is_("Ready", "False", "Broken", "no money")), "Broken", "no money"),
    (body("Thing", {}, is_("Ready", "Unknown")), "Ready", "Ready=Unknown"),
    (body("Service", {"type": "LoadBalancer"}), "NoIPAssigned", "no cluster IP"),
    (body("PersistentVolumeClaim", CLAIM, {"phase": "Pending"}), "NotBound", "its phase is Pending"),
    (body("PersistentVolumeClaim"), "NotBound", "its phase is not set"),
    (body("PersistentVolumeClaim", {}, {"phase": "Lost"}), "NotBound", "its phase is Lost"),
    (pod("Pending"), "PodPending", "have not started"),
    (pod(""), "PodNotObserved", "no kubelet"),
    (pod("Running", containerStatuses=waiting("ContainerCreating")), "PodRunningNotReady", "not ready"),
    (body("CustomResourceDefinition", {}, is_("Established", "False", "Installing")), "Installing", "not established"),
    (body("CustomResourceDefinition"), "Installing", "not established"),
    (pod("Running"), "PodRunningNotReady", "not ready"),
    (pod("Pending", **is_("PodScheduled", "False", "SchedulingGated")), "PodPending", "have not started"),
    (body("APIService"), "NotAvailable", "Available=Unknown"),
    (
        body("APIService", {}, is_("Available", "False", "MissingEndpoints", "none")),
        "NotAvailable",
        "Available=False: MissingEndpoints: none",
    ),
]  # fmt: skip

FAILED: list[tuple[Body, str, str]] = [
    (body("Thing", {}, {"conditions": [*STALLED, *BUSY]}), "Stalled", "Stalled=True"),
    (body("ConfigMap", {}, {"conditions": STALLED}), "Stalled", "Stalled=True"),
    (pod("Failed", message="low on disk", reason="Evicted"), "PodFailed", "low on disk"),
    (body("Thing", {}, is_("Stalled", reason="Stuck", message="gave up")), "Stuck", "gave up"),
    (pod("Failed", reason="Evicted"), "PodFailed", "Evicted"),
    (pod("Failed"), "PodFailed", "ended with an error"),
    (pod("Running", containerStatuses=waiting("CrashLoopBackOff")), "ContainerCrashLooping", "container web crashes"),
    (
        pod("Running", initContainerStatuses=waiting("CrashLoopBackOff")),
        "ContainerCrashLooping",
        "container web crashes",
    ),
    (pod("Pending", **is_("PodScheduled", "False", "Unschedulable", "no room")), "PodUnschedulable", "no room"),
    (body("CustomResourceDefinition", {}, is_("NamesAccepted", "False", "Taken")), "Taken", "NamesAccepted=False"),
    (body("CustomResourceDefinition", {}, {"conditions": [*TAKEN, *ESTABLISHED]}), "Taken", "NamesAccepted=False"),
    (body("CustomResourceDefinition", {}, is_("Established", "False", "Broken")), "Broken", "Established=False"),
]  # fmt: skip


@pytest.mark.parametrize("live", CURRENT)
def test_current(live: Body) -> None:
    """Nothing to wait for."""
    assert health.status(live, now=NOW).is_current


@pytest.mark.parametrize(("live", "reason", "words"), WAITING)
def test_waiting(live: Body, reason: str, words: str) -> None:
    """Still on its way, and what is missing."""
    found = health.status(live, now=NOW)
    assert (State.IN_PROGRESS, reason, True) == (found.state, found.reason, words in found.message)


@pytest.mark.parametrize(("live", "reason", "words"), FAILED)
def test_failed(live: Body, reason: str, words: str) -> None:
    """It will not get better by waiting."""
    found = health.status(live, now=NOW)
    assert (State.FAILED, reason, True) == (found.state, found.reason, words in found.message)


@pytest.mark.parametrize(
    ("live", "state"),
    [
        (None, State.NOT_FOUND),
        (pod("Running", deletionTimestamp="") | {"metadata": {"deletionTimestamp": CREATED}}, State.TERMINATING),
        (body("Thing", {}, {"observedGeneration": 1}, generation=2, deletionTimestamp=CREATED), State.TERMINATING),
        (pod("Odd"), State.UNKNOWN),
    ],
)
def test_other_states(live: Body | None, state: State) -> None:
    """Gone, going, or beyond us."""
    assert state == health.status(live, now=NOW).state


def test_scheduling_takes_a_moment() -> None:
    """A Pod that finds no node is given fifteen seconds from its creation."""
    live = pod("Pending", **is_("PodScheduled", "False", "Unschedulable"))
    assert "PodNotScheduled" == health.status(live, now=NOW - 6).reason
    live["metadata"]["creationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert "PodNotScheduled" == health.status(live).reason


def test_age_unknown() -> None:
    """A Pod that does not say when it was made is old."""
    live = pod("Pending", **is_("PodScheduled", "False", "Unschedulable"))
    del live["metadata"]["creationTimestamp"]
    assert "PodUnschedulable" == health.status(live, now=NOW).reason


def test_late_binding() -> None:
    """A claim of a class that waits for its first consumer is not waited for, once a node is chosen it is."""
    live, late = body("PersistentVolumeClaim", CLAIM, {"phase": "Pending"}), Context(late_classes=frozenset({"late"}))
    found = health.status(live, late)
    assert (State.CURRENT, "WaitForFirstConsumer") == (found.state, found.reason)
    live["metadata"]["annotations"] = {"volume.kubernetes.io/selected-node": "n"}
    assert "NotBound" == health.status(live, late).reason


THING = ("example.com", "Thing")
MADE = NOW - 20


@pytest.mark.parametrize(
    ("now", "since", "is_waited"),
    [
        (MADE + 9, MADE, True),
        (MADE + 10, MADE, False),
        (MADE + 9, MADE - 5, False),
        (MADE - 60, MADE - 60, True),
        (MADE - 60, MADE - 70, False),
        (MADE + 60, MADE + 60, False),
    ],
)
def test_new_resources_are_given_time(now: float, since: float, is_waited: bool) -> None:
    """Ten seconds from creation, and no longer than ten from when we began: clocks may differ."""
    context = Context(observing=frozenset({THING}), since=since)
    found = health.status(body("Thing"), context, now=now)
    assert is_waited is (found.reason == "NotObserved")
    assert is_waited is not found.is_current


@pytest.mark.parametrize(
    "live", [body("Thing", {}, is_("Ready")), body("Thing", {}, {"observedGeneration": 1}), body("ConfigMap")]
)
def test_who_speaks_is_not_given_time(live: Body) -> None:
    """A controller that said something has seen it; kinds without one need none."""
    context = Context(observing=frozenset({THING, ("", "ConfigMap")}), since=MADE)
    assert health.status(live, context, now=MADE).is_current


def test_silence_is_judged_by_the_schema() -> None:
    """Kinds whose schema promises nothing are not waited for."""
    assert health.status(body("Thing"), Context(since=MADE), now=MADE).is_current


def test_the_user_judges() -> None:
    """Own rules replace those of the kind and the conditions, in any version."""
    failed = Health(State.FAILED, "Mine")
    context = Context(judges={("apps", "Deployment"): lambda _body: failed})
    live = body("Deployment", {}, {"conditions": BUSY}) | {"apiVersion": "apps/v9"}
    assert failed == health.status(live, context)


@pytest.mark.parametrize(
    ("live", "state"),
    [
        (body("Thing", {}, {"observedGeneration": 1}, generation=2), State.IN_PROGRESS),
        (body("Thing", deletionTimestamp=CREATED), State.TERMINATING),
        (None, State.NOT_FOUND),
    ],
)
def test_what_comes_before_the_user(live: Body | None, state: State) -> None:
    """An object that is leaving, or whose newest generation nobody has seen, is not judged."""
    assert state is health.status(live, Context(judges={THING: lambda _body: Health(State.CURRENT)})).state
