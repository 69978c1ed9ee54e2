# SPDX-License-Identifier: Apache-2.0
"""Kustomizations for each feature of kustomize, and the files that they read."""

import json

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:1.0", envFrom: [{configMapRef: {name: conf}}]}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, protocol: TCP}]}
"""
CART = """
apiVersion: shop.dev/v1
kind: Cart
metadata: {name: c}
spec: {items: [{sku: a, n: 1}], use: {name: conf}}
"""
ITEMS = {
    "type": "array",
    "x-kubernetes-patch-merge-key": "sku",
    "x-kubernetes-patch-strategy": "merge",
    "items": {"type": "object"},
}
SCHEMA = {
    "type": "object",
    "x-kubernetes-group-version-kind": [{"group": "shop.dev", "version": "v1", "kind": "Cart"}],
    "properties": {"spec": {"type": "object", "properties": {"items": ITEMS}}},
}
PLUGINS = """
apiVersion: builtin
kind: AnnotationsTransformer
metadata: {name: n}
annotations: {a: "1"}
fieldSpecs: [{path: metadata/annotations, create: true}]
---
apiVersion: builtin
kind: PatchTransformer
metadata: {name: p}
path: ops.yaml
target: {kind: Deployment}
"""

BASE = {
    "a.yaml": DEPLOYMENT,
    "b.yaml": SERVICE,
    "cart.yaml": CART,
    "merge.yaml": "apiVersion: shop.dev/v1\nkind: Cart\nmetadata: {name: c}\nspec: {items: [{sku: b, n: 2}]}\n",
    "ops.yaml": "- {op: add, path: /spec/replicas, value: 2}\n",
    "replace.yaml": """
source: {kind: Service, name: web, fieldPath: spec.ports.0.port}
targets: [{select: {kind: Cart}, fieldPaths: [spec.port], options: {create: true}}]
""",
    "names.yaml": "nameReference: [{kind: ConfigMap, fieldSpecs: [{kind: Cart, path: spec/use/name}]}]\n",
    "schema.json": json.dumps({"definitions": {"dev.shop.v1.Cart": SCHEMA}}),
    "values.env": "A=1\n# no\nB=two words\n",
    "sub/kustomization.yaml": "resources: [x.yaml]\nnamespace: inner\n",
    "sub/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
    "generate.yaml": "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: made}\nenvs: [values.env]\n",
    "plugins.yaml": PLUGINS,
}

FEATURES = {
    "resources": "resources: [a.yaml, ./b.yaml, sub/]",
    "names": "resources: [a.yaml, b.yaml]\nnamePrefix: x-\nnameSuffix: -y\nnamespace: shop",
    "labels": "resources: [a.yaml, b.yaml]\ncommonLabels: {l: '1'}\ncommonAnnotations: {a: 'yes'}",
    "labels with selectors": """
resources: [a.yaml]
labels: [{pairs: {l: '1'}, includeSelectors: true}, {pairs: {m: '2'}}]
""",
    "images": "resources: [a.yaml]\nimages: [{name: nginx, newName: other/nginx, newTag: '1.10'}]",
    "replicas": "resources: [a.yaml]\nreplicas: [{name: web, count: 4}]",
    "patches": "resources: [a.yaml]\npatches: [{path: ops.yaml, target: {kind: Deployment}}]",
    "inline patches": """
resources: [cart.yaml]
patchesStrategicMerge: ['{apiVersion: shop.dev/v1, kind: Cart, metadata: {name: c}, spec: {n: 1}}']
""",
    "JSON patches": """
resources: [a.yaml]
patchesJson6902: [{path: ops.yaml, target: {group: apps, version: v1, kind: Deployment, name: web}}]
""",
    "openapi": "resources: [cart.yaml]\nopenapi: {path: schema.json}\npatches: [{path: merge.yaml}]",
    "replacements": "resources: [b.yaml, cart.yaml]\nreplacements: [{path: replace.yaml}]",
    "configurations": """
resources: [cart.yaml]
configurations: [names.yaml]
configMapGenerator: [{name: conf, literals: [a=b]}]
""",
    "generators": """
configMapGenerator:
- {name: a, files: [a.yaml, other=b.yaml], envs: [values.env], literals: ["x='y'", e=]}
secretGenerator:
- {name: s, type: Opaque, literals: [p=hunter2], options: {disableNameSuffixHash: true}}
generatorOptions: {labels: {g: '1'}}
""",
    "plugins": "resources: [a.yaml]\ngenerators: [generate.yaml]\ntransformers: [plugins.yaml]",
    "vars": """
resources: [a.yaml, b.yaml]
vars: [{name: PORT, objref: {apiVersion: v1, kind: Service, name: web}, fieldref: {fieldpath: "spec.ports[0].port"}}]
""",
    "order": "resources: [b.yaml, a.yaml]\nsortOptions: {order: legacy}",
    "metadata": """
resources: [a.yaml]
buildMetadata: [managedByLabel, transformerAnnotations, originAnnotations]
metadata: {name: k}
""",
    "anchors": "resources: [a.yaml]\nimages: [{name: nginx, newTag: &t v2}]\ncommonAnnotations: {tag: *t}",
}
"""Each is a `kustomization.yaml` beside the files of `BASE`."""
