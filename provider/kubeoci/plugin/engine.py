# SPDX-License-Identifier: Apache-2.0
"""What the plugin tells the engine on its own account: log lines, progress, and the rows of a preview.

The engine may be gone at any time. Nothing that fails here fails an operation.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import grpc

from kubeoci.lifecycle.contract import Severity
from kubeoci.plugin import views
from kubeoci.plugin.stubs import engine_pb2, engine_pb2_grpc, resource_status_pb2, resource_status_pb2_grpc

MESSAGE_BYTES = 400 * 1024 * 1024
"""Largest message either way, as the engine has it; gRPC's own 4 MiB are less than a large plan."""

OPTIONS = (("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES))

_SECONDS_BETWEEN_PROGRESS = 0.2  # five lines a second per resource are all that a person can read
_SECONDS_FOR_A_CALL = 5.0  # an engine that does not answer must not hold up the work

_SEVERITIES = {
    Severity.DEBUG: engine_pb2.DEBUG,
    Severity.INFO: engine_pb2.INFO,
    Severity.WARNING: engine_pb2.WARNING,
}


@dataclass(slots=True)
class Engine:
    """The engine behind `address`, empty when the plugin was started by hand. Connects on first use."""

    address: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _channels: dict[str, grpc.Channel] = field(default_factory=dict)
    _last_progress: dict[str, float] = field(default_factory=dict)

    def log(self, urn: str, severity: Severity, text: str) -> None:
        """A line that stays, under the resource `urn`."""
        self._send(engine_pb2.LogRequest(severity=_SEVERITIES[severity], message=text, urn=urn))

    def progress(self, urn: str, text: str) -> None:
        """A line in the status column of `urn` that the next one overwrites; dropped when they come too fast."""
        now = time.monotonic()
        with self._lock:
            if now - self._last_progress.get(urn, -1.0) < _SECONDS_BETWEEN_PROGRESS:
                return
            self._last_progress[urn] = now
        self._send(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text, urn=urn, ephemeral=True))

    def publish(self, address: str, token: str, rows: Sequence[resource_status_pb2.ViewStep]) -> None:
        """Show `rows` under the resource that `token` stands for. `address` is empty on engines without views."""
        if not address or not rows:
            return
        try:
            stub = resource_status_pb2_grpc.ResourceStatusStub(self._channel(address))
            for batch in views.batches(rows):
                request = resource_status_pb2.PublishViewStepsRequest(token=token, steps=batch)
                stub.PublishViewSteps(request, timeout=_SECONDS_FOR_A_CALL)
        except (grpc.RpcError, ValueError) as error:  # ValueError: the channel was closed meanwhile
            self.log("", Severity.DEBUG, f"kubeoci could not show its rows: {type(error).__name__}")

    def close(self) -> None:
        """End all connections; the next call makes new ones."""
        with self._lock:
            channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.close()

    def _send(self, request: engine_pb2.LogRequest) -> None:
        if self.address:
            with suppress(grpc.RpcError, ValueError):  # nobody is left to be told
                engine_pb2_grpc.EngineStub(self._channel(self.address)).Log(request, timeout=_SECONDS_FOR_A_CALL)

    def _channel(self, address: str) -> grpc.Channel:
        with self._lock:
            if address not in self._channels:
                self._channels[address] = grpc.insecure_channel(address, options=OPTIONS)
            return self._channels[address]
