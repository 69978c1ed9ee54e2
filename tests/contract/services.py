# SPDX-License-Identifier: Apache-2.0
"""What the engine serves to a provider: a log, and rows of a preview. Everything that comes in is kept."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import empty_pb2

from kubeoci.plugin.engine import OPTIONS
from kubeoci.plugin.stubs import engine_pb2, engine_pb2_grpc, resource_status_pb2, resource_status_pb2_grpc


class Services(engine_pb2_grpc.EngineServicer, resource_status_pb2_grpc.ResourceStatusServicer):
    """An engine on a free port of the loopback address. Rows are refused for a token that is not open."""

    def __init__(self) -> None:
        self.logs: list[engine_pb2.LogRequest] = []
        self.rows: list[resource_status_pb2.ViewStep] = []
        self.token = ""
        self._server = grpc.server(ThreadPoolExecutor(4), options=OPTIONS)
        engine_pb2_grpc.add_EngineServicer_to_server(self, self._server)
        resource_status_pb2_grpc.add_ResourceStatusServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def Log(self, request: engine_pb2.LogRequest, _context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802
        """Keep a log line."""
        self.logs.append(request)
        return empty_pb2.Empty()

    def PublishViewSteps(  # noqa: N802 - the name is the protocol's
        self, request: resource_status_pb2.PublishViewStepsRequest, context: grpc.ServicerContext
    ) -> resource_status_pb2.PublishViewStepsResponse:
        """Keep the rows of the operation that is under way."""
        if not self.token or request.token != self.token:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such token")
        self.rows += request.steps
        return resource_status_pb2.PublishViewStepsResponse()

    def stop(self) -> None:
        """Stop serving."""
        self._server.stop(0).wait()
