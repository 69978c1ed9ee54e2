# SPDX-License-Identifier: Apache-2.0
"""One way to write a value as YAML, so that equal values are equal text and a changed line is a changed field.

Written without PyYAML: the text is kept in users' states and must not change with a library's version.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from kubeoci import scalars

_FIRST = {"apiVersion": 0, "kind": 1, "metadata": 2}
_MAX_PLAIN_KEY = 1000
"""Characters up to which YAML finds the colon behind a key by itself; the specification says 1024."""

# Starts with something that is no indicator, holds no ": " and no " #", and ends with neither colon nor space.
_PLAIN = re.compile(r"(?:[A-Za-z_/(.$]|-{1,2}[A-Za-z])(?:[!-9;-~]|:(?=[!-~])| (?=[!-\"$-~]))*")
_LINES = re.compile("[\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]+")
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def dump(value: Any) -> str:  # noqa: ANN401 - any YAML value
    """`value` as one YAML document that ends with a newline.

    Keys are sorted, `apiVersion`, `kind` and `metadata` first; lists are not indented below their key. Text of more
    lines is a literal block; what some YAML reader could take for anything but a string is quoted. Reading the text
    gives `value` again.
    """
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:  # noqa: ANN401 - any YAML value
    if isinstance(value, dict) and value:
        for key in sorted(value, key=lambda key: (_FIRST.get(key, 3), key)):
            yield from _entry(key, value[key])
    elif isinstance(value, list) and value:
        for item in value:
            yield from _item(item)
    elif isinstance(value, str):
        first, *block = _string(value)
        yield first
        yield from block
    else:
        yield _flat(value)


def _entry(key: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - any YAML value
    name = quoted(key)
    if len(name) > _MAX_PLAIN_KEY:
        yield f"? {name}"
        name = ""
    if isinstance(value, dict) and value:
        yield f"{name}:"
        yield from _indented(_lines(value))
    elif isinstance(value, list) and value:
        yield f"{name}:"
        yield from _lines(value)
    else:
        first, *block = _lines(value)
        yield f"{name}: {first}"
        yield from block


def _item(value: Any) -> Iterator[str]:  # noqa: ANN401 - any YAML value
    first, *rest = _lines(value)
    yield f"- {first}"
    if isinstance(value, str):
        yield from rest
    else:
        yield from _indented(rest)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" if line else line for line in lines)


def _flat(value: Any) -> str:  # noqa: ANN401 - any YAML value
    return "null" if value is None else json.dumps(value)


def _string(text: str) -> list[str]:
    """One line, or the header of a literal block and its lines, indented by two."""
    if "\n" not in text or not text.strip("\n") or not _LINES.fullmatch(text):
        return [quoted(text)]
    body = text.rstrip("\n")
    trailing = len(text) - len(body)
    chomp = ("-", "", "+")[min(trailing, 2)]
    indent = "2" if body[0] in " \t\n" else ""  # else a reader guesses it from the first line
    return [
        f"|{indent}{chomp}",
        *(f"  {line}" if line else "" for line in text.split("\n")[: -1 if trailing else None]),
    ]


def quoted(text: str) -> str:
    """`text` on one line: as it is where nothing can be mistaken, else in double quotes."""
    if _PLAIN.fullmatch(text) and not scalars.ambiguous(text):
        return text
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
