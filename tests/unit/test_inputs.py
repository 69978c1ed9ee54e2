# SPDX-License-Identifier: Apache-2.0
"""Reading properties: types, unknowns, durations, and all faults at once."""

import pytest

from kubeoci.errors import InputError
from kubeoci.lifecycle.inputs import SIGNATURE, UNKNOWN_TEXT, Reader, duration, settled, uncarriable
from kubeoci.lifecycle.values import UNKNOWN, Secret


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("1h30m", 5400.0), ("1.5m", 90.0), ("250ms", 0.25)])
def test_duration_follows_flux(text: str, seconds: float) -> None:
    """A duration is a sum of numbers with units."""
    assert seconds == duration(text)


@pytest.mark.parametrize("text", ["", "5", "5 m", "-5m", "0s", "1d", "٣m", "99999999999999h", "5m\n"])
def test_duration_refuses(text: str) -> None:
    """What Flux's pattern refuses, zero, and what overflows is an error."""
    with pytest.raises(InputError, match="no duration"):
        duration(text)


def test_faults_are_collected() -> None:
    """Three wrong properties give three faults, each with its path."""
    reader = Reader({"path": 3.0, "prune": "yes", "extra": 1})
    reader.known({"path", "prune"})
    reader.text("path", required=True)
    reader.boolean("prune", default=True)
    assert ["extra", "path", "prune"] == [fault.where for fault in reader.faults]


def test_missing_required_text_is_a_fault() -> None:
    """A required property must be there and not be empty."""
    reader = Reader({"url": ""})
    reader.text("url", required=True)
    reader.text("path", required=True)
    assert [("url", "is empty"), ("path", "is missing")] == [(fault.where, fault.what) for fault in reader.faults]


def test_unknown_counts_as_absent() -> None:
    """A value not known yet is no fault; its name is kept."""
    reader = Reader({"url": UNKNOWN, "tags": ["a", UNKNOWN], "ref": {"digest": UNKNOWN}})
    assert ("", ("d",), "") == (reader.text("url", required=True), reader.texts("tags", ["d"]), reader.text("path"))
    inner = reader.section("ref", ("digest",))
    assert inner is not None
    assert ("", []) == (inner.text("digest"), reader.faults)
    assert {"url", "tags", "ref"} == reader.pending


def test_secrets_are_read_in_clear() -> None:
    """A secret is a value like any other to the reader."""
    reader = Reader({"credentials": Secret({"username": "ann", "password": Secret("pw")})})
    inner = reader.section("credentials", ("username", "password"))
    assert inner is not None
    assert ("ann", "pw") == (inner.text("username"), inner.text("password"))


@pytest.mark.parametrize(("value", "expected"), [(3.0, 3), (0, 0), (2**53, 2**53)])
def test_integer_takes_whole_doubles(value: float, expected: int) -> None:
    """Numbers travel as doubles."""
    assert expected == Reader({"maxPrune": value}).integer("maxPrune")


@pytest.mark.parametrize("value", [3.5, float("nan"), 1e300, -1, True, "3", float("inf")])
def test_integer_refuses(value: object) -> None:
    """Nothing but a whole number of sensible size is one."""
    reader = Reader({"maxPrune": value})
    assert reader.integer("maxPrune") is None
    assert ["maxPrune"] == [fault.where for fault in reader.faults]


def test_wrong_shapes_are_faults() -> None:
    """Lists, maps, objects and choices each say what they want."""
    reader = Reader({"tags": "a", "annotations": {"a": 1}, "ref": "v1", "format": "zip", "timeout": "soon"})
    reader.texts("tags")
    reader.table("annotations")
    reader.section("ref", ("tag",))
    reader.choice("format", ("oci", "flux"), "oci")
    reader.seconds("timeout", 1.0)
    assert ["tags", "annotations", "ref", "format", "timeout"] == [fault.where for fault in reader.faults]


def test_nested_fault_has_its_path() -> None:
    """A fault inside an object names the whole path."""
    reader = Reader({"ref": {"branch": "main"}})
    reader.section("ref", ("tag",))
    assert ["ref.branch"] == [fault.where for fault in reader.faults]


def test_settled_refuses_what_is_pending() -> None:
    """An update must know everything."""
    reader = Reader({"url": UNKNOWN})
    reader.text("url")
    with pytest.raises(InputError, match="url: is not known"):
        settled(reader)


def test_values_with_a_meaning_of_their_own_are_refused() -> None:
    """The wire's sentinels cannot be a user's text or key."""
    faults = uncarriable({"a": [UNKNOWN_TEXT], "b": {"c": {SIGNATURE: "x"}}})
    assert ["a[0]", "b.c"] == [fault.where for fault in faults]
