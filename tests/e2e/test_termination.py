# SPDX-License-Identifier: Apache-2.0
"""Waiting until real objects are gone: by one stream, and by questions where streams are forbidden."""

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from e2e.recorder import Recorder
from e2e.stack import Body, Stack, config_map, namespace
from e2e.troubles import Trouble, troubled
from kubeoci.changes import Action
from rig import Rig


@pytest.fixture
def home(rig: Rig) -> Iterator[str]:
    """A namespace of its own."""
    with namespace(rig, "termination") as name:
        yield name


def path(home: str) -> str:
    """Where the ConfigMap `a` is."""
    return f"/api/v1/namespaces/{home}/configmaps/a"


def hold(rig: Rig, home: str) -> None:
    """Put a finalizer on the ConfigMap, and take it off a moment later."""
    rig.api.request("PATCH", path(home), {"metadata": {"finalizers": ["example.com/slow"]}})
    release = {"metadata": {"finalizers": None}}
    threading.Timer(1.0, rig.api.request, ("PATCH", path(home), release)).start()


def from_delete(recorder: Recorder, part: str) -> list[tuple[str, str]]:
    """What was asked about a collection from its first DELETE on: the verb, and which of it."""
    asked = [request for request in recorder.requests if part in request]
    first = next(number for number, request in enumerate(asked) if request.startswith("DELETE"))
    return [_in_short(*request.split(" ")) for request in asked[first:]]


def _in_short(method: str, target: str) -> tuple[str, str]:
    url = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    return ("WATCH", query.get("fieldSelector", "")) if "watch" in query else (method, url.path.rpartition("/")[2])


def test_deletion_is_one_stream(cluster_recorder: Recorder, rig: Rig, home: str) -> None:
    """It ends when the finalizer is gone, and nothing else is asked meanwhile."""
    stack = Stack(cluster_recorder.kubeconfig, home)
    stack.up(config_map(home, "a", a="1"))
    hold(rig, home)
    assert () == stack.destroy().reasons
    assert [("DELETE", "a"), ("WATCH", "metadata.name=a")] == from_delete(cluster_recorder, "/configmaps")


def test_forbidden_stream_is_polled(rig: Rig, home: str, tmp_path: Path) -> None:
    """Who may read but not watch is served too, after a while."""
    with troubled(rig, tmp_path) as proxy:
        stack = Stack(proxy.kubeconfig, home)
        stack.up(config_map(home, "a", a="1"))
        hold(rig, home)
        proxy.trouble("GET ", Trouble(403, "no watch"), inside="watch=1")
        assert () == stack.destroy().reasons
        found = from_delete(proxy, "/configmaps")
    assert [("DELETE", "a"), ("WATCH", "metadata.name=a"), ("GET", "a")] == found[:3]
    assert {("GET", "a")} == set(found[2:])


def test_what_goes_by_itself_is_watched(cluster_recorder: Recorder, home: str) -> None:
    """A namespace takes a while to be emptied by its controller."""
    stack = Stack(cluster_recorder.kubeconfig, home, timeout_seconds=60.0)
    inner = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{home}-inner"}}
    stack.up(inner, config_map(f"{home}-inner", "a", a="1"))
    cluster_recorder.requests.clear()
    assert () == stack.destroy().reasons
    found = from_delete(cluster_recorder, "/api/v1/namespaces/termination-")
    assert ("DELETE", f"{home}-inner") in found
    assert not [name for verb, name in found if verb == "GET"]


def test_object_is_made_anew_after_its_finalizer(cluster_recorder: Recorder, rig: Rig, home: str) -> None:
    """A replacement waits for the old object by its name, then applies the new one."""
    stack = Stack(cluster_recorder.kubeconfig, home, force=True)
    fixed: Body = {**config_map(home, "a", a="1"), "immutable": True}
    stack.up(fixed)
    hold(rig, home)
    outcome = stack.up({**fixed, "data": {"a": "2"}})
    assert ((), [Action.RECREATED]) == (outcome.reasons, [change.action for change in outcome.changes])
    found = from_delete(cluster_recorder, "/configmaps")
    assert [("DELETE", "a"), ("WATCH", "metadata.name=a"), ("PATCH", "a")] == found
