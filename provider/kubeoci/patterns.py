# SPDX-License-Identifier: Apache-2.0
"""Regular expressions that users write for Flux: only what RE2 and Python read alike.

Python's matcher backtracks and cannot be stopped: repeating a group without bound is refused, as `(a+)+b` shows.
"""

import re

_MAX_CHARACTERS = 1024
_SHARED_ESCAPES = frozenset("dDwWsSbBAntrfva")

_TOKEN = re.compile(r"\\.?|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_FOREIGN = (
    (re.compile(r"\(\?(?!:)"), "a group that is neither (...) nor (?:...)"),
    (re.compile(r"[*+?}]\+"), "a possessive repetition"),
    (re.compile(r"\{,"), "a repetition without a lower bound"),
    (re.compile(r"\)(?:[*+]|\{[0-9]+,\})"), "a group that is repeated without bound"),
)


def compile_pattern(text: str) -> re.Pattern[str]:
    """`text` compiled, with ASCII classes. Raises ValueError that says what is not allowed or not understood."""
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(f"it is longer than {_MAX_CHARACTERS} characters")
    plain = "".join(_plain(token) for token in _TOKEN.findall(text))
    for foreign, name in _FOREIGN:
        if foreign.search(plain):
            raise ValueError(f"it holds {name}")
    try:
        return re.compile(text, re.ASCII)
    except re.error as error:
        raise ValueError(str(error)) from None


def _plain(token: str) -> str:
    """A token, or `c` for one that stands for a single character."""
    if token == "[":  # noqa: S105 - a piece of a pattern
        raise ValueError("it holds a set that does not end")
    is_set = len(token) > 1 and token[0] == "["
    for escape in re.findall(r"\\(.)", token, re.DOTALL):
        if escape.isalnum() and escape not in _SHARED_ESCAPES:
            raise ValueError(f"it holds \\{escape}, which RE2 and Python read differently")
    if is_set and re.search(r"\[|--|&&|\|\||~~", token[1:].replace("\\[", "")):
        raise ValueError("it holds a set in a set")
    return "c" if is_set or token[0] == "\\" else token
