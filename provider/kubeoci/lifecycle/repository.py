# SPDX-License-Identifier: Apache-2.0
"""OCIRepository: an artifact, resolved, pulled and applied to a cluster.

Rules:
- check resolves and pulls; `digest`, `revision`, `files` and `objects` are facts, so a preview shows each field;
- the cluster is asked by plan, create, update, read and delete; in a preview with reads and dry-runs only;
- nothing is ever replaced; what was written is in the state, also after a failure;
- an inventory stays with its cluster; another namespace or name moves it, with all its objects.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from kubeoci import digest as digests
from kubeoci.changes import Action, Change, remarks, summary
from kubeoci.cluster.display import drifted
from kubeoci.cluster.inventory import Entry, ParentRef
from kubeoci.cluster.target import Outcome, Target
from kubeoci.cluster.target import Settings as TargetSettings
from kubeoci.errors import ClusterError, InputError, KubeociError, ManifestError, RegistryError, flatten
from kubeoci.lifecycle import access, building, content, offline, settings, verifying
from kubeoci.lifecycle.contract import Call, Checked, Difference, Incomplete, Planned, Severity, Stored, Unfinished
from kubeoci.lifecycle.difference import compare
from kubeoci.lifecycle.inputs import settled
from kubeoci.lifecycle.secrets import Pending
from kubeoci.lifecycle.settings import RepositoryInputs
from kubeoci.lifecycle.values import UNKNOWN, Value, Values, reveal, veiled

INPUTS: Final = settings.REPOSITORY
FACTS: Final = frozenset({"digest", "revision", "verified", "files", "objects"})
SECRET: Final = access.SECRET | {"cluster"}

_SOURCE: Final = frozenset({"url", "ref", "layerSelector", "verify", *access.INPUTS})
_SHAPE: Final = frozenset({"path", "ignore", "namespace", "targetNamespace", "commonMetadata", *building.INPUTS})
_OUTPUTS: Final = ("tag", "annotations", "inventory", "inventoryId", "clusterUid", "ready")
_UNREACHABLE: Final = "cluster.unreachable"


def check(call: Call, olds: Values, news: Values) -> Checked:
    """Validate, resolve, pull and load; nothing of the cluster but, where needed, the scope of a kind."""
    program = {name: value for name, value in news.items() if name not in FACTS}
    given, reader = settings.repository(program, call.session.config)
    if reader.faults:
        # one setting may be read for registry and cluster, and is told once
        return Checked(dict(news), tuple(dict.fromkeys(map(str, reader.faults))))
    if given.suspend:  # nothing is resolved: the last facts stay
        return Checked({**program, **{name: olds[name] for name in FACTS if name in olds}})
    facts = _unknown(program)
    try:
        if not reader.pending & _SOURCE:
            _resolve(call, given, program, facts)
            if not reader.pending & _SHAPE:
                _load(call, given, facts)
    except Pending as pending:
        call.log(Severity.INFO, str(pending))
        facts = _unknown(program)
    except (KubeociError, ExceptionGroup) as error:
        return Checked(dict(news), tuple(str(fault) for fault in flatten(error)))
    return Checked({**program, **facts})


def diff(olds: Values, news: Values) -> Difference:
    """What differs in the inputs; nothing replaces."""
    return Difference(compare(olds, news, INPUTS | FACTS))


def plan(call: Call, ident: str, olds: Values, news: Values) -> Planned:
    """What would change in the cluster: by dry-run where it can be reached, else against the last objects."""
    outputs = {**news, **dict.fromkeys(_OUTPUTS, UNKNOWN)}
    if not isinstance(news.get("objects"), dict) or not isinstance(news.get("digest"), str):
        return Planned(outputs, message="known after apply")
    given, reader = settings.repository(_inputs(news), call.session.config)
    if given.suspend:
        return Planned({**olds, **news}, message="suspended: nothing is resolved or applied")
    if "cluster" in reader.pending or call.session.unknown:
        return _offline(call, given, olds, news, outputs, "the cluster is not known yet")
    try:
        target = _target(call, given, _parent(ident, olds))
        _same_cluster(target, olds)
        planned = target.plan(_desired(call, given, news), _recorded(olds))
    except ClusterError as error:
        if error.code != _UNREACHABLE:
            raise
        return _offline(call, given, olds, news, outputs, str(error))
    for warning in planned.warnings:
        call.log(Severity.WARNING, warning)
    _remark(call, planned.changes)
    message = f"{_step(given, olds, news)}; {summary(planned.changes)}"
    return Planned(outputs, planned.changes, planned.bodies, message)


def create(call: Call, news: Values) -> Stored:
    """Apply, wait, prune. Objects of a run that was killed before it could be recorded are found in the cluster."""
    if news.get("interval"):
        call.log(Severity.INFO, f"checked now; interval {news['interval']} needs a reconciler")
    return _apply(call, "", {}, news)


def update(call: Call, ident: str, olds: Values, news: Values) -> Stored:
    """Make the cluster equal to the artifact; without differences nothing is written."""
    return _apply(call, ident, olds, news)


def read(call: Call, ident: str, outputs: Values, inputs: Values) -> Stored | None:
    """The live objects against the recorded ones: what drifted shows its live values, what is gone is left out.

    None only when the parent and every recorded object are gone from the recorded cluster.
    """
    if not inputs:
        return _adopt(call, ident)
    given = _given(call, inputs)
    if given.suspend or not isinstance(inputs.get("digest"), str):
        return Stored(ident, dict(outputs), dict(inputs))
    stored = Stored(ident, dict(outputs), dict(inputs))
    try:
        target = _target(call, _where_it_is(given, ident, outputs))
        _same_cluster(target, outputs)
        loaded = _loaded(call, given, inputs)
        desired = loaded.objects if loaded else ()
        drift = target.drift(desired, _recorded(outputs))
    except ClusterError as error:
        if error.code != _UNREACHABLE or not given.delete_unreachable:
            raise
        call.log(Severity.WARNING, f"not looked at: {error}")
        return stored
    if not drift.parent_found and drift.found == 0:
        return None
    if loaded is None:
        return stored
    missing = {str(ident) for ident in drift.missing}
    documents = {name: text for name, text in loaded.documents.items() if name not in missing}
    live = {**inputs, "objects": documents | drifted(desired, drift.live)}
    return Stored(ident, {**outputs, **live}, live)


def delete(call: Call, ident: str, outputs: Values) -> None:
    """By `deletionPolicy`; what is gone already is no failure. An unreachable cluster is one, unless told otherwise."""
    given = _given(call, {name: value for name, value in outputs.items() if name != "annotations"})
    if given.suspend:
        call.log(Severity.WARNING, "suspended: the objects stay in the cluster")
        return
    try:
        target = _target(call, _where_it_is(given, ident, outputs))
        _same_cluster(target, outputs)
        outcome = target.destroy(_recorded(outputs))
    except ClusterError as error:
        if error.code != _UNREACHABLE:
            raise
        if not given.delete_unreachable:
            advice = f"{error.advice}; if the cluster is gone for good, run with KUBEOCI_DELETE_UNREACHABLE=true"
            raise ClusterError(error.code, error.what, where=error.where, advice=advice) from error
        call.log(Severity.WARNING, f"{error.what}: its objects are forgotten (deleteUnreachable)")
        return
    for warning in outcome.warnings:
        call.log(Severity.WARNING, warning)
    if outcome.reasons:
        raise Incomplete(outcome.code or "cluster.incomplete", outcome.reasons)


def abandon(call: Call, failure: Unfinished) -> tuple[str, ...]:
    """Delete what a failed first apply made; if some of it was there before, leave it all for the next run to adopt."""
    if not failure.is_fresh or _applying(call, _given(call, failure.stored.inputs)).keeps_objects:
        again = "what was applied stays in the cluster; the next `pulumi up` goes on from there"
        return (*failure.reasons, again)
    try:
        delete(call, failure.stored.id, failure.stored.outputs)
    except KubeociError as error:
        return (*failure.reasons, f"and it could not be rolled back: {error}; the next `pulumi up` goes on from there")
    return (*failure.reasons, "rolled back: all that this run had created is deleted")


def _unknown(program: Values) -> dict[str, Value]:
    """The facts before anything is known; there is no evidence where none is asked for."""
    left_out = set() if program.get("verify") is not None else {"verified"}
    return dict.fromkeys(FACTS - left_out, UNKNOWN)


def _resolve(call: Call, given: RepositoryInputs, program: Values, facts: dict[str, Value]) -> None:
    """Fill in what the reference means, and who signed that; nothing is known of an artifact that is not trusted."""
    found = content.resolve(call, given)
    proof = content.evidence(call, given, found.digest, may_wait=True)
    facts |= {"digest": str(found.digest), "revision": veiled(found.revision, program.get("ref"))}
    if proof:
        facts["verified"] = proof
    elif given.verify:
        call.log(Severity.INFO, f"{_short(found.revision)} is not signed yet: it is verified before it is applied")


def _load(call: Call, given: RepositoryInputs, facts: dict[str, Value]) -> None:
    """Fill in files and objects."""
    digest, known = digests.parse(str(facts["digest"])), given.is_cluster_known
    loaded = content.load(call, given, digest, ask_cluster=known, may_wait=True)
    facts |= {"files": loaded.files, "objects": loaded.documents}
    if loaded.builder:
        call.log(Severity.DEBUG, f"the objects are built by {loaded.builder}")
    for warning in loaded.warnings:
        call.log(Severity.WARNING, warning)


def _inputs(values: Values) -> dict[str, Value]:
    return {name: value for name, value in values.items() if name in INPUTS}


def _given(call: Call, values: Values) -> RepositoryInputs:
    """The settings inside the inputs of a resource that was checked before. Raises what is wrong with them."""
    given, reader = settings.repository(_inputs(values), call.session.config)
    settled(reader)
    return given


def _applying(call: Call, given: RepositoryInputs) -> TargetSettings:
    """How the cluster's side applies; the engine's custom timeout goes before the input `timeout`."""
    return replace(given.applying, timeout_seconds=call.timeout_seconds or given.applying.timeout_seconds)


def _parent(ident: str, recorded: Values) -> ParentRef | None:
    """Where the state has the inventory: the id says where it was made, the output where it was moved to since."""
    return ParentRef.read(str(reveal(recorded.get("inventoryId")) or ident))


def _where_it_is(given: RepositoryInputs, ident: str, recorded: Values) -> RepositoryInputs:
    """The settings for the inventory of the state, though the inputs may name another place already."""
    ref = _parent(ident, recorded) or given.applying.ref
    return replace(given, applying=replace(given.applying, namespace=ref.namespace, inventory_name=ref.name))


def _target(call: Call, given: RepositoryInputs, parent: ParentRef | None = None) -> Target:
    """The cluster and inventory of these settings; one that the state has at another `parent` is to be moved."""
    rest = call.session.cluster(given.cluster)
    applying = _applying(call, given)
    return Target(
        rest,
        replace(applying, former=parent if parent != applying.ref else None),
        stop=call.session.stop,
        log=lambda text: call.log(Severity.WARNING, text),
        progress=call.progress,
    )


def _desired(call: Call, given: RepositoryInputs, news: Values) -> Sequence[Any]:
    return content.load(call, given, digests.parse(str(news["digest"]))).objects


def _loaded(call: Call, given: RepositoryInputs, inputs: Values) -> content.Content | None:
    """The artifact that was applied; None with a warning when it cannot be had: a destroy must need no registry.

    Nor a program that builds kustomizations.
    """
    try:
        return content.load(call, given, digests.parse(str(inputs["digest"])))
    except (RegistryError, ManifestError) as error:
        call.log(Severity.WARNING, f"drift is not looked for: {error}")
        return None


def _recorded(values: Values) -> tuple[Entry, ...]:
    """The inventory of a state; empty when there is none."""
    entries = reveal(values.get("inventory"))
    return tuple(Entry.read(entry) for entry in entries) if isinstance(entries, list) else ()


def _same_cluster(target: Target, recorded: Values) -> str:
    """The cluster's uid. Refuses another cluster than the recorded one: its objects would be left."""
    uid, known = target.cluster_uid(), recorded.get("clusterUid")
    if isinstance(known, str) and known and known != uid:
        raise ClusterError(
            "cluster.moved",
            f"the objects were applied to the cluster {known}, this one is {uid}",
            where="cluster",
            advice="point the kubeconfig to the recorded cluster; to move, destroy first or use a new resource",
        )
    return uid


