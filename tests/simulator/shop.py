# SPDX-License-Identifier: Apache-2.0
"""A small shop in Kubernetes manifests, and an engine that applies it to a simulated API server."""

import threading
from typing import Any

from kubeoci import objects
from kubeoci.cluster.rest import Access, Rest, connect
from kubeoci.cluster.target import Settings, Target
from kubeoci.objects import Object
from simulator.cluster import ClusterSimulator

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
FLAGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags, namespace: shop}\ndata: {color: red}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: shop}\nstringData: {pw: correct-horse}\n"
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: carts.shop.dev}
spec:
  group: shop.dev
  scope: Namespaced
  names: {kind: Cart, plural: carts}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
CART = "apiVersion: shop.dev/v1\nkind: Cart\nmetadata: {name: blue, namespace: shop}\nspec: {size: 3}\n"

FLAGS_PATH = "/api/v1/namespaces/shop/configmaps/flags"
WEB_PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
PARENT_PATH = "/api/v1/namespaces/default/secrets/app"


def load(*documents: str) -> tuple[Object, ...]:
    """The objects of some documents, each as a file of its own."""
    files = {f"{number}.yaml": text.encode() for number, text in enumerate(documents)}
    return objects.load(files).objects


def access(cluster: ClusterSimulator, stop: threading.Event | None = None) -> Rest:
    """A connection to the simulator."""
    return connect(Access(cluster.kubeconfig), stop=stop or threading.Event())


def target(cluster: ClusterSimulator, stop: threading.Event | None = None, **settings: Any) -> Target:  # noqa: ANN401
    """An engine with the inventory `default/app`; it gives up waiting after two seconds."""
    stop = stop or threading.Event()
    wanted = Settings(**{"namespace": "default", "inventory_name": "app", "timeout_seconds": 2.0, **settings})
    return Target(access(cluster, stop), wanted, stop=stop, log=lambda _text: None, progress=lambda _text: None)
