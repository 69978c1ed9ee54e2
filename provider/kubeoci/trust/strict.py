# SPDX-License-Identifier: Apache-2.0
"""Reading what strangers wrote so that no other reader can see something else in it.

Everything here raises `Rejected` (`malformed`, or `limit`) and nothing else. `where` names the place in the document,
as in `dsseEnvelope.signatures[0].sig`.
"""

import base64 as codec
import binascii
import json
import math
import re
from collections.abc import Iterable
from typing import NoReturn

from kubeoci.trust.evidence import Reason, Rejected

MAX_INTEGER = (1 << 53) - 1
"""Beyond it a reader in JavaScript, and canonical JSON by RFC 8785, sees another number."""
MAX_PEM_CHARACTERS = 64 << 10

_MAX_DEPTH = 64
_MAX_DIGITS = 19
_NUMERAL = re.compile(r"0|[1-9][0-9]{0,18}")
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2})+")
_BOM = "\ufeff"

Members = dict[str, object]


def document(raw: bytes, where: str) -> Members:
    """The JSON object in `raw`: UTF-8 without a mark, no name twice in any case, no NaN, not deep, all of it text."""
    try:
        text = raw.decode()
        value = json.loads(
            text, object_pairs_hook=_unique, parse_int=_integer, parse_float=_float, parse_constant=_float
        )
        _check_depth(value)
        if "\\u" in text:  # half of a surrogate pair is JSON, but no text
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError:
        malformed(where, "is not valid Unicode in UTF-8")
    except RecursionError:
        malformed(where, "is nested too deeply")
    except ValueError as error:
        malformed(where, f"is no JSON that all read alike: {error!s:.100}")
    if not isinstance(value, dict):
        malformed(where, "is no JSON object")
    return value


def malformed(where: str, what: str) -> NoReturn:
    """Reject the candidate: the part `where` of it is not what it should be."""
    raise Rejected(Reason.MALFORMED, f"{where} {what}")


def exceeded(where: str, what: str) -> NoReturn:
    """Reject the candidate: the part `where` of it is beyond a limit, and was not looked at."""
    raise Rejected(Reason.LIMIT, f"{where} {what}")


def members(value: object, where: str, required: Iterable[str] = (), optional: Iterable[str] = ()) -> Members:
    """An object with all of `required`, and with nothing but these and `optional`."""
    found = mapping(value, where)
    needed = set(required)
    if missing := sorted(needed - found.keys()):
        malformed(where, f"has no {missing[0]}")
    if unknown := sorted(found.keys() - needed - set(optional)):
        malformed(where, f"has the member {unknown[0]!r:.60}, which has no place there")
    return found


def mapping(value: object, where: str) -> Members:
    """An object, whatever it holds."""
    if not isinstance(value, dict):
        malformed(where, "is no object")
    return value


def items(value: object, where: str) -> list[object]:
    """A list, whatever it holds."""
    if not isinstance(value, list):
        malformed(where, "is no list")
    return value


def text(value: object, where: str) -> str:
    """A string."""
    if not isinstance(value, str):
        malformed(where, "is no text")
    return value


def integer(value: object, where: str) -> int:
    """A JSON number that is whole, not negative and below 2**53."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INTEGER:
        malformed(where, "is no whole number from 0 to 2**53 - 1")
    return value


def numeral(value: object, where: str) -> int:
    """A number as protobuf's JSON writes 64 bits: a string of decimal digits, without sign and leading zeros."""
    if not _NUMERAL.fullmatch(text(value, where)):
        malformed(where, "is no text of decimal digits")
    return integer(int(str(value)), where)


def base64(value: object, where: str) -> bytes:
    """At least one byte in standard base64, spelled in the one way there is: padded, no white space, no loose bits."""
    written = text(value, where)
    try:
        data = codec.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        malformed(where, "is no base64")
    if not data:
        malformed(where, "is empty")
    if codec.b64encode(data).decode() != written:
        malformed(where, "is base64 that could be spelled otherwise")
    return data


def hexadecimal(value: object, where: str) -> bytes:
    """At least one byte in lower-case hexadecimal digits."""
    if not _HEXADECIMAL.fullmatch(text(value, where)):
        malformed(where, "is no text of lower-case hexadecimal digits")
    return bytes.fromhex(str(value))


def pem(value: object, label: str, where: str) -> bytes:
    """The DER inside one PEM block of this label, with nothing before and nothing but a line end behind it."""
    written = text(value, where)
    if len(written) > MAX_PEM_CHARACTERS:
        exceeded(where, f"is larger than {MAX_PEM_CHARACTERS} characters")
    begin, end = f"-----BEGIN {label}-----\n", f"\n-----END {label}-----"
    body = written.removesuffix("\n")
    if not (body.startswith(begin) and body.endswith(end)) or body.count("-----BEGIN") != 1:
        malformed(where, f"is not exactly one PEM block of type {label}")
    return base64(body[len(begin) : -len(end)].replace("\n", ""), where)


def _unique(pairs: list[tuple[str, object]]) -> Members:
    """One object. Go takes names of any case for the same."""
    if len({name.casefold() for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice in one object, if only in another case")
    return dict(pairs)


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number is too long")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits:.20} is no number")
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise RecursionError


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