def _apply(call: Call, ident: str, olds: Values, news: Values) -> Stored:
    given = _given(call, news)
    ref, former = given.applying.ref, _parent(ident, olds)
    ident = ident or str(ref)  # an id is for ever
    if given.suspend:
        return Stored(ident, {**olds, **news, "ready": False}, dict(news))
    proof = content.evidence(call, given, digests.parse(str(news["digest"])))
    target = _target(call, given, former)
    uid = _same_cluster(target, olds)
    outcome = target.apply(_desired(call, given, news), _recorded(olds), revision=str(reveal(news["revision"])))
    for warning in outcome.warnings:
        call.log(Severity.WARNING, warning)
    _remark(call, outcome.changes)
    outputs = _outputs(call, given, news, uid, outcome) | ({"verified": proof} if proof else {})
    stored = Stored(ident, outputs, dict(news))
    if not outcome.reasons:
        call.log(Severity.INFO, f"{_step(given, olds, news)}; {summary(outcome.changes)}")
        return stored
    code = outcome.code or "cluster.incomplete"
    if outcome.written:
        made = {change.subject for change in outcome.changes if change.action is Action.CREATED}
        is_fresh = all(entry.id in made for entry in outcome.inventory if entry.uid)
        raise Unfinished(code, outcome.reasons, stored=stored, is_fresh=is_fresh)
    raise Incomplete(code, outcome.reasons)


