# SPDX-License-Identifier: Apache-2.0
"""What YAML and JSON mean to us, and how we write it."""

import contextlib
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeoci import yaml
from kubeoci.errors import ManifestError

STRINGS = ("no", "on", "yes", "Yes", "NO", "y", "n", "Off", "tRue", "1:30", "22:22", "=", "<<", "2001-01-01")
NO_NUMBERS = ("0x", "0b", "0o8", "0b12", "_1", "+", ".", "._5", "1e3x", "0x_", "0X1F", "1e400", "-1e999", ".infinity")

SCALARS: list[tuple[str, Any]] = [
    *[(word, word) for word in STRINGS],
    *[(word, True) for word in ("true", "True", "TRUE")],
    *[(word, False) for word in ("false", "False", "FALSE")],
    *[(word, None) for word in ("~", "null", "Null", "NULL", "")],
    *[("017", 15), ("0o17", 15), ("08", 8), ("-08", -8), ("019", 19), ("0_7", 7), ("0", 0), ("-017", -15)],
    *[("0x1F", 31), ("-0x1F", -31), ("0b11", 3), ("+1", 1), ("1_000", 1000), ("1__0", 10), ("1_", 1)],
    *[(word, word) for word in NO_NUMBERS],
    *[("1e3", 1000), ("1E3", 1000), ("1e+3", 1000), ("5e-1", 0.5), ("+.5", 0.5), (".5", 0.5), ("1.50", 1.5)],
    *[("1.0", 1), ("1.", 1), ("0.", 0), ("-0", 0), ("-0.0", 0), ("1_0.5", 10.5), ("1e23", 1e23)],
    *[("12345678901234567890", 12345678901234567890), ("-9223372036854775808", -(2**63))],
    *[("2001-01-01 00:00:00", "2001-01-01 00:00:00"), ("'12'", "12"), ('"no"', "no"), ('""', "")],
    *[("!!str 12", "12"), ('!!int "12"', 12), ("!!float 3", 3), ("!!bool true", True), ('!!null ""', None)],
    *[("!!binary aGk=", "hi"), ("!!timestamp 2001-01-01", "2001-01-01"), ("! 12", "12"), ("!!map {}", {})],
]

REFUSED: list[tuple[str, str, int]] = [
    ("a: .inf", "no number", 1),
    ("\na: -.INF", "no number", 2),
    ("a: .nan", "no number", 1),
    ("a: 99999999999999999999", "64 bits", 1),
    ("a: 100000000000000000000000", "64 bits", 1),
    ('a: !!bool "yes"', "!!bool", 1),
    ("a: !!int x", "!!int", 1),
    ("a: !!set {x}", "!!set", 1),
    ("a: !foo bar", "!foo", 1),
    ("a: !<str> bar", "tag str", 1),
    ("a: !!binary /w==", "UTF-8", 1),
    ("a: !!binary '*'", "base64", 1),
    ("b: 1\na: 1\nb: 2", "line 1", 3),
    ("a:\n  x: 1\n  'x': 2", "line 2", 3),
    ("1: a\n'1': b", "line 1", 2),
    ("~: 1", "null", 1),
    ("? \n: 1", "null", 1),
    ("[1]: 1", "scalar", 1),
    ("!!int 1: 1", "!!int", 1),
    ("a: &x 1\n*x : 2", "alias", 2),
    ("a: *x", "no anchor", 1),
    ("a: &x\n  b: *x", "inside", 2),
    ("x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x", "second <<", 4),
    ("a:\n  <<: 1", "takes a mapping", 2),
    ("a:\n  <<: [1]", "takes a mapping", 2),
    ("%YAML 1.1\n---\na: 1", "directives", 1),
    ("a:\n\t- b", "not with tabs", 2),
    ("a: [1", "expected", 1),
    ("a: b\n\x00", "U\\+0000", 2),
    ("a: \x07", "U\\+0007", 1),
    ("[" * 101 + "]" * 101, "100 deep", 1),
]

