# SPDX-License-Identifier: Apache-2.0
"""Where an answer points to: its `Location`, the next page, a realm."""

from urllib.parse import urljoin, urlsplit

from kubeoci.errors import RegistryError
from kubeoci.registry.answer import Answer


def absolute(answer: Answer, target: str) -> str:
    """`target` as a whole URL, seen from the request that was answered.

    Raises `registry.unsafe_redirect` for what is no URL at all, such as `//[`.
    """
    try:
        url = urljoin(answer.url, target)
        urlsplit(url)
    except ValueError:
        what = f"the registry points to {target[:80]!r}, which is no URL"
        raise RegistryError("registry.unsafe_redirect", what, where=answer.place) from None
    return url
