# SPDX-License-Identifier: Apache-2.0
"""One row per object in a preview: what the engine calls views of the resource that owns them.

They are published in previews only, and with a new side only. A view in the state would need its old side for ever
after, also when its owner is renamed or removed without us.
"""

import os
from collections.abc import Iterable, Iterator, Sequence

from kubeoci.changes import Action, Change
from kubeoci.lifecycle.contract import Planned
from kubeoci.plugin.stubs import provider_pb2, resource_status_pb2
from kubeoci.plugin.values import encode, to_struct

STEPS_PER_CALL = 200
"""Rows in one message: large plans arrive in several."""

_OPS = {
    Action.CREATED: resource_status_pb2.ViewStep.CREATE,
    Action.CONFIGURED: resource_status_pb2.ViewStep.UPDATE,
    Action.RECREATED: resource_status_pb2.ViewStep.UPDATE,
    Action.DELETED: resource_status_pb2.ViewStep.DELETE,
}


def wanted() -> bool:
    """Whether rows are published; `KUBEOCI_VIEWS=off` says no."""
    return os.environ.get("KUBEOCI_VIEWS", "") != "off"


def steps(owner: str, planned: Planned) -> Iterator[resource_status_pb2.ViewStep]:
    """A row per object that changes. `owner` is the resource's name: rows of two owners must not share a name."""
    for change in planned.changes:
        if change.action in _OPS:
            yield _step(owner, change, planned.bodies.get(str(change.subject), ""))


def deletions(views: Iterable[provider_pb2.View]) -> Iterator[resource_status_pb2.ViewStep]:
    """Rows that take `views` out of the state, each with an exact copy of its old side."""
    for view in views:
        old = resource_status_pb2.ViewStepState(
            type=view.type,
            name=view.name,
            parent_type=view.parent_type,
            parent_name=view.parent_name,
            inputs=view.inputs,
            outputs=view.outputs,
        )
        yield resource_status_pb2.ViewStep(
            op=resource_status_pb2.ViewStep.DELETE, type=view.type, name=view.name, old=old
        )


def batches(rows: Sequence[resource_status_pb2.ViewStep]) -> Iterator[Sequence[resource_status_pb2.ViewStep]]:
    """`rows` in pieces of `STEPS_PER_CALL`."""
    for start in range(0, len(rows), STEPS_PER_CALL):
        yield rows[start : start + STEPS_PER_CALL]


def _step(owner: str, change: Change, body: str) -> resource_status_pb2.ViewStep:
    subject = change.subject
    name = "/".join([owner, *([subject.namespace] if subject.namespace else []), subject.name])
    kind = f"kubernetes:{change.api_version}:{subject.kind}"
    # what cannot be carried is left out of a row: check has told of it
    properties = to_struct(encode(_body(change, body), []))
    new = resource_status_pb2.ViewStepState(type=kind, name=name, inputs=properties, outputs=properties)
    return resource_status_pb2.ViewStep(op=_OPS[change.action], type=kind, name=name, new=new)


def _body(change: Change, body: str) -> dict[str, object]:
    """What `--diff` prints below the row: the new object, the changed fields, or nothing."""
    if change.action is Action.CREATED:
        return {"yaml": body} if body else {}
    if change.action is Action.DELETED:
        return {}
    shown: dict[str, object] = {field.path: str(field) for field in change.fields}
    return shown | ({"note": change.note} if change.note else {})
