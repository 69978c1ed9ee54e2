# SPDX-License-Identifier: Apache-2.0
"""What of a manifest is sent, and how it is written."""

import base64
from typing import Any

import pytest

from kubeoci.normalise import LAST_APPLIED, normalise, pod_spec

Body = dict[str, Any]


def body(kind: str = "Thing", **fields: object) -> Body:
    """An object with some fields."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, **fields}


def test_server_fields() -> None:
    """What only a server may say is dropped, and told where it said something."""
    given = body(status={"replicas": 1})
    given["metadata"] |= {
        "uid": "u",
        "resourceVersion": "1",
        "generation": 0,
        "creationTimestamp": None,
        "selfLink": "",
    }
    assert ["metadata.uid", "metadata.resourceVersion", "status"] == normalise(given, "")
    assert body() == given


def test_silent_status() -> None:
    """A status that says nothing, as generators leave it, goes without a word."""
    given = body(status={"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": None})
    assert ([], body()) == (normalise(given, ""), given)


def test_empty_metadata() -> None:
    """Empty labels, annotations and finalizers would be owned for nothing."""
    given = body()
    given["metadata"] |= {"labels": {}, "annotations": {LAST_APPLIED: "{}"}, "finalizers": None}
    normalise(given, "")
    assert {"name": "a"} == given["metadata"]


@pytest.mark.parametrize(
    "spec",
    [
        {"template": {"metadata": {}}},
        {"jobTemplate": {"metadata": {}, "spec": {"template": {"metadata": {}}}}},
        {"volumeClaimTemplates": [{"metadata": {}}]},
    ],
)
def test_templates(spec: Body) -> None:
    """`creationTimestamp: null` of client libraries goes from every template."""
    text = repr(spec)
    given = body(spec=eval(text.replace("'metadata': {}", "'metadata': {'creationTimestamp': None}")))
    normalise(given, "apps")
    assert spec == given["spec"]


def test_secret_text() -> None:
    """`stringData` becomes `data` and wins, as on the server."""
    given = body("Secret", data={"a": "eA==", "b": "eQ=="}, stringData={"b": "ü"})
    normalise(given, "")
    assert body("Secret", data={"a": "eA==", "b": base64.b64encode("ü".encode()).decode()}) == given


def test_empty_secret() -> None:
    """Empty `data` stays as it is written, empty `stringData` goes."""
    given = body("Secret", stringData={})
    normalise(given, "")
    assert body("Secret") == given


@pytest.mark.parametrize("kind", ["Deployment", "Pod", "CronJob"])
def test_protocol_of_container_ports(kind: str) -> None:
    """TCP is written out where it is part of a list's key."""
    spec = {"containers": [{"ports": [{"containerPort": 1}]}], "initContainers": [{"ports": None}, {}]}
    paths = {"Pod": spec, "Deployment": {"template": {"spec": spec}}}
    given = body(kind, spec=paths.get(kind, {"jobTemplate": {"spec": {"template": {"spec": spec}}}}))
    normalise(given, "batch" if kind == "CronJob" else "apps")
    assert [{"containerPort": 1, "protocol": "TCP"}] == spec["containers"][0]["ports"]


def test_protocol_of_service_ports() -> None:
    """A Service's ports too; what is given stays."""
    given = body("Service", spec={"ports": [{"port": 1}, {"port": 1, "protocol": "UDP"}]})
    normalise(given, "")
    assert ["TCP", "UDP"] == [port["protocol"] for port in given["spec"]["ports"]]


def test_other_groups_keep_their_ports() -> None:
    """A kind of somebody else that is only called Service is left alone."""
    given = body("Service", spec={"ports": [{"port": 1}]})
    normalise(given, "serving.example.com")
    assert [{"port": 1}] == given["spec"]["ports"]


@pytest.mark.parametrize(
    ("bundle", "kept"), [("Cg==", False), (1, False), ("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", True)]
)
def test_dummy_certificates(bundle: object, kept: bool) -> None:
    """The CA bundle of a conversion webhook stays only when it is one."""
    client = {"caBundle": bundle}
    normalise(
        body("CustomResourceDefinition", spec={"conversion": {"webhook": {"clientConfig": client}}}),
        "apiextensions.k8s.io",
    )
    assert kept == ("caBundle" in client)


def test_pod_spec() -> None:
    """The description of Pods is found in a PodTemplate, and nowhere in a foreign kind."""
    assert {} == pod_spec(body("PodTemplate", template={"spec": {}}), "")
    assert [None, None] == [pod_spec(body("Deployment", spec={}), group) for group in ("apps", "example.com")]
