# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.strict: what two readers could understand differently is read by nobody."""

from collections.abc import Callable

import pytest

from kubeoci.trust import strict
from kubeoci.trust.evidence import Reason, Rejected

PEM = "-----BEGIN CERTIFICATE-----\nQUJD\nREVG\n-----END CERTIFICATE-----\n"


def test_plain_document_is_read() -> None:
    """Names, texts, numbers, lists and null come back as they stand there."""
    expected = {"a": [1, 0.5, None, True], "Ä": {"b": "é\U0001f600"}}
    assert expected == strict.document('{"a":[1,0.5,null,true],"Ä":{"b":"é\\ud83d\\ude00"}}'.encode(), "it")


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"\xff{}", "UTF-8"),
        ("\ufeff{}".encode(), "no JSON"),
        ('{"a":1}'.encode("utf-16"), "UTF-8"),
        (b'{"a":"\\ud800"}', "UTF-8"),
        (b'{"\\udfff":1}', "UTF-8"),
        (b"", "no JSON"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"{} {}", "no JSON"),
        (b'{"a":1,"a":1}', "twice"),
        (b'{"a":1,"A":1}', "twice"),
        ('{"k":1,"\u212a":1}'.encode(), "twice"),
        ('{"s":1,"\u017f":1}'.encode(), "twice"),
        (b'{"x":[{"a":1,"a":1}]}', "twice"),
        (b'{"a":NaN}', "no number"),
        (b'{"a":-Infinity}', "no number"),
        (b'{"a":1e999}', "no number"),
        (b'{"a":' + b"9" * 5000 + b"}", "too long"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested too deeply"),
        (b'{"a":' + b"[" * 200_000, "nested too deeply"),
        (b"{'a':1}", "no JSON"),
        (b'{"a":1,}', "no JSON"),
        (b'{"a":"\n"}', "no JSON"),
    ],
)
def test_ambiguous_documents_are_refused(raw: bytes, what: str) -> None:
    """Encodings, names, numbers and depths that readers disagree on."""
    with pytest.raises(Rejected, match=what) as caught:
        strict.document(raw, "it")
    assert Reason.MALFORMED == caught.value.reason


def test_depth_up_to_the_limit() -> None:
    """What is nested as deep as it may be is read."""
    assert {"a"} == strict.document(b'{"a":' * 63 + b"1" + b"}" * 63, "it").keys()


def test_members_are_a_closed_list() -> None:
    """All that must be there and what may be there."""
    assert {"a": 1, "b": 2} == strict.members({"a": 1, "b": 2}, "it", ["a"], ["b", "c"])


@pytest.mark.parametrize(
    ("read", "value", "what"),
    [
        (strict.mapping, [], "it is no object"),
        (strict.mapping, None, "it is no object"),
        (lambda value, where: strict.members(value, where, ["a"]), {}, "it has no a"),
        (lambda value, where: strict.members(value, where, ["a"]), {"a": 1, "A": 1}, "'A', which has no place"),
        (strict.items, {}, "it is no list"),
        (strict.items, "ab", "it is no list"),
        (strict.text, None, "it is no text"),
        (strict.text, 1, "it is no text"),
        (strict.integer, True, "no whole number"),
        (strict.integer, 1.0, "no whole number"),
        (strict.integer, "1", "no whole number"),
        (strict.integer, None, "no whole number"),
        (strict.integer, -1, "no whole number"),
        (strict.integer, 1 << 53, "no whole number"),
        (strict.numeral, 1, "it is no text"),
        (strict.numeral, "", "no text of decimal digits"),
        (strict.numeral, "01", "no text of decimal digits"),
        (strict.numeral, "-1", "no text of decimal digits"),
        (strict.numeral, "1\n", "no text of decimal digits"),
        (strict.numeral, "\u0661", "no text of decimal digits"),
        (strict.numeral, "9007199254740992", "no whole number"),
        (strict.base64, None, "it is no text"),
        (strict.base64, "", "it is empty"),
        (strict.base64, "QUJ", "it is no base64"),
        (strict.base64, "QUI", "it is no base64"),
        (strict.base64, "QUJ=", "could be spelled otherwise"),
        (strict.base64, "QUJD\n", "it is no base64"),
        (strict.base64, "-_-_", "it is no base64"),
        (strict.base64, "QUJDé", "it is no base64"),
        (strict.base64, "QQ==QQ==", "it is no base64"),
        (strict.hexadecimal, "", "lower-case hexadecimal"),
        (strict.hexadecimal, "AB", "lower-case hexadecimal"),
        (strict.hexadecimal, "abc", "lower-case hexadecimal"),
        (strict.hexadecimal, None, "it is no text"),
    ],
)
def test_wrong_shapes_are_refused(read: Callable[[object, str], object], value: object, what: str) -> None:
    """Each reader takes its own shape only, and says where."""
    with pytest.raises(Rejected, match=what) as caught:
        read(value, "it")
    assert Reason.MALFORMED == caught.value.reason


@pytest.mark.parametrize(
    ("expected", "read", "value"),
    [
        (strict.MAX_INTEGER, strict.integer, strict.MAX_INTEGER),
        (0, strict.integer, 0),
        (0, strict.numeral, "0"),
        (1669361833, strict.numeral, "1669361833"),
        (b"AB", strict.base64, "QUI="),
        (b"\xff\xef\xbe", strict.base64, "/+++"),
        (b"\xab\x0c", strict.hexadecimal, "ab0c"),
    ],
)
def test_right_shapes_are_read(expected: object, read: Callable[[object, str], object], value: object) -> None:
    """The limits themselves are within."""
    assert expected == read(value, "it")


@pytest.mark.parametrize("text", [PEM, PEM.rstrip("\n")])
def test_pem_is_read(text: str) -> None:
    """One block, with or without a line end behind it."""
    assert b"ABCDEF" == strict.pem(text, "CERTIFICATE", "it")


@pytest.mark.parametrize(
    "text",
    [
        "",
        f" {PEM}",
        f"{PEM}\n",
        f"{PEM}{PEM}",
        PEM.replace("CERTIFICATE", "PUBLIC KEY"),
        PEM.replace("QUJD\n", "QUJD\n-----BEGIN CERTIFICATE-----\n"),
        PEM.replace("QUJD", "QUJD "),
        PEM.replace("QUJD\nREVG\n", "\n"),
        PEM.replace("QUJD\nREVG\n", ""),
        PEM.replace("REVG", "REV="),
        PEM.replace("\n", "\r\n"),
    ],
)
def test_other_pem_is_refused(text: str) -> None:
    """Another type, more than one block, text around it, and loose base64."""
    with pytest.raises(Rejected, match="it is") as caught:
        strict.pem(text, "CERTIFICATE", "it")
    assert Reason.MALFORMED == caught.value.reason


def test_large_pem_is_not_looked_at() -> None:
    """A chain of any length would fit into an annotation."""
    with pytest.raises(Rejected, match="larger than 65536") as caught:
        strict.pem("-" * 65537, "CERTIFICATE", "it")
    assert Reason.LIMIT == caught.value.reason
