# SPDX-License-Identifier: Apache-2.0
"""Sets of fields as managedFields has them, and what is left of an object without them."""

from typing import Any

import pytest

from kubeoci.cluster.fieldset import minus, union, without

BODY: dict[str, Any] = {
    "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x", "y"]},
    "spec": {"replicas": 2, "list": [{"name": "web", "image": "i", "port": 1}, {"name": "side"}]},
}
WEB = 'k:{"name":"web"}'


def spec(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any set
    """A set of fields below `spec`."""
    return {"f:spec": {f"f:{name}": value for name, value in fields.items()}}


def labels(*names: str, itself: bool = True) -> dict[str, Any]:
    """The labels of these names, and the map that holds them."""
    return {"f:metadata": {"f:labels": {**({".": {}} if itself else {}), **{f"f:{name}": {} for name in names}}}}


def test_union_has_all_fields() -> None:
    """Of any depth."""
    assert spec(replicas={}, list={WEB: {".": {}, "f:image": {}}}) == union(
        spec(list={WEB: {".": {}}}), spec(replicas={}), spec(list={WEB: {"f:image": {}}})
    )


def test_minus_takes_out_one_field() -> None:
    """And nothing where it is not there."""
    assert labels("b") == minus(labels("a", "b"), ("f:metadata", "f:labels", "f:a"))
    assert labels("b") == minus(labels("b"), ("f:metadata", "f:annotations", "f:a"))


@pytest.mark.parametrize(
    ("gone", "kept", "place", "left"),
    [
        (spec(replicas={}), {}, ("spec",), {"list": BODY["spec"]["list"]}),
        (spec(replicas={}), spec(replicas={}), ("spec",), BODY["spec"]),
        (labels("a"), {}, ("metadata",), {"finalizers": ["x", "y"]}),
        (labels("a"), labels("b"), ("metadata", "labels"), {"b": "2"}),
        (labels("a", itself=False), {}, ("metadata", "labels"), {"b": "2"}),
        (labels("a", "b", itself=False), {}, ("metadata",), {"finalizers": ["x", "y"]}),
        ({"f:metadata": {"f:finalizers": {'v:"x"': {}}}}, {}, ("metadata", "finalizers"), ["y"]),
        (spec(list={WEB: {".": {}, "f:image": {}}}), {}, ("spec", "list"), [{"name": "side"}]),
        (
            spec(list={WEB: {".": {}, "f:image": {}, "f:name": {}}}),
            spec(list={WEB: {".": {}, "f:name": {}}}),
            ("spec", "list"),
            [{"name": "web", "port": 1}, {"name": "side"}],
        ),
        (spec(list={'k:{"name":"absent"}': {".": {}}}), {}, ("spec",), BODY["spec"]),
        (spec(absent={"f:more": {}}), {}, ("spec",), BODY["spec"]),
    ],
)
def test_what_nobody_keeps_goes(gone: dict[str, Any], kept: dict[str, Any], place: tuple[str, ...], left: Any) -> None:  # noqa: ANN401
    """Fields, elements and whole maps; what is kept, and what is not in the set, stays."""
    found: Any = without(BODY, gone, kept)
    for name in place:
        found = found[name]
    assert left == found


def test_the_argument_stays_as_it_is() -> None:
    """The live object is compared later."""
    without(BODY, spec(replicas={}), {})
    assert 2 == BODY["spec"]["replicas"]
