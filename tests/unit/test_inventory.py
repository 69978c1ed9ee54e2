# SPDX-License-Identifier: Apache-2.0
"""What belongs to a resource, and its copy in the cluster."""

import base64
import gzip
import random
from typing import Any

import pytest

from kubeoci import __version__
from kubeoci.cluster import inventory
from kubeoci.cluster.inventory import Entry
from kubeoci.errors import ClusterError
from kubeoci.identity import ObjectId

WEB = Entry(ObjectId("apps", "Deployment", "shop", "web"), "v1", "u1")
FLAGS = Entry(ObjectId("", "ConfigMap", "default", "flags"), "v1")
SHOP = Entry(ObjectId("", "Namespace", "", "shop"), "v1")


def parent(*entries: Entry, **meta: object) -> dict[str, Any]:
    """A parent as a server would return it."""
    body = inventory.parent_body(
        inventory.ParentRef("default", "app"), entries, [{"digest": str(n)} for n in range(12)]
    )
    body["metadata"] |= {"uid": "p", "resourceVersion": "7", **meta}
    return body


def test_ids() -> None:
    """The ApplySet's id is the one that kubectl computes; the manager follows from it."""
    applyset = inventory.applyset_id("app", "default")
    assert "applyset-4SeA_RrtFubF-r96PJcBQ0Uok0PdHwLBiX7mPYjsNGc-v1" == applyset
    assert "kubeoci-7df9d5e4" == inventory.field_manager(applyset)


@pytest.mark.parametrize("entry", [WEB, FLAGS, SHOP])
def test_plain_entries(entry: Entry) -> None:
    """An entry survives the way through a state."""
    assert entry == Entry.read(entry.plain())


def test_entry_text() -> None:
    """Entries are spelt as Flux spells them; no uid is kept while there is none."""
    assert {"id": "shop_web_apps_Deployment", "v": "v1", "uid": "u1"} == WEB.plain()
    assert ({"id": "_shop__Namespace", "v": "v1"}, "apps/v1", "v1") == (SHOP.plain(), WEB.api_version, SHOP.api_version)


def test_parent() -> None:
    """The Secret carries the labels and annotations of an ApplySet."""
    meta = parent(WEB, FLAGS, SHOP)["metadata"]
    assert {inventory.ID: inventory.applyset_id("app", "default")} == meta["labels"]
    assert {
        inventory.TOOLING: f"kubeoci/v{__version__}",
        inventory.GROUP_KINDS: "ConfigMap,Deployment.apps,Namespace",
        inventory.NAMESPACES: "shop",
    } == meta["annotations"]


def test_parent_is_read_again() -> None:
    """Reading gives the entries sorted and the last ten revisions."""
    found = inventory.read_parent(parent(SHOP, WEB, FLAGS))
    assert ((FLAGS, SHOP, WEB), "7", f"kubeoci/v{__version__}", "p") == (
        found.entries, found.resource_version, found.tooling, found.uid
    )  # fmt: skip
    assert [{"digest": str(n)} for n in range(2, 12)] == list(found.revisions)


def test_same_bytes() -> None:
    """The same content gives the same bytes, whatever the order of the entries."""
    assert parent(WEB, FLAGS) == parent(FLAGS, WEB, WEB)


def test_too_large() -> None:
    """A list that no Secret holds is refused with the numbers."""
    noise = random.Random(1)
    entries = [Entry(ObjectId("", "X", "", noise.randbytes(100).hex()), "v1") for _ in range(10_000)]
    with pytest.raises(ClusterError, match=r"inventory of 10000 objects takes .* 921600 fit") as caught:
        inventory.parent_body(inventory.ParentRef("default", "app"), entries, [])
    assert ("cluster.inventory", "Secret/default/app") == (caught.value.code, caught.value.where)


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"annotations": {inventory.TOOLING: "kubectl/v1.36.3"}}, "belongs to kubectl/v1.36.3"),
        ({"annotations": None}, "exists and is no inventory"),
        ({"annotations": {inventory.TOOLING: "kubeoci-like/v1"}}, "belongs to kubeoci-like/v1"),
        ({"name": "other"}, "is a copy of another inventory"),
        ({"labels": None}, "is a copy of another inventory"),
    ],
)
def test_foreign_parents(meta: dict[str, object], words: str) -> None:
    """A Secret of somebody else, or the copy of a parent, is never taken for ours."""
    with pytest.raises(ClusterError, match=words) as caught:
        inventory.read_parent(parent(WEB, **meta))
    assert "cluster.owned" == caught.value.code


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"inventory": "*"},
        {"inventory": base64.b64encode(b"x").decode()},
        {"inventory": base64.b64encode(gzip.compress(b"{}")[:-4]).decode()},
        {"inventory": base64.b64encode(gzip.compress(b"[]")).decode()},
        {"inventory": base64.b64encode(gzip.compress(b'{"entries": [{"id": "x", "v": "v1"}]}')).decode()},
    ],
)
def test_damaged_parents(data: object) -> None:
    """Data that cannot be read is an error: guessing could delete something."""
    with pytest.raises(ClusterError) as caught:
        inventory.read_parent(parent(WEB) | {"data": data})
    assert "cluster.inventory" == caught.value.code


def test_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent cannot unpack to more than the limit."""
    monkeypatch.setattr(inventory, "MAX_LIST_BYTES", 10)
    with pytest.raises(ClusterError, match="cannot be read"):
        inventory.read_parent(parent(WEB))


def test_union() -> None:
    """The union keeps everything; the newer version counts, and a known uid stays known."""
    newer = Entry(WEB.id, "v2")
    assert (FLAGS, SHOP, Entry(WEB.id, "v2", "u1")) == inventory.union([WEB, SHOP], [newer, FLAGS])
