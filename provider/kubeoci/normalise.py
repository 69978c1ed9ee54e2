# SPDX-License-Identifier: Apache-2.0
"""Removing from a manifest what only a server may say, and writing the rest in the one way that the server keeps.

A field that we send is a field that we own, so whatever says nothing must not be sent: the rules are Flux's, and a
few that make more objects provably unchanged without a request.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which client-side `kubectl apply` keeps a whole manifest, Secrets in clear."""

_SERVERS = ("uid", "resourceVersion", "generation", "selfLink", "creationTimestamp", "managedFields")
_POD_TEMPLATES = frozenset({"DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"})
_POD_GROUPS = frozenset({"", "apps", "batch", "extensions"})
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def normalise(body: dict[str, Any], group: str) -> list[str]:
    """Change `body` in place; return the names of dropped fields that meant something, in order.

    Raises ValueError where a Secret's data cannot be sent, without quoting it.
    """
    dropped = [f"metadata.{name}" for name in _SERVERS if body["metadata"].pop(name, None)]
    if _says_something(body.pop("status", None)):
        dropped.append("status")
    _metadata(body["metadata"])
    for meta in _templates(body.get("spec")):
        if meta.get("creationTimestamp", "") is None:
            del meta["creationTimestamp"]
    kind = body["kind"]
    if (group, kind) == ("", "Secret"):
        _secret(body)
    elif (group, kind) == ("apiextensions.k8s.io", "CustomResourceDefinition"):
        _conversion(body)
    elif group in _POD_GROUPS:
        for port in _ports(body):
            port.setdefault("protocol", "TCP")  # part of a port's key in the server's list
    return dropped


def at(value: Any, *path: str) -> Any:  # noqa: ANN401 - any YAML value
    """What stands at a path of keys, None where there is nothing."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def maps(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any YAML value
    """The mappings in a list; nothing when it is no list."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def pod_spec(body: dict[str, Any], group: str) -> dict[str, Any] | None:
    """The part of a built-in workload that describes its Pods."""
    kind = body["kind"]
    found = None
    if group not in _POD_GROUPS:
        return None
    if kind == "Pod":
        found = body.get("spec")
    elif kind in _POD_TEMPLATES:
        found = at(body, "spec", "template", "spec")
    elif kind == "CronJob":
        found = at(body, "spec", "jobTemplate", "spec", "template", "spec")
    elif kind == "PodTemplate":
        found = at(body, "template", "spec")
    return found if isinstance(found, dict) else None


def _metadata(meta: dict[str, Any]) -> None:
    annotations = meta.get("annotations")
    if annotations:
        annotations.pop(LAST_APPLIED, None)
    for name in ("labels", "annotations", "finalizers"):
        if name in meta and not meta[name]:
            del meta[name]


def _says_something(value: Any) -> bool:  # noqa: ANN401 - any YAML value
    """Whether any leaf is more than null, empty text or an empty collection: generators leave such a status behind."""
    if isinstance(value, dict):
        return any(map(_says_something, value.values()))
    if isinstance(value, list):
        return any(map(_says_something, value))
    return value not in (None, "")


def _templates(spec: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any YAML value
    """The metadata of everything that an object is a template of."""
    for path in (("template",), ("jobTemplate",), ("jobTemplate", "spec", "template")):
        meta = at(spec, *path, "metadata")
        if isinstance(meta, dict):
            yield meta
    for claim in maps(at(spec, "volumeClaimTemplates")):
        if isinstance(claim.get("metadata"), dict):
            yield claim["metadata"]


def _ports(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if body["kind"] == "Service":
        yield from maps(at(body, "spec", "ports"))
        return
    spec = pod_spec(body, "")
    for name in _CONTAINERS:
        for container in maps(at(spec, name)):
            yield from maps(container.get("ports"))


def _secret(body: dict[str, Any]) -> None:
    """Turn `stringData` into `data`: sent as it is, a key that is dropped later would stay."""
    clear = body.pop("stringData", None) or {}
    data = body.get("data") or {}
    for name, values in (("data", data), ("stringData", clear)):
        wrong = sorted(key for key, value in values.items() if not isinstance(value, str))
        if wrong:
            raise ValueError(f"{name}.{wrong[0]} must be a string: put it in quotes")
    for key, value in data.items():
        _check_base64(key, value)
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in clear.items()}
    if data or encoded:
        body["data"] = {**data, **encoded}


def _check_base64(key: str, value: str) -> None:
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except binascii.Error:
        raise ValueError(f"data.{key} is not base64: encode it, or move it to stringData") from None


def _conversion(body: dict[str, Any]) -> None:
    """Drop the dummy that generators write where a certificate is injected later."""
    client = at(body, "spec", "conversion", "webhook", "clientConfig")
    if client and "caBundle" in client and not _is_certificate(client["caBundle"]):
        del client["caBundle"]


def _is_certificate(text: Any) -> bool:  # noqa: ANN401 - any YAML value
    try:
        return b"-----BEGIN CERTIFICATE-----" in base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        return False
