# SPDX-License-Identifier: Apache-2.0
"""What a signature has to say, in either format, beside being genuine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubeoci.digest import Digest
from kubeoci.trust.evidence import Reason, Rejected


@dataclass(frozen=True, slots=True)
class Claims:
    """That it is about `digest`, is one of `predicates`, names `reference` (where that is not None), is annotated so.

    Predicates are of the bundle format alone: a legacy signature can only say "signed".
    """

    digest: Digest
    predicates: tuple[str, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None

    def check_reference(self, named: str | None) -> None:
        """What is signed is called as it should be. Raises `Rejected` (`reference`)."""
        if self.reference not in {None, named}:
            raise Rejected(Reason.REFERENCE, f"it is about {named!r:.120}, not {self.reference!r}")

    def check_annotations(self, notes: Mapping[str, object]) -> None:
        """Each wanted annotation is among `notes`. Raises `Rejected` (`annotation`)."""
        lacking = [f"{name}={value}" for name, value in sorted(self.annotations.items()) if notes.get(name) != value]
        if lacking:
            raise Rejected(Reason.ANNOTATION, f"it is not annotated {', '.join(lacking)}")
