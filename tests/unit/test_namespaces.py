# SPDX-License-Identifier: Apache-2.0
"""`targetNamespace` and what points at moved objects."""

from typing import Any

import pytest

from kubeoci import objects

ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: runner, namespace: old}\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: hook}\n"
BINDING = """apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: b}
subjects: [{kind: ServiceAccount, name: %s, namespace: %s}]
"""
REFERENCES = {
    "APIService": "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: x}\nspec: {service: %s}\n",
    "CustomResourceDefinition": (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n"
        "spec: {conversion: {webhook: {clientConfig: {service: %s}}}}\n"
    ),
    "MutatingWebhookConfiguration": (
        "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: x}\n"
        "webhooks: [{clientConfig: {service: %s}}, {clientConfig: {url: x}}]\n"
    ),
}


def load(*documents: str) -> list[dict[str, Any]]:
    """The bodies of some documents, moved to `new`."""
    loaded = objects.load({"a.yaml": "---\n".join(documents).encode()}, target_namespace="new")
    return [item.body for item in loaded.objects]


@pytest.mark.parametrize(
    ("name", "namespace", "expected"),
    [("runner", "old", "new"), ("default", "old", "new"), ("runner", "other", "other"), ("foreign", "old", "old")],
)
def test_subjects(name: str, namespace: str, expected: str) -> None:
    """A binding follows the accounts of the set and `default`, and no others."""
    assert expected == load(ACCOUNT, BINDING % (name, namespace))[1]["subjects"][0]["namespace"]


@pytest.mark.parametrize("kind", REFERENCES)
def test_services(kind: str) -> None:
    """Whatever calls a Service of the set finds it in its new namespace."""
    reference = REFERENCES[kind] % "{name: hook, namespace: old}"
    assert "'namespace': 'new'" in str(load(SERVICE, reference)[1])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("APIService", "new"), ("CustomResourceDefinition", "new"), ("MutatingWebhookConfiguration", "old")],
)
def test_foreign_services(kind: str, expected: str) -> None:
    """A Service that is not in the set moves or stays as in kustomize."""
    assert f"'namespace': '{expected}'" in str(load(REFERENCES[kind] % "{name: hook, namespace: old}")[0])


def test_namespace() -> None:
    """A Namespace of the set becomes the target, and only one of them can."""
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n"
    assert {"name": "new"} == load(space % "old")[0]["metadata"]
    with pytest.raises(ExceptionGroup, match="cannot be used"):
        load(space % "old", space % "older")
