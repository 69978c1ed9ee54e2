# SPDX-License-Identifier: Apache-2.0
"""What lasts as long as a provider process: its configuration, the content cache and open connections."""

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from kubeoci.lifecycle.values import UNKNOWN, Values

if TYPE_CHECKING:
    from kubeoci.cluster.mapper import Mapper
    from kubeoci.cluster.rest import Access, Rest
    from kubeoci.lifecycle.content import Content
    from kubeoci.registry.cache import Cache
    from kubeoci.registry.layout import Layouts
    from kubeoci.registry.remote import Registry
    from kubeoci.registry.transport import Settings

CONFIG: Final = frozenset({"cluster", "namespace", "registries"})
"""Names of the provider's configuration: defaults for `cluster` and `namespace`, and how to reach registries."""


Item = TypeVar("Item")


class Recent(Generic[Item]):
    """The last `size` things that were put in, for several threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: dict[Hashable, Item] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Item | None:
        """What was put in under `key`, unless it is forgotten."""
        with self._lock:
            return self._items.get(key)

    def put(self, key: Hashable, item: Item) -> None:
        """Keep `item`, and forget the oldest when there are too many."""
        with self._lock:
            self._items[key] = item
            while len(self._items) > self._size:
                del self._items[next(iter(self._items))]


class Session:
    """One configured provider. A cluster is opened on first use and kept.

    `stop` is set on Cancel; every loop and wait of the core looks at it.
    """

    def __init__(self, config: Values | None = None, *, stop: threading.Event | None = None) -> None:
        self.config: Values = dict(config or {})
        self.stop = stop or threading.Event()
        self.contents: Recent[Content] = Recent(4)  # two loaded artifacts, before and after, of two resources
        self.notes: Recent[Mapping[str, object]] = Recent(256)  # where no command is known to remember them for
        self._lock = threading.RLock()
        self._cache: Cache | None = None
        self._clusters: dict[Access, Rest] = {}
        self._mappers: dict[Access, Mapper] = {}

    @property
    def unknown(self) -> bool:
        """Whether some of the configuration is not known yet."""
        return any(value is UNKNOWN for value in self.config.values())

    @property
    def cache(self) -> "Cache":
        """The content cache of this user."""
        from kubeoci.registry.cache import Cache  # noqa: PLC0415 - loaded on first use

        with self._lock:
            if self._cache is None:
                self._cache = Cache.open()
            return self._cache

    def registry(self, settings: "Settings", progress: Callable[[str], None]) -> "Registry":
        """A registry client for one operation, whose deadline starts now; connections and tokens are the process's."""
        from kubeoci.registry.remote import Registry  # noqa: PLC0415 - loads urllib3

        return Registry(settings, self.cache, stop=self.stop, progress=progress)

    def layouts(self, timeout_seconds: float) -> "Layouts":
        """A client of folders in the OCI image layout for one operation, whose deadline starts now."""
        from kubeoci.registry.layout import Layouts  # noqa: PLC0415 - loaded on first use

        return Layouts(self.cache, timeout_seconds=timeout_seconds, stop=self.stop)

    def cluster(self, access: "Access") -> "Rest":
        """The API server that `access` names. Raises `ClusterError` when the kubeconfig cannot be used."""
        from kubeoci.cluster.rest import connect  # noqa: PLC0415 - loads kubernetes

        with self._lock:
            if access not in self._clusters:
                self._clusters[access] = connect(access, stop=self.stop)
            return self._clusters[access]

    def mapper(self, access: "Access") -> "Mapper":
        """The kinds that this API server serves, asked for once per process."""
        from kubeoci.cluster.mapper import Mapper  # noqa: PLC0415 - loaded with the cluster

        with self._lock:
            if access not in self._mappers:
                self._mappers[access] = Mapper(self.cluster(access))
            return self._mappers[access]
