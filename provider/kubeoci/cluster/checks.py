# SPDX-License-Identifier: Apache-2.0
"""What a user adds to waiting: objects beyond the applied ones, and rules for kinds that no rule fits.

Both are a Flux Kustomization's `healthChecks` and `healthCheckExprs`. Unlike there, `wait: true` does not switch
`healthChecks` off: they are awaited too. With `wait: false` only they are.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One object that is awaited, whoever made it. Without `namespace` it is in that of the inventory."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    @property
    def group(self) -> str:
        """The API group, empty for the core."""
        return self.api_version.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class HealthCheckExpr:
    """Three conditions in CEL for all objects of a kind in any version, asked in this order.

    The variables are the fields of the object: `status.phase == 'Running'`. Where none is true, or one cannot be
    evaluated because a field is not there yet, the object is still on its way.
    """

    api_version: str
    kind: str
    current: str
    in_progress: str = ""
    failed: str = ""

    @property
    def group(self) -> str:
        """The API group, empty for the core."""
        return self.api_version.rpartition("/")[0]
