# SPDX-License-Identifier: Apache-2.0
"""Any object that a server may send has a health, and any stream of bytes is events or an end."""

from typing import Any

from hypothesis import strategies as st

from kubeoci.cluster import health
from kubeoci.cluster.health import Context, Health
from kubeoci.cluster.watch import Watch
from properties.effort import tried

KINDS = [
    *[("v1", kind) for kind in ("Pod", "Service", "PersistentVolumeClaim", "Secret")],
    *[("apps/v1", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")],
    *[("batch/v1", "Job"), ("shop.dev/v1", "Cart"), ("apiregistration.k8s.io/v1", "APIService")],
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
]
WORDS = [
    *["conditions", "type", "status", "reason", "message", "phase", "replicas", "state", "waiting", "startTime"],
    *["updateStrategy", "rollingUpdate", "partition", "containerStatuses", "observedGeneration", "storageClassName"],
    *["completions", "suspend", "True", "False", "Failed", "Pending", "Running", "Complete", "Ready"],
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)
CONTEXT = Context(frozenset({"Pending"}), frozenset({("shop.dev", "Cart")}))


@tried(st.tuples(st.sampled_from(KINDS), VALUES, VALUES, VALUES))
def test_every_object_has_a_health(given: tuple[tuple[str, str], Any, Any, Any]) -> None:
    """Whatever stands in spec, status and the numbers of metadata: a state with a message unless all is well."""
    kind, spec, status, odd = given
    metadata = {"name": "a", "generation": odd, "creationTimestamp": odd}
    body = {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": spec, "status": status}
    found = health.status(body, CONTEXT, now=1.0)
    assert isinstance(found, Health)
    assert found.is_current or found.message


@tried(st.lists(st.binary(max_size=40) | st.sampled_from([b'{"type":"A","object":{}}\n', b"\n", b"{"]), max_size=8))
def test_every_stream_ends(pieces: list[bytes]) -> None:
    """Bytes of any kind are events or the end of them."""
    for event in Watch(iter(pieces), lambda: None, lambda: None):
        assert isinstance(event["object"], dict)
