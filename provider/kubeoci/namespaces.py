# SPDX-License-Identifier: Apache-2.0
"""`targetNamespace`: what points at a moved object must follow it, as kustomize's namespace transformer does."""

from collections.abc import Iterator, Sequence
from typing import Any

from kubeoci.manifest import Raw
from kubeoci.normalise import at, maps

_BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})
_WEBHOOKS = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})


def follow(raws: Sequence[Raw], target: str) -> None:
    """Change, in place, the references of `raws` to ServiceAccounts and Services that move to `target` with them.

    Subjects of role bindings (the account `default` always, others when they are in the set); services behind
    webhooks, an APIService and the conversion of a CustomResourceDefinition (when they are in the set).
    """
    accounts = {(raw.namespace, raw.name) for raw in raws if (raw.group, raw.kind) == ("", "ServiceAccount")}
    services = {(raw.namespace, raw.name) for raw in raws if (raw.group, raw.kind) == ("", "Service")}
    for raw in raws:
        for subject in _subjects(raw):
            if subject.get("name") == "default" or _moves(subject, accounts):
                subject["namespace"] = target
        for service in _services(raw):
            if _moves(service, services):
                service["namespace"] = target


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
