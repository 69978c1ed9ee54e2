# SPDX-License-Identifier: Apache-2.0
"""Two stacks on the same objects, two runs of one stack: one of them stops before it writes an object, and says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.holding import Holding, holding
from e2e.recorder import Recorder
from e2e.stack import Child, Stack, config_map, deployment, namespace
from kubeoci.changes import Action
from kubeoci.errors import KubeociError, flatten
from rig import Rig

SECONDS = 30.0


@pytest.fixture
def home(rig: Rig) -> Iterator[str]:
    """A namespace of its own."""
    with namespace(rig, "concurrency") as name:
        yield name


@pytest.fixture
def proxy(rig: Rig, tmp_path: Path) -> Iterator[Holding]:
    """A proxy that holds a request."""
    with holding(rig, tmp_path) as found:
        yield found


def refusals(stack: Stack, *bodies: dict[str, object]) -> list[KubeociError]:
    """What an update that is refused says."""
    with pytest.raises((KubeociError, ExceptionGroup)) as caught:
        stack.up(*bodies)
    return flatten(caught.value)


def test_second_stack_is_refused_before_any_write(rig: Rig, cluster_recorder: Recorder, home: str) -> None:
    """Every object is named, and who has it; preview and update say the same."""
    bodies = [config_map(home, "a", a="1"), config_map(home, "b", a="1")]
    Stack(rig.kubeconfig, home, "first").up(*bodies)
    second = Stack(cluster_recorder.kubeconfig, home, "second")
    told = refusals(second, *bodies)
    assert [f"ConfigMap/{home}/{name} ({at}.json:1)" for at, name in enumerate("ab")] == [each.where for each in told]
    assert {("cluster.owned", f"it belongs to the ApplySet {home}/first")} == {(each.code, each.what) for each in told}
    assert [] == cluster_recorder.writes()
    with pytest.raises(ExceptionGroup):
        second.plan(*bodies)


def test_second_stack_takes_what_the_first_gives_up(rig: Rig, home: str) -> None:
    """An object that left the first artifact, kept there by `prune: false`, stays the first one's until it lets go."""
    first, second = Stack(rig.kubeconfig, home, "first"), Stack(rig.kubeconfig, home, "second")
    first.up(config_map(home, "a", a="1"))
    first.settings = Stack(rig.kubeconfig, home, "first", deletion_policy="Orphan").settings
    first.destroy()
    assert {"a": Action.CONFIGURED} == second.actions(config_map(home, "a", a="1"))
    assert () == second.up(config_map(home, "a", a="1")).reasons


def test_of_two_runs_one_writes_objects(proxy: Holding, cluster_recorder: Recorder, home: str) -> None:
    """The later one is told which process is at work, and may come again when that has ended."""
    stack = Stack(proxy.kubeconfig, home)
    proxy.hold(f"PATCH /apis/apps/v1/namespaces/{home}/deployments/web", is_carried_out=False)
    child = Child(stack, "up", deployment(home))
    assert proxy.reached.wait(SECONDS), child.wait()
    later = Stack(cluster_recorder.kubeconfig, home)
    (told,) = refusals(later, deployment(home))
    assert ("cluster.busy", []) == (told.code, cluster_recorder.writes())
    assert f"another run is at work on this inventory: process {child.process.pid} on " in told.what
    child.kill()
    assert () == later.up(deployment(home)).reasons


def test_destroy_waits_for_nobody(proxy: Holding, cluster_recorder: Recorder, home: str) -> None:
    """While an update is at work a destroy is refused as well."""
    stack = Stack(proxy.kubeconfig, home)
    proxy.hold(f"PATCH /apis/apps/v1/namespaces/{home}/deployments/web", is_carried_out=True)
    child = Child(stack, "up", deployment(home))
    assert proxy.reached.wait(SECONDS), child.wait()
    with pytest.raises(KubeociError, match=r"another run is at work.*cluster\.busy"):
        Stack(cluster_recorder.kubeconfig, home).destroy()
    assert [] == cluster_recorder.writes()
    child.kill()


def test_two_runs_that_begin_together(rig: Rig, home: str) -> None:
    """Many times: exactly one of both writes, or the second comes when the first has ended; never both, never none."""
    stack = Stack(rig.kubeconfig, home)
    stack.up(config_map(home, "a", a="0"))
    for turn in range(1, 4):
        pair = [Child(stack, "up", config_map(home, "a", a=f"{turn}-{side}")) for side in "xy"]
        told = [text for child in pair for text in child.wait()]
        assert len(told) <= 1
        assert all("cluster.busy" in text for text in told)
        live = rig.api.get(f"/api/v1/namespaces/{home}/configmaps/a")
        assert live
        assert str(turn) == live["data"]["a"].partition("-")[0]
