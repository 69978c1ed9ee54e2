# SPDX-License-Identifier: Apache-2.0
"""What is proved to need no request is asked of a real API server all the same: a dry-run must change nothing."""

import contextlib
import itertools
import random
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.changed import OBJECTS, SHAPES, Body, changed
from kubeoci import objects
from kubeoci.cluster import inventory, proof
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.judge import labelled
from kubeoci.cluster.mapper import Mapper
from kubeoci.cluster.rest import Access, Rest, connect
from kubeoci.cluster.target import Settings, Target
from kubeoci.errors import KubeociError
from kubeoci.objects import Object
from rig import Rig

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "kube-prometheus" / "manifests"
TRIES = 4  # controllers write at the same time: an object that differs is looked at again
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: proof}\n"
NO_FINALIZERS: list[Body] = [{"op": "add", "path": "/metadata/finalizers", "value": []}]

borrowed = pytest.mark.skipif(not DATA.is_dir(), reason="the folder shared/data is not beside the project")


@dataclass(frozen=True)
class Oracle:
    """A server where the objects are applied, asked for what another apply would do."""

    rest: Rest
    mapper: Mapper
    items: tuple[Object, ...]
    applyset: str

    @property
    def manager(self) -> str:
        """Who applied them."""
        return inventory.field_manager(self.applyset)

    def path(self, item: Object) -> str:
        """Where an object is."""
        return self.mapper.resolve(*item.gvk).path(item.id.namespace, item.id.name)

    def live(self, item: Object) -> Body:
        """An object as it is."""
        body = self.rest.get(self.path(item))
        assert body is not None, item.id.short
        return body

    def fresh(self, item: Object) -> Body:
        """An object as we want it."""
        return self.rest.apply(self.path(item), labelled(item.body, self.applyset), manager=self.manager, force=True)

    def drifted(self, item: Object, chance: random.Random) -> Body:
        """An object some of whose fields somebody else applied, where the server lets them."""
        _, theirs = changed(item.body, self.live(item), chance)
        try:
            return self.rest.apply(self.path(item), theirs, manager="somebody", force=True)
        except KubeociError:
            return self.live(item)

    def differs(self, item: Object, wanted: Body) -> str:
        """What an apply of `wanted` would change though it was proved that it changes nothing; empty for nothing."""
        told = ""
        for _ in range(TRIES):
            live = self.live(item)
            if not proof.unchanged(wanted, live, self.manager):
                return ""
            try:
                tried = self.rest.apply(self.path(item), wanted, manager=self.manager, force=True, dry_run=True)
            except Refused as error:
                return f"refused: {error.text}"
            told = f"{_essence(live)} became {_essence(tried)}"
            if _essence(live) == _essence(tried):
                return ""
        return told


def _essence(body: Body) -> Body:
    """All but times, what the server counts, and what it does on its own."""
    meta = {name: value for name, value in body["metadata"].items() if name not in {"resourceVersion", "managedFields"}}
    fields = [
        {name: value for name, value in entry.items() if name != "time"}
        for entry in body["metadata"].get("managedFields") or []
        if not entry.get("subresource")
    ]
    return {**body, "status": None, "metadata": meta | {"managedFields": sorted(fields, key=str)}}


@contextlib.contextmanager
def applied(rig: Rig, name: str, files: Mapping[str, bytes]) -> Iterator[Oracle]:
    """The objects of these files in the rig's cluster, for as long as the block lasts."""
    rest = connect(Access(str(rig.kubeconfig)), stop=threading.Event())
    settings = Settings(namespace="default", inventory_name=name, wait=False)
    engine = Target(rest, settings, stop=threading.Event(), log=lambda _: None, progress=lambda _: None)
    items = objects.load(files).objects
    assert () == engine.apply(items, (), revision="r1").reasons
    oracle = Oracle(rest, Mapper(rest), items, inventory.applyset_id(name, "default"))
    yield oracle
    for item in items:
        if item.id.kind == "Shape":
            rest.patch(oracle.path(item), NO_FINALIZERS, manager="somebody")
    engine.destroy(())
    rest.close()


@pytest.fixture
def shapes(rig: Rig) -> Iterator[Oracle]:
    """Objects of many shapes."""
    files = {"definition.yaml": SHAPES, "namespace.yaml": NAMESPACE, "objects.yaml": OBJECTS}
    with applied(rig, "shapes", {name: text.encode() for name, text in files.items()}) as oracle:
        yield oracle


@pytest.fixture
def prometheus(rig: Rig) -> Iterator[Oracle]:
    """All of kube-prometheus but what nothing serves here."""
    files = {path.name: path.read_bytes() for path in DATA.rglob("*.yaml")}
    del files["prometheusAdapter-apiService.yaml"]
    with applied(rig, "prometheus", files) as oracle:
        yield oracle


def trials(oracle: Oracle, count: int, chance: random.Random) -> tuple[int, list[str]]:
    """How many of `count` changes were proved to be none, and those of them that a dry-run contradicts."""
    proved, wrong = 0, []
    drifts = itertools.cycle((False, True, False))
    with ThreadPoolExecutor(8) as pool:
        while count > 0:
            lives = list(pool.map(oracle.fresh, oracle.items))
            if next(drifts):
                seeds = [random.Random(chance.random()) for _ in oracle.items]
                lives = list(pool.map(oracle.drifted, oracle.items, seeds))
            cases: list[tuple[Object, str, Body]] = []
            for item, live in zip(oracle.items, lives, strict=True):
                for _ in range(min(count, 12)):
                    told, wanted = changed(labelled(item.body, oracle.applyset), live, chance)
                    count -= 1
                    if proof.unchanged(wanted, live, oracle.manager):
                        cases.append((item, told, wanted))
            answers = pool.map(lambda case: oracle.differs(case[0], case[2]), cases)
            proved += len(cases)
            wrong += [
                f"{case[0].id.short}: {case[1]}: {told}" for case, told in zip(cases, answers, strict=True) if told
            ]
    return proved, wrong


@pytest.mark.parametrize("count", [400, pytest.param(4000, marks=pytest.mark.long)])
def test_proof_holds_for_every_shape(shapes: Oracle, count: int) -> None:
    """Custom resources, Secrets, quantities, nulls, int-or-string, sets, lists with one and two keys, atomic ones."""
    proved, wrong = trials(shapes, count, random.Random(1))
    assert [] == wrong
    assert proved > count // 20, f"{proved}: too few proofs to say anything"


@borrowed
@pytest.mark.long
def test_proof_holds_for_manifests_of_others(prometheus: Oracle) -> None:
    """Definitions and their objects, and all that kube-prometheus has."""
    proved, wrong = trials(prometheus, 4000, random.Random(2))
    assert [] == wrong
    assert proved > 200, f"{proved}: too few proofs to say anything"


@borrowed
@pytest.mark.long
def test_nearly_all_unchanged_objects_are_proved(prometheus: Oracle) -> None:
    """At least 95 of 100: the others cost a dry-run each."""
    doubted = [
        item.id.short
        for item in prometheus.items
        if not proof.unchanged(labelled(item.body, prometheus.applyset), prometheus.live(item), prometheus.manager)
    ]
    assert len(doubted) <= 0.05 * len(prometheus.items), doubted