MERGES: list[tuple[str, Any]] = [
    ("<<: {a: 1, b: 1}\na: 2", {"a": 2, "b": 1}),
    ("a: 2\n<<: {a: 1, b: 1}", {"a": 2, "b": 1}),
    ("<<: [{a: 1}, {a: 2, b: 2}]", {"a": 1, "b": 2}),
    ("'<<': {a: 1}", {"<<": {"a": 1}}),
    ("x: &x {a: {b: 1}}\ny: {<<: *x}", {"x": {"a": {"b": 1}}, "y": {"a": {"b": 1}}}),
]


def one(text: str, file: str = "a.yaml") -> Any:  # noqa: ANN401 - any YAML value
    """The value of the only document."""
    (document,) = yaml.load(text.encode(), file)
    return document.value


def refusal(data: bytes, file: str = "a.yaml") -> ManifestError:
    """The error that a file gets."""
    with pytest.raises(ManifestError) as caught:
        yaml.load(data, file)
    return caught.value


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalar(text: str, value: Any) -> None:  # noqa: ANN401 - any YAML value
    """A scalar means what kustomize takes it for, with its exact type."""
    found = one(f"a: {text}")["a"]
    assert (type(value), value) == (type(found), found)


@pytest.mark.parametrize(("text", "words", "line"), REFUSED)
def test_refused(text: str, words: str, line: int) -> None:
    """What Kubernetes cannot hold, or what readers disagree on, is an error at its line."""
    error = refusal(text.encode())
    assert ("manifest.invalid", f"a.yaml:{line}") == (error.code, error.where)
    with pytest.raises(ManifestError, match=words):
        raise error


@pytest.mark.parametrize(("text", "value"), MERGES)
def test_merge_keys(text: str, value: Any) -> None:  # noqa: ANN401 - any YAML value
    """`<<` merges as in kustomize: explicit keys win wherever they stand, then the first of a list."""
    assert value == one(text)


def test_keys_are_text() -> None:
    """A key is taken by its source text, whatever type it would have as a value."""
    assert {"1": "a", "yes": "b", "1.50": "c", "true": "d"} == one("1: a\nyes: b\n1.50: c\ntrue: d")


def test_documents_and_lines() -> None:
    """Empty documents are skipped, `---` inside a block scalar splits nothing, and lines count from one."""
    found = yaml.load(b"# nothing\n---\n---\na: |\n  ---\n  x\n---\n\nb: 1\n...\n", "a.yaml")
    assert [({"a": "---\nx\n"}, 4), ({"b": 1}, 9)] == [(item.value, item.line) for item in found]


def test_item_lines() -> None:
    """The elements of a top-level `items` keep their lines."""
    (document,) = yaml.load(b"kind: List\nitems:\n- a: 1\n- b: 2\n  items: [1]\n- 3\n", "a.yaml")
    assert (3, 4, 6) == document.item_lines


def test_anchors() -> None:
    """A scalar, also a key, can be repeated as a value; an alias means the anchor that came last."""
    assert {"a": "x", "k": "x", "c": "k", "d": "y"} == one("a: &v x\n&k k: *v\nc: *k\nd: &v y")


def test_aliases_are_copies() -> None:
    """What an alias repeats can be changed without changing where it came from."""
    value = one("a: &x {b: [1]}\nc: *x")
    value["c"]["b"].append(2)
    assert {"b": [1]} == value["a"]


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfa: \xc3\xa4\r\n", b"a: \xc3\xa4"])
def test_encodings(data: bytes) -> None:
    """UTF-8 is read with and without a byte order mark, and with either line end."""
    assert {"a": "ä"} == yaml.load(data, "a.yaml")[0].value


@pytest.mark.parametrize("data", ["a: 1\nb: ä".encode("latin1"), "a: 1\nb: 2".encode("utf-16")])
def test_other_encodings(data: bytes) -> None:
    """Anything but UTF-8 is refused by name."""
    assert "the file is not UTF-8" == refusal(data).what


def test_alias_bomb() -> None:
    """Values are counted as if every alias were written out, before anything grows."""
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "more than 2000000 values" in refusal("\n".join(["a0: &a0 [x]", *rows]).encode()).what


