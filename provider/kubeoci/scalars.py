# SPDX-License-Identifier: Apache-2.0
"""What an unquoted YAML scalar means, and which strings need quotes.

The rules are those of kustomize, which Flux builds with, where kustomize and kubectl agree or only one of them keeps
what the user wrote: `on` and `y` are strings, `017` is fifteen, a date stays as written.
"""

import base64
import math
import re
from functools import lru_cache

Scalar = str | int | float | bool | None
"""What a scalar can be."""

NULL = frozenset({"", "~", "null", "Null", "NULL"})
TRUE = frozenset({"true", "True", "TRUE"})
FALSE = frozenset({"false", "False", "FALSE"})

MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1

_EXACT = 2**53
"""Whole numbers below this are the same as float and as integer."""
_BASES = {"0b": 2, "0o": 8, "0x": 16}
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_YAML_1_1 = frozenset(
    {"y", "Y", "n", "N", "=", "<<"} | {w for b in ("yes", "no", "on", "off") for w in (b, b.title(), b.upper())}
)
_LIKE_A_NUMBER = re.compile(r"[-+.]?[0-9][0-9a-fA-FoxOXtTzZ_.:+\- ]*")


@lru_cache(maxsize=4096)
def plain(text: str) -> Scalar:
    """The value of an unquoted scalar. Raises ValueError for infinity, not-a-number and integers beyond 64 bits."""
    if text in NULL:
        return None
    if text in TRUE or text in FALSE:
        return text in TRUE
    if text[0] not in "+-.0123456789":  # most strings end here, without a regular expression
        return text
    found = integer(text)
    return found if found is not None else number(text, text)


def integer(text: str) -> int | None:
    """The integer that `text` spells, None if it spells none. Raises ValueError beyond 64 bits."""
    if not _INTEGER.fullmatch(text):
        return None
    digits = text.lstrip("+-").replace("_", "")
    base = _BASES.get(digits[:2], 0)
    if base:
        digits = digits[2:]
    elif digits.startswith("0") and not set(digits) & {"8", "9"}:
        base = 8
    if not digits:
        return None
    return checked(int(digits, base or 10) * (-1 if text[0] == "-" else 1))


def number(text: str, otherwise: str | None = None) -> int | float | str | None:
    """The number that `text` spells, an int where it is whole; `otherwise` if it spells none or one without bounds.

    Raises ValueError for the spellings of infinity and not-a-number: JSON has neither.
    """
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is no number that Kubernetes can hold")
    if not _FLOAT.fullmatch(text):
        return otherwise
    value = float(text.replace("_", ""))
    return whole(value) if math.isfinite(value) else otherwise


def whole(value: float) -> int | float:
    """`value` as an int where both mean the same."""
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def checked(value: int) -> int:
    """`value` itself. Raises ValueError when neither int64 nor uint64 holds it."""
    if not MIN_INTEGER <= value <= MAX_INTEGER:
        raise ValueError("the integer does not fit into 64 bits")
    return value


def ambiguous(text: str) -> bool:
    """Whether some YAML reader, ours or an older one, would take the unquoted `text` for something but a string."""
    if text in _YAML_1_1 or _LIKE_A_NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text):
        return True
    return not isinstance(plain(text), str)


def tagged(tag: str, text: str) -> Scalar:
    """The value of `!!tag text`, `tag` without the exclamation marks. Raises ValueError when it has none."""
    value: Scalar = None
    if tag in {"str", "timestamp"}:
        return text
    if tag == "null" and text in NULL:
        return None
    if tag == "bool" and text in TRUE | FALSE:
        return text in TRUE
    if tag == "int":
        value = integer(text)
    elif tag == "float":
        value = number(text)
    elif tag == "binary":
        return _text(text)
    if value is None:
        raise ValueError(f"!!{tag} is not supported, or does not fit {text!r}")
    return value


def _text(encoded: str) -> str:
    try:
        return base64.b64decode("".join(encoded.split()), validate=True).decode()
    except ValueError as error:
        raise ValueError("!!binary must be base64 of UTF-8 text") from error
