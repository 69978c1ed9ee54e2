# SPDX-License-Identifier: Apache-2.0
"""What belongs to one resource: the list in its state, and its copy in the cluster, an ApplySet parent.

The parent is a Secret with the labels and annotations of Kubernetes' KEP-3659, as `kubectl apply --applyset` writes
them, so that other tools see whose the objects are; the list itself is its gzipped data. Entries are spelt as
cli-utils does (`kubeoci.identity`), so an inventory reads like one of Flux.
"""

import base64
import binascii
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import kubeoci
from kubeoci.cluster.claim import Claim
from kubeoci.errors import ClusterError
from kubeoci.identity import ObjectId

PART_OF = "applyset.kubernetes.io/part-of"
"""The label that every object of an inventory carries; its value is the ApplySet's id."""

ID = "applyset.kubernetes.io/id"
TOOLING = "applyset.kubernetes.io/tooling"
GROUP_KINDS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"
OWNER = "kubeoci.dev/owner"
"""The annotation that says which resource of which stack a parent belongs to: `project/stack/name`."""

MAX_PARENT_BYTES = 900 * 1024
"""Gzipped bytes that a parent may hold; the API server ends at 1 MiB for all data of a Secret."""
MAX_LIST_BYTES = 64 * 1024 * 1024
"""Bytes of the list once unzipped: nobody can make us unpack more."""
MAX_REVISIONS = 10
"""Revisions that a parent remembers, newest last."""

_KEY = "inventory"
_KIND = "Secret"
_OURS = "kubeoci"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One object of an inventory. `version` is bare (`v1`); `uid` is empty until the object was applied."""

    id: ObjectId
    version: str
    uid: str = ""

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.id.group}/{self.version}" if self.id.group else self.version

    def plain(self) -> dict[str, str]:
        """`{"id": …, "v": …, "uid": …}`, as state and parent keep it; no `uid` while there is none."""
        return {"id": self.id.entry(), "v": self.version, **({"uid": self.uid} if self.uid else {})}

    @classmethod
    def read(cls, value: Mapping[str, str]) -> "Entry":
        """The reverse of `plain`. Raises ValueError or KeyError for anything else."""
        return cls(ObjectId.from_entry(value["id"]), value["v"], value.get("uid", ""))


@dataclass(frozen=True, slots=True, order=True)
class ParentRef:
    """Which Secret is the parent of an inventory; label and field manager of its objects follow from that."""

    namespace: str
    name: str

    @classmethod
    def read(cls, text: str) -> "ParentRef | None":
        """The reverse of `str`; None for anything else."""
        namespace, _, name = text.partition("/")
        return cls(namespace, name) if namespace and name and "/" not in name else None

    @property
    def applyset(self) -> str:
        """The value of the label that each object of the inventory carries."""
        return applyset_id(self.name, self.namespace)

    @property
    def manager(self) -> str:
        """The field manager of the inventory."""
        return field_manager(self.applyset)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent as it is in the cluster.

    `tooling` is who wrote it last: `kubeoci/v0.1.0`; `claim` who works on it; `owner` whose it is, "" if nobody said.
    `twin` is the other parent of an inventory that is being moved, None otherwise.
    """

    entries: tuple[Entry, ...]
    revisions: tuple[dict[str, Any], ...]
    resource_version: str
    tooling: str
    uid: str
    claim: Claim | None = None
    owner: str = ""
    twin: ParentRef | None = None

    @property
    def content(self) -> tuple[object, ...]:
        """What runs write: not what others may change about the Secret, such as its labels."""
        return self.entries, self.revisions, self.claim, self.owner, self.twin


