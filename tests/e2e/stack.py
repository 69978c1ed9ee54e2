# SPDX-License-Identifier: Apache-2.0
"""One inventory in a real cluster, driven as a provider drives it: what an update recorded is given to the next."""

import itertools
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeoci import objects
from kubeoci.changes import Action
from kubeoci.cluster.rest import Access, connect
from kubeoci.cluster.target import Outcome, Plan, Settings, Target
from kubeoci.errors import KubeociError
from kubeoci.objects import Object
from rig import Rig

if TYPE_CHECKING:
    from kubeoci.cluster.inventory import Entry

Body = dict[str, Any]
_numbers = itertools.count(1)


@contextmanager
def namespace(rig: Rig, prefix: str) -> Iterator[str]:
    """A namespace of its own; what is in it goes in the background."""
    name = f"{prefix}-{next(_numbers)}"
    rig.api.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    rig.api.request("DELETE", f"/api/v1/namespaces/{name}")


class Stack:
    """The inventory `name` in `home`. `recorded` is what Pulumi would keep."""

    def __init__(self, config: Path, home: str, name: str = "app", **settings: Any) -> None:  # noqa: ANN401 - any setting
        self.config = config
        self.settings = Settings(
            **{"namespace": home, "inventory_name": name, "timeout_seconds": 30.0, "wait": False, **settings}
        )
        self.recorded: tuple[Entry, ...] = ()

    def plan(self, *bodies: Body) -> Plan:
        """What an update would do."""
        with self._target() as target:
            return target.plan(self._load(bodies), self.recorded)

    def up(self, *bodies: Body) -> Outcome:
        """Apply, and remember the inventory."""
        with self._target() as target:
            outcome = target.apply(self._load(bodies), self.recorded, revision="r1")
        self.recorded = outcome.inventory
        return outcome

    def destroy(self) -> Outcome:
        """Delete everything, and remember what is left."""
        with self._target() as target:
            outcome = target.destroy(self.recorded)
        self.recorded = outcome.inventory
        return outcome

    def actions(self, *bodies: Body) -> dict[str, Action]:
        """What an update would do, by the name of each object."""
        return {change.subject.name: change.action for change in self.plan(*bodies).changes}

    @contextmanager
    def _target(self) -> Iterator[Target]:
        stop = threading.Event()
        rest = connect(Access(str(self.config)), stop=stop)
        try:
            yield Target(rest, self.settings, stop=stop, log=lambda _text: None, progress=lambda _text: None)
        finally:
            rest.close()

    def _load(self, bodies: tuple[Body, ...]) -> tuple[Object, ...]:
        files = {f"{number}.json": json.dumps(body).encode() for number, body in enumerate(bodies)}
        return objects.load(files, namespace=self.settings.namespace).objects


def config_map(home: str, name: str, **data: str) -> Body:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": home}, "data": data}


def deployment(home: str, name: str = "web", **spec: Any) -> Body:  # noqa: ANN401 - any JSON
    """A Deployment whose Pods run on the fake kubelet."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    full = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": home}, "spec": full}


class Child:
    """The same in a process of its own, which can be killed. `recorded` is what Pulumi had before it began."""

    def __init__(self, stack: Stack, verb: str, *bodies: Body) -> None:
        order = pickle.dumps((stack.config, stack.settings, stack.recorded, verb, bodies))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-c", "from e2e.stack import work; work()"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert self.process.stdin
        self.process.stdin.write(order)
        self.process.stdin.close()

    def kill(self) -> None:
        """SIGKILL, as the system would when memory is short."""
        self.process.kill()
        self.wait()

    def wait(self) -> list[str]:
        """Why it did not succeed, when it has ended."""
        assert self.process.stdout
        with self.process.stdout as stream:
            reasons = stream.read().decode().splitlines()
        self.process.wait()
        return reasons


def work() -> None:
    """What the process does: the order comes on its standard input, reasons go to its standard output."""
    config, settings, recorded, verb, bodies = pickle.loads(sys.stdin.buffer.read())
    stack = Stack(config, settings.namespace)
    stack.settings, stack.recorded = settings, recorded
    try:
        reasons = getattr(stack, verb)(*bodies).reasons
    except KubeociError as error:
        reasons = (str(error),)
    sys.stdout.write("\n".join(reasons))
