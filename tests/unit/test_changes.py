# SPDX-License-Identifier: Apache-2.0
"""Changes in words."""

from kubeoci.changes import Action, Change, listed, remarks, summary
from kubeoci.identity import ObjectId


def change(name: str, action: Action = Action.CONFIGURED, note: str = "") -> Change:
    """Of a ConfigMap."""
    return Change(ObjectId("", "ConfigMap", "shop", name), action, "v1", (), note)


def test_summary_counts() -> None:
    """In the order of the actions, without zeros."""
    changes = [change("a"), change("b", Action.CREATED), change("c")]
    assert ("1 created, 2 configured", "no objects") == (summary(changes), summary([]))


def test_listed() -> None:
    """Some names, and how many there are besides."""
    assert ["", "a", "a, b", "a, b and 2 more"] == [listed(names, 2) for names in ("", "a", "ab", "abcd")]


def test_remarks_are_told_together() -> None:
    """One line for each action and note; nothing for a change without a note."""
    adopted = [change(name, note="adopted from helm") for name in "abcde"]
    changes = [change("x"), *adopted, change("y", Action.UNCHANGED, "adopted from helm")]
    names = ", ".join(f"ConfigMap/shop/{name}" for name in "abc")
    assert [
        f"{names} and 2 more configured (adopted from helm)",
        "ConfigMap/shop/y unchanged (adopted from helm)",
    ] == remarks(changes)
