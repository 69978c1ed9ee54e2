# SPDX-License-Identifier: Apache-2.0
"""Comparing inputs path by path."""

import pytest

from kubeoci.lifecycle.contract import Kind, Path
from kubeoci.lifecycle.difference import compare
from kubeoci.lifecycle.values import UNKNOWN, Secret, Value

CASES: list[tuple[Value, Value, dict[Path, Kind]]] = [
    ({"a.yaml": "1"}, {"a.yaml": "2"}, {("x", "a.yaml"): Kind.UPDATE}),
    ({"a": "1"}, {"a": "1", "b": "2"}, {("x", "b"): Kind.ADD}),
    ({"a": "1", "b": "2"}, {"a": "1"}, {("x", "b"): Kind.DELETE}),
    (["a"], ["a", "b"], {("x", 1): Kind.ADD}),
    ({"a": None}, {}, {}),
    (1, 1.0, {}),
    (True, 1, {("x",): Kind.UPDATE}),
    (UNKNOWN, UNKNOWN, {}),
    ("1", UNKNOWN, {("x",): Kind.UPDATE}),
    (Secret("1"), "1", {}),
    ({"a": "1"}, ["1"], {("x",): Kind.UPDATE}),
]


@pytest.mark.parametrize(("old", "new", "expected"), CASES)
def test_compare_finds_each_path(old: Value, new: Value, expected: dict[Path, Kind]) -> None:
    """Exactly the paths that differ are found."""
    assert expected == compare({"x": old}, {"x": new}, {"x"})


@pytest.mark.parametrize(("old", "new", "expected"), CASES)
def test_compare_is_symmetric(old: Value, new: Value, expected: dict[Path, Kind]) -> None:
    """Exchanged sides give the same paths, additions for deletions."""
    swapped = {Kind.ADD: Kind.DELETE, Kind.DELETE: Kind.ADD, Kind.UPDATE: Kind.UPDATE}
    assert {path: swapped[kind] for path, kind in expected.items()} == compare({"x": new}, {"x": old}, {"x"})


def test_other_names_are_passed_over() -> None:
    """Outputs in an old state are no difference."""
    assert {} == compare({"x": 1, "ready": True}, {"x": 1}, {"x"})