def _outputs(call: Call, given: RepositoryInputs, news: Values, uid: str, outcome: Outcome) -> dict[str, Value]:
    tag = str(reveal(news["revision"])).rpartition("@")[0]
    loaded = content.load(call, given, digests.parse(str(news["digest"])))
    return {
        **news,
        "tag": veiled(tag, news["revision"]),
        "annotations": dict(loaded.annotations),
        "inventory": [entry.plain() for entry in outcome.inventory],
        "inventoryId": str(given.applying.ref),
        "clusterUid": uid,
        "ready": given.applying.wait and not outcome.reasons,
    }


def _remark(call: Call, changes: Sequence[Change]) -> None:
    """Tell what the action alone does not: fields that were left to others, objects that were there before."""
    for line in remarks(change for change in changes if change.action in {Action.UNCHANGED, Action.CONFIGURED}):
        call.log(Severity.INFO, line)


def _offline(
    call: Call, given: RepositoryInputs, olds: Values, news: Values, outputs: dict[str, Value], why: str
) -> Planned:
    """A plan that says that it was not checked against the cluster, and why."""
    old, new = reveal(olds.get("objects")), reveal(news["objects"])
    assert isinstance(new, dict)  # noqa: S101 - plan has looked
    found = offline.changes(old if isinstance(old, dict) else {}, new)
    if not given.applying.prune:
        found = tuple(change for change in found if change.action is not Action.DELETED)
    call.log(Severity.WARNING, f"not checked against the cluster: {why}")
    bodies = {str(change.subject): new[str(change.subject)] for change in found if change.action is Action.CREATED}
    return Planned(outputs, found, bodies, f"{_step(given, olds, news)}; {summary(found)}")


