# SPDX-License-Identifier: Apache-2.0
"""Errors: their text, their codes, and that each code is documented and used."""

import re
from pathlib import Path

import pytest

from kubeoci.errors import CODES, InputError, KubeociError, RegistryError, flatten

ROOT = Path(__file__).parents[2]


def test_text_says_where_what_advice_and_code() -> None:
    """One line has all four parts."""
    error = InputError("input.invalid", "is wrong", where="tags[0]", advice="mend it")
    assert "tags[0]: is wrong; mend it (input.invalid)" == str(error)


def test_unknown_code_is_refused() -> None:
    """A code that nobody can look up is a fault of ours."""
    with pytest.raises(LookupError):
        KubeociError("input.wrong", "text")


def test_at_keeps_the_kind_and_adds_the_place() -> None:
    """An error told of a property keeps its class and its own place."""
    moved = RegistryError("registry.denied", "no", where="host/repo").at("url")
    assert (RegistryError, "url: host/repo") == (type(moved), moved.where)


def test_flatten_finds_the_leaves_in_order() -> None:
    """Nested groups are one list."""
    first, second = (InputError("input.invalid", text) for text in "ab")
    assert [first, second] == flatten(ExceptionGroup("", [first, ExceptionGroup("", [second])]))


def test_flatten_lets_others_through() -> None:
    """A fault of the program is not turned into a message."""
    with pytest.raises(ZeroDivisionError):
        flatten(ExceptionGroup("", [ZeroDivisionError()]))


def test_each_code_is_documented() -> None:
    """The reference has one entry per code and no other."""
    text = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")
    assert sorted(CODES) == sorted(re.findall(r"^### (\S+)$", text, re.MULTILINE))


def test_each_code_is_raised_somewhere() -> None:
    """A code that nothing raises is a promise that nobody keeps."""
    code = "".join(path.read_text("utf-8") for path in (ROOT / "provider").rglob("*.py") if path.name != "errors.py")
    assert [] == [name for name in CODES if f'"{name}"' not in code and f'"{name.partition(".")[2]}"' not in code]
