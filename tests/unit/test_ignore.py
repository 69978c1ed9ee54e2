# SPDX-License-Identifier: Apache-2.0
"""Ignore patterns: the rules of Flux, which are not those of git."""

import pytest

from kubeoci import ignore
from kubeoci.errors import FilesError


def kept(lines: list[str], *paths: str) -> list[str]:
    """Which of the paths stay; a slash at the end marks a directory."""
    rules = ignore.compile_patterns(lines)
    return [path for path in paths if not rules.ignores(path.removesuffix("/"), path.endswith("/"))]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("a", "a", True),
        ("a", "x/a/y", True),
        ("a/", "a", False),
        ("a/", "a/", True),
        ("a/", "a/b", True),
        ("a/", "x/a", False),
        ("/a", "a", True),
        ("/a", "x/a", False),
        ("a/b", "a/b/c", True),
        ("a/b", "x/a/b", False),
        ("a/b", "a", False),
        ("a/b/", "a/b", False),
        ("a/b/", "a/b/c", True),
        ("**/b", "a/b", True),
        ("**/b", "b", True),
        ("**/a/b", "a/c/a/b", False),
        ("a/**/b", "a/x/y/b", True),
        ("a/**", "a", True),
        ("a/**", "a/b/c", True),
        ("x/**/", "x/f", True),
        ("x/**/", "x", False),
        ("/**", "a", False),
        ("**/", "a", False),
        ("**/", "a/b", True),
        ("a/**foo", "a/foo", False),
        ("**foo", "x/afoo", True),
        ("a/b**/c", "a/b/c", False),
        ("**//x", "x", True),
        ("**//x", "a/x", False),
        ("dir//sub", "dir/sub/a", True),
        ("/", "a", False),
        ("!", "a", False),
    ],
)
def test_where_a_pattern_matches(pattern: str, path: str, expected: bool) -> None:
    """Names anywhere, paths from the root, no backtracking over stars."""
    is_dir = path.endswith("/")
    assert expected == ignore.compile_patterns([pattern]).ignores(path.removesuffix("/"), is_dir)


@pytest.mark.parametrize("glob", ["[", "[]", "[]a]", "[a-]", "[-a]", "a\\", "[a", "[^]", "[a-\\"])
def test_malformed_globs_match_nothing_and_warn(glob: str) -> None:
    """A malformed glob ignores nothing, and its place is told."""
    rules = ignore.compile_patterns(["# first", glob])
    assert [] == [name for name in ("[", "a", "-", glob) if rules.ignores(name, is_dir=False)]
    assert (f"ignore:2: the pattern {glob!r} is malformed and matches nothing",) == rules.warnings


@pytest.mark.parametrize(
    ("lines", "paths", "expected"),
    [
        (["dir/", "!dir/keep.yaml"], ["dir/keep.yaml", "dir/x"], ["dir/keep.yaml"]),
        (["*", "!*.yaml"], ["a/b.yaml", "a/b.txt"], ["a/b.yaml"]),
        (["*", "!*/", "!*.yaml"], ["deploy/x.md", "x.md"], ["deploy/x.md"]),
        (["!a", "a"], ["a"], []),
        (["#a", "", "  ", "\t"], ["#a", "a"], ["#a", "a"]),
        ([" a"], ["a", " a"], ["a"]),
        (["a  ", "b\t"], ["a", "b", "b\t"], ["b"]),
        (["a\\ "], ["a", "a "], ["a"]),
        (["a\n# no\n!b\r\nc"], ["a", "b", "c", "# no"], ["b", "# no"]),
        (["a\r\r"], ["a", "a\r"], ["a"]),
    ],
)
def test_lines_and_their_order(lines: list[str], paths: list[str], expected: list[str]) -> None:
    """The last match decides, every path for itself; comments and blanks are no patterns."""
    assert expected == kept(lines, *paths)


def test_a_file_sees_only_what_is_below_it() -> None:
    """Patterns of a nested ignore file are relative to its folder, and its folder is not below itself."""
    rules = ignore.read_patterns(b"/x\r\nb\n", "a/b/.sourceignore")
    paths = ["x", "a/x", "a/b/x", "a/b/c/x", "b", "a/b", "a/b/b"]
    assert ["a/b/x", "a/b/b"] == [path for path in paths if rules.ignores(path, is_dir=False)]


def test_a_byte_order_mark_belongs_to_the_first_pattern() -> None:
    """As in Flux, a BOM is no white space."""
    assert not ignore.read_patterns(b"\xef\xbb\xbfa\n", ".sourceignore").ignores("a", is_dir=False)


def test_bad_lines_are_told_at_once() -> None:
    """Every line that is not UTF-8 is a fault with file and line."""
    with pytest.raises(ExceptionGroup) as caught:
        ignore.read_patterns(b"a\n\xff\nb\n\xfe\n", "x/.sourceignore")
    assert ["x/.sourceignore:2", "x/.sourceignore:4"] == [fault.where for fault in caught.value.exceptions]


def test_a_line_has_a_limit() -> None:
    """A line over 64 KiB is no pattern that somebody wrote."""
    with pytest.raises(ExceptionGroup) as caught:
        ignore.compile_patterns(["a" * 65_537])
    assert [FilesError] == [type(fault) for fault in caught.value.exceptions]


def test_ignore_files_are_collected_downwards() -> None:
    """Outer files come first, so inner ones overrule them; those below .git do not count."""
    files = {"d/.sourceignore": b"!x", ".sourceignore": b"x", "d/x": b"", ".git/.sourceignore": b"d"}
    rules = ignore.collect(files)
    assert ["d/x"] == [path for path in ("x", "d/x") if not rules.ignores(path, is_dir=False)]
    assert 2 == len(rules.rules)


def test_defaults_of_a_source() -> None:
    """With own patterns only version control files are left out besides, without any the four lists of Flux."""
    paths = ["a.yaml", ".gitignore", "x.png", ".github/w.yml", "d/.sops.yaml"]
    none, own = ignore.compile_patterns(["# only a comment"]), ignore.compile_patterns(["a.yaml"])
    assert ["a.yaml"] == [path for path in paths if not ignore.for_source(none).ignores(path, is_dir=False)]
    assert paths[2:] == [path for path in paths if not ignore.for_source(own).ignores(path, is_dir=False)]


def test_includes() -> None:
    """A list says whether it takes something back in."""
    assert [False, True] == [ignore.compile_patterns(["a", line]).includes for line in ("b", "!a/b")]
