# SPDX-License-Identifier: Apache-2.0
"""The inputs of an OCIRepository that say where and how its objects are applied, in the words of a Kustomization."""

import re
from typing import Final

from kubeoci.cluster.checks import HealthCheck, HealthCheckExpr
from kubeoci.cluster.ignorerules import IgnoreRule
from kubeoci.cluster.login import Impersonation
from kubeoci.cluster.rest import Access
from kubeoci.cluster.target import Settings
from kubeoci.errors import KubeociError
from kubeoci.lifecycle.inputs import Reader
from kubeoci.lifecycle.values import Values, reveal
from kubeoci.objectselector import EVERYTHING, ObjectSelector

_POLICIES: Final = ("MirrorPrune", "Delete", "WaitForTermination", "Orphan")
_CHECKS: Final = ("failFast", "healthChecks", "healthCheckExprs")
_ADOPTION: Final = ("adopt", "overrideManagers", "ignoreFields")
INPUTS: Final = (
    "prune",
    "wait",
    "force",
    "conflicts",
    *_ADOPTION,
    "allowEmpty",
    "maxPrune",
    "deletionPolicy",
    *_CHECKS,
)
SELECTOR: Final = ("group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector")
"""The parts of a selector of objects, in the order of `ObjectSelector`."""
CLUSTER: Final = ("kubeconfig", "context", "impersonate")

_MAX_MANAGER = 128  # as the API server says
_OURS = "kubeoci-"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_API_VERSION = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*")


def read(reader: Reader, config: Values) -> Settings:
    """How to apply; `namespace` falls back to the provider's configuration. What is wrong is in `reader`."""
    return Settings(
        namespace=label(reader, "namespace", str(reveal(config.get("namespace")) or "default")),
        inventory_name=_inventory_name(reader),
        owner=reader.text("owner"),
        prune=reader.boolean("prune", default=True),
        wait=reader.boolean("wait", default=True),
        timeout_seconds=reader.seconds("timeout", 300.0),
        force=reader.boolean("force", default=False),
        conflicts=reader.choice("conflicts", ("smart", "force", "fail"), "smart"),
        adopt=reader.boolean("adopt", default=True),
        override_managers=_managers(reader),
        ignore_fields=_ignore_fields(reader),
        allow_empty=reader.boolean("allowEmpty", default=False),
        max_prune=reader.integer("maxPrune"),
        deletion_policy=reader.choice("deletionPolicy", _POLICIES, "MirrorPrune"),
        fail_fast=reader.boolean("failFast", default=False),
        health_checks=_health_checks(reader),
        health_check_exprs=_health_check_exprs(reader),
    )


def cluster(reader: Reader, config: Values) -> Access:
    """Which cluster: that of the resource, else of the provider."""
    section = reader.section("cluster", CLUSTER)
    if section is None and "cluster" not in reader.pending:
        section = Reader(config).section("cluster", CLUSTER)
        if section is not None:
            reader.faults += section.faults
    if section is None:
        return Access()
    return Access(section.text("kubeconfig"), section.text("context"), _impersonation(section))


def label(reader: Reader, name: str, default: str) -> str:
    """The name of a namespace."""
    advice = "use up to 63 of a-z, 0-9 and -"
    return reader.matching(name, _LABEL, "no name of a namespace", advice, default=default)


def _inventory_name(reader: Reader) -> str:
    """The name of the Secret that holds the inventory: required, since two stacks must never share one."""
    advice = "use up to 253 of a-z, 0-9, - and ."
    return reader.matching("inventoryName", _NAME, "no name of a Secret", advice, required=True)


def _impersonation(section: Reader) -> Impersonation | None:
    """Whom to act as. Groups without a user would be refused by the server later."""
    inner = section.section("impersonate", ("user", "groups", "uid"))
    if inner is None:
        return None
    return Impersonation(inner.text("user", required=True), inner.texts("groups"), inner.text("uid"))


def _managers(reader: Reader) -> tuple[str, ...]:
    """Names of field managers, as `kubectl get --show-managed-fields` shows them."""
    found = reader.texts("overrideManagers")
    for name in found:
        if not 0 < len(name) <= _MAX_MANAGER:
            reader.fault("overrideManagers", f"{name!r} is no name of a field manager", "use 1 to 128 characters")
        elif name.startswith(_OURS):
            what = f"{name} is a manager of this provider"
            reader.fault("overrideManagers", what, "two inventories never share an object", "input.unknown")
    return found


def selector(each: Reader) -> ObjectSelector | None:
    """Which objects the rule is for, by its `target`; None where it has none, or a wrong one."""
    section = each.section("target", SELECTOR)
    try:
        return ObjectSelector(*(section.text(name) for name in SELECTOR)) if section else None
    except KubeociError as error:
        each.adopt("target", error)
        return None


def _ignore_fields(reader: Reader) -> tuple[IgnoreRule, ...]:
    """Fields that are left to others."""
    return tuple(filter(None, map(_ignore_rule, reader.sections("ignoreFields", ("paths", "target")))))


def _ignore_rule(each: Reader) -> IgnoreRule | None:
    target = selector(each)
    paths = each.texts("paths")
    if not paths:
        each.fault("paths", "is missing", "name fields, such as /spec/replicas")
        return None
    try:
        return IgnoreRule(paths, target or EVERYTHING)
    except KubeociError as error:
        each.adopt("paths", error)
        return None


def _health_checks(reader: Reader) -> tuple[HealthCheck, ...]:
    """Objects that are awaited beside those of the artifact."""
    return tuple(
        HealthCheck(
            _api_version(each),
            each.text("kind", required=True),
            each.text("name", required=True),
            label(each, "namespace", ""),
        )
        for each in reader.sections("healthChecks", ("apiVersion", "kind", "name", "namespace"))
    )


def _health_check_exprs(reader: Reader) -> tuple[HealthCheckExpr, ...]:
    """Rules of health in CEL, compiled now, so that a fault in one is told in the preview."""
    from kubeoci.cluster import expressions  # noqa: PLC0415 - loads an extra when there are rules

    found = tuple(
        HealthCheckExpr(
            _api_version(each),
            each.text("kind", required=True),
            each.text("current", required=True),
            each.text("inProgress"),
            each.text("failed"),
        )
        for each in reader.sections("healthCheckExprs", ("apiVersion", "kind", "current", "inProgress", "failed"))
    )
    try:
        if not reader.faults:
            expressions.judges(found)
    except KubeociError as error:
        reader.faults.append(error)
    return found


def _api_version(each: Reader) -> str:
    advice = "write it like apps/v1"
    return each.matching("apiVersion", _API_VERSION, "no group and version", advice, required=True)
