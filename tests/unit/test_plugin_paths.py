# SPDX-License-Identifier: Apache-2.0
"""Property paths of a difference, and what ignoreChanges takes out."""

import pytest

from kubeoci.lifecycle.contract import Difference, Kind, Path
from kubeoci.plugin.paths import parse, remaining, render, rendered

TEXTS: dict[str, Path] = {
    "url": ("url",),
    "ref.tag": ("ref", "tag"),
    "tags[0]": ("tags", 0),
    'files["deploy/a.yaml"]': ("files", "deploy/a.yaml"),
    'objects["ConfigMap/ns/a"].data["x\\"y"]': ("objects", "ConfigMap/ns/a", "data", 'x"y'),
    'files[""]': ("files", ""),
    'files["größe"]': ("files", "größe"),
}


@pytest.mark.parametrize("text", TEXTS)
def test_paths_render_and_parse(text: str) -> None:
    """Names with dots, numbers and all other keys in brackets."""
    assert (text, TEXTS[text]) == (render(TEXTS[text]), parse(text))


@pytest.mark.parametrize("text", ["", "a[", 'a["b]', "a[b]", ".", "a..b"])
def test_what_is_no_path_is_refused(text: str) -> None:
    """Parsing is whole or not at all."""
    with pytest.raises(ValueError, match="not a property path"):
        parse(text)


def test_keys_with_a_backslash_become_one_update_of_their_parent() -> None:
    """The engine cannot read such a key."""
    entries: dict[Path, Kind] = {("files", "a\\b"): Kind.ADD, ("files", "c\\d"): Kind.DELETE, ("path",): Kind.ADD}
    assert {"files": Kind.UPDATE, "path": Kind.ADD} == rendered(entries)


IGNORED: dict[str, tuple[str, list[Path]]] = {
    "property": ("files", [("tags", 0), ("url",)]),
    "one key": ('files["a.yaml"]', [("files", "b"), ("tags", 0), ("url",)]),
    "any key": ("files[*]", [("tags", 0), ("url",)]),
    "element": ("tags[0]", [("files", "a.yaml"), ("files", "b"), ("url",)]),
    "something below": ("tags[0].x", [("files", "a.yaml"), ("files", "b"), ("tags", 0), ("url",)]),
    "no path at all": ("[[", [("files", "a.yaml"), ("files", "b"), ("tags", 0), ("url",)]),
    "wildcard": ("*", []),
}


@pytest.mark.parametrize("case", IGNORED)
def test_ignored_paths_are_dropped(case: str) -> None:
    """A path covers itself and all below it."""
    ignored, left = IGNORED[case]
    every: list[Path] = [("files", "a.yaml"), ("files", "b"), ("tags", 0), ("url",)]
    assert left == list(remaining(Difference(dict.fromkeys(every, Kind.UPDATE)), [ignored]).entries)


def test_ignored_replacement_replaces_nothing() -> None:
    """The difference that asked for it is gone."""
    assert Difference({}) == remaining(Difference({("url",): Kind.UPDATE}, ("url",)), ["url"])


def test_replacement_without_a_path_gets_one() -> None:
    """The engine wants each property that replaces among the paths."""
    assert Difference({("url",): Kind.UPDATE}, ("url",)) == remaining(Difference({}, ("url",)), [])
