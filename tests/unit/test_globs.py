# SPDX-License-Identifier: Apache-2.0
"""Globs over one component, as Go reads them."""

import pytest

from kubeoci.globs import compile_glob


@pytest.mark.parametrize(
    ("glob", "name", "expected"),
    [
        ("*.yaml", ".yaml", True),
        ("*", "a\nb", True),
        ("?.yaml", "\u00e9.yaml", True),
        ("a*b*c", "a1b2bc", True),
        ("a*b*c", "a1c2b", False),
        ("[a-c]", "b", True),
        ("[^a-c]", "b", False),
        ("[^a-c]", "d", True),
        ("[!a].yml", "b.yml", False),
        ("[!a].yml", "!.yml", True),
        ("[c-a]", "b", False),
        ("[^c-a]", "b", True),
        ("[\\]x]", "]", True),
        ("[\\-]", "-", True),
        ("[a\\-z]", "-", True),
        ("a]", "a]", True),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("\\#x", "#x", True),
        ("\\!x", "!x", True),
        (".", "a", False),
        ("a[.]b", "axb", False),
        ("", "", True),
        ("", "a", False),
        ("**", "", True),
        ("a**b***c", "abc", True),
        ("*a*", "xay", True),
        ("*.*.*", "a.b", False),
        ("?", "", False),
        ("A", "a", False),
        ("[a-cx-z]", "y", True),
        ("[^\\^]", "^", False),
        ("[[]", "[", True),
        ("a\\\\b", "a\\b", True),
    ],
)
def test_globs(glob: str, name: str, expected: bool) -> None:
    """One component is matched as Go's `filepath.Match` does."""
    test = compile_glob(glob)
    assert test is not None
    assert expected == bool(test(name))


@pytest.mark.parametrize(
    "glob", ["[", "[]", "[]a]", "[a-]", "[-a]", "a\\", "[a", "[^]", "[a-\\", "*[", "[a--]", "[a-]]"]
)
def test_malformed(glob: str) -> None:
    """What Go calls a bad pattern is none."""
    assert compile_glob(glob) is None


@pytest.mark.parametrize("glob", ["*a" * 50 + "b", "*" * 50_000 + "b", "*?" * 100 + "b"])
def test_many_stars_take_no_time(glob: str) -> None:
    """A glob is matched in linear steps; a test that hangs has failed."""
    test = compile_glob(glob)
    assert test is not None
    assert not test("a" * 200)
