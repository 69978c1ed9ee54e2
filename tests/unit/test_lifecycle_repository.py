# SPDX-License-Identifier: Apache-2.0
"""OCIRepository from check to delete, against a registry and an API server in memory."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kubeoci.changes import Action
from kubeoci.cluster.inventory import PART_OF, ParentRef
from kubeoci.errors import ClusterError, InputError
from kubeoci.lifecycle import artifact, command, repository
from kubeoci.lifecycle.contract import Stored, Unfinished
from kubeoci.lifecycle.session import Session
from kubeoci.lifecycle.values import UNKNOWN
from simulator.cluster import ClusterSimulator
from simulator.registry import RegistrySimulator
from simulator.shop import FLAGS, FLAGS_PATH, NAMESPACE, PARENT_PATH, SECRET, WEB, WEB_PATH
from simulator.world import World

OTHER_PATH = "/api/v1/namespaces/shop/secrets/other"
NOWHERE = "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], \
clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: a, user: {}}]}"


class Shop(World):
    """With a repository `app`."""

    def push(self, *documents: str, tag: str = "dev") -> str:
        """Make these documents the artifact behind `tag`; gives its digest."""
        for path in self.folder.iterdir():
            path.unlink()
        for number, text in enumerate(documents):
            (self.folder / f"{number}.yaml").write_text(text)
        program = {"url": f"{self.registry.host}/app", "path": str(self.folder), "tags": [tag]}
        checked = artifact.check(self.call(), {}, program)
        assert () == checked.failures
        return str(artifact.create(self.call(), checked.inputs).outputs["digest"])

    def program(self, **extra: object) -> dict[str, Any]:
        """The inputs of a small program."""
        own = {"inventoryName": "app", "ref": {"tag": "dev"}, "cluster": {"kubeconfig": self.cluster.kubeconfig}}
        return {"url": f"{self.registry.host}/app", **own, **extra}

    def check(self, **extra: object) -> dict[str, Any]:
        """Inputs with facts; the check must hold."""
        checked = repository.check(self.call(), {}, self.program(**extra))
        assert () == checked.failures
        return checked.inputs

    def up(self, **extra: object) -> Stored:
        """Check and create."""
        return repository.create(self.call(), self.check(**extra))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """An empty registry and cluster, and no `pulumi` command around us."""
    monkeypatch.setenv("KUBEOCI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "ident", lambda: "")
    (tmp_path / "deploy").mkdir()
    with RegistrySimulator() as registry, ClusterSimulator() as cluster:
        yield Shop(registry, cluster, tmp_path / "deploy")


def test_check_knows_the_objects(world: Shop) -> None:
    """Facts hold digest, revision, files and masked objects; the cluster is not asked."""
    digest = world.push(NAMESPACE, SECRET)
    facts = world.check()
    assert (digest, f"dev@{digest}") == (facts["digest"], facts["revision"])
    assert ["Namespace/shop", "Secret/shop/login"] == sorted(facts["objects"])
    assert "correct-horse" not in str(facts)
    assert [] == world.cluster.requests


def test_digest_that_is_in_the_cache_needs_no_registry(world: Shop) -> None:
    """An artifact that was only packed can be planned."""
    digest = world.push(FLAGS)
    world.registry.requests.clear()
    assert digest == world.check(ref={"digest": digest})["revision"]
    assert [] == world.registry.requests


def test_range_takes_the_highest(world: Shop) -> None:
    """A semver range becomes a tag, and the tag a digest."""
    world.push(FLAGS, tag="6.0.3")
    digest = world.push(NAMESPACE, tag="6.0.4")
    world.push(WEB, tag="6.1.0")
    assert f"6.0.4@{digest}" == world.check(ref={"semver": "6.0.x"})["revision"]


def test_tags_of_equal_precedence_must_agree(world: Shop) -> None:
    """`1.0.0_a` and `1.0.0_b` are no order: two artifacts behind them are a fault."""
    world.push(FLAGS, tag="v1.0.0")
    world.push(NAMESPACE, tag="1.0.0")
    result = repository.check(world.call(), {}, world.program(ref={"semver": "1.x"}))
    assert "same precedence" in result.failures[0]


def test_copied_layer_is_taken_as_it_is(world: Shop) -> None:
    """No pattern leaves a file of it out; one of the program would have no effect and is refused."""
    (world.folder / "deploy").mkdir(exist_ok=True)
    files = {"a.yaml": FLAGS, ".sourceignore": "a.yaml\n"}
    for name, text in files.items():
        (world.folder / name).write_text(text)
    program = {"url": f"{world.registry.host}/app", "path": str(world.folder), "tags": ["dev"], "sourceignore": False}
    artifact.create(world.call(), artifact.check(world.call(), {}, program).inputs)
    assert {} == world.check()["objects"]
    copied = world.check(layerSelector={"operation": "copy"})
    assert ["ConfigMap/shop/flags"] == list(copied["objects"])
    refused = repository.check(
        world.call(), {}, world.program(layerSelector={"operation": "copy"}, ignore=["*.md"])
    ).failures
    assert refused[0].startswith("ignore: has no effect on a layer that is copied")


def test_common_metadata_is_on_every_object(world: Shop) -> None:
    """Labels of the program win; what is no label is refused with its place."""
    world.push(FLAGS, NAMESPACE)
    objects = world.check(commonMetadata={"labels": {"team": "shop"}})["objects"]
    assert [True, True] == ["team: shop" in text for text in objects.values()]
    refused = repository.check(world.call(), {}, world.program(commonMetadata={"labels": {"team": "a b"}})).failures
    assert refused[0].startswith("commonMetadata.labels")


def test_tag_is_resolved_once_per_command(world: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag that moves between preview and update does not move the update."""
    monkeypatch.setattr(command, "ident", lambda: "7-42")
    first = world.push(FLAGS)
    world.check()
    world.push(NAMESPACE)
    assert first == world.check()["digest"]


