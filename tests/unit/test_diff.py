# SPDX-License-Identifier: Apache-2.0
"""Which fields differ, and what their paths are called."""

from typing import Any

import pytest

from kubeoci.changes import FieldChange
from kubeoci.cluster import diff


def paths(before: Any, after: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401 - any JSON value
    """The differences below `spec`."""
    found = diff.fields({"spec": before}, {"spec": after})
    return [(change.path.removeprefix("spec"), change.before, change.after) for change in found]


def test_no_difference() -> None:
    """Status and what only the server writes make no difference."""
    before = {"metadata": {"name": "a", "uid": "1", "generation": 1, "resourceVersion": "1"}, "status": {"a": 1}}
    after = {"metadata": {"name": "a", "managedFields": [], "creationTimestamp": "x"}}
    assert () == diff.fields(before, after)


def test_paths() -> None:
    """Keys are joined by dots, unusual ones stand in brackets."""
    before = {"spec": {"replicas": 3}, "metadata": {"labels": {"app.kubernetes.io/name": "a", "x-y_z": "1"}}}
    after = {"spec": {"replicas": 5}, "metadata": {"labels": {"app.kubernetes.io/name": "b", "x-y_z": "2"}}}
    assert (
        FieldChange('metadata.labels["app.kubernetes.io/name"]', "a", "b"),
        FieldChange("metadata.labels.x-y_z", '"1"', '"2"'),
        FieldChange("spec.replicas", "3", "5"),
    ) == diff.fields(before, after)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {}, (".a", "1", "")),
        ({}, {"a": ""}, (".a", "", '""')),
        ({"a": True}, {"a": 1}, (".a", "true", "1")),
        ({"a": None}, {"a": "null"}, (".a", "null", '"null"')),
        ({}, {"a": {"b": [1, "ä"]}}, (".a", "", '{"b": [1, "ä"]}')),
        ({"a": {"b": 1}}, {"a": [1]}, (".a", '{"b": 1}', "[1]")),
        ({"a": "x" * 300}, {}, (".a", "x" * 200 + "…", "")),
        ({"a": "x\ny\nz"}, {"a": "x\nY\nz"}, (".a", "line 2: y", "line 2: Y")),
        ({"a": "x"}, {"a": "x\n"}, (".a", "", "line 2: ")),
    ],
)
def test_values(before: object, after: object, expected: tuple[str, str, str]) -> None:
    """Values are short text of which each type can be told; long texts show the first line that differs."""
    assert [expected] == paths(before, after)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([{"name": "a", "v": 1}, {"name": "b"}], [{"name": "b"}, {"name": "a", "v": 2}], [('["a"].v', "1", "2")]),
        ([{"name": "a"}], [{"name": "b"}], [('["a"]', '{"name": "a"}', ""), ('["b"]', "", '{"name": "b"}')]),
        ([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}], [("", '["a", "b"]', '["b", "a"]')]),
        ([{"port": 80, "x": 1}], [{"port": 80, "x": 2}], [("[80].x", "1", "2")]),
        (["a", "b", "c"], ["a", "c"], [("[1]", "b", "")]),
        (["a", "c"], ["a", "b", "c"], [("[1]", "", "b")]),
        (["a", "b"], ["a", "x"], [("[1]", "b", "x")]),
        ([{"name": "a", "v": 1}, {"name": "a"}], [{"name": "a", "v": 2}, {"name": "a"}], [("[0].v", "1", "2")]),
        ([1] * 600, [1] * 601, [("[600]", "", "1")]),
    ],
)
def test_lists(before: list[Any], after: list[Any], expected: list[tuple[str, str, str]]) -> None:
    """Elements are paired by name or key, else by what they hold; a new order alone is told too."""
    assert expected == paths(before, after)


def test_limit() -> None:
    """Beyond two hundred fields there is only a count."""
    found = diff.fields({f"k{n:03}": n for n in range(250)}, {})
    assert (201, FieldChange("…", "", "50 more fields")) == (len(found), found[-1])
