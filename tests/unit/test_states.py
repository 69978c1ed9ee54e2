# SPDX-License-Identifier: Apache-2.0
"""How rules read a status that may hold anything."""

import pytest

from kubeoci.cluster.states import CURRENT, Health, State, condition, conditions, counts, first, number, told


@pytest.mark.parametrize(("value", "expected"), [(3, 3), (0, 0), (True, 7), ("3", 7), (3.0, 7), (None, 7), ([3], 7)])
def test_only_whole_numbers_count(value: object, expected: int) -> None:
    """What is missing or no number takes the default."""
    assert expected == number({"spec": {"replicas": value}}, "spec", "replicas", default=7)


def test_counts_default_to_nothing() -> None:
    """A status that is not there yet has none of anything."""
    assert (0, 2) == counts({"status": {"readyReplicas": 2}}, "replicas", "readyReplicas")
    assert (0,) == counts({"status": None}, "replicas")


def test_first_rule_decides() -> None:
    """The first that holds; none is current."""
    assert "B" == first((False, "A", "a"), (True, "B", "b"), (True, "C", "c")).reason
    assert CURRENT == first((False, "A", "a"))


def test_conditions_may_be_anything() -> None:
    """A list that is null, or has members that are no mappings."""
    assert [] == list(conditions({"status": {"conditions": None}}))
    assert {"type": "Ready"} == condition({"status": {"conditions": [None, "x", {"type": "Ready"}]}}, "Ready")
    assert {} == condition({}, "Ready")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"type": "Ready", "status": "False"}, ("Ready", "Ready=False")),
        ({"type": "Ready", "status": "False", "reason": "Broken"}, ("Broken", "Ready=False")),
        ({"type": "Ready", "status": "False", "reason": "Broken", "message": "no money"}, ("Broken", "no money")),
    ],
)
def test_what_a_condition_says(item: dict[str, str], expected: tuple[str, str]) -> None:
    """Its reason and message, else its type and status."""
    assert Health(State.FAILED, *expected) == told(State.FAILED, item)
