# SPDX-License-Identifier: Apache-2.0
"""Reading what a cluster keeps for others: Secrets with credentials or keys, and who may use which."""

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.rest import Rest
from kubeoci.errors import ClusterError

_SECRETS = Kind("", "v1", "Secret", "secrets", namespaced=True)
_ACCOUNTS = Kind("", "v1", "ServiceAccount", "serviceaccounts", namespaced=True)
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class KubernetesSecret:
    """A Secret as the API server has it; `data` is base64, as it came."""

    namespace: str
    name: str
    type: str
    data: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.name}"

    def text(self, key: str) -> str:
        """The text under `key`, "" when there is no such key.

        Raises ClusterError (`cluster.invalid`) for what is no base64 or no UTF-8, without quoting it.
        """
        try:
            return base64.b64decode(self.data.get(key, ""), validate=True).decode()
        except (binascii.Error, ValueError):  # the chain of causes would quote the value
            raise ClusterError("cluster.invalid", f"its key {key!r} holds no text", where=str(self)) from None


def secret(rest: Rest, namespace: str, name: str) -> KubernetesSecret | None:
    """The Secret, None when it or its namespace does not exist. Raises what `Rest` raises."""
    body = _timed(rest).get(_SECRETS.path(namespace, name))
    if body is None:
        return None
    return KubernetesSecret(namespace, name, str(body.get("type") or "Opaque"), body.get("data") or {})


def pull_secrets(rest: Rest, namespace: str, account: str) -> tuple[str, ...] | None:
    """Names of the `imagePullSecrets` of a ServiceAccount, None when there is no such account."""
    body = _timed(rest).get(_ACCOUNTS.path(namespace, account))
    if body is None:
        return None
    return tuple(str(item["name"]) for item in body.get("imagePullSecrets") or [] if item.get("name"))


def _timed(rest: Rest) -> Rest:
    """The same server, for one short operation."""
    fork = rest.fork()
    fork.deadline = time.monotonic() + _SECONDS
    return fork
