# SPDX-License-Identifier: Apache-2.0
"""`commonMetadata`: labels and annotations that every object of an artifact gets, as in a Flux Kustomization.

They go on top-level metadata only, never into templates or selectors, and win over what a manifest says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubeoci.errors import InputError
from kubeoci.manifest import texts


@dataclass(frozen=True, slots=True)
class CommonMetadata:
    """Checked when it is made: raises an ExceptionGroup of InputError (`input.invalid`) with each fault."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = [
            *texts(self.labels, "commonMetadata.labels", is_label=True),
            *texts(self.annotations, "commonMetadata.annotations"),
        ]
        if found:
            faults = [InputError("input.invalid", what, advice=advice) for what, advice in found]
            raise ExceptionGroup("commonMetadata cannot be used", faults)

    def put_on(self, body: dict[str, Any]) -> None:
        """Change the metadata of an object in place."""
        for name, values in (("labels", self.labels), ("annotations", self.annotations)):
            if values:
                body["metadata"][name] = {**body["metadata"].get(name, {}), **values}


NONE = CommonMetadata()
"""Nothing in common."""
