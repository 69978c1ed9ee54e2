# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.claims: what is wanted is there, exactly, and what is not wanted does not matter."""

import pytest

from kubeoci.digest import Digest
from kubeoci.trust.claims import Claims
from kubeoci.trust.evidence import Reason, Rejected

DIGEST = Digest("sha256:" + "ab" * 32)


@pytest.mark.parametrize(("wanted", "named"), [(None, None), (None, "app"), ("app", "app")])
def test_reference_holds(wanted: str | None, named: str | None) -> None:
    """Where none is wanted, any will do."""
    Claims(DIGEST, (), reference=wanted).check_reference(named)


@pytest.mark.parametrize(("wanted", "named"), [("app", None), ("app", "App"), ("app", "app\n"), ("app", "")])
def test_reference_does_not_hold(wanted: str, named: str | None) -> None:
    """It is compared as a whole, and a missing one is another one."""
    with pytest.raises(Rejected, match="not 'app'") as caught:
        Claims(DIGEST, (), reference=wanted).check_reference(named)
    assert Reason.REFERENCE == caught.value.reason


@pytest.mark.parametrize("notes", [{"a": "1", "b": "2"}, {"a": "1", "b": "2", "c": None}])
def test_annotations_hold(notes: dict[str, object]) -> None:
    """More of them do no harm."""
    Claims(DIGEST, (), {"a": "1", "b": "2"}).check_annotations(notes)


@pytest.mark.parametrize(
    ("lacking", "notes"),
    [
        ("a=1, b=2", {}),
        ("b=2", {"a": "1"}),
        ("b=2", {"a": "1", "B": "2"}),
        ("b=2", {"a": "1", "b": 2}),
        ("b=2", {"a": "1", "b": ["2"]}),
        ("a=1", {"a": True, "b": "2"}),
    ],
)
def test_annotations_do_not_hold(lacking: str, notes: dict[str, object]) -> None:
    """Each has to be there as a text; those that are not are told."""
    with pytest.raises(Rejected) as caught:
        Claims(DIGEST, (), {"b": "2", "a": "1"}).check_annotations(notes)
    assert (Reason.ANNOTATION, f"it is not annotated {lacking}") == (caught.value.reason, caught.value.text)