def _step(given: RepositoryInputs, olds: Values, news: Values) -> str:
    """`6.0.x: 6.0.3 -> 6.0.4`: the reference, and what it meant and means; a digest means itself."""
    before, after = _short(olds.get("revision")), _short(news.get("revision"))
    step = after if before in ("", after) else f"{before} -> {after}"
    step = step if given.ref.digest else f"{given.ref}: {step}"
    return step + verifying.told(reveal(news.get("verified")))


def _short(revision: Value) -> str:
    """`6.0.4@sha256:0123456789ab`: enough of a digest to tell two apart."""
    tag, at, digest = str(reveal(revision) or "").rpartition("@")
    return f"{tag}{at}{digest[:19]}"


def _adopt(call: Call, ident: str) -> Stored | None:
    """An import: the id names the parent, and what is in it becomes the state."""
    ref = ParentRef.read(ident)
    if not ref:
        raise InputError("input.invalid", f"{ident!r} is no id", where="id", advice="write namespace/inventoryName")
    found = {"namespace": ref.namespace, "inventoryName": ref.name}
    given, _ = settings.repository({"url": "localhost/import", **found}, call.session.config)
    target = _target(call, given)
    entries = target.inventory()
    if entries is None:
        return None
    inventory = [entry.plain() for entry in entries]
    facts = {"inventory": inventory, "inventoryId": ident, "clusterUid": target.cluster_uid()}
    return Stored(ident, {**found, **facts}, dict(found))
