# SPDX-License-Identifier: Apache-2.0
"""What one process of a `pulumi` command leaves for the next: the preview and the update are two processes.

Notes lie in the content cache under the command's identity; where there is none, they last as long as this process.
"""

import os
import time
from collections.abc import Mapping
from typing import Final

from kubeoci.lifecycle import command
from kubeoci.lifecycle.contract import Call

_COMMAND_SECONDS: Final = 24 * 3600.0  # no command lives longer, and a restored machine may have the same ids again


def note(call: Call, kind: str, key: str, value: Mapping[str, object]) -> None:
    """Remember `value` (JSON) for the rest of the command. `kind` is `[a-z-]+`, `key` any text."""
    stamped = {**value, "at": time.time(), "process": os.getpid()}
    run = command.ident()
    if run:
        call.session.cache.note(kind, f"{run} {key}", stamped)
    else:
        call.session.notes.put((kind, key), stamped)


def recall(call: Call, kind: str, key: str) -> Mapping[str, object] | None:
    """What was noted in this command, or None."""
    run = command.ident()
    found = call.session.cache.recall(kind, f"{run} {key}") if run else call.session.notes.get((kind, key))
    return found if found is not None and abs(time.time() - float(str(found["at"]))) < _COMMAND_SECONDS else None


def is_second_look(call: Call, key: str) -> bool:
    """Whether another process of this command looked at `key` before: that was the preview, so this is the update.

    Nothing else tells a check in which of the two it runs.
    """
    before = recall(call, "looked", key)
    if before is None:
        note(call, "looked", key, {})
        return False
    return before["process"] != os.getpid()
