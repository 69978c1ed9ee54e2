# SPDX-License-Identifier: Apache-2.0
"""Labels and annotations that every object gets."""

import pytest

from kubeoci.commonmetadata import NONE, CommonMetadata


def test_put_on() -> None:
    """Both go beside what is there and win over it."""
    body = {"metadata": {"name": "a", "labels": {"x": "1", "y": "2"}}}
    CommonMetadata({"x": "3"}, {"n": ""}).put_on(body)
    assert {"metadata": {"name": "a", "labels": {"x": "3", "y": "2"}, "annotations": {"n": ""}}} == body


def test_objects_do_not_share_it() -> None:
    """What is changed on one object later does not change the others."""
    common, bodies = CommonMetadata({"x": "1"}), [{"metadata": {}}, {"metadata": {}}]
    for body in bodies:
        common.put_on(body)
    bodies[0]["metadata"]["labels"]["x"] = "2"
    assert ({"metadata": {"labels": {"x": "1"}}}, {"x": "1"}) == (bodies[1], common.labels)


def test_nothing() -> None:
    """Without it an object stays as it is: empty maps would be owned."""
    body = {"metadata": {"name": "a"}}
    NONE.put_on(body)
    assert {"metadata": {"name": "a"}} == body


@pytest.mark.parametrize(
    ("labels", "annotations", "words"),
    [
        ({"a b": "c"}, {}, "commonMetadata.labels: 'a b' is no valid key; write name or domain/name"),
        ({"a": "c d"}, {}, "commonMetadata.labels['a'] is no valid label; use up to 63 letters, digits, -, _ and ."),
        ({"a": 1}, {}, "commonMetadata.labels['a'] must be a string, this is a number; put it in quotes"),
        ({}, {"a/b/c": "x"}, "commonMetadata.annotations: 'a/b/c' is no valid key; write name or domain/name"),
        (["a"], {}, "commonMetadata.labels must be a mapping, this is a list"),
    ],
)
def test_wrong(labels: dict[str, str], annotations: dict[str, str], words: str) -> None:
    """What no API server would take is refused when it is made."""
    with pytest.raises(ExceptionGroup) as caught:
        CommonMetadata(labels, annotations)
    assert [f"{words} (input.invalid)"] == [str(error) for error in caught.value.exceptions]


def test_all_faults_at_once() -> None:
    """Labels and annotations are judged together."""
    with pytest.raises(ExceptionGroup) as caught:
        CommonMetadata({"-": "x"}, {"-": "x"})
    assert 2 == len(caught.value.exceptions)
