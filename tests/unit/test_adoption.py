# SPDX-License-Identifier: Apache-2.0
"""Taking over objects of other tools: the exact requests, and what somebody else does in between."""

from collections.abc import Iterator

import pytest

from kubeoci.changes import Action
from kubeoci.cluster.inventory import PART_OF
from kubeoci.cluster.target import Outcome
from simulator.cluster import ClusterSimulator, Fault
from simulator.shop import FLAGS, FLAGS_PATH, NAMESPACE, load, target

OLD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags, namespace: shop}\ndata: {color: blue, size: big}\n"
PATCH, APPLY = f"PATCH {FLAGS_PATH}", f"PATCH {FLAGS_PATH}?force=true"
DRY = f"PATCH {FLAGS_PATH}?dryRun=All"


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A namespace with a ConfigMap that kubectl made."""
    with ClusterSimulator() as simulator:
        target(simulator).apply(load(NAMESPACE), (), revision="r1")
        simulator.put(load(OLD)[0].body, "kubectl-client-side-apply")
        simulator.requests.clear()
        yield simulator


def up(cluster: ClusterSimulator, **settings: object) -> Outcome:
    """Apply the namespace and the ConfigMap."""
    return target(cluster, **settings).apply(load(NAMESPACE, FLAGS), (), revision="r1")


def requests(cluster: ClusterSimulator) -> list[str]:
    """Those for the ConfigMap."""
    return [text for text in cluster.requests if FLAGS_PATH in text and not text.startswith("GET")]


def managers(cluster: ClusterSimulator) -> list[str]:
    """Who owns fields of the ConfigMap: the first word of each name."""
    body = cluster.at(FLAGS_PATH)
    return [entry["manager"].partition("-")[0] for entry in body["metadata"]["managedFields"]] if body else []


def test_two_dry_runs_and_two_writes(cluster: ClusterSimulator) -> None:
    """The conflict is settled in dry-runs; the apply behind the patch has none."""
    outcome = up(cluster)
    assert [DRY, f"{DRY}&force=true", f"PUT {FLAGS_PATH}?dryRun=All", PATCH, PATCH] == requests(cluster)
    assert ((), Action.CONFIGURED) == (outcome.reasons, outcome.changes[1].action)
    body = cluster.at(FLAGS_PATH)
    assert body
    assert ({"color": "red"}, ["kubeoci"]) == (body["data"], managers(cluster))


def test_the_second_update_writes_nothing(cluster: ClusterSimulator) -> None:
    """Nothing is left to take over."""
    up(cluster)
    cluster.requests.clear()
    assert not up(cluster).written


def test_the_preview_names_the_tool_and_the_field(cluster: ClusterSimulator) -> None:
    """And writes nothing."""
    change = target(cluster).plan(load(NAMESPACE, FLAGS), ()).changes[1]
    assert "adopted from kubectl-client-side-apply" == change.note
    assert {"data.color", "data.size", "metadata.labels"} == {field.path for field in change.fields}
    assert [] == cluster.writes()


def test_a_writer_in_between_is_waited_for(cluster: ClusterSimulator) -> None:
    """The patch holds for one version only; it is made anew for the next."""
    cluster.then(
        f"PUT {FLAGS_PATH}", lambda: cluster.edit(FLAGS_PATH, "tuner", lambda body: body["data"].update(a="b"))
    )
    assert () == up(cluster).reasons
    assert [PATCH, PATCH, PATCH] == requests(cluster)[3:]
    body = cluster.at(FLAGS_PATH)
    assert body
    assert {"color": "red", "a": "b"} == body["data"]


def test_a_writer_that_never_rests(cluster: ClusterSimulator) -> None:
    """After some tries it is told, and no field is lost."""
    cluster.fail(PATCH, Fault(status=409), times=7)
    assert "ConfigMap/shop/flags (1.yaml:1)" in up(cluster).reasons[0]
    body = cluster.at(FLAGS_PATH)
    assert body
    assert {"color": "blue", "size": "big"} == body["data"]


def test_an_owner_in_between_keeps_it(cluster: ClusterSimulator) -> None:
    """Another stack that was quicker is named, and nothing of the object is written."""
    label = {PART_OF: "applyset-other-v1"}
    cluster.then(
        f"PUT {FLAGS_PATH}", lambda: cluster.edit(FLAGS_PATH, "b", lambda body: body["metadata"].update(labels=label))
    )
    outcome = up(cluster)
    assert "it belongs to the ApplySet applyset-other-v1 now" in outcome.reasons[0]
    assert PATCH in requests(cluster)
    body = cluster.at(FLAGS_PATH)
    assert body
    assert {"color": "blue", "size": "big"} == body["data"]


def test_an_object_that_vanished_in_between(cluster: ClusterSimulator) -> None:
    """The next run creates it."""
    cluster.then(f"PUT {FLAGS_PATH}", lambda: (cluster.remove(FLAGS_PATH), cluster.put(load(OLD)[0].body)))
    assert "somebody deleted it just now" in up(cluster).reasons[0]


def test_a_run_killed_between_the_two_writes_is_finished(cluster: ClusterSimulator) -> None:
    """The fields are ours then, so the next apply still removes what the manifest lacks."""
    refuse = Fault(status=403)
    cluster.then(f"PUT {FLAGS_PATH}", lambda: cluster.then(PATCH, lambda: cluster.fail(PATCH, refuse)))
    assert up(cluster).reasons
    assert () == up(cluster).reasons
    body = cluster.at(FLAGS_PATH)
    assert body
    assert {"color": "red"} == body["data"]


def test_without_the_right_to_replace_the_preview_knows_less(cluster: ClusterSimulator) -> None:
    """Defaults of the server are missing, no more."""
    cluster.fail(f"PUT {FLAGS_PATH}", Fault(status=403))
    change = target(cluster).plan(load(NAMESPACE, FLAGS), ()).changes[1]
    assert "data.size" in {field.path for field in change.fields}


def test_fail_tells_the_fields_of_the_tool(cluster: ClusterSimulator) -> None:
    """Who wants to be asked is asked, before anything is written."""
    assert "data.color of kubectl-client-side-apply" in up(cluster, conflicts="fail").reasons[0]
    body = cluster.at(FLAGS_PATH)
    assert body
    assert ["kubectl"] == managers(cluster)