def test_missing_tag_says_what_to_do(world: Shop) -> None:
    """A tag that nobody pushed is a failure with the way out."""
    result = repository.check(world.call(), {}, world.program())
    assert "registry.not_found" in result.failures[0]
    assert "ref.digest" in result.failures[0]


def test_bad_manifests_are_told_together(world: Shop) -> None:
    """Every broken file is named."""
    world.push("a: [", FLAGS, FLAGS)
    result = repository.check(world.call(), {}, world.program())
    assert [True, True] == ["0.yaml:" in result.failures[0], "manifest.duplicate" in result.failures[1]]


def test_each_fault_is_told_once(world: Shop) -> None:
    """A setting that several parts read is one failure."""
    result = repository.check(world.call(), {}, world.program(timeout="soon", ref={"tag": 1.0}))
    assert ["ref.tag", "timeout"] == sorted(failure.partition(":")[0] for failure in result.failures)


def test_unknown_reference_fails_nothing(world: Shop) -> None:
    """What depends on something unknown is unknown."""
    result = repository.check(world.call(), {}, world.program(ref={"digest": UNKNOWN}))
    assert ((), UNKNOWN, UNKNOWN) == (result.failures, result.inputs["digest"], result.inputs["objects"])


@pytest.mark.parametrize(
    "extra",
    [
        {"images": [{"name": "web", "newTag": UNKNOWN}]},
        {"patches": [{"patch": UNKNOWN}]},
        {"namePrefix": UNKNOWN},
        {"targetNamespace": UNKNOWN},
    ],
)
def test_what_shapes_objects_makes_them_unknown(world: Shop, extra: dict[str, object]) -> None:
    """The artifact is known, its objects are not: they are never shown without the part that is missing."""
    digest = world.push(FLAGS, WEB)
    result = repository.check(world.call(), {}, world.program(**extra))
    assert ((), digest, UNKNOWN) == (result.failures, result.inputs["digest"], result.inputs["objects"])


