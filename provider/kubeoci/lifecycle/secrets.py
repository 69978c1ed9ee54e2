# SPDX-License-Identifier: Apache-2.0
"""What a resource takes from Secrets of its cluster, which may be made by the same `up`.

In a preview the facts that depend on such a Secret are then unknown; in the update its absence is an error.
"""

from dataclasses import dataclass
from typing import NoReturn

from kubeoci.cluster import secrets as cluster
from kubeoci.cluster.rest import Access, Rest
from kubeoci.cluster.secrets import KubernetesSecret
from kubeoci.errors import InputError, KubeociError
from kubeoci.lifecycle import memory
from kubeoci.lifecycle.contract import Call
from kubeoci.lifecycle.inputs import Reader


class Pending(Exception):  # noqa: N818 - a preview goes on without what is pending
    """Something that facts depend on is not there yet, and may be made by the same `up`. `error`: if it is not."""

    def __init__(self, error: KubeociError) -> None:
        super().__init__(f"pending: {error}")
        self.error = error


@dataclass(frozen=True, slots=True)
class Keeper:
    """Where the Secrets of one resource lie. `access` is None while the cluster is not known yet."""

    access: Access | None
    namespace: str


def name_of(reader: Reader, name: str) -> str:
    """The `name` in an object such as `secretRef`; "" when the object is not there."""
    section = reader.section(name, ("name",))
    return section.text("name", required=True) if section else ""


def wanted(call: Call, keeper: Keeper, name: str, where: str) -> KubernetesSecret:
    """The Secret `name`, which the input `where` names.

    Raises `Pending`, in an update `InputError` when it is not there, and `ClusterError`.
    """
    found = cluster.secret(server(call, keeper, where), keeper.namespace, name)
    return found or absent(call, where, f"Secret {keeper.namespace}/{name}")


def server(call: Call, keeper: Keeper, where: str) -> Rest:
    """The cluster that keeps what the input `where` names. Raises `Pending` while it is not known."""
    if keeper.access is None:
        raise Pending(InputError("input.invalid", "the cluster is not known yet", where=where))
    return call.session.cluster(keeper.access)


def absent(call: Call, where: str, what: str) -> NoReturn:
    """There is no `what`: pending in a preview, an error in an update."""
    advice = "make it first, or correct the name"
    error = InputError("input.invalid", f"there is no {what}", where=where, advice=advice)
    if memory.is_second_look(call, what):
        raise error
    raise Pending(error)
