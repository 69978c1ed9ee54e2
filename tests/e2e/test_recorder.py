# SPDX-License-Identifier: Apache-2.0
"""The rig and the recorders before it, on the real programs."""

import base64
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator

from e2e.recorder import Recorder
from rig import LOGIN, Rig

_MAPS = "/api/v1/namespaces/default/configmaps"


@contextlib.contextmanager
def asked(
    address: str, method: str, path: str, body: str | None = None, **headers: str
) -> Iterator[http.client.HTTPResponse]:
    """The answer to one request, its body unread."""
    with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        connection.request(method, path, body, headers)
        yield connection.getresponse()


def config_map(name: str) -> str:
    """A ConfigMap as JSON."""
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})


def until(is_so: Callable[[], bool]) -> bool:
    """Whether `is_so` comes true within 20 seconds."""
    deadline = time.monotonic() + 20
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_so()


def test_a_dry_run_is_no_write(cluster_recorder: Recorder) -> None:
    """The recorder tells what changes the cluster from what only asks."""
    for path in (f"{_MAPS}?dryRun=All", _MAPS):
        with asked(cluster_recorder.address, "POST", path, config_map("recorded")) as answer:
            assert http.client.CREATED == answer.status
    with asked(cluster_recorder.address, "DELETE", f"{_MAPS}/recorded") as answer:
        assert http.client.OK == answer.status
    assert [f"POST {_MAPS}", f"DELETE {_MAPS}/recorded"] == cluster_recorder.writes()


def test_a_watch_is_seen_live(rig: Rig, cluster_recorder: Recorder) -> None:
    """An event passes through the recorder while the watch is open."""
    seen: list[str] = []

    def watch() -> None:
        with asked(cluster_recorder.address, "GET", f"{_MAPS}?watch=true&timeoutSeconds=2") as answer:
            seen.extend(json.loads(line)["object"]["metadata"]["name"] for line in answer)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert until(lambda: bool(cluster_recorder.requests))
    rig.api.request("POST", _MAPS, json.loads(config_map("watched")))
    assert until(lambda: "watched" in seen)
    watcher.join()
    rig.api.request("DELETE", f"{_MAPS}/watched")


def test_a_blob_goes_through_on_one_connection(registry_recorder: Recorder) -> None:
    """An upload follows the registry's own address back to the recorder; a chunked body arrives whole."""
    with contextlib.closing(http.client.HTTPConnection(registry_recorder.address)) as connection:
        connection.request("POST", "/v2/trial/blobs/uploads/", headers={"Content-Length": "0"})
        answer = connection.getresponse()
        answer.read()
        place = answer.headers["Location"].removeprefix(f"http://{registry_recorder.address}")
        digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        connection.request("PUT", f"{place}&digest={digest}", iter([b"he", b"llo"]), encode_chunked=True)
        assert http.client.CREATED == connection.getresponse().status
    assert ["POST", "PUT"] == [request.split()[0] for request in registry_recorder.writes()]


def test_the_private_registry_asks_for_its_login(rig: Rig) -> None:
    """Without credentials it refuses; with `LOGIN` it lets in."""
    token = base64.b64encode(":".join(LOGIN).encode()).decode()
    with asked(rig.private_registry, "GET", "/v2/") as answer:
        assert http.client.UNAUTHORIZED == answer.status
    with asked(rig.private_registry, "GET", "/v2/", Authorization=f"Basic {token}") as answer:
        assert http.client.OK == answer.status


def test_pods_run_on_the_fake_node(rig: Rig) -> None:
    """A Deployment becomes available and goes away, as on a real cluster."""
    path, labels = "/apis/apps/v1/namespaces/default/deployments", {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    rig.api.request(
        "POST", path, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
    )
    assert until(lambda: rig.api.request("GET", f"{path}/web")["status"].get("availableReplicas") == 2)
    rig.api.request("DELETE", f"{path}/web")
    assert until(lambda: not rig.api.request("GET", "/api/v1/namespaces/default/pods?labelSelector=app%3Dweb")["items"])
