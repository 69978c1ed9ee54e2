# SPDX-License-Identifier: Apache-2.0
"""A registry client as a new process would have it: nothing learned, a home and a cache of its own, no patience."""

import threading
from pathlib import Path

from kubeoci.registry.cache import Cache
from kubeoci.registry.remote import Registry, Shared
from kubeoci.registry.transport import Limits, Settings

QUICK = Limits(first_delay_seconds=0.001)


def connect(
    home: Path, settings: Settings | None = None, *, shared: Shared | None = None, stop: threading.Event | None = None
) -> Registry:
    """The client; `home` keeps its cache (`cache`) and its Docker configuration (`.docker/config.json`)."""
    folder = home / "cache"
    folder.mkdir(exist_ok=True)
    return Registry(
        settings or Settings(limits=QUICK),
        Cache(folder),
        stop=stop,
        environment={"HOME": str(home)},
        shared=shared or Shared(),
    )