def applyset_id(name: str, namespace: str) -> str:
    """The id of the ApplySet whose parent is the Secret `namespace/name` (rule of KEP-3659)."""
    digest = hashlib.sha256(f"{name}.{namespace}.{_KIND}.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def field_manager(applyset: str) -> str:
    """`kubeoci-<8 hex>`: one field manager per inventory, so two stacks on one object notice each other."""
    return f"{_OURS}-{hashlib.sha256(applyset.encode()).hexdigest()[:8]}"


def union(old: Iterable[Entry], new: Iterable[Entry]) -> tuple[Entry, ...]:
    """All objects of both, sorted. `new` gives the version; a uid it does not know yet is taken from `old`."""
    found = {entry.id: entry for entry in old}
    for entry in new:
        known = found.get(entry.id)
        found[entry.id] = Entry(entry.id, entry.version, entry.uid or (known.uid if known else ""))
    return tuple(sorted(found.values()))


def parent_body(
    ref: ParentRef,
    entries: Iterable[Entry],
    revisions: Sequence[Mapping[str, Any]],
    claim: Claim | None = None,
    owner: str = "",
    twin: ParentRef | None = None,
) -> dict[str, Any]:
    """The Secret to apply. The same arguments give the same bytes; of `revisions` the last ten are kept.

    Raises ClusterError (`cluster.inventory`) when the list would not fit into a Secret.
    """
    kept = sorted(set(entries))
    plain = {"entries": [entry.plain() for entry in kept], "revisions": list(revisions[-MAX_REVISIONS:])}
    packed = _pack(plain | ({"claim": claim.plain()} if claim else {}) | ({"twin": str(twin)} if twin else {}))
    if len(packed) > MAX_PARENT_BYTES:
        raise ClusterError(
            "cluster.inventory",
            f"the inventory of {len(kept)} objects takes {len(packed)} bytes, {MAX_PARENT_BYTES} fit",
            where=f"{_KIND}/{ref}",
            advice="split the artifact",
        )
    return {
        "apiVersion": "v1",
        "kind": _KIND,
        "metadata": {
            "name": ref.name,
            "namespace": ref.namespace,
            "labels": {ID: ref.applyset},
            "annotations": _annotations(ref.namespace, kept) | ({OWNER: owner} if owner else {}),
        },
        "data": {_KEY: base64.b64encode(packed).decode()},
    }


def read_parent(body: Mapping[str, Any]) -> Parent:
    """What a Secret says as a parent.

    Raises ClusterError: `cluster.owned` when it is somebody else's Secret, or the copy of another parent;
    `cluster.inventory` when it is ours and its data is damaged.
    """
    meta = body["metadata"]
    place = f"{_KIND}/{meta.get('namespace', '')}/{meta['name']}"
    notes = meta.get("annotations") or {}
    tooling = notes.get(TOOLING, "")
    _check_owner(meta, tooling, place)
    try:
        plain = _unpack(body["data"][_KEY])
        entries = tuple(sorted(Entry.read(value) for value in plain["entries"]))
        revisions = tuple(plain["revisions"])
        claim = Claim.read(plain["claim"]) if "claim" in plain else None
        twin = ParentRef.read(plain.get("twin", ""))
    except (LookupError, TypeError, ValueError, AttributeError, zlib.error) as error:
        raise ClusterError(
            "cluster.inventory",
            f"the list of objects in it cannot be read ({type(error).__name__})",
            where=place,
            advice="restore the Secret from a backup; without it nothing is pruned",
        ) from error
    version, uid = meta.get("resourceVersion", ""), meta.get("uid", "")
    return Parent(entries, revisions, version, tooling, uid, claim, notes.get(OWNER, ""), twin)


def _check_owner(meta: Mapping[str, Any], tooling: str, place: str) -> None:
    advice = "set another inventoryName"
    if tooling.partition("/")[0] != _OURS:
        owner = f"belongs to {tooling}" if tooling else "exists and is no inventory"
        raise ClusterError("cluster.owned", f"the Secret {owner}", where=place, advice=advice)
    if (meta.get("labels") or {}).get(ID) != applyset_id(meta["name"], meta.get("namespace", "")):
        raise ClusterError("cluster.owned", "the Secret is a copy of another inventory", where=place, advice=advice)


def _annotations(namespace: str, entries: Iterable[Entry]) -> dict[str, str]:
    ids = [entry.id for entry in entries]
    return {
        TOOLING: f"{_OURS}/v{kubeoci.__version__}",
        GROUP_KINDS: ",".join(sorted({ident.group_kind for ident in ids})),
        NAMESPACES: ",".join(sorted({ident.namespace for ident in ids} - {namespace, ""})),
    }


def _pack(plain: dict[str, Any]) -> bytes:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return gzip.compress(text.encode(), mtime=0)  # without a time the same list gives the same bytes


def _unpack(text: str) -> dict[str, Any]:
    try:
        packed = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    unpacker = zlib.decompressobj(wbits=31)
    data = unpacker.decompress(packed, MAX_LIST_BYTES)
    if not unpacker.eof:
        raise ValueError("cut short or too large")
    plain: dict[str, Any] = json.loads(data)
    return plain
