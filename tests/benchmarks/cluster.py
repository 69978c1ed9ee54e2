# SPDX-License-Identifier: Apache-2.0
"""A thousand objects on a real API server: plan, create, plan again, change ten; beside kubectl on the same objects.

Ours is a process of its own for each figure, timed after imports and after the files are read, as in a provider that is
there already; kubectl is timed as a whole. Controllers run beside it; nothing is waited for.
"""

# ruff: noqa: T201 - printing is what it is for

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

_SPACES = 5
_PER_SPACE = {"ConfigMap": 60, "Secret": 40, "Deployment": 40, "Service": 30, "ServiceAccount": 15, "Role": 14}
_LIMITS = {"first plan": 5.0, "create": 5.0, "plan without changes": 1.0}
_MAX_RSS_MIB = 200.0
_CHANGED = 10
_LOADED = 1000
_MAX_LOAD_SECONDS = 0.5
_PARENT_WRITES = 2


def main() -> int:
    """Print a line per figure; 1 when one of ours is over its limit."""
    import toolbox  # noqa: PLC0415 - the path is set by whoever calls
    from rig import Rig  # noqa: PLC0415

    load, each = os.getloadavg()[0], 1 + sum(_PER_SPACE.values())
    print(
        f"\nCluster: {each} objects in each of {_SPACES} namespaces, cores shared with the API server, load {load:.2f}"
    )
    try:
        with tempfile.TemporaryDirectory(prefix="kubeoci-bench-") as name, Rig(registry=False) as rig:
            kubectl = toolbox.locate(["kubernetes"])["kubectl"]
            return _measure(Path(name), rig.kubeconfig, kubectl)
    except toolbox.ToolError as error:
        print(f"left out, the API server cannot be had: {error}")
        return 0


def _measure(folder: Path, kubeconfig: Path, kubectl: Path) -> int:
    ours, theirs, edited = folder / "ours.yaml", folder / "theirs.yaml", folder / "edited.yaml"
    ours.write_text("---\n".join(documents("ours", "a")))
    edited.write_text("---\n".join(documents("ours", "a", changed=_CHANGED)))
    theirs.write_text("---\n".join(documents("theirs", "a")))
    broken = [_load(folder)]
    steps = [("first plan", "plan", ours), ("create", "apply", ours), ("plan without changes", "plan", ours),
             ("apply without changes", "apply", ours), ("change ten", "apply", edited)]  # fmt: skip
    for title, verb, file in steps:
        found = _child(verb, kubeconfig, file)
        broken.append(_tell(title, found))
    base = [str(kubectl), f"--kubeconfig={kubeconfig}"]
    for title, arguments in (
        ("kubectl apply --server-side, creating", ["apply", "--server-side", "-f", str(theirs)]),
        ("kubectl apply --server-side again", ["apply", "--server-side", "-f", str(theirs)]),
        ("kubectl diff --server-side", ["diff", "--server-side", "-f", str(theirs)]),
    ):
        started = time.perf_counter()
        subprocess.run([*base, *arguments], check=True, stdout=subprocess.DEVNULL)
        print(f"  {title:42} {time.perf_counter() - started:6.2f} s")
    return int(any(broken))


def _load(folder: Path) -> bool:
    """Whether reading a thousand Deployments takes too long."""
    file = folder / "deployments.yaml"
    file.write_text("---\n".join(deployment(f"web-{number}", "shop", "a") for number in range(_LOADED)))
    found = _child("load", folder, file)
    is_over = found["seconds"] > _MAX_LOAD_SECONDS
    size = file.stat().st_size / 1e6
    print(f"  load of {_LOADED} Deployments, {size:.2f} MB {'':12} {found['seconds']:6.2f} s"
          f"{' OVER' if is_over else ''}")  # fmt: skip
    return is_over


def _child(verb: str, kubeconfig: Path, file: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, verb, kubeconfig, file], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _tell(title: str, found: dict[str, float]) -> bool:
    """Print a figure of ours; whether it is over one of its limits."""
    limit = _LIMITS.get(title, float("inf"))
    is_over = found["seconds"] > limit or found["rss_mib"] > _MAX_RSS_MIB
    if title == "change ten":
        is_over |= found["writes"] != _CHANGED + _PARENT_WRITES
    print(f"  {title:42} {found['seconds']:6.2f} s, {found['cpu']:5.2f} s of CPU, {found['requests']:5.0f} requests, "
          f"{found['writes']:5.0f} writes, peak {found['rss_mib']:4.0f} MiB{' OVER' if is_over else ''}")  # fmt: skip
    return is_over