def test_without_kustomize_the_way_out_is_told(world: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the preview, before anything is applied."""
    monkeypatch.setenv("PATH", str(world.folder))
    world.push(FLAGS, WEB)
    (failure,) = repository.check(world.call(), {}, world.program(namePrefix="a-")).failures
    assert "neither kustomize nor kubectl is on PATH" in failure
    assert "manifest.build_failed" in failure


def test_plan_shows_fields_and_writes_nothing(world: Shop) -> None:
    """A changed field is in the plan, with what it was."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    world.push(NAMESPACE, FLAGS.replace("red", "blue"))
    world.cluster.requests.clear()
    planned = repository.plan(world.call(), stored.id, stored.outputs, world.check())
    changed = [change for change in planned.changes if change.action is Action.CONFIGURED]
    assert ["data.color: red => blue"] == [f"{item.path}: {item}" for change in changed for item in change.fields]
    assert [] == world.cluster.writes()
    assert planned.message.endswith("1 configured, 1 unchanged")


def test_fields_left_to_others_are_told(world: Shop) -> None:
    """A controller's replicas stay, and plan and update say so."""
    world.push(NAMESPACE, WEB)
    stored = world.up()
    world.cluster.edit(WEB_PATH, "autoscaler", lambda body: body["spec"].update(replicas=9))
    told = "info: Deployment/shop/web unchanged (kept theirs: .spec.replicas of autoscaler)"
    repository.plan(world.call(), stored.id, stored.outputs, stored.inputs)
    assert 1 == world.told.count(told)
    repository.update(world.call(), stored.id, stored.outputs, stored.inputs)
    assert 2 == world.told.count(told)


def test_plan_without_a_cluster_warns(world: Shop) -> None:
    """An unreachable cluster is a warning in a preview, and the last objects are what is compared with."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    world.push(NAMESPACE)
    planned = repository.plan(world.call(), stored.id, stored.outputs, world.check(cluster={"kubeconfig": NOWHERE}))
    assert "1 unchanged, 1 deleted" in planned.message
    assert any(line.startswith("warning: not checked against the cluster") for line in world.told)


def test_plan_with_an_unknown_cluster(world: Shop) -> None:
    """A cluster that is made in the same update leaves the objects visible."""
    world.push(NAMESPACE, FLAGS)
    news = {**world.check(), "cluster": {"kubeconfig": UNKNOWN}}
    planned = repository.plan(world.call(), "", {}, news)
    assert [Action.CREATED, Action.CREATED] == [change.action for change in planned.changes]


def test_create_without_a_cluster_fails(world: Shop) -> None:
    """An unreachable cluster is an error in an update."""
    world.push(FLAGS)
    with pytest.raises(ClusterError, match=r"cluster\.unreachable"):
        world.up(cluster={"kubeconfig": NOWHERE})


def test_up_is_recorded(world: Shop) -> None:
    """Outputs have the inventory with uids, the tag and the cluster."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    assert ("default/app", "dev", True) == (stored.id, stored.outputs["tag"], stored.outputs["ready"])
    assert world.cluster.at("/api/v1/namespaces/kube-system")["metadata"]["uid"] == stored.outputs["clusterUid"]
    assert all(entry["uid"] for entry in stored.outputs["inventory"])


def test_second_update_writes_nothing(world: Shop) -> None:
    """An update without differences reads and leaves."""
    world.push(NAMESPACE, FLAGS, SECRET)
    stored = world.up()
    world.cluster.requests.clear()
    repository.update(world.call(), stored.id, stored.outputs, stored.inputs)
    assert [] == world.cluster.writes()


def test_another_cluster_is_refused(world: Shop) -> None:
    """The recorded cluster and no other."""
    world.push(FLAGS.replace("shop", "default"))
    stored = world.up()
    olds = {**stored.outputs, "clusterUid": "another"}
    world.cluster.requests.clear()
    with pytest.raises(ClusterError, match=r"cluster\.moved"):
        repository.update(world.call(), stored.id, olds, stored.inputs)
    assert [] == world.cluster.writes()


def test_inventory_moves(world: Shop) -> None:
    """Another name or namespace takes all objects along; the id stays, and the state knows where they are."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    news = {**stored.inputs, "inventoryName": "other", "namespace": "shop"}
    moved = repository.update(world.call(), stored.id, stored.outputs, news)
    assert ("default/app", "shop/other") == (moved.id, moved.outputs["inventoryId"])
    label = world.cluster.at(FLAGS_PATH)["metadata"]["labels"][PART_OF]
    assert ParentRef("shop", "other").applyset == label
    repository.delete(world.call(), moved.id, moved.outputs)
    assert [None] * 3 == [world.cluster.at(path) for path in (FLAGS_PATH, PARENT_PATH, OTHER_PATH)]


def test_suspended_inventory_does_not_move(world: Shop) -> None:
    """Its objects are found where they are, under the old name."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    news = {**stored.inputs, "inventoryName": "other", "namespace": "shop", "suspend": True}
    moved = repository.update(world.call(), stored.id, stored.outputs, news)
    read = repository.read(world.call(), moved.id, moved.outputs, {**moved.inputs, "suspend": False})
    assert read
    assert "default/app" == moved.outputs["inventoryId"] == read.outputs["inventoryId"]
    repository.delete(world.call(), moved.id, {**moved.outputs, "suspend": False})
    assert [None, None] == [world.cluster.at(path) for path in (FLAGS_PATH, PARENT_PATH)]


def test_failed_update_keeps_the_inventory(world: Shop) -> None:
    """An object that is not ready leaves its entry in the state, and its reason."""
    world.push(NAMESPACE, WEB)
    world.cluster.unready.add("web")
    with pytest.raises(Unfinished, match="Deployment/shop/web") as caught:
        world.up(timeout="1s")
    assert 2 == len(caught.value.stored.outputs["inventory"])
    assert caught.value.is_fresh


def test_abandoned_creation_is_rolled_back(world: Shop) -> None:
    """What a failed first apply made is gone afterwards, the inventory too."""
    world.push(NAMESPACE, WEB)
    world.cluster.unready.add("web")
    with pytest.raises(Unfinished) as caught:
        world.up(timeout="1s")
    reasons = repository.abandon(world.call(), caught.value)
    assert reasons[-1].startswith("rolled back")
    assert [None, None] == [world.cluster.at(path) for path in (WEB_PATH, PARENT_PATH)]


@pytest.mark.parametrize("extra", [{"prune": False}, {"deletionPolicy": "Orphan"}])
def test_abandoned_creation_stays_where_nothing_may_be_deleted(world: Shop, extra: dict[str, Any]) -> None:
    """A policy that keeps objects keeps these too."""
    world.push(NAMESPACE, WEB)
    world.cluster.unready.add("web")
    with pytest.raises(Unfinished) as caught:
        world.up(timeout="1s", **extra)
    assert "goes on from there" in repository.abandon(world.call(), caught.value)[-1]
    assert world.cluster.at(PARENT_PATH) is not None


def test_abandoned_adoption_is_kept(world: Shop) -> None:
    """What was there before is not deleted because something else failed."""
    world.push(NAMESPACE, WEB)
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    world.cluster.unready.add("web")
    with pytest.raises(Unfinished) as caught:
        world.up(timeout="1s")
    assert "goes on from there" in repository.abandon(world.call(), caught.value)[-1]
    assert world.cluster.at(WEB_PATH) is not None


def test_read_shows_drift(world: Shop) -> None:
    """A changed field shows its live value, a missing object is left out."""
    world.push(NAMESPACE, FLAGS, WEB)
    stored = world.up()
    world.cluster.remove(WEB_PATH)
    world.cluster.edit(FLAGS_PATH, "kubectl-edit", lambda body: body["data"].update(color="green"))
    live = repository.read(world.call(), stored.id, stored.outputs, stored.inputs)
    assert live is not None
    assert "green" in live.inputs["objects"]["ConfigMap/shop/flags"]
    assert "Deployment.apps/shop/web" not in live.inputs["objects"]


def test_read_without_drift_is_the_state(world: Shop) -> None:
    """What the server added is no drift."""
    world.push(NAMESPACE, FLAGS, SECRET, WEB)
    stored = world.up()
    live = repository.read(world.call(), stored.id, stored.outputs, stored.inputs)
    assert live is not None
    assert stored.inputs == live.inputs


def test_drift_of_a_secret_is_seen_and_not_told(world: Shop) -> None:
    """A changed value shows that it changed, and nothing else."""
    world.push(NAMESPACE, SECRET)
    stored = world.up()
    path = "/api/v1/namespaces/shop/secrets/login"
    world.cluster.edit(path, "kubectl-edit", lambda body: body["data"].update(pw="aHVudGVyMg=="))
    live = repository.read(world.call(), stored.id, stored.outputs, stored.inputs)
    assert live is not None
    assert "*** (after)" in live.inputs["objects"]["Secret/shop/login"]
    assert "aHVudGVyMg" not in str(live)


def test_read_does_without_a_registry(world: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A registry that is gone keeps nobody from destroying: drift is not looked for, and that is said."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    monkeypatch.setenv("KUBEOCI_CACHE", str(tmp_path / "empty"))
    world.registry.manifests.clear()
    live = repository.read(world.call(), stored.id, stored.outputs, stored.inputs)
    assert live is not None
    assert stored.inputs == live.inputs
    assert world.told[-1].startswith("warning: drift is not looked for")


def test_kustomize_builds_what_is_applied(world: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its output is what is applied; without it a refresh looks for no drift, and a destroy does not mind."""
    program = tmp_path / "kustomize"
    program.write_text(f"#!/bin/sh\n[ $1 = version ] && echo v5.0.0 || printf %s '{FLAGS}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    world.push(FLAGS)
    world.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    stored = world.up(nameSuffix="-z")
    assert "debug: the objects are built by kustomize v5.0.0" in world.told
    assert world.cluster.at(FLAGS_PATH)
    program.unlink()
    assert repository.read(world.call(), stored.id, stored.outputs, stored.inputs)
    assert world.told[-1].startswith("warning: drift is not looked for: a kustomization must be built")
    repository.delete(world.call(), stored.id, stored.outputs)
    assert world.cluster.at(FLAGS_PATH) is None


def test_lost_cluster_can_be_forgotten(world: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment gives the way out that a state without a cluster cannot."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    lost = {**stored.inputs, "cluster": {"kubeconfig": NOWHERE}}
    with pytest.raises(ClusterError, match=r"cluster\.unreachable"):
        repository.read(world.call(), stored.id, stored.outputs, lost)
    monkeypatch.setenv("KUBEOCI_DELETE_UNREACHABLE", "true")
    assert repository.read(world.call(), stored.id, stored.outputs, lost) is not None
    repository.delete(world.call(), stored.id, {**stored.outputs, **lost})


def test_gone_is_proven(world: Shop) -> None:
    """Only when parent and objects are gone is the resource gone."""
    world.push(FLAGS.replace("shop", "default"))
    stored = world.up()
    world.cluster.remove(PARENT_PATH)
    assert repository.read(world.call(), stored.id, stored.outputs, stored.inputs) is not None
    world.cluster.remove("/api/v1/namespaces/default/configmaps/flags")
    assert repository.read(world.call(), stored.id, stored.outputs, stored.inputs) is None


def test_import_takes_the_inventory_of_the_cluster(world: Shop) -> None:
    """The id names the parent; what is in it becomes the state."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    call = replace(world.call(), session=Session({"cluster": {"kubeconfig": world.cluster.kubeconfig}}))
    found = repository.read(call, stored.id, {}, {})
    assert found is not None
    assert stored.outputs["inventory"] == found.outputs["inventory"]


def test_import_needs_an_id_of_two_parts(world: Shop) -> None:
    """Another id is refused with the form that is expected."""
    with pytest.raises(InputError, match="namespace/inventoryName"):
        repository.read(world.call(), "app", {}, {})


def test_delete_leaves_nothing(world: Shop) -> None:
    """Objects and parent go."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    repository.delete(world.call(), stored.id, stored.outputs)
    assert [None, None] == [world.cluster.at(path) for path in (FLAGS_PATH, PARENT_PATH)]


def test_delete_needs_the_cluster(world: Shop) -> None:
    """An unreachable cluster is an error that names the way out, or a warning when that is taken."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    lost = {**stored.outputs, "cluster": {"kubeconfig": NOWHERE}}
    with pytest.raises(ClusterError, match="KUBEOCI_DELETE_UNREACHABLE"):
        repository.delete(world.call(), stored.id, lost)
    repository.delete(world.call(), stored.id, {**lost, "deleteUnreachable": True})
    assert "forgotten" in world.told[-1]


def test_suspended_does_nothing(world: Shop) -> None:
    """Nothing is resolved, applied or deleted, and the last facts stay."""
    world.push(NAMESPACE, FLAGS)
    stored = world.up()
    world.push(NAMESPACE)
    world.registry.requests.clear()
    world.cluster.requests.clear()
    paused = repository.check(world.call(), stored.inputs, world.program(suspend=True)).inputs
    assert stored.inputs["digest"] == paused["digest"]
    repository.update(world.call(), stored.id, stored.outputs, paused)
    repository.delete(world.call(), stored.id, {**stored.outputs, **paused})
    assert [] == world.registry.requests + world.cluster.requests
