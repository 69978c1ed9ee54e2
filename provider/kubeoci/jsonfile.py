# SPDX-License-Identifier: Apache-2.0
"""Reading a JSON manifest as strictly as a YAML one: no key twice, no number that Kubernetes cannot hold."""

import json
import math
from typing import Any

from kubeoci import scalars
from kubeoci.errors import ManifestError


def read(text: str, file: str, max_nodes: int, max_depth: int) -> Any:  # noqa: ANN401 - any JSON value
    """The one value of a JSON file. Raises ManifestError (`manifest.invalid`), with a line where there is one."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_mapping,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_number,
        )
        left = _measure(value, max_nodes, max_depth)
    except json.JSONDecodeError as error:
        raise ManifestError("manifest.invalid", error.msg, where=f"{file}:{error.lineno}") from error
    except ValueError as error:
        raise ManifestError("manifest.invalid", str(error), where=file) from error
    except RecursionError:
        left = -1
    if left < 0:
        raise ManifestError("manifest.invalid", f"over {max_nodes} values, or nested over {max_depth} deep", where=file)
    return value


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = sorted(name for name in found if sum(name == key for key, _ in pairs) > 1)
        raise ValueError(f"key {twice[0]!r} stands twice in one object")
    return found


def _integer(text: str) -> int:
    return scalars.checked(int(text) if len(text) < 32 else scalars.MAX_INTEGER + 1)  # noqa: PLR2004 - int() of long text is slow


def _number(text: str) -> int | float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number that Kubernetes can hold")
    return scalars.whole(value)


def _measure(value: Any, nodes: int, depth: int) -> int:  # noqa: ANN401 - any JSON value
    """How many of `nodes` are left after `value`, negative when they or `depth` do not suffice."""
    if depth < 0 or nodes < 1:
        return -1
    nodes -= 1
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            nodes = _measure(item, nodes, depth - 1)
    return nodes


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half of a surrogate pair (U+{ord(text[error.start]):04X}) in a string") from error
