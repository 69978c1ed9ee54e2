# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.tags: pages, and servers that point astray."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kubeoci import digest, reference
from kubeoci.errors import RegistryError
from kubeoci.registry.answer import Answer
from kubeoci.registry.tags import list_tags, next_page, with_digests
from kubeoci.registry.transport import Limits, Request
from simulator.client import connect
from simulator.registry import RegistrySimulator

URL = "https://reg.io/v2/app/tags/list"


def page(url: str, link: str = "", body: bytes = b'{"tags": ["v1"]}', status: int = 200) -> Answer:
    """One page, with a `Link` header if given."""
    return Answer("GET", url, status, {"link": (link,)} if link else {}, body)


def serve(*answers: Answer) -> Callable[[Request], Answer]:
    """Gives one answer after the other."""
    rest = iter(answers)
    return lambda _request: next(rest)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("", ""),
        ('</v2/app/tags/list?last=a>; rel="next"', f"{URL}?last=a"),
        ("<?last=a%2Fb>; rel=next", f"{URL}?last=a%2Fb"),
        (f'<{URL}?n=1>; title="x"; REL="next"', f"{URL}?n=1"),
        ('<x>; rel="prev", <?n=2>; rel="next"', f"{URL}?n=2"),
        ('<x>; rel="prev"', ""),
        ("junk", ""),
    ],
)
def test_next_page(link: str, expected: str) -> None:
    """Only `rel="next"` counts; relative targets are resolved, queries kept as they are."""
    assert expected == next_page(page(URL, link))


@pytest.mark.parametrize(
    "target", ["https://evil.io/v2/app/tags/list", "http://reg.io/v2/app/tags/list", "/v2/other/tags/list"]
)
def test_pages_elsewhere_are_refused(target: str) -> None:
    """Credentials would follow."""
    with pytest.raises(RegistryError) as caught:
        next_page(page(URL, f'<{target}>; rel="next"'))
    assert "registry.unsafe_redirect" == caught.value.code


def test_circle_is_told() -> None:
    """A page that was seen is not read again."""
    again = page(URL, '<?last=a>; rel="next"')
    with pytest.raises(RegistryError, match="in a circle"):
        list_tags(URL, serve(again, again, again), Limits())


@pytest.mark.parametrize("limits", [Limits(max_tags=1), Limits(max_tag_pages=2)])
def test_too_many_tags_are_refused(limits: Limits) -> None:
    """By number and by pages."""
    pages = [page(f"{URL}?{number}", f'<?{number + 1}>; rel="next"') for number in range(5)]
    with pytest.raises(RegistryError) as caught:
        list_tags(URL, serve(*pages), limits)
    assert "registry.too_large" == caught.value.code


def test_registry_without_page_sizes() -> None:
    """Some answer 400 to `n`; they are asked again without it."""
    assert ["v1"] == list_tags(URL, serve(page(URL, status=400), page(URL)), Limits())


def test_no_tags() -> None:
    """Go writes an empty list as null."""
    assert [] == list_tags(URL, serve(page(URL, body=b'{"tags": null}')), Limits())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"tags": 1}', b'{"tags": [1]}'])
def test_junk_is_told(body: bytes) -> None:
    """An answer of something that is no registry."""
    with pytest.raises(RegistryError, match="no list of tags"):
        list_tags(URL, serve(page(URL, body=body)), Limits())


def test_missing_repository_is_told() -> None:
    """It is not an empty one."""
    with pytest.raises(RegistryError, match=r"registry\.not_found"):
        list_tags(URL, serve(page(URL, status=404)), Limits())


MANIFEST = b'{"schemaVersion": 2}'
TOOLS = ["sha256-" + "a" * 64, "sha256-" + "a" * 64 + ".sig", "v1.att", "v1.sbom"]


def test_tags_with_digests_take_a_request_each(tmp_path: Path) -> None:
    """And one for the list; what tools keep under tags is not asked for, unless it is meant."""
    shown = [f"v{number:03}" for number in range(200)] + ["sha256-" + "a" * 63, "sig", "v1.sigs"]
    with RegistrySimulator() as server:
        for tag in (*shown, *TOOLS):
            server.add("app", tag, MANIFEST, "x")
        app = reference.parse(f"{server.host}/app").repository
        assert dict.fromkeys(sorted(shown), digest.of(MANIFEST)) == with_digests(connect(tmp_path), app)
        assert "GET /v2/app/tags/list" == server.requests[0]
        assert sorted(f"HEAD /v2/app/manifests/{tag}" for tag in shown) == sorted(server.requests[1:])
        assert {*shown, *TOOLS} == set(with_digests(connect(tmp_path), app, for_tools=True))


def test_a_tag_that_goes_meanwhile_is_left_out(tmp_path: Path) -> None:
    """It was there when the list was made."""
    with RegistrySimulator() as server:
        for tag in ("v1", "v2"):
            server.add("app", tag, MANIFEST, "x")
        server.after["GET /v2/app/tags/list"] = lambda: server.tags["app"].pop("v1") and None
        app = reference.parse(f"{server.host}/app").repository
        assert {"v2": digest.of(MANIFEST)} == with_digests(connect(tmp_path), app)
