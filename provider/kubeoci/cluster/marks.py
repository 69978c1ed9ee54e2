# SPDX-License-Identifier: Apache-2.0
"""What labels and annotations on an object tell us: whose it is, and that we should leave it alone.

The marks are Flux's and those of other tools that users already write; as there, a mark counts as label or as
annotation, and its value in any case.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from kubeoci.cluster.inventory import PART_OF

_FLUX: Final = "kustomize.toolkit.fluxcd.io"

_OWNERS: Final = {
    PART_OF: "the ApplySet",
    f"{_FLUX}/name": "the Flux Kustomization",
    "helm.toolkit.fluxcd.io/name": "the Flux HelmRelease",
    "kapp.k14s.io/app": "the kapp app",
    "config.k8s.io/owning-inventory": "the cli-utils inventory",
    "argocd.argoproj.io/tracking-id": "the Argo CD application",
    "meta.helm.sh/release-name": "the Helm release",
}
_KEEPING: Final = (
    (f"{_FLUX}/prune", "disabled"),
    (f"{_FLUX}/reconcile", "disabled"),
    (f"{_FLUX}/ssa", "ignore"),
    ("client.lifecycle.config.k8s.io/deletion", "detach"),
    ("cli-utils.sigs.k8s.io/on-remove", "keep"),
    ("helm.sh/resource-policy", "keep"),
)

Body = Mapping[str, Any]


def labels(body: Body) -> dict[str, str]:
    """The labels, {} when there are none."""
    return dict((body.get("metadata") or {}).get("labels") or {})


def marks(body: Body) -> dict[str, str]:
    """Labels and annotations in one; an annotation wins."""
    meta = body.get("metadata") or {}
    return {**(meta.get("labels") or {}), **(meta.get("annotations") or {})}


def has_mark(key: str, value: str, *bodies: Body) -> bool:
    """Whether any of the bodies carries the mark with this value, in any case."""
    return any(str(marks(body).get(key, "")).lower() == value for body in bodies)


def owner(live: Body, desired: Body, ours: Collection[str]) -> str:
    """Who else owns a live object: `the Flux Kustomization apps`; empty when nobody or we do.

    `ours` are the ids of our ApplySets. A mark that our own manifest sets is ours, whatever it says.
    """
    found, own = marks(live), marks(desired)
    for key, words in _OWNERS.items():
        if found.get(key) and found[key] not in {*ours, own.get(key)}:
            return f"{words} {found[key]}"
    return ""


def applyset(live: Body) -> str:
    """The id of the ApplySet that the object belongs to, "" when there is none."""
    return labels(live).get(PART_OF, "")


def reason_to_skip(desired: Body, live: Body | None) -> str:
    """Why the object must not be applied, in the user's own mark; empty when it may."""
    bodies = [desired, live] if live else [desired]
    for key, value in ((f"{_FLUX}/reconcile", "disabled"), (f"{_FLUX}/ssa", "ignore")):
        if has_mark(key, value, *bodies):
            return f"{key}: {value}"
    if live and has_mark(f"{_FLUX}/ssa", "ifnotpresent", *bodies):
        return f"{_FLUX}/ssa: IfNotPresent, and it exists"
    return ""


def reason_to_keep(live: Body) -> str:
    """The mark that forbids to delete the object; empty when there is none."""
    return next((f"{key}: {value}" for key, value in _KEEPING if has_mark(key, value, live)), "")


def merges(desired: Body, live: Body) -> bool:
    """Whether the user wants the fields of other tools to stay on this object."""
    return has_mark(f"{_FLUX}/ssa", "merge", desired, live)


def may_recreate(desired: Body, live: Body) -> bool:
    """Whether the user marked this very object as one that may be deleted and made anew."""
    return has_mark(f"{_FLUX}/force", "enabled", desired, live)
