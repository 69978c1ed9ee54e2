# SPDX-License-Identifier: Apache-2.0
"""Whatever a user writes as a reference, a range, a filter or an ignore pattern: our own errors only, and soon."""

from hypothesis import strategies as st

from kubeoci import ignore, ranges, reference
from kubeoci.errors import KubeociError
from kubeoci.ignore import Patterns
from kubeoci.ranges import Range
from kubeoci.reference import Reference
from properties.effort import outcome, repeated, tried

addresses = st.one_of(
    st.text(max_size=60),
    repeated(
        ("oci://", "registry.test", ":", "5000", "/", "a", "-", "_", ".", "@", "sha256:", "[", "]", "é", "%2f", "\0"),
        5000,
    ),
)


@tried(addresses)
def test_references(text: str) -> None:
    """A reference is refused, or it is written again as something that means the same."""
    found = outcome(reference.parse, text)
    assert isinstance(found, Reference | KubeociError)
    if isinstance(found, Reference):
        assert found == reference.parse(str(found))


comparisons = repeated(
    (">=", "<", "!=", "~", "^", "=", " ", ",", "||", " - ", "1", "0", ".", "x", "*", "-rc.1", "+b", "v", "\n"), 600
)
tags = st.one_of(
    st.text(max_size=20),
    st.from_regex(r"v?[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(-[a-z0-9.]{1,5})?", fullmatch=True),
    repeated(("1", ".", "0", "-", "a", "+", "9"), 300),
)


@tried(st.tuples(comparisons | st.text(max_size=40), st.lists(tags, max_size=6)))
def test_ranges(given: tuple[str, list[str]]) -> None:
    """A range is refused, or chooses one of the tags, whatever their order, or says that none fits."""
    text, seen = given
    found = outcome(ranges.parse, text)
    assert isinstance(found, Range | KubeociError)
    if isinstance(found, Range):
        chosen, again = (outcome(ranges.select, order, found) for order in (seen, seen[::-1]))
        assert isinstance(chosen, KubeociError) or (chosen == again and chosen.tag in seen)


@tried(
    st.tuples(
        st.one_of(
            st.text(max_size=30), repeated(("a", "(", ")", "[", "]", "|", "\\d", "{2}", "^", "$", ".", "?", "(?:"), 200)
        ),
        st.lists(tags, max_size=3),
    )
)
def test_filters(given: tuple[str, list[str]]) -> None:
    """A filter is refused, or decides about every tag."""
    found = outcome(ranges.compile_filter, given[0])
    if not isinstance(found, KubeociError):
        for tag in given[1]:
            assert outcome(found.search, tag[:128]) in (True, False)


paths = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
    | st.just("a" * 200),
    min_size=1,
    max_size=5,
).map("/".join)
lines = repeated(
    ("*", "**", "/", "!", "#", "?", "[", "]", "a", "[^a]", "[a-z]", "\\", " ", "-", "\n", "\r", "é"), 1000
).map(str.encode)


@tried(st.tuples(lines | st.binary(max_size=60), paths, st.booleans()))
def test_ignore_patterns(given: tuple[bytes, str, bool]) -> None:
    """An ignore file is refused, or decides about every path the same way twice."""
    content, path, is_dir = given
    found = outcome(ignore.read_patterns, content, "deep/.sourceignore")
    assert isinstance(found, Patterns | ExceptionGroup)
    if isinstance(found, Patterns):
        assert outcome(found.ignores, f"deep/{path}", is_dir) is found.ignores(f"deep/{path}", is_dir)
