# SPDX-License-Identifier: Apache-2.0
"""Make the cluster as desired, so that a kill at any moment leaves nothing that the next run does not know.

The order: the inventory with old and new entries, the objects stage by stage, waiting, pruning, the final inventory.
Of two runs at once only one can claim the inventory; the other stops before it writes an object.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kubeoci.changes import Action, Change
from kubeoci.cluster import adoption, dependencies, expressions, inventory, order, prune, symptoms, wait
from kubeoci.cluster.answers import Refused
from kubeoci.cluster.checks import HealthCheck
from kubeoci.cluster.conflicts import offer
from kubeoci.cluster.inventory import Entry
from kubeoci.cluster.judge import Verdict, is_leaving, judge
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.parallel import attempt
from kubeoci.cluster.parent import with_revision
from kubeoci.cluster.site import WRITERS, Body, Outcome, Site
from kubeoci.cluster.survey import Survey, check, look, served
from kubeoci.cluster.termination import gone
from kubeoci.errors import ClusterError, KubeociError, Stopped
from kubeoci.identity import ObjectId
from kubeoci.objects import Object

_STAGE_SECONDS = 60.0  # as long as Flux gives definitions and classes
_DEFINITION = "CustomResourceDefinition"


def apply(site: Site, desired: Sequence[Object], recorded: Iterable[Entry], *, revision: str) -> Outcome:
    """Apply, wait, prune. Raises ClusterError, InputError, or a group, only while nothing is written.

    Pruning happens only after everything is ready; until then what is no longer desired stays, in the inventory too.
    """
    site.start_clock()
    expressions.judges(site.settings.health_check_exprs)  # raises for what would be read too late otherwise
    found = look(site, desired, recorded)
    found.parent.check_free()
    check(site, desired, found)
    run = _Run(site, desired, found)
    try:
        run.begin()
        if all(run.stage(number, stage) for number, stage in enumerate(order.stages(desired))) and run.wait():
            run.prune()
        run.finish(revision)
    except KubeociError as error:  # the inventory could not be claimed
        if not run.written:
            raise
        run.faults.append(error)
    finally:
        found.parent.release()
    return run.outcome()


@dataclass(slots=True)
class _Run:
    """One apply. `bodies` are the newest known states of what was applied or proved, `done` counts for progress."""

    site: Site
    desired: Sequence[Object]
    found: Survey
    entries: dict[ObjectId, Entry] = field(init=False)
    bodies: dict[ObjectId, Body] = field(default_factory=dict)
    changes: dict[ObjectId, Change] = field(default_factory=dict)
    deletions: list[Change] = field(default_factory=list)
    faults: list[KubeociError] = field(default_factory=list)
    failed: set[ObjectId] = field(default_factory=set)
    written: bool = False
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    needs: dependencies.Edges = field(init=False)
    levels: order.Levels = field(init=False)

    def __post_init__(self) -> None:
        self.needs = dependencies.edges(self.desired)
        self.levels = dependencies.levels(self.needs)
        new = [Entry(item.id, item.version) for item in self.desired]
        self.entries = {entry.id: entry for entry in inventory.union(self.found.recorded, new)}

    def begin(self) -> None:
        """Write down what may exist from now on; first the namespace of the inventory, if the artifact makes it."""
        home = ObjectId("", "Namespace", "", self.site.settings.namespace)
        if home.name in self.found.absent:
            self._one(next(item for item in self.desired if item.id == home))
        parent = self.found.parent
        known = {entry.id: entry.version for entry in parent.entries}
        is_known = known == {entry.id: entry.version for entry in self.entries.values()}
        if not parent.found or self.site.settings.former or not is_known:
            self._claim()

    def _claim(self) -> None:
        """Before anything is written: an unchanged set is never claimed."""
        self.written |= self.found.parent.claim(self.entries.values())

    def stage(self, number: int, stage: Sequence[Object]) -> bool:
        """Apply one stage and wait for what later ones need. Whether the next one may start."""
        before = len(self.faults)
        for batch in order.batches(stage, self.levels):
            if not self._has_what_it_needs(batch):
                break
            due = [item for item in batch if item.id not in self.changes]
            for item, result in zip(due, attempt(self._one, due, WRITERS), strict=True):
                if isinstance(result, KubeociError):
                    self._note(item, result)
            if self.found.parent.refusal:
                raise self.found.parent.refusal
        if len(self.faults) == before and number < 2 and stage:  # noqa: PLR2004 - the last stage is waited for later
            self._settle(stage)
        return len(self.faults) == before

    def _has_what_it_needs(self, batch: Sequence[Object]) -> bool:
        """Wait for what the objects of a batch depend on by their own word; nobody waits for what failed."""
        needed = {name for item in batch for name in self.needs.get(item.id, ())}
        if needed & self.failed:
            return False
        return self._await({ident: self.bodies[ident] for ident in needed if ident in self.bodies}, self.site.ready_by)

    def wait(self) -> bool:
        """Wait for everything, if the user wants it, and for what else the user names. Whether all is ready."""
        settings = self.site.settings
        return self._await(self.bodies if settings.wait else {}, self.site.ready_by, settings.health_checks)

    def prune(self) -> None:
        """Delete what is in the inventory and no longer desired; the inventory shrinks by what is gone."""
        wanted = {item.id: self.entries[item.id].uid for item in self.desired}
        old = [entry for entry in self.entries.values() if entry.id not in wanted]
        if not self.site.settings.prune:
            self._forget(old, [])
            return
        self.site.start_clock()
        decisions = prune.decide(self.site, old, self.found.live, wanted)
        if any(item.action is Action.DELETED for item in decisions):
            self._claim()
        done = prune.delete(self.site, decisions)
        self._forget(old, done.left)
        self.deletions += done.changes
        self.faults += done.faults
        self.written |= done.written

    def finish(self, revision: str) -> None:
        """Write the final inventory, unless the cluster has it already."""
        history = list(self.found.parent.revisions)
        try:
            final = with_revision(history, revision) if not self.faults else history
            self.written |= self.found.parent.write(self.entries.values(), final, self._moving())
        except Stopped as error:  # the parent knows all objects already, only not all uids
            self.faults.append(error)
        except KubeociError as error:
            self.faults.append(self.site.fault("the inventory", error))

    def _moving(self) -> set[ObjectId]:
        """The objects that may still be under the twin: all after a failure, else what must not be touched."""
        if self.faults:
            return set(self.entries)
        known = {**self.found.live.bodies, **self.bodies}
        still = {ident for ident, body in known.items() if self.site.is_moving(body)}
        return (still | self.found.live.unknown) & self.entries.keys()

    def outcome(self) -> Outcome:
        """Everything that happened, in the order of the stages."""
        ordered = [item.id for stage in order.stages(self.desired) for item in stage]
        changes = [self.changes[ident] for ident in ordered if ident in self.changes]
        entries = tuple(sorted(self.entries.values()))
        code, reasons = tell(
            self.faults, sum(ident not in self.changes and ident not in self.failed for ident in ordered)
        )
        return Outcome((*changes, *self.deletions), entries, reasons, code, self.site.drain(), self.written)

    def _forget(self, entries: Iterable[Entry], left: Iterable[Entry]) -> None:
        for entry in entries:
            self.entries.pop(entry.id, None)
        self.entries.update({entry.id: entry for entry in left})

    def _one(self, item: Object) -> None:
        """Bring one object to what is desired, with as few requests as can be."""
        live = self.found.live.bodies.get(item.id)
        verdict = judge(self.site, item, live, self.found.uid(item.id))
        body = live
        if verdict.body is not None:
            body = self._send(item, verdict, live)
        self._record(item, verdict, body)

    def _send(self, item: Object, verdict: Verdict, live: Body | None) -> Body:
        kind, wanted = self.site.mapper.resolve(*item.gvk), verdict.body or item.body
        if self.found.parent.found:  # else this is the namespace that the inventory will be in
            self._claim()
        if verdict.action is Action.RECREATED and live:
            self._remove(kind, item, live)
        self.site.rest.check()
        self.written = True
        # what is not ours yet may have become somebody's since the dry-run: nothing of it is forced unasked
        force = verdict.force and live is not None and self.site.is_settled(live)
        found = adoption.legacy(self.site, item, live) if live and verdict.action is not Action.RECREATED else None
        if live and found:
            adoption.take_over(self.site, kind, item, live)
        result = offer(self.site, kind, item.id, wanted, force=force, over=found.managers if found else ()).result
        if is_leaving(result):  # somebody deletes it just now: what was applied goes with it
            self._remove(kind, item, result)
            result = offer(self.site, kind, item.id, wanted).result
        return result

    def _remove(self, kind: Kind, item: Object, live: Body) -> None:
        uid = str(live["metadata"]["uid"])
        if not is_leaving(live):
            self.written = True
            if not self.site.rest.delete(kind.path(item.id.namespace, item.id.name), uid=uid):
                return
        if gone(self.site, [(kind, item.id, uid)]):
            raise ClusterError("cluster.not_ready", "it is still being deleted", advice="look at its finalizers")

    def _record(self, item: Object, verdict: Verdict, body: Body | None) -> None:
        with self.lock:
            self.changes[item.id] = Change(item.id, verdict.action, item.api_version, verdict.fields, verdict.note)
            if body and self.site.is_ours(body):
                self.entries[item.id] = Entry(item.id, item.version, str(body["metadata"].get("uid", "")))
            if body and verdict.action is not Action.SKIPPED:
                self.bodies[item.id] = {**body, "apiVersion": item.api_version, "kind": item.id.kind}
            self.done += 1
            if verdict.body is not None:
                self.site.tell(f"{item.id.short} {verdict.action} ({self.done} of {len(self.desired)})")

    def _note(self, item: Object, error: KubeociError) -> None:
        if isinstance(error, Stopped):
            self.faults.append(error)
            return
        self.failed.add(item.id)
        self.faults.append(self.site.fault(f"{item.id.short} ({item.source})", error))

    def _settle(self, stage: Sequence[Object]) -> None:
        """Wait until definitions are established and served, namespaces active, classes accepted."""
        until = min(self.site.ready_by, time.monotonic() + _STAGE_SECONDS)
        bodies = {item.id: self.bodies[item.id] for item in stage if item.id in self.bodies}
        if not self._await(bodies, until):
            return
        try:
            for item in filter(self._must_be_served, stage):
                for kind in self.site.mapper.learn(item.body):
                    self._probe(kind)
        except KubeociError as error:
            self.faults.append(error)

    def _must_be_served(self, item: Object) -> bool:
        """Whether it is a definition that changed, or whose kinds the server's discovery does not name yet."""
        if item.id.kind != _DEFINITION or item.id not in self.changes:
            return False
        if self.changes[item.id].action is not Action.UNCHANGED:
            return True
        return any(not self.site.mapper.has(*gvk) for gvk in served(item.body))

    def _probe(self, kind: Kind) -> None:
        """An established definition is served a moment later: until then its endpoint answers 404."""
        pause = 0.02
        while True:
            try:
                self.site.rest.send("GET", kind.collection(), query={"limit": "1"})
            except Refused as error:
                if error.code != "cluster.kind_missing":
                    return
                self.site.rest.pause(pause)
                pause = min(pause * 2, 1.0)
            else:
                return

    def _await(self, bodies: dict[ObjectId, Body], until: float, checks: Sequence[HealthCheck] = ()) -> bool:
        try:
            unready = wait.ready(self.site, bodies, until, checks)
            told = symptoms.tell(self.site, unready)
        except KubeociError as error:
            self.faults.append(error)
            return False
        for ident, words in told.items():
            self.faults.append(self.site.fault(ident.short, ClusterError("cluster.not_ready", words)))
        return not unready


def tell(faults: Sequence[KubeociError], undone: int) -> tuple[str, tuple[str, ...]]:
    """The code and the sentences for what went wrong; the ends of many requests by one stop are told once."""
    stops = [error for error in faults if isinstance(error, Stopped)]
    others = [error for error in faults if not isinstance(error, Stopped)]
    rest = "1 object was not applied" if undone == 1 else f"{undone} objects were not applied"
    sentences = [f"{stops[0].what}{f'; {rest}' if undone else ''}; run again to finish"] if stops else []
    sentences += [str(error) for error in others]
    if others and undone and not stops:
        sentences.append(f"{rest}, because an earlier stage failed")
    codes = {error.code for error in faults}
    code = stops[0].code if stops else codes.pop() if len(codes) == 1 else "cluster.incomplete" if codes else ""
    return code, tuple(dict.fromkeys(sentences))
