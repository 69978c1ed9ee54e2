# SPDX-License-Identifier: Apache-2.0
"""Waiting until objects are ready.

Readiness is watched, and only for objects that were not ready in the answer to their apply: nothing is asked while
nothing happens. Waiting ends when everything is ready, when nothing but failed objects is left, with `failFast` at the
first of those, and at the deadline.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from kubeoci.cluster import expressions, health, surroundings
from kubeoci.cluster.checks import HealthCheck
from kubeoci.cluster.health import Context, Health, State
from kubeoci.cluster.mapper import Kind
from kubeoci.cluster.site import Body, Site
from kubeoci.cluster.streams import News, Place, follow
from kubeoci.identity import ObjectId
from kubeoci.normalise import at

_TELL_SECONDS = 1.0  # the least time between two lines of progress


@dataclass(frozen=True, slots=True)
class Unready:
    """An object that did not become ready: why, and its last known body, `{}` when it was never seen."""

    health: Health
    body: Body


def ready(
    site: Site, bodies: Mapping[ObjectId, Body], until: float, checks: Sequence[HealthCheck] = ()
) -> dict[ObjectId, Unready]:
    """Wait until every object is Current; gives those that are not, in order.

    `bodies` is what is known of them now, `checks` are objects beyond them. Ends early when nothing but failed objects
    is left, with `fail_fast` at the first failed one, which is then given alone; and at `until` (seconds of
    `time.monotonic`). Raises Stopped only on request, ClusterError for a check of a kind that is not served, InputError
    for an expression that cannot be read.
    """
    judges = expressions.judges(site.settings.health_check_exprs)
    run = _Waiting(site, dict(bodies), surroundings.look(site, bodies, judges))
    run.add(checks)
    run.judge(run.bodies)
    if not run.is_settled:
        _follow(run, until)
    return run.unready()


def _follow(run: "_Waiting", until: float) -> None:
    with closing(follow(run.site.rest, run.places(), until, run.site.stop)) as ticks:
        for news in ticks:
            run.take(news)
            if run.is_settled:
                return
            run.tell()


@dataclass(slots=True)
class _Waiting:
    """What is known of the objects: `bodies` are the last ones that were seen, also of what is `gone` since."""

    site: Site
    bodies: dict[ObjectId, Body]
    context: Context
    states: dict[ObjectId, Health] = field(default_factory=dict)
    gone: set[ObjectId] = field(default_factory=set)
    foreign: dict[ObjectId, Kind] = field(default_factory=dict)
    told: float = 0.0

    def add(self, checks: Iterable[HealthCheck]) -> None:
        """Await more objects. Raises ClusterError for a kind that the server does not serve."""
        for check in checks:
            version = check.api_version.rpartition("/")[2]
            kind = self.site.mapper.resolve(check.group, version, check.kind)
            namespace = (check.namespace or self.site.settings.namespace) if kind.namespaced else ""
            ident = ObjectId(check.group, check.kind, namespace, check.name)
            if ident not in self.bodies:
                self.bodies[ident], self.foreign[ident] = {}, kind

    def places(self) -> list[Place]:
        """Where to look for what is not ready: ours by label, kind by kind, and each other object by its name."""
        names: dict[tuple[Kind, str], set[str]] = defaultdict(set)
        for ident in self._waited():
            if ident not in self.foreign:
                group, _, version = self.bodies[ident]["apiVersion"].rpartition("/")
                names[self.site.mapper.resolve(group, version, ident.kind), ident.namespace].add(ident.name)
        found = [Place(*key, frozenset(found), labels=self.site.selector) for key, found in names.items()]
        return found + [
            Place(kind, ident.namespace, frozenset({ident.name}), fields=f"metadata.name={ident.name}")
            for ident, kind in self.foreign.items()
        ]

    def take(self, news: Iterable[News]) -> None:
        """Note what has come, in order, and judge it, and what is not ready: that may be only a matter of time."""
        touched = set(self._waited())
        for ident, body in news:
            touched.add(ident)
            if body is None:
                self.gone.add(ident)
            else:
                self.gone.discard(ident)
                self.bodies[ident] = body
        self.judge(touched)

    def judge(self, idents: Iterable[ObjectId]) -> None:
        """Look at these objects."""
        for ident in idents:
            body = self.bodies[ident]
            self.states[ident] = _vanished(ident, body, self.context) if ident in self.gone else self._status(body)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to wait for."""
        found = {state.state for state in self.states.values()}
        return found <= {State.CURRENT, State.FAILED} or self._fails_fast

    @property
    def _fails_fast(self) -> bool:
        return self.site.settings.fail_fast and any(item.state is State.FAILED for item in self.states.values())

    def unready(self) -> dict[ObjectId, Unready]:
        """What did not become ready; the failed objects alone where the first of them ended the wait."""
        failed_only = self._fails_fast
        return {
            ident: Unready(self.states[ident], self.bodies[ident])
            for ident in self._waited()
            if not failed_only or self.states[ident].state is State.FAILED
        }

    def tell(self) -> None:
        """Say how far it is: `12/14 ready, waiting for Deployment/shop/web: 1 of 3 replicas updated`."""
        left, now = self._waited(), time.monotonic()
        if left and now - self.told >= _TELL_SECONDS:
            self.told = now
            count = f"{len(self.states) - len(left)}/{len(self.states)} ready"
            self.site.tell(f"{count}, waiting for {left[0].short}: {self.states[left[0]].message}")

    def _waited(self) -> list[ObjectId]:
        return sorted(ident for ident, state in self.states.items() if not state.is_current)

    def _status(self, body: Body) -> Health:
        return health.status(body, self.context)


def _vanished(ident: ObjectId, last: Body, context: Context) -> Health:
    """The health of an object that is gone, which only a Job with a TTL may be: when it is, it has ended."""
    if not last:
        return health.status(None)
    if ident.group_kind == "Job.batch" and at(last, "spec", "ttlSecondsAfterFinished") is not None:
        found = health.status(last, context)
        return found if found.state is State.FAILED else Health(State.CURRENT, "JobGone", "removed after it had ended")
    return Health(State.NOT_FOUND, "NotFound", "somebody deleted it meanwhile")
