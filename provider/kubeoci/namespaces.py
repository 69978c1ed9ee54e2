# SPDX-License-Identifier: Apache-2.0
"""`targetNamespace`: what points at a moved object must follow it, by the rules of kustomize's namespace transformer.

Its rules are not even: services behind an APIService or a conversion always move, those behind webhooks only when
they are in the set. A Namespace in the set takes the new name, so two of them become one object described twice.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from kubeoci.manifest import Raw
from kubeoci.normalise import at, maps

_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})
_WEBHOOKS = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})


def follow(raws: Sequence[Raw], target: str) -> None:
    """Change, in place, what in `raws` names a namespace, an account or a service that moves to `target`.

    Of the subjects of role bindings the account `default` always moves, others when they are in the set.
    """
    accounts = {(raw.namespace, raw.name) for raw in raws if (raw.group, raw.kind) == ("", "ServiceAccount")}
    services = {(raw.namespace, raw.name) for raw in raws if (raw.group, raw.kind) == ("", "Service")}
    for raw in raws:
        for subject in _subjects(raw):
            if subject.get("name") == "default" or _moves(subject, accounts):
                subject["namespace"] = target
        for service in _services(raw):
            if raw.kind not in _WEBHOOKS or _moves(service, services):
                service["namespace"] = target
        if (raw.group, raw.kind) == ("", "Namespace"):
            raw.body["metadata"]["name"] = target


def _moves(reference: dict[str, Any], moved: set[tuple[str, str]]) -> bool:
    """Whether a reference means an object of the set; one without a namespace could be in any."""
    name, namespace = reference.get("name"), reference.get("namespace") or ""
    return any(name == other and (not namespace or home in ("", namespace)) for home, other in moved)


def _subjects(raw: Raw) -> Iterator[dict[str, Any]]:
    if raw.group == "rbac.authorization.k8s.io" and raw.kind in _BINDINGS:
        yield from (item for item in maps(raw.body.get("subjects")) if item.get("kind") == "ServiceAccount")


def _services(raw: Raw) -> Iterator[dict[str, Any]]:
    found = []
    if (raw.group, raw.kind) == ("apiregistration.k8s.io", "APIService"):
        found = [at(raw.body, "spec", "service")]
    elif (raw.group, raw.kind) == ("apiextensions.k8s.io", "CustomResourceDefinition"):
        found = [at(raw.body, "spec", "conversion", "webhook", "clientConfig", "service")]
    elif raw.group == "admissionregistration.k8s.io" and raw.kind in _WEBHOOKS:
        found = [at(hook, "clientConfig", "service") for hook in maps(raw.body.get("webhooks"))]
    yield from (service for service in found if isinstance(service, dict))
