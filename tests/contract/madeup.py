# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ARG001 - each function has the shape of its place in `Resource` or in the table of fates
"""A made-up resource of the shape of `kubeoci.lifecycle.contract.Resource`, for the front ends alone.

Its world is a JSON file, `$MADEUP_WORLD`: id -> files. `path` says what happens: a word of `_FATES` makes create and
update go wrong, anything else is the content of the one file. `ref` says what the world is asked to forget.
"""

import hashlib
import json
import os
import time
from pathlib import Path

from kubeoci.changes import Action, Change, FieldChange
from kubeoci.errors import ClusterError, InputError, RegistryError, Stopped
from kubeoci.identity import ObjectId
from kubeoci.lifecycle.contract import Call, Checked, Difference, Planned, Severity, Stored, Unfinished
from kubeoci.lifecycle.difference import compare
from kubeoci.lifecycle.values import UNKNOWN, Value, Values, has_unknown, reveal

INPUTS = frozenset({"url", "path", "tags", "credentials", "inventoryName", "owner", "driftDetection", "ref"})
FACTS = frozenset({"digest", "files"})
SECRET = frozenset({"credentials"})

WEB = ObjectId("apps", "Deployment", "shop", "web")
FLAGS = ObjectId("", "ConfigMap", "shop", "flags")


def check(call: Call, olds: Values, news: Values) -> Checked:
    """Two faults can be told at once; unknown inputs make unknown facts."""
    failures = [f"{name}: is missing (input.invalid)" for name in ("path", "url") if name not in news]
    failures += [f"{name}: no such property (input.unknown)" for name in sorted(set(news) - INPUTS - FACTS)]
    if reveal(news.get("path")) == "check-broken":
        raise RuntimeError(f"leaks {reveal(news.get('credentials'))}")
    if reveal(news.get("path")) == "check-denied":
        raise RegistryError("registry.denied", "no access", where="host/app", advice="log in")
    call.log(Severity.WARNING, "check was here")
    return Checked({**news, **_facts(news)}, tuple(failures))


def diff(olds: Values, news: Values) -> Difference:
    """Another url replaces."""
    entries = compare(olds, news, INPUTS | FACTS)
    return Difference(entries, ("url",) if ("url",) in entries else ())


def plan(call: Call, ident: str, olds: Values, news: Values) -> Planned:
    """One object is made or changed, one goes."""
    call.progress("planning")
    action = Action.CONFIGURED if ident else Action.CREATED
    changes = (
        Change(WEB, action, "apps/v1", (FieldChange("spec.replicas", "3", "5"),)),
        Change(FLAGS, Action.DELETED, "v1"),
        Change(ObjectId("", "Namespace", "", "shop"), Action.UNCHANGED, "v1"),
    )
    return Planned({**news, "ready": UNKNOWN}, changes, {str(WEB): "kind: Deployment\nspec: {}\n"}, "one line in words")


def create(call: Call, news: Values) -> Stored:
    """Write the world, unless the fate of `path` is another."""
    stored = Stored(_ident(news), {**news, **_facts(news), "ready": True}, dict(news))
    fate = str(reveal(news["path"]))
    if fate in _FATES:
        _FATES[fate](call, stored)
    _write({**_world(), stored.id: _facts(news)["files"]})
    call.log(Severity.INFO, "written")
    return stored


def update(call: Call, ident: str, olds: Values, news: Values) -> Stored:
    """The same as create."""
    return create(call, news)


def read(call: Call, ident: str, outputs: Values, inputs: Values) -> Stored | None:
    """What the world has; its files as they are there."""
    if ident == "unreachable":
        raise ClusterError("cluster.unreachable", "no connection", where="https://cluster")
    world = _world()
    if ident not in world:
        return None
    live = {**inputs, "files": world[ident]}
    return Stored(ident, {**outputs, **live}, live)


def delete(call: Call, ident: str, outputs: Values) -> None:
    """Take it out of the world; what is gone is gone."""
    _write({key: value for key, value in _world().items() if key != ident})


def abandon(call: Call, failure: Unfinished) -> tuple[str, ...]:
    """Take back what was written."""
    delete(call, failure.stored.id, failure.stored.outputs)
    return (*failure.reasons, "what was written is gone again")


def _facts(news: Values) -> dict[str, Value]:
    path = reveal(news.get("path"))
    if has_unknown(path) or path is None:
        return {"digest": UNKNOWN, "files": UNKNOWN}
    digest = hashlib.sha256(str(path).encode()).hexdigest()
    return {"digest": f"sha256:{digest}", "files": {"deploy/web.yaml": digest, "same.yaml": "0"}}


def _ident(news: Values) -> str:
    return str(reveal(news["url"])).removeprefix("oci://")


def _denied(call: Call, stored: Stored) -> None:
    raise RegistryError("registry.denied", "may not push", where="host/app", advice="ask for the right")


def _several(call: Call, stored: Stored) -> None:
    faults = [InputError("input.invalid", "is odd", where="url"), InputError("input.invalid", "is even", where="path")]
    raise ExceptionGroup("inputs", faults)


def _broken(call: Call, stored: Stored) -> None:
    raise RuntimeError(f"leaks {reveal(stored.inputs['credentials'])}")


def _unfinished(call: Call, stored: Stored) -> None:
    _write({**_world(), stored.id: stored.outputs["files"]})
    reasons = ["Deployment/shop/web is not ready", "so is the other"]
    raise Unfinished("cluster.not_ready", reasons, stored=stored)


def _huge(call: Call, stored: Stored) -> None:
    files = {f"{index}.yaml": "x" * 100 for index in range(30_000)}
    outputs = {**stored.outputs, "files": files, "inventory": ["kept"]}
    large = Stored(stored.id, outputs, {**stored.inputs, "files": files})
    raise Unfinished("cluster.not_ready", ["one of many is not ready"], stored=large)


def _slow(call: Call, stored: Stored) -> None:
    deadline = time.monotonic() + 20
    while not call.session.stop.wait(0.05) and time.monotonic() < deadline:
        call.progress("waiting")
    raise Stopped("stopped.cancelled", "stopped on request")


_FATES = {
    "denied": _denied,
    "several": _several,
    "broken": _broken,
    "unfinished": _unfinished,
    "huge": _huge,
    "slow": _slow,
}


def _world() -> dict[str, Value]:
    path = Path(os.environ["MADEUP_WORLD"])
    loaded: dict[str, Value] = json.loads(path.read_text()) if path.exists() else {}
    return loaded


def _write(world: dict[str, Value]) -> None:
    Path(os.environ["MADEUP_WORLD"]).write_text(json.dumps(world))
