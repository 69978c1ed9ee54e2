# SPDX-License-Identifier: Apache-2.0
"""Fields that are left to others once the object exists: no difference, no drift, no write."""

from collections.abc import Iterator
from typing import Any

import pytest

from kubeoci.changes import Action
from kubeoci.cluster.ignorerules import IgnoreRule
from kubeoci.cluster.target import Outcome
from kubeoci.errors import InputError
from kubeoci.objectselector import ObjectSelector
from simulator.cluster import ClusterSimulator
from simulator.shop import FLAGS, FLAGS_PATH, NAMESPACE, WEB, WEB_PATH, load, target

REPLICAS = IgnoreRule(("/spec/replicas",), ObjectSelector(kind="Deployment"))
COLOR = IgnoreRule(("/data/color",))
IMAGE = IgnoreRule(("/spec/template/spec/containers/0/image",))


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """A cluster with the shop."""
    with ClusterSimulator() as simulator:
        target(simulator).apply(load(NAMESPACE, FLAGS, WEB), (), revision="r1")
        simulator.requests.clear()
        yield simulator


def up(cluster: ClusterSimulator, *documents: str, rules: tuple[IgnoreRule, ...] = (REPLICAS, COLOR, IMAGE)) -> Outcome:
    """Apply the shop with these rules."""
    return target(cluster, ignore_fields=rules).apply(load(NAMESPACE, *documents), (), revision="r1")


def live(cluster: ClusterSimulator, path: str) -> dict[str, Any]:
    """An object as it is."""
    found = cluster.at(path)
    assert found
    return found


def test_ignored_fields_are_applied_at_creation() -> None:
    """Afterwards they are the others'."""
    with ClusterSimulator() as cluster:
        assert () == up(cluster, FLAGS, WEB).reasons
        assert ("red", 2) == (live(cluster, FLAGS_PATH)["data"]["color"], live(cluster, WEB_PATH)["spec"]["replicas"])


def test_a_change_of_the_manifest_is_not_applied(cluster: ClusterSimulator) -> None:
    """Nobody else owns the fields, so they keep their values, and nothing is written."""
    outcome = up(
        cluster, FLAGS.replace("red", "blue"), WEB.replace("web:1", "web:2").replace("replicas: 2", "replicas: 3")
    )
    assert (False, {Action.UNCHANGED}) == (outcome.written, {change.action for change in outcome.changes})


def test_fields_of_others_are_given_up(cluster: ClusterSimulator) -> None:
    """What somebody changed is theirs: it is neither reported nor taken back, now and ever after."""
    cluster.edit(WEB_PATH, "tuner", lambda body: body["spec"].update(replicas=9))
    cluster.edit(FLAGS_PATH, "kubectl-edit", lambda body: body["data"].update(color="pink"))
    up(cluster, FLAGS, WEB)
    assert (9, "pink") == (live(cluster, WEB_PATH)["spec"]["replicas"], live(cluster, FLAGS_PATH)["data"]["color"])
    drift = target(cluster, ignore_fields=(REPLICAS, COLOR)).drift(load(NAMESPACE, FLAGS, WEB), ())
    assert ((), {}) == (drift.missing, drift.live)
    assert not up(cluster, FLAGS, WEB).written


def test_removed_fields_stay_removed(cluster: ClusterSimulator) -> None:
    """A map that holds nothing else is left out with its field."""
    cluster.edit(FLAGS_PATH, "somebody", lambda body: body.pop("data"))
    up(cluster, FLAGS, WEB)
    assert "data" not in live(cluster, FLAGS_PATH)


def test_other_fields_are_applied(cluster: ClusterSimulator) -> None:
    """The rules are for single fields."""
    cluster.edit(WEB_PATH, "tuner", lambda body: body["spec"].update(replicas=9))
    up(cluster, FLAGS, WEB.replace("web:1", "web:2"), rules=(REPLICAS,))
    body = live(cluster, WEB_PATH)
    assert (9, "web:2") == (body["spec"]["replicas"], body["spec"]["template"]["spec"]["containers"][0]["image"])


def test_rules_that_fit_nothing_are_told(cluster: ClusterSimulator) -> None:
    """They have no effect."""
    outcome = up(cluster, FLAGS, WEB, rules=(REPLICAS, IgnoreRule(("/a",), ObjectSelector(kind="StatefulSet"))))
    assert ("ignoreFields[1] fits none of the objects",) == outcome.warnings


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        (ObjectSelector(), True),
        (ObjectSelector("apps", "v1", "Deploy.*", "web", "shop"), True),
        (ObjectSelector(kind="Deploy"), False),
        (ObjectSelector(namespace="other|more"), False),
        (ObjectSelector(label_selector="app=web,tier in (a, b),!old,env"), True),
        (ObjectSelector(label_selector="app!=web"), False),
        (ObjectSelector(label_selector="tier notin (a, c)"), False),
        (ObjectSelector(annotation_selector="note==x"), True),
        (ObjectSelector(annotation_selector="missing"), False),
    ],
)
def test_selectors(selector: ObjectSelector, fits: bool) -> None:
    """All parts must fit, regular expressions as a whole."""
    labels = "labels: {app: web, tier: a, env: ''}, annotations: {note: x}"
    (item,) = load(WEB.replace("namespace: shop", f"namespace: shop, {labels}"))
    assert fits == selector.fits(item)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: IgnoreRule(("spec",)), "'spec' is no JSON pointer to a field"),
        (lambda: IgnoreRule(("/",)), "'/' is no JSON pointer to a field"),
        (lambda: IgnoreRule(("/a~2",)), "'/a~2' is no JSON pointer"),
        (lambda: IgnoreRule(("/metadata/name",)), "/metadata/name cannot be left to others"),
        (lambda: IgnoreRule(("/status/a",)), "/status/a cannot be left to others"),
        (lambda: ObjectSelector(kind="("), "kind: it is no regular expression"),
        (lambda: ObjectSelector(label_selector="a b"), "labelSelector: 'a b' is no label selector"),
        (lambda: ObjectSelector(annotation_selector="a in b"), "annotationSelector: 'a in b' is no label selector"),
    ],
)
def test_rules_that_cannot_be_read(make: Any, told: str) -> None:  # noqa: ANN401 - any function
    """Each is told with the name of its part."""
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(told)
