# SPDX-License-Identifier: Apache-2.0
"""How the simulated API server words its answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kubeoci.normalise import at

Body = dict[str, Any]
Key = tuple[str, str, str, str]  # group, plural, namespace, name

_IMMUTABLE = {"Deployment": "selector", "Job": "template", "StatefulSet": "serviceName"}


@dataclass(frozen=True)
class Reply:
    """One answer; `stream` is a watch."""

    status: int
    value: Any
    kind: str = "application/json"
    stream: Iterator[Body] | None = None


def status(status: int, reason: str, message: str, *, subject: Key | None = None, causes: Any = ()) -> Reply:  # noqa: ANN401
    """A refusal as the server words it; `subject` is the object that it is about."""
    details = {"causes": list(causes), **({"kind": subject[1], "name": subject[3]} if subject else {})}
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
    return Reply(status, {**body, "details": details, "code": status})


def not_found(key: Key) -> Reply:
    """The object does not exist."""
    name = f"{key[1]}.{key[0]}" if key[0] else key[1]
    return status(404, "NotFound", f'{name} "{key[3]}" not found', subject=key)


def immutable(live: Body | None, body: Body) -> Reply | None:
    """The refusal of an update that changes what must not change; None when it may."""
    name = _IMMUTABLE.get(body["kind"], "")
    before, after = (live or {}).get("spec") or {}, body.get("spec") or {}
    if live and name in before and name in after and before[name] != after[name]:
        what = f'{body["kind"]} "{body["metadata"]["name"]}" is invalid: spec.{name}: field is immutable'
        return status(422, "Invalid", what)
    return None


def chosen(query: dict[str, str], body: Body) -> bool:
    """Whether an object fits the selectors of a list or watch."""
    fields = [part.split("=", 1) for part in query.get("fieldSelector", "").split(",") if part]
    fits = all(value == str(at(body, *path.split("."))) for path, value in fields)
    return fits and selects(query.get("labelSelector", ""), body)


def selects(selector: str, body: Body) -> bool:
    """Whether the labels of an object fit a selector such as `a=b,c`."""
    labels = body["metadata"].get("labels") or {}
    pairs = [part.partition("=") for part in selector.split(",") if part]
    return all(key in labels and (not equals or labels[key] == value) for key, equals, value in pairs)
