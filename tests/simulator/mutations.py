# SPDX-License-Identifier: Apache-2.0
"""Every small change of something signed: one bit, or one member of its JSON. Whoever verifies has to see it."""

import json
from collections.abc import Callable, Iterator

Change = Callable[[str, object], list[tuple[str, object]]]

_CHANGES: dict[str, Change] = {
    "removed": lambda _name, _value: [],
    "twice": lambda name, value: [(name, value), (name, value)],
    "null": lambda name, _value: [(name, None)],
    "in another case": lambda name, value: [(name.swapcase(), value)],
    "twice, once in another case": lambda name, value: [(name, value), (name.swapcase(), value)],
    "a number": lambda name, _value: [(name, 0)],
    "a list": lambda name, _value: [(name, [0])],
    "an object": lambda name, _value: [(name, _Pairs([("x", 0)]))],
}


class _Pairs(list[tuple[str, object]]):
    """A JSON object whose names may be there twice."""


def flips(raw: bytes, bits: int = 1) -> Iterator[tuple[str, bytes]]:
    """`raw` with one bit of each byte flipped, or with up to eight of them, one at a time; each with its name."""
    for place, byte in enumerate(raw):
        for bit in range(place, place + bits):
            changed = bytes([byte ^ 1 << bit % 8])
            yield f"bit {bit % 8} of byte {place}", raw[:place] + changed + raw[place + 1 :]


def members(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The compact JSON in `raw` with each member, at any depth, changed in each way; each with its name."""
    tree = json.loads(raw, object_pairs_hook=_Pairs)
    for path, pairs, index in list(_places(tree, "")):
        name, value = pairs[index]
        for told, change in _CHANGES.items():
            pairs[index : index + 1] = new = change(name, value)
            changed = _written(tree).encode()
            pairs[index : index + len(new)] = [(name, value)]
            if changed != raw:
                yield f"{path}.{name} {told}", changed


def _places(value: object, path: str) -> Iterator[tuple[str, _Pairs, int]]:
    """Every member: where its object is, the object, and its place there."""
    children = value if isinstance(value, _Pairs) else enumerate(value) if isinstance(value, list) else ()
    for index, (name, child) in enumerate(children):
        if isinstance(value, _Pairs):
            yield path, value, index
        yield from _places(child, f"{path}.{name}")


def _written(value: object) -> str:
    if isinstance(value, _Pairs):
        return "{" + ",".join(f"{json.dumps(name)}:{_written(item)}" for name, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value)
