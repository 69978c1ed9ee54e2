# SPDX-License-Identifier: Apache-2.0
"""Objects of every shape that a server treats in its own way, and random changes to their fields."""

import copy
import random
from collections.abc import Iterator
from typing import Any

Body = dict[str, Any]

SHAPES = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shapes.proof.dev}
spec:
  group: proof.dev
  scope: Namespaced
  names: {kind: Shape, plural: shapes}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer}
              ratio: {type: number}
              isRound: {type: boolean, default: false}
              edge: {x-kubernetes-int-or-string: true}
              memory: {anyOf: [{type: integer}, {type: string}], x-kubernetes-int-or-string: true}
              title: {type: string, nullable: true}
              anything: {type: object, x-kubernetes-preserve-unknown-fields: true}
              colors: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              words: {type: array, items: {type: string}}
              corners:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [x, y]
                items:
                  type: object
                  required: [x, y]
                  properties:
                    x: {type: integer}
                    y: {type: integer}
                    name: {type: string}
              whole:
                type: object
                x-kubernetes-map-type: atomic
                additionalProperties: {type: string}
              limits: {type: object, additionalProperties: {type: string}}
"""

OBJECTS = """
apiVersion: proof.dev/v1
kind: Shape
metadata: {name: full, namespace: proof, finalizers: [proof.dev/keep], annotations: {a: "1", b/c: x}}
spec:
  size: 3
  ratio: 0.5
  isRound: false
  edge: 80
  memory: 1Gi
  title: a
  anything: {deep: {list: [1, two, {three: 3}], empty: {}}, flag: true}
  colors: [red, blue]
  words: [a, b, a]
  corners: [{x: 0, y: 0, name: origin}, {x: 0, y: 1}]
  whole: {a: b, c: d}
  limits: {cpu: "1", memory: 1Gi}
---
apiVersion: proof.dev/v1
kind: Shape
metadata: {name: text, namespace: proof}
spec: {edge: http, memory: 5, ratio: 2, colors: [red], corners: [], whole: {}, anything: {}}
---
apiVersion: v1
kind: Secret
metadata: {name: plain, namespace: proof, labels: {a: b}}
type: Opaque
data: {user: YW5u, password: aHVudGVyMg==}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: flags, namespace: proof}
data: {color: red, size: "3", empty: ""}
binaryData: {logo: AAEC}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: proof}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http, protocol: TCP}, {name: dns, port: 80, targetPort: 53, protocol: UDP}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: proof}
spec:
  replicas: 0
  paused: false
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 25%, maxUnavailable: 1}}
  template:
    metadata: {labels: {app: web}, annotations: {}}
    spec:
      containers:
      - name: web
        image: web:1
        args: [-v, --color=red]
        env: [{name: A, value: a}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        ports: [{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP}]
        resources: {limits: {cpu: 1000m, memory: 0.5Gi}, requests: {cpu: "1"}}
        readinessProbe: {httpGet: {path: /, port: http}}
        securityContext: {readOnlyRootFilesystem: false, capabilities: {drop: [ALL]}}
      volumes: [{name: tmp, emptyDir: {}}, {name: flags, configMap: {name: flags, items: [{key: color, path: c}]}}]
      tolerations: [{operator: Exists}]
      imagePullSecrets: [{name: a}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: proof}
spec:
  replicas: 0
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "db:1"}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: proof}
spec:
  schedule: "0 3 * * *"
  suspend: true
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: proof}
spec:
  rules:
  - host: shop.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: proof}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {a: b}}}], ports: [{port: 80}]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: proof}
spec: {minAvailable: 50%, selector: {matchLabels: {app: web}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: proof}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: proof}
spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1024Mi}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: proof-reader}
rules: [{apiGroups: [""], resources: [pods, secrets], verbs: [get, list]}, {nonResourceURLs: [/metrics], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: proof}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: proof-reader}
subjects: [{kind: ServiceAccount, name: default, namespace: proof}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: proof}
automountServiceAccountToken: false
imagePullSecrets: [{name: a}, {name: b}]
"""

_KEPT = frozenset({"apiVersion", "kind", "name", "namespace"})  # what names the object itself stays
_ADDED = ("x", "", 0, 1, 1.0, True, None, {}, [], {"x": "y"}, ["x"], "1", "100m")


def changed(body: Body, live: Body, chance: random.Random) -> tuple[str, Body]:
    """A copy of `body` with one or two changes, and what they were; some take the live value, so nothing differs."""
    copied, told = copy.deepcopy(body), []
    for _ in range(chance.choice((1, 1, 2))):
        holder, key, path = chance.choice(list(_places(copied)) or [({"": None}, "", ())])  # a bare Namespace has none
        kind = chance.choice(("drop", "change", "null", "retype", "copy", "copy", "shuffle", "add", "same"))
        _change(kind, holder, key, _at(live, path), chance)
        told.append(f"{kind} {'.'.join(map(str, path))}")
    return "; ".join(told), copied


def _change(kind: str, holder: Any, key: Any, live: Any, chance: random.Random) -> None:  # noqa: ANN401 - any JSON
    value = holder[key]
    if kind == "drop":
        del holder[key]
    elif kind == "change":
        holder[key] = _other(value, chance)
    elif kind == "null":
        holder[key] = None
    elif kind == "retype":
        holder[key] = _retyped(value)
    elif kind == "copy" and live is not None:
        holder[key] = copy.deepcopy(live)  # also what the server or others added below
    elif kind == "shuffle" and isinstance(value, list):
        chance.shuffle(value)
    elif kind == "add" and isinstance(value, dict):
        value[chance.choice(("x", "name", "labels", "data", "protocol", "0"))] = copy.deepcopy(chance.choice(_ADDED))
    elif kind == "add" and isinstance(value, list):
        value.append(
            copy.deepcopy(chance.choice(value))
            if value and chance.random() < 0.7
            else copy.deepcopy(chance.choice(_ADDED))
        )


def _other(value: Any, chance: random.Random) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + chance.choice((1, -1, 0))
    if isinstance(value, str):
        return chance.choice((f"{value}x", value.upper(), "1000m" if value == "1" else "1"))
    return copy.deepcopy(chance.choice(_ADDED))


def _retyped(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return float(value) if value % 2 else str(value)
    if isinstance(value, str):
        return int(value) if value.isdigit() else [value]
    return [value] if isinstance(value, dict) else {"x": value}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:  # noqa: ANN401
    """Every member of every map and list: its holder, its key, its path."""
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in entries:
        if path in {(), ("metadata",)} and key in _KEPT:
            continue
        if path or key != "metadata":
            yield value, key, (*path, key)
        if isinstance(inner, dict | list):
            yield from _places(inner, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401 - any JSON
    for key in path:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return None
    return value
