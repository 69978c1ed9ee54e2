# SPDX-License-Identifier: Apache-2.0
"""What lasts as long as a provider process: its configuration, the content cache and open connections."""

import threading
from dataclasses import dataclass, field

from kubeoci.lifecycle.values import Values


@dataclass(slots=True)
class Session:
    """One configured provider. `stop` is set on Cancel; every loop and wait of the core looks at it."""

    config: Values = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
