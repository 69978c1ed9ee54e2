# SPDX-License-Identifier: Apache-2.0
"""OCIArtifact and OCIRepository together through both front ends, against a registry and a cluster in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import Front
from contract.engine import Engine, Result
from kubeoci.lifecycle.values import UNKNOWN, Secret, reveal
from simulator import controllers
from simulator.cluster import ClusterSimulator
from simulator.registry import RegistrySimulator

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
FLAGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags, namespace: shop}\ndata: {beta: 'off'}\n"
TOKEN = "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: shop}\nstringData: {token: swordfish}\n"
WEB = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""
OBJECTS = {"00-namespace.yaml": NAMESPACE, "flags.yaml": FLAGS, "token.yaml": TOKEN, "web.yaml": WEB}
FLAGS_PATH = "/api/v1/namespaces/shop/configmaps/flags"


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    """A registry that is open to all."""
    with RegistrySimulator() as registry:
        yield registry


@pytest.fixture
def cluster() -> Iterator[ClusterSimulator]:
    """An empty cluster."""
    with ClusterSimulator() as cluster:
        yield cluster


class Stack:
    """A program with an artifact and the repository that applies it."""

    def __init__(self, engine: Engine, registry: RegistrySimulator, cluster: ClusterSimulator, folder: Path) -> None:
        self.engine = engine
        self.registry = registry
        self.cluster = cluster
        self.folder = folder
        folder.mkdir()
        for name, text in OBJECTS.items():
            (folder / name).write_text(text)
        self.artifact = {"url": f"oci://{registry.host}/shop", "path": str(folder)}
        kubeconfig = Secret({"kubeconfig": cluster.kubeconfig})
        self.repository = {"url": f"oci://{registry.host}/shop", "inventoryName": "app", "cluster": kubeconfig}

    def preview(self, **more: Any) -> Result:  # noqa: ANN401 - any input
        """`pulumi preview`: what is shown of the repository."""
        digest = self.engine.preview(self.artifact).outputs["digest"]
        return self.engine.preview({**self.repository, "ref": {"digest": digest}, **more}, "OCIRepository")

    def up(self, **more: Any) -> Result:  # noqa: ANN401 - any input
        """`pulumi up`: what is shown of the repository."""
        digest = self.engine.up(self.artifact).outputs["digest"]
        return self.engine.up({**self.repository, "ref": {"digest": digest}, **more}, "OCIRepository")

    def quiet(self) -> bool:
        """Whether neither registry nor cluster was asked to write since the last look."""
        writes = [request for request in self.registry.requests if request.split()[0] not in {"GET", "HEAD"}]
        writes += self.cluster.writes()
        self.registry.clear()
        self.cluster.requests.clear()
        return writes == []


@pytest.fixture
def stack(real: Front, registry: RegistrySimulator, cluster: ClusterSimulator, tmp_path: Path) -> Stack:
    """The program over providers that have nothing of this machine."""
    place = str(tmp_path)
    engine = real(KUBEOCI_CACHE=f"{place}/cache", HOME=place, DOCKER_CONFIG=place)
    return Stack(engine, registry, cluster, tmp_path / "deploy")


def test_first_preview_shows_every_object_and_writes_nothing(stack: Stack) -> None:
    """Of an artifact that is not pushed yet."""
    preview = stack.preview()
    objects = ["ConfigMap/shop/flags", "Deployment.apps/shop/web", "Namespace/shop", "Secret/shop/token"]
    assert ("create", objects, True) == (preview.op, sorted(preview.outputs["objects"]), stack.quiet())


def test_up_applies_and_another_changes_nothing(stack: Stack) -> None:
    """The second asks and writes nothing."""
    outputs = stack.up().outputs
    stack.quiet()
    assert ("same", True) == (stack.up().op, stack.quiet())
    assert (True, stack.registry.tags["shop"]["latest"]) == (outputs["ready"], outputs["digest"])
    assert "off" == (stack.cluster.at(FLAGS_PATH) or {})["data"]["beta"]


def test_id_is_the_inventory(stack: Stack) -> None:
    """Namespace and name: all that an import has."""
    stack.up()
    assert "default/app" == stack.engine.state("OCIRepository").id


def test_changed_file_shows_its_object(stack: Stack) -> None:
    """By its id, beside the digest; the preview writes nothing."""
    stack.up()
    stack.quiet()
    (stack.folder / "flags.yaml").write_text(FLAGS.replace("'off'", "'on'"))
    paths = {"digest", "ref.digest", "revision", 'files["flags.yaml"]', 'objects["ConfigMap/shop/flags"]'}
    assert (paths, True) == (set(stack.preview().paths), stack.quiet())


def test_removed_file_prunes_its_object(stack: Stack) -> None:
    """And nothing else."""
    stack.up()
    (stack.folder / "flags.yaml").unlink()
    assert "delete" == stack.preview().paths['objects["ConfigMap/shop/flags"]']
    stack.up()
    assert (None, True) == (stack.cluster.at(FLAGS_PATH), bool(stack.cluster.at("/api/v1/namespaces/shop")))


def test_secret_data_is_never_told(stack: Stack) -> None:
    """Not in the state, which the engine of these tests finds too."""
    told = [str(reveal(stack.preview().outputs)), str(reveal(stack.up().outputs))]
    assert [] == [text for text in told if "swordfish" in text or "c3dvcmRmaXNo" in text]


def test_drift_shows_in_a_refresh_and_is_mended(stack: Stack) -> None:
    """Somebody else's edit of one of our fields."""
    stack.up()
    stack.cluster.edit(FLAGS_PATH, "kubectl-edit", lambda body: body["data"].update(beta="on"))
    assert {'objects["ConfigMap/shop/flags"]': "update"} == stack.engine.refresh("OCIRepository").paths
    stack.up()
    assert "off" == (stack.cluster.at(FLAGS_PATH) or {})["data"]["beta"]


