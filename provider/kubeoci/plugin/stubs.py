# SPDX-License-Identifier: Apache-2.0
"""Pulumi's generated messages and services, loaded without the rest of the Pulumi SDK.

`import pulumi` costs about as much as the whole start of the plugin may take. The generated modules need nothing of it
but the names of their packages, so those stand in as empty packages while the modules are loaded.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

_PACKAGES = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")


@contextmanager
def _empty_packages() -> Iterator[None]:
    """While open, Pulumi's packages that are not loaded exist without their contents. Raises ModuleNotFoundError."""
    if "pulumi.runtime.proto" in sys.modules:
        yield
        return
    spec = find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the plugin needs the Python package pulumi", name="pulumi")
    root = Path(spec.submodule_search_locations[0]).parent
    missing = [name for name in _PACKAGES if name not in sys.modules]
    for name in missing:
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[name] = package
    try:
        yield
    finally:  # a later `import pulumi` in this process finds the real packages, and our modules in them
        for name in missing:
            del sys.modules[name]


def _load(name: str) -> ModuleType:
    return importlib.import_module(f"pulumi.runtime.proto.{name}")


if TYPE_CHECKING:
    from pulumi.runtime.proto import (
        engine_pb2,
        engine_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
        resource_status_pb2,
        resource_status_pb2_grpc,
    )
else:
    with _empty_packages():
        plugin_pb2 = _load("plugin_pb2")
        provider_pb2 = _load("provider_pb2")
        provider_pb2_grpc = _load("provider_pb2_grpc")
        engine_pb2 = _load("engine_pb2")
        engine_pb2_grpc = _load("engine_pb2_grpc")
        resource_status_pb2 = _load("resource_status_pb2")
        resource_status_pb2_grpc = _load("resource_status_pb2_grpc")

__all__ = [
    "engine_pb2",
    "engine_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "resource_status_pb2",
    "resource_status_pb2_grpc",
]
