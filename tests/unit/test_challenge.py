# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.challenge: RFC 9110 as servers really write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeoci.registry.challenge import Challenge, merge, parse, preferred

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic", [("basic", {})]),
        ('BASIC Realm = "a, \\"b\\""', [("basic", {"realm": 'a, "b"'})]),
        (
            HUB,
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'Negotiate abc==, Basic realm=x, charset="UTF-8"',
            [("negotiate", {}), ("basic", {"realm": "x", "charset": "UTF-8"})],
        ),
        ("Negotiate, Bearer realm=r", [("negotiate", {}), ("bearer", {"realm": "r"})]),
        ("Bearer a=1, a=2", [("bearer", {"a": "1"})]),
        ("", []),
        (',,"', []),
        ('realm="orphan"', []),
    ],
)
def test_parse(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    """Schemes and parameters, whatever their case, spaces, quotes and neighbours."""
    assert [Challenge(scheme, values) for scheme, values in expected] == parse([header])


def test_bearer_is_preferred() -> None:
    """A token says less about its holder than a password."""
    assert "bearer" == getattr(preferred(parse(["Basic realm=x", HUB])), "scheme", None)
    assert "basic" == getattr(preferred(parse(["Digest a=b", "Basic realm=x"])), "scheme", None)
    assert preferred(parse(["Digest a=b"])) is None


def test_scopes_are_merged_and_sorted() -> None:
    """One text per resource, so that equal needs share a token."""
    assert ("repository:a:pull,push", "repository:b:pull") == merge(
        "repository:b:pull repository:a:push", "repository:a:pull"
    )
    assert ("registry:catalog:*", "x") == merge("x", "registry:catalog:*", "")


@given(st.text())
def test_nothing_breaks_the_parser(header: str) -> None:
    """Headers come from strangers."""
    assert isinstance(parse([header]), list)
