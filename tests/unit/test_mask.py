# SPDX-License-Identifier: Apache-2.0
"""Secret values leave the core as three stars."""

import base64
from typing import Any

import pytest

from kubeoci.cluster.mask import Masks
from kubeoci.normalise import LAST_APPLIED

CLEAR = "hunter22"
ENCODED = base64.b64encode(CLEAR.encode()).decode()


def secret(**data: object) -> dict[str, Any]:
    """A Secret."""
    meta = {"name": "login", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "Opaque", "data": data}


def config(**data: object) -> dict[str, Any]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


def test_secret() -> None:
    """Every value of a Secret is masked, also short, binary, clear and null ones; keys and the rest stay."""
    body = secret(a=ENCODED, b="eA==", c="/w==", d=None) | {"stringData": {"e": "x"}}
    shown = {"a": "***", "b": "***", "c": "***", "d": "***"}
    assert secret(**shown) | {"stringData": {"e": "***"}} == Masks().body(body)


def test_other_kinds() -> None:
    """A value of a Secret is masked wherever it turns up whole, encoded or not."""
    masks = Masks([secret(a=ENCODED)])
    body = config(x=CLEAR, y=ENCODED, z=[{"deep": CLEAR}], url=f"https://a:{CLEAR}@b", n=1)
    assert config(x="***", y="***", z=[{"deep": "***"}], url="https://a:***@b", n=1) == masks.body(body)


@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("hunter22", "user=ann password=hunter22", "user=ann password=***"),
        ("postgres", "postgres:15", "postgres:15"),
        ("postgres", "postgres", "***"),
        ("correcthorsebattery", "a=correcthorsebattery", "a=***"),
        ("pin 123", "a pin 123 b", "a pin 123 b"),
    ],
)
def test_values_inside_other_texts(count: int, value: str, text: str, expected: str) -> None:
    """Long ones are found there, words that stand in many texts are not; the same among many Secrets."""
    more = {f"k{n}": base64.b64encode(f"value-{n:06}".encode()).decode() for n in range(count)}
    masks = Masks([secret(a=base64.b64encode(value.encode()).decode(), **more)])
    assert {"x": expected} == masks.body(config(x=text))["data"]


def test_pair_of_values_inside() -> None:
    """That they differ is shown."""
    masks = Masks([secret(a=ENCODED, b=base64.b64encode(b"hunter33").decode())])
    before, after = masks.pair(config(x=f"p={CLEAR}"), config(x="p=hunter33"))
    assert ("p=*** (before)", "p=*** (after)") == (before["data"]["x"], after["data"]["x"])


def test_foreign_secrets() -> None:
    """A kind that is only called Secret is no Secret."""
    body = secret(a="x") | {"apiVersion": "example.com/v1"}
    assert body == Masks([body]).body(body)


def test_identity_stays() -> None:
    """Name, namespace, kind and version are no secret, even if a Secret holds the same words."""
    words = [base64.b64encode(word.encode()).decode() for word in ("default", "login", "Secret")]
    body = secret(a=words[0], b=words[1], c=words[2])
    assert ("Secret", body["metadata"]) == (Masks([body]).body(body)["kind"], Masks([body]).body(body)["metadata"])


def test_metadata() -> None:
    """ManagedFields go, and the annotation of client-side kubectl is masked on every kind."""
    body = config()
    body["metadata"] |= {"managedFields": [{}], "annotations": {LAST_APPLIED: "{}", "a": CLEAR}}
    shown = Masks([secret(a=ENCODED)]).body(body)["metadata"]
    assert {"name": "c", "annotations": {LAST_APPLIED: "***", "a": "***"}} == shown
    assert "managedFields" in body["metadata"]


def test_pair() -> None:
    """A pair shows which masked values differ, without showing them."""
    before, after = Masks().pair(secret(a="eA==", b="eQ==", c="eg=="), secret(a="eA==", b="eg==", d="eg=="))
    assert {"a": "***", "b": "*** (before)", "c": "*** (before)"} == before["data"]
    assert {"a": "***", "b": "*** (after)", "d": "*** (after)"} == after["data"]


def test_pair_of_other_kinds() -> None:
    """So it does where a secret value stands in another object."""
    masks = Masks([secret(a=ENCODED)])
    before, after = masks.pair(config(x=[CLEAR, CLEAR]), config(x=[CLEAR]))
    assert (["***", "*** (before)"], ["***"]) == (before["data"]["x"], after["data"]["x"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"bad value {CLEAR}!", "bad value ***!"),
        (f"x{ENCODED}x", "x***x"),
        ("pins", "pins"),
        ("pin: 1234", "pin: ***"),
        ("port 12345", "port 12345"),
        (r'"two\nlines of it"', '"***"'),
        ("abc", "abc"),
    ],
)
def test_text(text: str, expected: str) -> None:
    """Messages are cleaned of every known value; a short one counts only as a word."""
    values = [CLEAR, "1234", "two\nlines of it", "abc"]
    masks = Masks([secret(**{f"k{n}": base64.b64encode(v.encode()).decode() for n, v in enumerate(values)})])
    assert expected == masks.text(text)


def test_binary_values() -> None:
    """A value that is no text is known by its base64 form."""
    assert "x ***" == Masks([secret(a="//79/Pv6")]).text("x //79/Pv6")


def test_learning() -> None:
    """Values may be learnt later, from `stringData` too; the masks themselves tell nothing."""
    masks = Masks()
    assert CLEAR == masks.text(CLEAR)
    masks.learn({"apiVersion": "v1", "kind": "Secret", "data": None, "stringData": {"a": CLEAR, "b": 7}})
    assert ("***", False) == (masks.text(CLEAR), CLEAR in repr(masks))