def documents(stem: str, value: str, changed: int = 0) -> Iterator[str]:
    """All objects; the data of the first `changed` ConfigMaps differ."""
    for space in range(_SPACES):
        home = f"{stem}-{space}"
        yield f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {home}}}\n"
        for kind, count in _PER_SPACE.items():
            for number in range(count):
                edit = "edited" if kind == "ConfigMap" and space == 0 and number < changed else value
                yield _document(kind, f"{kind.lower()}-{number}", home, edit)


def _document(kind: str, name: str, namespace: str, value: str) -> str:
    meta = f"metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}\n"
    if kind == "Deployment":
        return deployment(name, namespace, value)
    bodies = {
        "ConfigMap": f"apiVersion: v1\nkind: ConfigMap\n{meta}data: {{a: {value}, b: '{'x' * 200}'}}\n",
        "Secret": f"apiVersion: v1\nkind: Secret\n{meta}stringData: {{password: {value}-{name}-secret}}\n",
        "Service": f"apiVersion: v1\nkind: Service\n{meta}"
        f"spec: {{clusterIP: None, selector: {{app: {name}}}, ports: [{{port: 80}}]}}\n",
        "ServiceAccount": f"apiVersion: v1\nkind: ServiceAccount\n{meta}",
        "Role": f"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n{meta}"
        "rules: [{apiGroups: [''], resources: [pods], verbs: [get, list]}]\n",
    }
    return bodies[kind]


def deployment(name: str, namespace: str, value: str) -> str:
    """A Deployment without Pods, as people write them."""
    return f"""apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {namespace}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: shop
spec:
  replicas: 0
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      containers:
        - name: web
          image: registry.example.com/shop/web:1.2.3
          args: ["--color={value}"]
          ports:
            - name: http
              containerPort: 8080
          env:
            - name: LEVEL
              value: info
          resources:
            limits:
              cpu: 500m
              memory: 128Mi
            requests:
              cpu: 100m
              memory: 64Mi
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
"""


def child(verb: str, kubeconfig: str, file: str) -> dict[str, float]:
    """Do one thing and measure it."""
    from kubeoci import objects  # noqa: PLC0415 - a process of its own
    from kubeoci.cluster import rest as rests  # noqa: PLC0415
    from kubeoci.cluster.target import Settings, Target  # noqa: PLC0415

    data = Path(file).read_bytes()
    started, cpu = time.perf_counter(), time.process_time()
    loaded = objects.load({"all.yaml": data}).objects
    if verb == "load":
        return {"seconds": time.perf_counter() - started}
    sent = _count(rests.Rest)
    rest = rests.connect(rests.Access(kubeconfig), stop=threading.Event())
    settings = Settings(namespace="default", inventory_name="bench", wait=False)
    target = Target(rest, settings, stop=threading.Event(), log=lambda _: None, progress=lambda _: None)
    started, cpu = time.perf_counter(), time.process_time()
    if verb == "plan":
        target.plan(loaded, ())
    elif target.apply(loaded, (), revision="r1").reasons:
        raise RuntimeError("the apply failed")
    seconds, busy = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": busy, "rss_mib": _peak_mib(), **sent}


def _count(rest: type) -> dict[str, float]:
    """Counts that grow with each request: all of them, and those that write."""
    counts: dict[str, float] = {"requests": 0, "writes": 0}
    exchange = rest._exchange  # type: ignore[attr-defined]  # noqa: SLF001 - the one place that every request passes

    def counted(self, request, *rest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN202
        counts["requests"] += 1
        counts["writes"] += request.method != "GET" and "dryRun" not in request.target
        return exchange(self, request, *rest)

    rest._exchange = counted  # type: ignore[attr-defined]  # noqa: SLF001
    return counts


def _peak_mib() -> float:
    """The most memory that this process had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(child(*sys.argv[1:])))
