# SPDX-License-Identifier: Apache-2.0
"""Rows of a preview."""

import pytest
from google.protobuf import json_format

from kubeoci.changes import Action, Change, FieldChange
from kubeoci.identity import ObjectId
from kubeoci.lifecycle.contract import Planned
from kubeoci.plugin import views
from kubeoci.plugin.stubs import provider_pb2, resource_status_pb2

WEB = ObjectId("apps", "Deployment", "shop", "web")
ROLE = ObjectId("rbac.authorization.k8s.io", "ClusterRole", "", "shop")


def row(change: Change, body: str = "") -> resource_status_pb2.ViewStep:
    """The only row of a plan with one change."""
    (step,) = views.steps("app", Planned({}, (change,), {str(change.subject): body} if body else {}))
    return step


def body(step: resource_status_pb2.ViewStep) -> dict[str, object]:
    """What `--diff` prints below a row."""
    shown: dict[str, object] = json_format.MessageToDict(step.new.outputs)
    return shown


def test_created_object_shows_its_manifest() -> None:
    """The owner's name is part of the row's: two owners must not collide."""
    step = row(Change(WEB, Action.CREATED, "apps/v1"), "kind: Deployment\n")
    assert ("kubernetes:apps/v1:Deployment", "app/shop/web") == (step.type, step.name)
    assert (resource_status_pb2.ViewStep.CREATE, {"yaml": "kind: Deployment\n"}) == (step.op, body(step))


def test_configured_object_shows_its_fields() -> None:
    """Old and new of each changed field; a note where there is one."""
    fields = (FieldChange("spec.replicas", "3", "5"),)
    step = row(Change(WEB, Action.CONFIGURED, "apps/v1", fields, "conflict"))
    assert (resource_status_pb2.ViewStep.UPDATE, {"spec.replicas": "3 => 5", "note": "conflict"}) == (
        step.op,
        body(step),
    )


def test_recreated_object_is_an_update_with_a_note() -> None:
    """The engine's replacement rows need an old side."""
    step = row(Change(WEB, Action.RECREATED, "apps/v1", note="immutable field"))
    assert (resource_status_pb2.ViewStep.UPDATE, {"note": "immutable field"}) == (step.op, body(step))


def test_deleted_object_of_the_cluster_has_no_namespace() -> None:
    """Cluster-scoped names have two parts."""
    step = row(Change(ROLE, Action.DELETED, "rbac.authorization.k8s.io/v1"))
    assert ("app/shop", resource_status_pb2.ViewStep.DELETE, {}) == (step.name, step.op, body(step))


def test_rows_have_a_new_side_only() -> None:
    """An old side, or a detailed difference, belongs to rows that are kept."""
    step = row(Change(WEB, Action.DELETED, "apps/v1"))
    assert (True, False, False) == (step.HasField("new"), step.HasField("old"), step.has_detailed_diff)


def test_objects_that_stay_have_no_row() -> None:
    """The command line stops on rows without a change."""
    actions = (Action.UNCHANGED, Action.SKIPPED, Action.UNKNOWN)
    changes = tuple(Change(WEB, action, "apps/v1") for action in actions)
    assert [] == list(views.steps("app", Planned({}, changes)))


def test_leftovers_are_deleted_as_they_were() -> None:
    """A row that got into the state leaves it with an exact copy of its old side."""
    view = provider_pb2.View(type="kubernetes:v1:Pod", name="app/x", parent_type="t", parent_name="n")
    view.outputs["yaml"] = "kind: Pod\n"
    (step,) = views.deletions([view])
    assert (resource_status_pb2.ViewStep.DELETE, "app/x", "t", "n") == (
        step.op, step.old.name, step.old.parent_type, step.old.parent_name,
    )  # fmt: skip
    assert view.outputs == step.old.outputs


def test_many_rows_come_in_batches() -> None:
    """No message holds more than its share."""
    rows = [resource_status_pb2.ViewStep(name=str(number)) for number in range(450)]
    assert [200, 200, 50] == [len(batch) for batch in views.batches(rows)]


def test_rows_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment."""
    before = views.wanted()
    monkeypatch.setenv("KUBEOCI_VIEWS", "off")
    assert (True, False) == (before, views.wanted())
