# SPDX-License-Identifier: Apache-2.0
"""The objects of an artifact as text that may be kept in a state and shown to anybody."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from kubeoci import yaml
from kubeoci.cluster.mask import Masks
from kubeoci.identity import ObjectId
from kubeoci.objects import Object

MAX_OBJECT_BYTES = 16 * 1024
"""Bytes of one object's text; a larger one (a CRD, a dashboard) is held as its size and hash."""
MAX_TOTAL_BYTES = 512 * 1024
"""Bytes of all texts together; past this every object is held as its size and hash."""


def documents(objects: Sequence[Object], masks: Masks) -> dict[str, str]:
    """`str(id)` -> masked canonical YAML of at least two lines, so that an engine can show what differs inside it."""
    texts = {str(item.id): yaml.dump(masks.body(item.body)) for item in objects}
    shown = {name: _shown(text) for name, text in texts.items()}
    if sum(map(_size, shown.values())) <= MAX_TOTAL_BYTES:
        return shown
    return {name: summary(text) for name, text in texts.items()}


def drifted(objects: Sequence[Object], live: Mapping[ObjectId, dict[str, Any]]) -> dict[str, str]:
    """The same for the `live` values of some of the objects.

    A masked value that differs from the desired one reads `*** (after)`: else nobody would see that it drifted.
    """
    masks = Masks([*(item.body for item in objects), *live.values()])
    bodies = {item.id: masks.pair(item.body, live[item.id])[1] for item in objects if item.id in live}
    return {str(ident): _shown(yaml.dump(body)) for ident, body in bodies.items()}


def _shown(text: str) -> str:
    return text if _size(text) <= MAX_OBJECT_BYTES else summary(text)


def summary(text: str) -> str:
    """Size in bytes and SHA-256 of a masked text, as a YAML mapping of two lines."""
    return yaml.dump({"sha256": hashlib.sha256(text.encode()).hexdigest(), "size": _size(text)})


def _size(text: str) -> int:
    return len(text.encode())
