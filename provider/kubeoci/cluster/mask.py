# SPDX-License-Identifier: Apache-2.0
"""Keeping Secret values out of everything that leaves the core: previews, states, logs and errors."""

import base64
import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from kubeoci.normalise import LAST_APPLIED

MASK = "***"
"""What stands for a value that nobody may read."""
MIN_CHARACTERS = 4
"""Shorter values are masked where they stand in a Secret, but not looked for elsewhere."""

_SUBSTRING = 8  # characters from which on a value is looked for inside words too
_WORD = 16  # the same in objects for a value of letters only: `postgres` is part of many an image
_FEW = 64  # values that are looked for one by one
_VALUES = ("data", "stringData")
_ABSENT = object()


class Masks:
    """The secret values that are known so far. Its `repr` tells nothing; it may be shared between threads."""

    __slots__ = ("_inside", "_lock", "_pattern", "_values")

    def __init__(self, bodies: Iterable[Mapping[str, Any]] = ()) -> None:
        self._lock = threading.Lock()
        self._values: frozenset[str] = frozenset()
        self._inside = _Inside(())
        self._pattern: re.Pattern[str] | None = None
        for body in bodies:
            self.learn(body)

    def learn(self, body: Mapping[str, Any]) -> None:
        """Take note of the values of `body` if it is a Secret: as they stand, and decoded."""
        if not _is_secret(body):
            return
        forms = [
            form
            for field in _VALUES
            for value in (body.get(field) or {}).values()
            for form in _forms(value, field == "data")
        ]
        with self._lock:
            self._values |= {form for form in forms if len(form) >= MIN_CHARACTERS}
            self._pattern = None
            self._inside = _Inside(self._values)

    def body(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of an object that can be shown, without its managedFields."""
        return self._masked(body, body, "")

    def pair(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both copies of an object that changes; a masked value that differs says so: `*** (before)`, `*** (after)`."""
        return self._masked(before, after, " (before)"), self._masked(after, before, " (after)")

    def text(self, text: str) -> str:
        """`text`, a message of a server for example, with every known value in it masked."""
        with self._lock:
            pattern = self._pattern = self._pattern or _pattern(self._values)
        return pattern.sub(MASK, text)

    def _masked(self, body: Mapping[str, Any], other: Mapping[str, Any], mark: str) -> dict[str, Any]:
        hidden = _VALUES if _is_secret(body) else ()
        found: dict[str, Any] = {}
        for key, value in body.items():
            twin = other.get(key, _ABSENT)
            if key in hidden and isinstance(value, dict):
                found[key] = {name: _shown(item, _get(twin, name), mark) for name, item in value.items()}
            elif key == "metadata" and isinstance(value, dict):
                found[key] = self._metadata(value, twin, mark)
            elif key in ("apiVersion", "kind"):
                found[key] = value
            else:
                found[key] = self._walk(value, twin, mark)
        return found

    def _metadata(self, meta: Mapping[str, Any], twin: object, mark: str) -> dict[str, Any]:
        """Name and namespace stay: everybody knows them, and a Secret may well hold the word `default`."""
        found = {
            key: value if key in ("name", "namespace") else self._walk(value, _get(twin, key), mark)
            for key, value in meta.items()
            if key != "managedFields"
        }
        annotations = meta.get("annotations") or {}
        if LAST_APPLIED in annotations:  # the whole manifest, in clear
            shown = _shown(annotations[LAST_APPLIED], _get(_get(twin, "annotations"), LAST_APPLIED), mark)
            found["annotations"] = {**found["annotations"], LAST_APPLIED: shown}
        return found

    def _walk(self, value: Any, twin: object, mark: str) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, dict):
            return {key: self._walk(item, _get(twin, key), mark) for key, item in value.items()}
        if isinstance(value, list):
            return [self._walk(item, _get(twin, index), mark) for index, item in enumerate(value)]
        if not isinstance(value, str):
            return value
        mask = _shown(value, twin, mark)
        return mask if value in self._values else self._inside.masked(value, mask)


class _Inside:
    """Values that are looked for inside other texts, such as a password inside a URL."""

    def __init__(self, values: Iterable[str]) -> None:
        self._values = sorted(filter(_is_telling, values), key=lambda value: (-len(value), value))
        self._heads = frozenset(value[:_SUBSTRING] for value in self._values)

    def masked(self, text: str, mask: str) -> str:
        """The text with `mask` for each of the values."""
        if len(text) >= _SUBSTRING and self._values and (len(self._values) <= _FEW or self._may_hold(text)):
            for value in self._values:
                text = text.replace(value, mask)
        return text

    def _may_hold(self, text: str) -> bool:
        """Whether some value may begin in the text: the same effort for any number of values."""
        return any(text[at : at + _SUBSTRING] in self._heads for at in range(len(text) - _SUBSTRING + 1))


def _is_telling(value: str) -> bool:
    return len(value) >= (_WORD if value.isalpha() else _SUBSTRING)


def _is_secret(body: Mapping[str, Any]) -> bool:
    return (body.get("apiVersion"), body.get("kind")) == ("v1", "Secret")


def _forms(value: Any, encoded: bool) -> list[str]:  # noqa: ANN401 - any JSON value
    """Every spelling under which a value of a Secret may turn up."""
    if not isinstance(value, str):
        return []
    clear = value
    if encoded:
        try:
            clear = base64.b64decode(value).decode()
        except ValueError:  # binary: nobody prints it
            return [value]
    twin = value if encoded else base64.b64encode(value.encode()).decode()
    return [clear, clear.strip(), twin, json.dumps(clear, ensure_ascii=False)[1:-1]]


def _shown(value: object, twin: object, mark: str) -> str:
    return MASK if value == twin else MASK + mark


def _get(value: object, key: str | int) -> object:
    if isinstance(value, dict):
        return value.get(key, _ABSENT)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return _ABSENT


def _pattern(values: Iterable[str]) -> re.Pattern[str]:
    """Longest first; a short value only as a word, for `true` must not eat into `construed`."""
    parts = [
        re.escape(value) if len(value) >= _SUBSTRING else rf"(?<!\w){re.escape(value)}(?!\w)"
        for value in sorted(values, key=lambda value: (-len(value), value))
    ]
    return re.compile("|".join(parts) or r"(?!)")
