# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: N802 - the names of the calls are the protocol's
"""The service `ResourceProvider`: each call of the engine becomes one call of a lifecycle function.

Whatever goes wrong leaves a call as an abort with our text: no exception, traceback or value escapes.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import grpc
from google.protobuf import empty_pb2, struct_pb2
from google.protobuf.message import Message

import kubeoci
from kubeoci.errors import InputError, KubeociError
from kubeoci.lifecycle.contract import Call, Kind, Planned, Resource, Severity, Unfinished
from kubeoci.lifecycle.session import Session
from kubeoci.lifecycle.values import Secret, Value, has_unknown, reveal
from kubeoci.plugin import configuration, paths, views
from kubeoci.plugin.engine import Engine
from kubeoci.plugin.failure import abort, told
from kubeoci.plugin.stubs import plugin_pb2, provider_pb2, provider_pb2_grpc, resource_status_pb2
from kubeoci.plugin.values import decode, encode, from_struct, to_struct

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Resources = Mapping[str, Resource]
"""Resources by type token."""

_KINDS = {
    Kind.ADD: provider_pb2.PropertyDiff.ADD,
    Kind.DELETE: provider_pb2.PropertyDiff.DELETE,
    Kind.UPDATE: provider_pb2.PropertyDiff.UPDATE,
}
_REPLACEMENT = 1  # the kind that replaces follows the one that does not: ADD 0, ADD_REPLACE 1


def guarded(
    method: Callable[["Servicer", Request, grpc.ServicerContext], Response],
) -> Callable[["Servicer", Request, grpc.ServicerContext], Response]:
    """`method`, with every exception as an abort."""

    @functools.wraps(method)
    def call(self: "Servicer", request: Request, context: grpc.ServicerContext) -> Response:
        """The method; only `abort` ends it with a status that the engine understands."""
        try:
            return method(self, request, context)
        except Exception as error:  # noqa: BLE001 - the last line of defence
            return abort(context, error, refresh=self.refreshes(request, error))

    return call


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """One provider process. `resources` finds what serves a type token; called on first use, as it may be slow."""

    def __init__(self, resources: Callable[[], Resources], engine: Engine) -> None:
        self._resources = resources
        self.engine = engine
        self.session = Session()

    # -- the process ---------------------------------------------------------------------------------------------

    @guarded
    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Note where the engine is. An attached plugin gets one per run, which ends the stop of the last."""
        self.engine.address = request.engine_address or self.engine.address
        self.session = Session(self.session.config)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    @guarded
    def Attach(self, request: plugin_pb2.PluginAttach, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Note the new address of the engine."""
        self.engine.address = request.address
        return empty_pb2.Empty()

    @guarded
    def GetPluginInfo(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """The version."""
        return plugin_pb2.PluginInfo(version=kubeoci.__version__)

    @guarded
    def GetSchema(
        self, _request: provider_pb2.GetSchemaRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        """The committed schema."""
        from kubeoci.plugin.schema import committed  # noqa: PLC0415 - asked for by `pulumi package` only

        return provider_pb2.GetSchemaResponse(schema=committed())

    @guarded
    def Cancel(self, _request: empty_pb2.Empty, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Ask everything to stop at its next safe point; also sent at each normal end."""
        self.session.stop.set()
        return empty_pb2.Empty()

    # -- configuration -------------------------------------------------------------------------------------------

    @guarded
    def CheckConfig(
        self, request: provider_pb2.CheckRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """All faults of the configuration, which goes back as it came: the state shows what was given."""
        faults: list[KubeociError] = []
        news = decode(from_struct(request.news), faults)
        faults += configuration.checked(news)[1]
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(str(fault) for fault in faults))

    @guarded
    def DiffConfig(
        self, _request: provider_pb2.DiffRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """DIFF_UNKNOWN: the engine compares. On DIFF_NONE it would configure us with the old configuration."""
        return provider_pb2.DiffResponse()

    @guarded
    def Configure(
        self, request: provider_pb2.ConfigureRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Keep the configuration. Faults were told by CheckConfig; a state that holds one anyhow is refused."""
        faults: list[KubeociError] = []
        config, wrong = configuration.checked(decode(from_struct(request.args), faults))
        if faults or wrong:
            raise ExceptionGroup("the provider's configuration", [*faults, *wrong])
        self.session.config = config
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    # -- resources -----------------------------------------------------------------------------------------------

    @guarded
    def Check(self, request: provider_pb2.CheckRequest, _context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Inputs with facts, or all failures. Each names no property: the engine would print that property's value."""
        resource = self._resource(request.urn)
        faults: list[KubeociError] = []
        olds, news = decode(from_struct(request.olds), []), decode(from_struct(request.news), faults)
        if faults:
            return provider_pb2.CheckResponse(failures=_failures(str(fault) for fault in faults))
        if "inventoryName" in resource.INPUTS:
            stack, project, _, name = _parts(request.urn)
            news.setdefault("inventoryName", f"{project}-{stack}-{name}")
            if "owner" in resource.INPUTS:
                news["owner"] = f"{project}/{stack}/{name}"
        try:
            checked = resource.check(self._call(request.urn), olds, news)
        except (KubeociError, ExceptionGroup) as error:
            return provider_pb2.CheckResponse(failures=_failures(told(error)))
        inputs = encode(_kept_secret(checked.inputs, resource.SECRET), faults)
        failures = [*checked.failures, *map(str, faults)]
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=_failures(failures))

    @guarded
    def Diff(self, request: provider_pb2.DiffRequest, _context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Every path that differs, never without the paths; the keys of `diffs` are exactly their first elements."""
        difference = self._resource(request.urn).diff(_lenient(request.old_inputs), _lenient(request.news))
        difference = paths.remaining(difference, request.ignoreChanges)
        response = provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if difference.entries else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=difference.replaces,
            diffs=sorted({str(path[0]) for path in difference.entries}),
            hasDetailedDiff=True,
        )
        for path, kind in paths.rendered(difference.entries).items():
            replaces = _REPLACEMENT if paths.parse(path)[0] in difference.replaces else 0
            response.detailedDiff[path].kind = _KINDS[kind] + replaces
            response.detailedDiff[path].inputDiff = True
        return response

    @guarded
    def Create(
        self, request: provider_pb2.CreateRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        """Make the resource; in a preview plan it, with rows and unknown outputs."""
        resource, news = self._resource(request.urn), _strict(request.properties)
        call = self._call(request.urn, preview=request.preview, timeout=request.timeout)
        refresh = _refreshes(resource, news)
        if request.preview:
            planned = resource.plan(call, "", {}, news)
            self._show(request, planned, call)
            return provider_pb2.CreateResponse(
                properties=_packed(planned.outputs, resource), refresh_before_update=refresh
            )
        _all_known(news)
        stored = resource.create(call, news)
        properties = _packed(stored.outputs, resource)
        return provider_pb2.CreateResponse(id=stored.id, properties=properties, refresh_before_update=refresh)

    @guarded
    def Update(
        self, request: provider_pb2.UpdateRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        """Bring the resource to its inputs, also when they are the old ones; in a preview plan it."""
        resource, news = self._resource(request.urn), _strict(request.news)
        olds = _lenient(request.olds)
        call = self._call(request.urn, preview=request.preview, timeout=request.timeout)
        if request.preview:
            planned = resource.plan(call, request.id, olds, news)
            self._show(request, planned, call)
            outputs = planned.outputs
        else:
            _all_known(news)
            outputs = resource.update(call, request.id, olds, news).outputs
        return provider_pb2.UpdateResponse(
            properties=_packed(outputs, resource), refresh_before_update=_refreshes(resource, news)
        )

    @guarded
    def Read(self, request: provider_pb2.ReadRequest, _context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """The live world. An empty answer means proven gone; an import has the ID alone."""
        resource = self._resource(request.urn)
        call = self._call(request.urn, timeout=request.timeout)
        stored = resource.read(call, request.id, _lenient(request.properties), _lenient(request.inputs))
        if stored is None:
            self._forget(request)
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=stored.id,
            properties=_packed(stored.outputs, resource),
            inputs=_packed(stored.inputs, resource),
            refresh_before_update=_refreshes(resource, stored.inputs),
        )

    @guarded
    def Delete(self, request: provider_pb2.DeleteRequest, _context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Remove what is ours. The old inputs fill in what the outputs lack, such as credentials."""
        resource, call = self._resource(request.urn), self._call(request.urn, timeout=request.timeout)
        outputs = {**_lenient(request.old_inputs), **_lenient(request.properties)}
        resource.delete(call, request.id, outputs)
        self._forget(request)
        return empty_pb2.Empty()

    # -- parts ---------------------------------------------------------------------------------------------------

    def refreshes(self, request: Message, error: Exception) -> bool:
        """`refresh_before_update` of a resource that is stored although a call failed."""
        if not isinstance(error, Unfinished):
            return False
        resource = self._resource(str(getattr(request, "urn", "")))
        return _refreshes(resource, error.stored.inputs or error.stored.outputs)

    def _resource(self, urn: str) -> Resource:
        token = _parts(urn)[2]
        resource = self._resources().get(token)
        if resource is None:
            raise InputError("input.unknown", f"kubeoci has no resource type {token!r}", advice="mend the type token")
        return resource

    def _call(self, urn: str, *, preview: bool = False, timeout: float = 0.0) -> Call:
        return Call(
            session=self.session,
            name=_parts(urn)[3],
            preview=preview,
            timeout_seconds=max(timeout, 0.0),
            log=functools.partial(self.engine.log, urn),
            progress=functools.partial(self.engine.progress, urn),
        )

    def _show(
        self, request: provider_pb2.CreateRequest | provider_pb2.UpdateRequest, planned: Planned, call: Call
    ) -> None:
        if planned.message:
            call.log(Severity.INFO, planned.message)
        if views.wanted():
            rows = list(views.steps(call.name, planned))
            self.engine.publish(request.resource_status_address, request.resource_status_token, rows)

    def _forget(self, request: provider_pb2.ReadRequest | provider_pb2.DeleteRequest) -> None:
        """Take rows out of the state that should never have got there."""
        rows: list[resource_status_pb2.ViewStep] = list(views.deletions(request.old_views))
        self.engine.publish(request.resource_status_address, request.resource_status_token, rows)


def _parts(urn: str) -> tuple[str, str, str, str]:
    """Stack, project, type (without its parents') and name out of `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`."""
    stack, project, kind, name = [*urn.removeprefix("urn:pulumi:").split("::", 3), "", "", "", ""][:4]
    return stack, project, kind.rpartition("$")[2], name


def _strict(struct: struct_pb2.Struct) -> dict[str, Value]:
    faults: list[KubeociError] = []
    values = decode(from_struct(struct), faults)
    if faults:
        raise ExceptionGroup("inputs", faults)
    return values


def _lenient(struct: struct_pb2.Struct) -> dict[str, Value]:
    """Values of the state: what an older version or another adapter left there and we cannot take is passed over."""
    return decode(from_struct(struct), [])


def _packed(values: Mapping[str, Value], resource: Resource) -> struct_pb2.Struct:
    faults: list[KubeociError] = []
    plain = encode(_kept_secret(values, resource.SECRET), faults)
    if faults:
        raise ExceptionGroup("outputs", faults)
    return to_struct(plain)


def _kept_secret(values: Mapping[str, Value], names: frozenset[str]) -> dict[str, Value]:
    """`values` with those of `names` as secrets, whether or not the user marked them."""
    return {
        key: Secret(value) if key in names and value is not None and not isinstance(value, Secret) else value
        for key, value in values.items()
    }


def _all_known(news: Mapping[str, Value]) -> None:
    """Raise for an unknown value outside a preview: it would end in the state."""
    faults = [
        InputError("input.invalid", "is not known in an update", where=key)
        for key, value in news.items()
        if has_unknown(value)
    ]
    if faults:
        raise ExceptionGroup("inputs", faults)


def _refreshes(resource: Resource, inputs: Mapping[str, Value]) -> bool:
    """Whether each preview should read the live world first: unless `driftDetection` is off, where that exists."""
    return "driftDetection" in resource.INPUTS and reveal(inputs.get("driftDetection", True)) is not False


def _failures(reasons: Iterable[str]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property="", reason=reason) for reason in reasons]
