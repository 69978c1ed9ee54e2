# SPDX-License-Identifier: Apache-2.0
"""The provider's configuration: what is accepted, in which forms, and what is told about the rest."""

from typing import Any

import pytest

from kubeoci.lifecycle.values import UNKNOWN, Secret
from kubeoci.plugin.configuration import checked

GOOD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "the engine's own keys": ({"version": "1.0.0", "pluginDownloadURL": "x"}, {}),
    "object": ({"cluster": {"context": "prod"}}, {"cluster": {"context": "prod"}}),
    "JSON": ({"cluster": '{"context": "prod"}'}, {"cluster": {"context": "prod"}}),
    "namespace": ({"namespace": "shop"}, {"namespace": "shop"}),
    "secret JSON": ({"cluster": Secret('{"kubeconfig": "k"}')}, {"cluster": Secret({"kubeconfig": "k"})}),
    "secret inside": ({"cluster": {"kubeconfig": Secret("k")}}, {"cluster": {"kubeconfig": Secret("k")}}),
    "unknown": ({"cluster": UNKNOWN, "namespace": UNKNOWN}, {"cluster": UNKNOWN, "namespace": UNKNOWN}),
    "registries": ({"registries": {"ghcr.io": {"insecure": False}}}, {"registries": {"ghcr.io": {"insecure": False}}}),
    "registries as secret JSON": (
        {"registries": Secret('{"ghcr.io": {"insecure": true}}')},
        {"registries": Secret({"ghcr.io": {"insecure": True}})},
    ),
    "unknown inside": ({"cluster": {"kubeconfig": UNKNOWN}}, {"cluster": {"kubeconfig": UNKNOWN}}),
}


@pytest.mark.parametrize("case", GOOD)
def test_good_configuration(case: str) -> None:
    """Objects and their JSON are the same; secrets stay secret."""
    given, config = GOOD[case]
    assert (config, []) == checked(given)


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown keys": (
        {"color": "red", "kubeconfig": "k"},
        ["color: kubeoci has no such configuration", "kubeconfig: kubeoci has no such configuration"],
    ),
    "no JSON": ({"cluster": Secret("{hunter2")}, ["cluster: is text, but not JSON"]),
    "no object": ({"cluster": "[1]"}, ["cluster: must be an object"]),
    "unknown setting": ({"cluster": {"url": "x"}}, ["cluster.url: there is no such setting"]),
    "number": ({"cluster": {"context": 1}}, ["cluster.context: must be text"]),
    "boolean": ({"namespace": True}, ["namespace: must be text"]),
    "no host": ({"registries": {"ghcr.io/org": {}}}, ["registries: 'ghcr.io/org' is no host"]),
    "no registry": ({"registries": {"ghcr.io": "hunter2"}}, ["registries.ghcr.io: must be an object"]),
    "unknown way": (
        {"registries": {"ghcr.io": {"token": "hunter2"}}},
        ["registries.ghcr.io.token: there is no such property"],
    ),
    "half a pair": (
        {"registries": {"ghcr.io": {"credentials": Secret({"password": "hunter2"})}}},
        ['registries["ghcr.io"].credentials.username: is missing'],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_faults_come_at_once_and_quote_nothing(case: str) -> None:
    """Each has its path; a kubeconfig or password is never part of one."""
    given, messages = BAD[case]
    faults = checked(given)[1]
    assert messages == [
        f"{fault.where}: {fault.what}"[: len(message)] for fault, message in zip(faults, messages, strict=True)
    ]
    assert [] == [fault for fault in faults if "hunter2" in str(fault)]