def test_alias_depth() -> None:
    """Depth counts through aliases too."""
    rows = [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 120)]
    assert "nested more than 100 deep" == refusal("\n".join(["a0: &a0 [x]", *rows]).encode()).what


def test_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow parser, where libyaml is missing, gives the same values and refuses the same."""
    monkeypatch.setattr(yaml, "_Loader", pyyaml.SafeLoader)
    text = "".join(f"k{n}: {text}\n" for n, (text, _) in enumerate(SCALARS))
    assert [value for _, value in SCALARS] == list(one(text).values())
    assert ["a.yaml:" + str(line) for _, _, line in REFUSED] == [refusal(t.encode()).where for t, _, _ in REFUSED]


def test_file_limits() -> None:
    """Bytes and documents of a file are limited."""
    limits = yaml.Limits(max_bytes=10, max_documents=2)
    with pytest.raises(ManifestError, match="over 10 bytes"):
        yaml.load(b"x" * 11, "a.yaml", limits)
    with pytest.raises(ManifestError, match="more than 2 documents"):
        yaml.load(b"1\n---\n2\n---\n3\n", "a.yaml", yaml.Limits(max_documents=2))


def test_json() -> None:
    """A `.json` file is JSON, whole numbers are integers, and an empty one holds nothing."""
    assert {"a": [1, 1.5, None, "ü"]} == one('\n{"a": [1.0, 1.5, null, "\\u00fc"]}', "a.json")
    assert [] == yaml.load(b" \n", "a.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1,\n}', "a.json:2"),
        ('{"b": {"a": 1, "a": 2}}', "key 'a' stands twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1e400}', "1e400"),
        ('{"a": 18446744073709551616}', "64 bits"),
        ('{"a": "\\ud800"}', "U\\+D800"),
        ("[" * 102 + "]" * 102, "nested over 100 deep"),
        ("[" * 100_000, "nested over 100 deep"),
    ],
)
def test_json_refused(text: str, words: str) -> None:
    """JSON is read as strictly as YAML."""
    with pytest.raises(ManifestError, match=words):
        yaml.load(text.encode(), "a.json")


def test_dump() -> None:
    """Identity first, other keys sorted, text in blocks, and quotes where a reader could be misled."""
    body = {
        "spec": {"on": "yes", "list": [{"b": 1, "a": "x: y"}, [], {}], "text": "one\ntwo\n"},
        "metadata": {"name": "a"},
        "kind": "X",
        "apiVersion": "v1",
        "day": "2001-01-01",
    }
    assert (
        "apiVersion: v1\nkind: X\nmetadata:\n  name: a\n"
        'day: "2001-01-01"\nspec:\n  list:\n  - a: "x: y"\n    b: 1\n  - []\n  - {}\n'
        '  "on": "yes"\n  text: |\n    one\n    two\n'
    ) == yaml.dump(body)


TEXT = (
    st.text(max_size=12)
    | st.text("ab \n\t:#-'\"|>\\{}[]&*!%@0.", max_size=12)
    | st.sampled_from([t for t, _ in SCALARS])
)
LEAVES = (
    TEXT
    | st.integers(-(2**63), 2**64 - 1)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))


@settings(max_examples=400, deadline=None)
@given(VALUES.filter(lambda value: value is not None))
def test_dump_is_read_again(value: Any) -> None:  # noqa: ANN401 - any YAML value
    """Whatever is written is read as the same value."""
    assert value == one(yaml.dump(value))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40) | st.text("a1:-[]{}&*!|>\"'%#,? \n\t<~", max_size=40).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    """Whatever a file holds gives values or our error."""
    for file in ("a.yaml", "a.json"):
        with contextlib.suppress(ManifestError):
            assert all(document.line > 0 for document in yaml.load(data, file))


def test_long_keys() -> None:
    """A key that is too long for YAML's short form is written in the long one."""
    value = {"k" * 2000: {"a": ["b"]}, "x\n" * 900: [1], "y" * 1001: "z"}
    assert value == one(yaml.dump(value))
