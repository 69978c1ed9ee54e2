# SPDX-License-Identifier: Apache-2.0
"""A registry, a cluster, a folder with manifests, and what was told to the user: what the lifecycle works with."""

from dataclasses import dataclass, field
from pathlib import Path

from kubeoci.lifecycle.contract import Call, Severity
from kubeoci.lifecycle.session import Session
from simulator.cluster import ClusterSimulator
from simulator.registry import RegistrySimulator


@dataclass
class World:
    """See the module. `told` has each message as `warning: text`."""

    registry: RegistrySimulator
    cluster: ClusterSimulator
    folder: Path
    told: list[str] = field(default_factory=list)

    def call(self) -> Call:
        """A call in a process of its own."""
        return Call(Session(), log=self._tell)

    def _tell(self, severity: Severity, text: str) -> None:
        self.told.append(f"{severity}: {text}")
