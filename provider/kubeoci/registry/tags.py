# SPDX-License-Identifier: Apache-2.0
"""The tags of a repository: page after page, as far as the registry itself points, and no further than is sane."""

import json
import re
from collections.abc import Callable
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from kubeoci import reference
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError
from kubeoci.registry.address import absolute
from kubeoci.registry.answer import Answer, failure, visible
from kubeoci.registry.connections import Origin
from kubeoci.registry.parallel import CHECKS, together
from kubeoci.registry.protocols import Lister, Place, Resolver
from kubeoci.registry.transport import Limits, Request

_LINK = re.compile(r"<([^<>]*)>((?:\s*;[^,]*)*)")
_NEXT = re.compile(r';\s*rel\s*=\s*"?next"?\s*(?:;|$)', re.IGNORECASE)
_FOR_TOOLS = re.compile(r".+\.(?:sig|att|sbom)|sha256-[0-9a-f]{64}")
_PAGE = 1000  # ECR refuses more
_OK = 200
_BAD = 400

P = TypeVar("P", bound=Place)
P_contra = TypeVar("P_contra", bound=Place, contravariant=True)


class Named(Lister[P_contra], Resolver[P_contra], Protocol[P_contra]):
    """Knows all tags and what they mean."""


def with_digests(registry: Named[P], place: P, *, for_tools: bool = False) -> dict[str, Digest]:
    """Every tag with its digest, in the order of the registry: a request for each, and those for the list.

    Tags under which tools keep signatures and lists of referrers are nothing to look at: they are left out, unasked,
    unless `for_tools`. So is a tag that goes meanwhile.

    Raises `registry.not_found` where there is no such place, and what `registry` raises.
    """
    tags = [tag for tag in registry.tags(place) if for_tools or not _FOR_TOOLS.fullmatch(tag)]
    found = together(lambda tag: registry.tag(place, tag), tags, CHECKS)
    return {tag: digest for tag, digest in zip(tags, found, strict=True) if digest}


def list_tags(url: str, send: Callable[[Request], Answer], limits: Limits) -> list[str]:
    """All tags behind `url` (`…/tags/list`). Raises `registry.not_found`, `registry.too_large`, `registry.failed`."""
    answer = send(Request("GET", f"{url}?n={_PAGE}", max_bytes=limits.max_tag_page_bytes))
    if answer.status == _BAD:  # some know no page size
        answer = send(Request("GET", url, max_bytes=limits.max_tag_page_bytes))
    tags, seen = _page(answer), {answer.url}
    while following := next_page(answer):
        if following in seen:
            raise RegistryError("registry.failed", "the pages of the tag list go in a circle", where=visible(url))
        if len(tags) > limits.max_tags or len(seen) >= limits.max_tag_pages:
            raise RegistryError("registry.too_large", f"more than {len(tags)} tags", where=visible(url))
        seen.add(following)
        answer = send(Request("GET", following, max_bytes=limits.max_tag_page_bytes))
        tags += _page(answer)
    return tags


def next_page(answer: Answer, what: str = "tags") -> str:
    """The URL of the `Link` with `rel="next"`, or an empty text. Raises `registry.unsafe_redirect` if it leads away."""
    for header in answer.headers.get("link", ()):
        for target, parameters in _LINK.findall(header):
            if _NEXT.search(parameters):
                url = absolute(answer, str(target))
                if Origin.of(url) != Origin.of(answer.url) or urlsplit(url).path != urlsplit(answer.url).path:
                    reason = f"the next page of {what} is elsewhere: {visible(url)}"
                    raise RegistryError("registry.unsafe_redirect", reason, where=answer.place)
                return url
    return ""


def _is_tag(tag: object) -> bool:
    """Whether this can be shown and asked for."""
    try:
        return isinstance(tag, str) and bool(reference.check_tag(tag))
    except KubeociError:
        return False


def _page(answer: Answer) -> list[str]:
    if answer.status != _OK:
        raise failure(answer)
    try:
        tags = json.loads(answer.body)["tags"] or []
    except (ValueError, TypeError, KeyError, RecursionError):
        tags = None
    if not isinstance(tags, list) or not all(_is_tag(tag) for tag in tags):
        raise RegistryError("registry.failed", "the answer is no list of tags", where=answer.place)
    return tags
