# SPDX-License-Identifier: Apache-2.0
"""The values of the core on Pulumi's wire: a protobuf `Struct`, where a map with a signature key is something special.

Two steps each way: `Struct` <-> plain JSON-like data, and plain data <-> values with `UNKNOWN` and `Secret`. The second
step alone serves dynamic resources, which get plain data. Faults are collected, each with its property path.
"""

from collections.abc import Mapping

from google.protobuf import struct_pb2

from kubeoci.errors import InputError, KubeociError
from kubeoci.lifecycle.inputs import SIGNATURE, UNKNOWN_TEXT
from kubeoci.lifecycle.values import UNKNOWN, Secret, Value, Values

SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker of the wire, no password
OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

_UNKNOWNS = frozenset(
    {
        UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # an array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # an asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # an object
    }
)
_REFUSED = {
    "c44067f5952c0a294b673a41bacd8c17": ("an asset", "give it as text"),
    "0def7320c3a5731c473e5ecbe6d01bc7": ("an archive", "give a path as text"),
    "5cf8f73096256a8f31e491e813e4eb8e": ("a resource", "give one of its outputs"),
    "803fd3297a5875dc03ca845dda5d2a98": ("a byte string", "give it as text in UTF-8"),
}
_LARGEST = 2**53  # whole numbers beyond it are not exact as doubles


def decode(plain: Mapping[str, object], faults: list[KubeociError]) -> dict[str, Value]:
    """Values of what Pulumi sent. Null is dropped; whole doubles become int; what we cannot take goes to `faults`."""
    values = {key: _decoded(value, key, faults) for key, value in plain.items()}
    return {key: value for key, value in values.items() if value is not None}


def encode(values: Values, faults: list[KubeociError]) -> dict[str, object]:
    """What Pulumi gets for `values`. A value that the wire would give another meaning goes to `faults`."""
    plain = {key: _encoded(value, key, faults) for key, value in values.items()}
    return {key: value for key, value in plain.items() if value is not None}


def from_struct(struct: struct_pb2.Struct) -> dict[str, object]:
    """Plain data of a protobuf `Struct`."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def to_struct(plain: Mapping[str, object]) -> struct_pb2.Struct:
    """A protobuf `Struct` of plain data. Raises TypeError for a type that JSON does not have."""
    return struct_pb2.Struct(fields={key: _to_value(value) for key, value in plain.items()})


def join(where: str, key: str) -> str:
    """The property path of `key` below `where`, for messages: `ref.tag`, `files["a.yaml"]`."""
    return f"{where}.{key}" if key.isidentifier() else f'{where}["{key}"]'


def _decoded(value: object, where: str, faults: list[KubeociError]) -> Value:
    if isinstance(value, str):
        return UNKNOWN if value in _UNKNOWNS else value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _LARGEST else value
    if isinstance(value, list):
        return [_decoded(item, f"{where}[{index}]", faults) for index, item in enumerate(value)]
    if isinstance(value, dict):
        if SIGNATURE in value:
            return _special(value, where, faults)
        items = {key: _decoded(item, join(where, key), faults) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not None}
    return value


def _special(value: dict[str, object], where: str, faults: list[KubeociError]) -> Value:
    """A map with a signature: a secret, an output, or something that has no place in our properties."""
    signature = value[SIGNATURE]
    if signature == SECRET_SIGNATURE:
        return Secret(_decoded(value.get("value"), where, faults))
    if signature == OUTPUT_SIGNATURE:
        inner = _decoded(value["value"], where, faults) if "value" in value else UNKNOWN
        return Secret(inner) if value.get("secret") else inner
    kind, advice = _REFUSED.get(str(signature), ("a value of a kind that kubeoci does not know", "give plain data"))
    faults.append(InputError("input.invalid", f"{kind} has no place here", where=where, advice=advice))
    return None


def _encoded(value: Value, where: str, faults: list[KubeociError]) -> object:
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET_SIGNATURE, "value": _encoded(value.value, where, faults)}
    if isinstance(value, list | tuple):
        return [_encoded(item, f"{where}[{index}]", faults) for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            faults.append(_uncarried("a map with this key", where))
        return {str(key): _encoded(item, join(where, str(key)), faults) for key, item in value.items()}
    return _scalar(value, where, faults)


def _scalar(value: Value, where: str, faults: list[KubeociError]) -> object:
    """A text, number, boolean or null as it is, unless the wire would change it."""
    if isinstance(value, str):
        if value in _UNKNOWNS:
            faults.append(_uncarried("this text", where))
        elif not value.isascii() and value != value.encode("utf-8", "replace").decode("utf-8"):
            faults.append(_uncarried("text that is not UTF-8", where.encode("ascii", "backslashreplace").decode()))
            return None
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
        return str(value)
    elif isinstance(value, float) and not abs(value) < float("inf"):  # also true for "not a number"
        faults.append(_uncarried("a number that is not finite", where))
        return None
    return value


def _uncarried(what: str, where: str) -> InputError:
    return InputError("input.invalid", f"{what} cannot be carried by Pulumi", where=where)


def _from_value(value: struct_pb2.Value) -> object:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    return None if kind in {None, "null_value"} else getattr(value, str(kind))


def _to_value(value: object) -> struct_pb2.Value:
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case int() | float():
            return struct_pb2.Value(number_value=value)
        case str():
            return struct_pb2.Value(string_value=value)
        case dict():
            return struct_pb2.Value(struct_value=to_struct(value))
        case list():
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_to_value(item) for item in value]))
        case _:
            raise TypeError(f"no place on the wire for {type(value).__name__}")
