# SPDX-License-Identifier: Apache-2.0
"""kubeoci.lifecycle.applying: where and how objects are applied."""

from typing import Any

import pytest

from kubeoci.cluster.checks import HealthCheck, HealthCheckExpr
from kubeoci.cluster.ignorerules import IgnoreRule
from kubeoci.cluster.login import Impersonation
from kubeoci.cluster.rest import Access
from kubeoci.lifecycle import applying
from kubeoci.lifecycle.inputs import Reader
from kubeoci.lifecycle.values import UNKNOWN
from kubeoci.objectselector import ObjectSelector

CHECK = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
RULE = {"apiVersion": "shop.dev/v1", "kind": "Cart", "current": "status.full"}


def test_checks_of_health() -> None:
    """Objects and rules arrive as they were given."""
    values = {"inventoryName": "a", "failFast": True, "healthChecks": [CHECK], "healthCheckExprs": [RULE]}
    reader = Reader(values)
    found = applying.read(reader, {})
    assert ([], True) == (reader.faults, found.fail_fast)
    assert (HealthCheck("apps/v1", "Deployment", "web"),) == found.health_checks
    assert (HealthCheckExpr("shop.dev/v1", "Cart", "status.full"),) == found.health_check_exprs


def test_ignored_fields() -> None:
    """Paths, and the objects that they are for."""
    rule = {"paths": ["/spec/replicas"], "target": {"kind": "Deployment", "labelSelector": "app=web"}}
    found = applying.read(Reader({"inventoryName": "a", "ignoreFields": [rule, {"paths": ["/data"]}]}), {})
    selector = ObjectSelector(kind="Deployment", label_selector="app=web")
    assert (IgnoreRule(("/spec/replicas",), selector), IgnoreRule(("/data",))) == found.ignore_fields


def test_impersonation_of_resource_and_provider() -> None:
    """The resource's cluster wins as a whole."""
    config = {"cluster": {"context": "prod", "impersonate": {"user": "bot"}}}
    assert Access("", "prod", Impersonation("bot")) == applying.cluster(Reader({}), config)
    assert Access("", "dev") == applying.cluster(Reader({"cluster": {"context": "dev"}}), config)


def test_unknown_user_makes_the_cluster_pending() -> None:
    """Nobody else is asked in its place."""
    reader = Reader({"cluster": {"context": "dev", "impersonate": {"user": UNKNOWN}}})
    applying.cluster(reader, {})
    assert {"cluster"} == reader.pending


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no list": ({"healthChecks": CHECK}, "healthChecks: must be a list of objects with apiVersion"),
    "half a check": (
        {"healthChecks": [{"kind": "Deployment", "name": "web"}]},
        "healthChecks[0].apiVersion: is missing",
    ),
    "no version": (
        {"healthChecks": [{**CHECK, "apiVersion": "apps"}]},
        "healthChecks[0].apiVersion: 'apps' is no group",
    ),
    "unknown key": ({"healthChecks": [{**CHECK, "ready": "x"}]}, "healthChecks[0].ready: there is no such property"),
    "no CEL": ({"healthCheckExprs": [{**RULE, "current": "status ="}]}, "healthCheckExprs[0].current: "),
    "two rules": ({"healthCheckExprs": [RULE, RULE]}, "healthCheckExprs[1]: Cart of shop.dev has a rule already"),
    "policy": ({"deletionPolicy": "Never"}, "deletionPolicy: 'Never' is not possible here"),
    "manager": ({"overrideManagers": ["a", ""]}, "overrideManagers: '' is no name of a field manager"),
    "our manager": ({"overrideManagers": ["kubeoci-1"]}, "overrideManagers: kubeoci-1 is a manager of this provider"),
    "no paths": ({"ignoreFields": [{"target": {"kind": "A"}}]}, "ignoreFields[0].paths: is missing"),
    "no pointer": ({"ignoreFields": [{"paths": ["spec"]}]}, "ignoreFields[0].paths: 'spec' is no JSON pointer"),
    "no selector": (
        {"ignoreFields": [{"paths": ["/a"], "target": {"labelSelector": "a b"}}]},
        "ignoreFields[0].target: labelSelector: 'a b' is no label selector",
    ),
    "inventory": ({"inventoryName": "A"}, "inventoryName: 'A' is no name of a Secret"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings(case: str) -> None:
    """Each is told with its place."""
    values, message = WRONG[case]
    reader = Reader({"inventoryName": "a", **values})
    applying.read(reader, {})
    assert str(reader.faults[0]).startswith(message)


def test_groups_need_a_user() -> None:
    """The server would refuse them later."""
    reader = Reader({"cluster": {"impersonate": {"groups": ["ops"]}}})
    applying.cluster(reader, {})
    assert str(reader.faults[0]).startswith("cluster.impersonate.user: is missing")
