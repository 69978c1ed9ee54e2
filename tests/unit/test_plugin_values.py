# SPDX-License-Identifier: Apache-2.0
"""Values on Pulumi's wire, both ways, with literal markers of the wire."""

from typing import Any

import pytest

from kubeoci.lifecycle.values import UNKNOWN, Secret
from kubeoci.plugin.values import decode, encode, from_struct, to_struct

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWNS = [
    UNKNOWN_STRING,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]

BOTH_WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "text": ({"a": "ü"}, {"a": "ü"}),
    "whole number": ({"a": 3}, {"a": 3.0}),
    "fraction": ({"a": 0.5}, {"a": 0.5}),
    "boolean": ({"a": True}, {"a": True}),
    "list": ({"a": ["x", 1, None]}, {"a": ["x", 1.0, None]}),
    "map": ({"a": {"b.c": {"d": "e"}}}, {"a": {"b.c": {"d": "e"}}}),
    "unknown": ({"a": UNKNOWN, "b": [UNKNOWN]}, {"a": UNKNOWN_STRING, "b": [UNKNOWN_STRING]}),
    "secret": ({"a": Secret("x")}, {"a": {SIGNATURE: SECRET, "value": "x"}}),
    "secret inside": ({"a": [{"b": Secret(UNKNOWN)}]}, {"a": [{"b": {SIGNATURE: SECRET, "value": UNKNOWN_STRING}}]}),
}


@pytest.mark.parametrize("case", BOTH_WAYS)
def test_values_survive_both_ways(case: str) -> None:
    """What is decoded from a Struct encodes to the same Struct."""
    values, plain = BOTH_WAYS[case]
    faults: list[Any] = []
    assert values == decode(from_struct(to_struct(plain)), faults)
    assert plain == from_struct(to_struct(encode(values, faults)))
    assert [] == faults


@pytest.mark.parametrize("text", UNKNOWNS)
def test_every_kind_of_unknown_is_known(text: str) -> None:
    """The engine has one text per type of what it does not know."""
    assert {"a": UNKNOWN} == decode({"a": text}, [])


OUTPUTS: dict[str, tuple[dict[str, Any], Any]] = {
    "known": ({"value": "x"}, "x"),
    "secret": ({"value": "x", "secret": True}, Secret("x")),
    "without value": ({"dependencies": ["urn:a"]}, UNKNOWN),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_output_values_are_decoded(case: str) -> None:
    """They are not negotiated, and harmless all the same."""
    fields, value = OUTPUTS[case]
    assert {"a": value} == decode({"a": {SIGNATURE: OUTPUT, **fields}}, [])


REFUSED = {
    "asset": ("c44067f5952c0a294b673a41bacd8c17", "an asset"),
    "archive": ("0def7320c3a5731c473e5ecbe6d01bc7", "an archive"),
    "resource": ("5cf8f73096256a8f31e491e813e4eb8e", "a resource"),
    "byte string": ("803fd3297a5875dc03ca845dda5d2a98", "a byte string"),
    "anything else": ("0000", "a value of a kind that kubeoci does not know"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_special_values_are_faults_with_a_path(case: str) -> None:
    """All are told at once, and the rest is decoded."""
    signature, words = REFUSED[case]
    faults: list[Any] = []
    special = {SIGNATURE: signature, "hash": "1234"}
    assert {"ok": 1, "b": [None]} == decode({"path": special, "b": [special], "ok": 1.0}, faults)
    assert [("path", words), ("b[0]", words)] == [
        (fault.where, fault.what.removesuffix(" has no place here")) for fault in faults
    ]


UNCARRIED: dict[str, tuple[object, str]] = {
    "text that means unknown": (UNKNOWN_STRING, "this text"),
    "signature key": ({SIGNATURE: "x"}, "a map with this key"),
    "lone surrogate": ("\udcff", "text that is not UTF-8"),
    "infinity": (float("inf"), "a number that is not finite"),
    "not a number": (float("nan"), "a number that is not finite"),
}


@pytest.mark.parametrize("case", UNCARRIED)
def test_what_the_wire_would_change_is_a_fault(case: str) -> None:
    """The message has the path and never the value."""
    value, what = UNCARRIED[case]
    faults: list[Any] = []
    encode({"files": {"a.yaml": value}}, faults)
    message = f'files["a.yaml"]: {what} cannot be carried by Pulumi (input.invalid)'
    assert [message] == [str(fault) for fault in faults]


def test_huge_whole_numbers_travel_as_text() -> None:
    """Doubles are exact up to 2^53."""
    assert {"a": "9007199254740993", "b": 2**53} == encode({"a": 2**53 + 1, "b": 2**53}, [])


def test_null_is_the_same_as_missing() -> None:
    """Both ways."""
    assert ({}, {}) == (decode({"a": None}, []), encode({"a": None}, []))


def test_other_types_are_a_mistake_of_ours() -> None:
    """Nothing is turned into text by accident."""
    with pytest.raises(TypeError, match="no place on the wire for object"):
        to_struct({"a": object()})