def test_refresh_without_drift(stack: Stack) -> None:
    """What the server adds is no drift."""
    stack.up()
    assert ("same", {}) == (stack.engine.refresh("OCIRepository").op, stack.engine.refresh("OCIRepository").paths)


def test_unknown_cluster_shows_the_objects(stack: Stack) -> None:
    """A cluster that is made in the same update is no failure of the preview."""
    preview = stack.preview(cluster=Secret({"kubeconfig": UNKNOWN}))
    assert ("create", 4, []) == (preview.op, len(preview.outputs["objects"]), stack.cluster.requests)


def test_all_faults_come_at_once(stack: Stack) -> None:
    """Of the inputs of an OCIRepository."""
    failures = stack.preview(ref={"semver": "x.y.z.w"}, interval="soon", prune="yes", postBuild={}).failures
    assert ["interval", "postBuild", "prune", "ref.semver"] == sorted(failure.partition(":")[0] for failure in failures)


def test_destroy_leaves_nothing(stack: Stack) -> None:
    """Not even the inventory; a second time is no failure."""
    before = set(stack.cluster.objects)
    stack.up()
    kept = stack.engine.state("OCIRepository")
    assert ("delete", before) == (stack.engine.destroy("OCIRepository").op, set(stack.cluster.objects))
    stack.engine.states["urn:pulumi:dev::shop::kubeoci:index:OCIRepository::app"] = kept
    assert "" == stack.engine.destroy("OCIRepository").error


class TestPlugin:
    """What only the plugin can do."""

    @pytest.fixture
    def front(self) -> str:
        """The plugin alone."""
        return "plugin"

    def test_preview_has_a_row_per_object(self, stack: Stack) -> None:
        """And one line that says the rest."""
        stack.up()
        (stack.folder / "flags.yaml").unlink()
        (stack.folder / "web.yaml").write_text(WEB.replace("replicas: 1", "replicas: 3"))
        preview = stack.preview()
        rows = ["- kubernetes:v1:ConfigMap app/shop/flags", "~ kubernetes:apps/v1:Deployment app/shop/web"]
        assert rows == sorted(preview.rows)
        assert preview.lines[-1].endswith("1 configured, 2 unchanged, 1 deleted")

    def test_unready_object_leaves_the_resource_in_the_state(self, stack: Stack) -> None:
        """With its inventory, so that destroy finds everything; the next up finishes."""
        stack.cluster.unready.add("web")
        stack.up(timeout="1s")
        state = stack.engine.state("OCIRepository")
        assert (4, True) == (len(state.outputs["inventory"]), "Deployment/shop/web" in "".join(state.reasons))
        stack.cluster.unready.clear()
        path = "/apis/apps/v1/namespaces/shop/deployments/web"
        stack.cluster.edit(path, "controller", lambda body: body.update(status=controllers.status(body, set())))
        assert ("update", []) == (stack.up().op, stack.engine.state("OCIRepository").reasons)

    def test_drift_shows_in_the_preview(self, stack: Stack) -> None:
        """Each preview reads the live objects, unless driftDetection is off."""
        stack.up()
        stack.cluster.edit(FLAGS_PATH, "kubectl-edit", lambda body: body["data"].update(beta="on"))
        assert {'objects["ConfigMap/shop/flags"]': "update"} == stack.preview().paths
