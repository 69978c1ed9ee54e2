# SPDX-License-Identifier: Apache-2.0
"""What a user adds to a kustomization without effect: kustomize passes over it in silence, we do not."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from kubeoci.kustomize.overlay import Image, Overlay

_TAG = re.compile(r"(:[^:/@]*)?(@.*)?$")


def warnings(added: Overlay, bodies: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A warning for each image that no object has, once they are built."""
    names = {_TAG.sub("", text) for body in bodies for text in _images(body)} if added.images else set()
    for index, image in enumerate(added.images):
        if not any(_fits(image, name) for name in names):
            yield f"images[{index}]: no object has an image called {image.name}"


def _fits(image: Image, name: str) -> bool:
    """Whether it is the name that the image has now; kustomize takes the old one for a regular expression."""
    if image.new_name:
        return name == image.new_name
    try:
        return bool(re.fullmatch(image.name, name))
    except re.error:
        return name == image.name


def _images(node: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Every text in a field `image`, wherever a kind has it."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "image" and isinstance(value, str):
                yield value
            else:
                yield from _images(value)
    elif isinstance(node, list):
        for item in node:
            yield from _images(item)
