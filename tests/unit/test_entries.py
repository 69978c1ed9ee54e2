# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.entries: how one list of a layout becomes another. The files are tried with the layout."""

import os
from pathlib import Path
from typing import Any

import pytest

from kubeoci import digest
from kubeoci.artifact import MANIFEST, Descriptor
from kubeoci.errors import RegistryError
from kubeoci.registry import entries
from kubeoci.registry.entries import REF_NAME
from kubeoci.registry.protocols import Folder

APP, OTHER = (Descriptor(MANIFEST, digest.of(data), 1) for data in (b"app", b"other"))


def entry(what: Descriptor, name: str = "", **notes: str) -> dict[str, Any]:
    """An entry, maybe with a name."""
    annotations = notes | ({REF_NAME: name} if name else {})
    return what.document() | ({"annotations": annotations} if annotations else {})


@pytest.mark.parametrize(
    ("before", "tag", "after"),
    [
        ([], None, [entry(APP)]),
        ([], "v1", [entry(APP, "v1")]),
        ([entry(APP)], None, [entry(APP)]),
        ([entry(APP)], "v1", [entry(APP, "v1")]),
        ([entry(APP, "v1")], None, [entry(APP, "v1")]),
        ([entry(APP, "v1")], "v2", [entry(APP, "v1"), entry(APP, "v2")]),
        ([entry(OTHER, "v1")], "v1", [entry(OTHER), entry(APP, "v1")]),
        ([entry(OTHER, "v1"), entry(OTHER, "v2")], "v1", [entry(OTHER, "v2"), entry(APP, "v1")]),
        ([entry(OTHER, "v1"), entry(APP, "v1")], "v1", [entry(OTHER), entry(APP, "v1")]),
        ([entry(APP, "v1", team="shop")], "v2", [entry(APP, "v1", team="shop"), entry(APP, "v2", team="shop")]),
    ],
)
def test_adding(before: list[dict[str, Any]], tag: str | None, after: list[dict[str, Any]]) -> None:
    """A tag names one thing, what it named before stays listed, and nothing is listed twice without need."""
    assert after == entries.added(before, APP, tag)


def test_a_name_goes_and_its_artifact_stays() -> None:
    """Listed once, with what else is noted of it."""
    before = [entry(APP, "v1", team="shop"), entry(OTHER, "v2"), entry(OTHER, "v1")]
    assert [entry(APP, team="shop"), entry(OTHER, "v2")] == entries.without_name(before, "v1")


def test_names_that_are_no_tags() -> None:
    """Other tools write whole references there."""
    assert [True, False, False] == [entries.is_tag(name) for name in ("v1", "docker.io/library/app:v1", "")]


def test_one_tag_for_one_artifact() -> None:
    """The same artifact twice is one; two are an error; none is None."""
    place = Folder("out")
    assert APP.digest == entries.named([entry(APP, "v1"), entry(APP, "v1")], "v1", place)
    assert entries.named([entry(APP)], "v1", place) is None
    with pytest.raises(RegistryError, match=r"2 artifacts.*registry\.layout"):
        entries.named([entry(APP, "v1"), entry(OTHER, "v1")], "v1", place)


def test_nothing_yet(tmp_path: Path) -> None:
    """No folder, an empty one, and one where another writer just begins hold no list."""
    assert entries.read(Folder(str(tmp_path / "none"))) is None
    assert entries.read(Folder(str(tmp_path))) is None
    (tmp_path / ".oci-layout.0123").touch()
    assert entries.read(Folder(str(tmp_path))) is None


@pytest.mark.parametrize("name", ["oci-layout", "index.json"])
def test_pipes_are_no_lists(tmp_path: Path, name: str) -> None:
    """They are told, and nobody waits for them."""
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(RegistryError, match=rf"{name} is no file.*registry\.layout"):
        entries.read(Folder(str(tmp_path)))
