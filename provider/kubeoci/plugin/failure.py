# SPDX-License-Identifier: Apache-2.0
"""How a failure reaches the user: one text without traceback, a gRPC code, and for half-done work the state it left.

gRPC codes UNKNOWN, INTERNAL and DATA_LOSS would mean "the state may be corrupt" to the engine: ours never do.
"""

import traceback
from pathlib import PurePath
from typing import TYPE_CHECKING, NoReturn

from kubeoci.errors import KubeociError, flatten
from kubeoci.lifecycle.contract import Stored, Unfinished
from kubeoci.plugin.values import encode, to_struct

if TYPE_CHECKING:
    import grpc

MAX_STATUS_BYTES = 1024 * 1024
"""Largest error status that is sent; far larger ones break the connection, and the resource is lost from the state."""

_DROPPED = ("objects", "files", "verified")  # in this order, when a status is too large; the next update has them again
_AREAS = {
    "trust": "FAILED_PRECONDITION",
    "registry": "UNAVAILABLE",
    "cluster": "FAILED_PRECONDITION",
}
_CODES = {
    "registry.not_found": "NOT_FOUND",
    "registry.unauthorized": "PERMISSION_DENIED",
    "registry.denied": "PERMISSION_DENIED",
    "registry.credentials": "PERMISSION_DENIED",
    "registry.digest_mismatch": "FAILED_PRECONDITION",
    "registry.too_large": "FAILED_PRECONDITION",
    "registry.unsafe_redirect": "FAILED_PRECONDITION",
    "registry.unsupported": "FAILED_PRECONDITION",
    "registry.immutable_tag": "FAILED_PRECONDITION",
    "registry.conflict": "FAILED_PRECONDITION",
    "range.no_match": "NOT_FOUND",
    "files.changed": "FAILED_PRECONDITION",
    "cluster.unreachable": "UNAVAILABLE",
    "cluster.failed": "UNAVAILABLE",
    "cluster.unauthorized": "PERMISSION_DENIED",
    "cluster.forbidden": "PERMISSION_DENIED",
    "stopped.cancelled": "CANCELLED",
    "stopped.deadline": "DEADLINE_EXCEEDED",
}


def code_name(code: str) -> str:
    """The name of the gRPC code for one of `errors.CODES`; what the user wrote is INVALID_ARGUMENT."""
    return _CODES.get(code) or _AREAS.get(code.partition(".")[0], "INVALID_ARGUMENT")


def told(error: BaseException) -> list[str]:
    """What the user reads about `error`, one text per fault; of a fault in kubeoci itself only its type and place."""
    try:
        return [str(fault) for fault in flatten(error)]
    except BaseException as unforeseen:  # noqa: BLE001 - whatever it is, the user gets no traceback and no values
        return [f"kubeoci itself failed: {type(unforeseen).__name__} {_place(unforeseen)}; please report it"]


def abort(context: "grpc.ServicerContext", error: BaseException, *, refresh: bool = False) -> NoReturn:
    """End the call with `error`. An `Unfinished` leaves its resource in the state; `refresh` as in the answers."""
    import grpc  # noqa: PLC0415 - dynamic resources use `told` alone

    name = _grpc_name(error)
    code = getattr(grpc.StatusCode, name)
    message = "\n".join(told(error))
    if isinstance(error, Unfinished) and error.stored.id:
        message = "the resource exists but is not as wanted"
        status = init_failed(error, code.value[0], message, refresh=refresh)
        context.set_trailing_metadata((("grpc-status-details-bin", status),))
    context.abort(code, message)
    raise AssertionError("abort returned")  # pragma: no cover - grpc raises


def init_failed(error: Unfinished, code: int, message: str, *, refresh: bool) -> bytes:
    """A `google.rpc.Status` with one detail, encoded by hand: the two packages that have its class cannot coexist.

    `code` must be the number that the call is aborted with, else the engine drops the resource.
    """
    detail = _detail(error, error.stored, refresh=refresh)
    for size in range(1, len(_DROPPED) + 1):
        if len(detail) <= MAX_STATUS_BYTES:
            break
        detail = _detail(error, _without(error.stored, _DROPPED[:size]), refresh=refresh)
    packed = _field(1, b"type.googleapis.com/pulumirpc.ErrorResourceInitFailed") + _field(2, detail)
    return b"\x08" + _varint(code) + _field(2, message.encode()) + _field(3, packed)


def _grpc_name(error: BaseException) -> str:
    try:
        faults = flatten(error)
    except BaseException:  # noqa: BLE001 - `told` names it
        return "FAILED_PRECONDITION"
    return code_name(faults[0].code)


def _detail(error: Unfinished, stored: Stored, *, refresh: bool) -> bytes:
    from kubeoci.plugin.stubs import provider_pb2  # noqa: PLC0415 - dynamic resources use `told` alone

    faults: list[KubeociError] = []  # a value that cannot be carried must not lose the rest of the state
    reasons = [reason[: MAX_STATUS_BYTES // 64] for reason in error.reasons[:32]] or [error.what]
    message = provider_pb2.ErrorResourceInitFailed(
        id=stored.id,
        properties=to_struct(encode(stored.outputs, faults)),
        inputs=to_struct(encode(stored.inputs, faults)),
        reasons=reasons,
        refresh_before_update=refresh,
    )
    return bytes(message.SerializeToString())


def _without(stored: Stored, names: tuple[str, ...]) -> Stored:
    outputs = {key: value for key, value in stored.outputs.items() if key not in names}
    inputs = {key: value for key, value in stored.inputs.items() if key not in names}
    return Stored(stored.id, outputs, inputs)


def _place(error: BaseException) -> str:
    """`in registry/remote.py:120`, the last line of ours; never a path of the machine."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        parts = PurePath(frame.filename).parts
        if "kubeoci" in parts and frame.name not in {"told", "flatten"}:  # these two only look at the error
            return f"in {'/'.join(parts[len(parts) - parts[::-1].index('kubeoci') :])}:{frame.lineno}"
    return "outside its own code"


def _field(number: int, payload: bytes) -> bytes:
    """One length-delimited field."""
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    """Seven bits per byte, lowest first; the top bit says that more follow."""
    encoded = b""
    while number > 127:  # noqa: PLR2004 - what fits into seven bits
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])
