# SPDX-License-Identifier: Apache-2.0
"""The configuration of the provider: `cluster`, `namespace` and `registries`.

Objects may come as their JSON: so generated SDKs send them.
"""

import json

from kubeoci.errors import InputError, KubeociError
from kubeoci.lifecycle import access
from kubeoci.lifecycle.inputs import Reader
from kubeoci.lifecycle.session import CONFIG
from kubeoci.lifecycle.values import UNKNOWN, Secret, Value, Values, reveal

CLUSTER_KEYS = ("kubeconfig", "context", "impersonate")
_ENGINES_OWN = frozenset({"version", "pluginDownloadURL", "__internal", "__pulumi-go-provider-infer"})


def checked(values: Values) -> tuple[dict[str, Value], list[KubeociError]]:
    """The configuration with JSON read and the engine's own keys left out, and everything that is wrong with it."""
    faults: list[KubeociError] = []
    config: dict[str, Value] = {}
    for key in sorted(set(values) - _ENGINES_OWN):
        if key in _OBJECTS:
            config[key] = _object(key, values[key], faults)
        elif key == "namespace":
            config[key] = _text(values[key], key, faults)
        else:
            advice = f"there are: {', '.join(sorted(CONFIG))}"
            faults.append(InputError("input.unknown", "kubeoci has no such configuration", where=key, advice=advice))
    return config, faults


def _object(key: str, value: Value, faults: list[KubeociError]) -> Value:
    """The object behind `value`. A secret stays one as a whole; its text is in no message."""
    if isinstance(value, Secret):
        return Secret(_object(key, value.value, faults))
    if isinstance(value, str):
        value = _parsed(key, value, faults)
    if value is UNKNOWN or value is None:
        return value
    if not isinstance(value, dict):
        faults.append(_wrong(key, "must be an object", "see the schema for what is in it"))
        return None
    return _OBJECTS[key](value, faults)


def _cluster(value: dict[str, Value], faults: list[KubeociError]) -> Value:
    unknown = [f"cluster.{key}" for key in sorted(set(value) - set(CLUSTER_KEYS))]
    faults += [_wrong(key, "there is no such setting", f"there are: {', '.join(CLUSTER_KEYS)}") for key in unknown]
    texts = {key: _text(value[key], f"cluster.{key}", faults) for key in CLUSTER_KEYS[:2] if key in value}
    return texts | ({"impersonate": value["impersonate"]} if "impersonate" in value else {})  # each resource reads it


def _registries(value: dict[str, Value], faults: list[KubeociError]) -> Value:
    """Settings by host."""
    for key, entry in value.items():
        try:
            access.host(key)
        except KubeociError as error:
            faults.append(error.at("registries"))
        inner = Reader({key: entry}, "registries", faults).section(key, access.REGISTRY_ONLY)
        if inner is not None:
            inner.where = f'registries["{key}"]'
            access.read(inner, None)
    return value


def _parsed(where: str, text: str, faults: list[KubeociError]) -> Value:
    try:
        return json.loads(text)
    except ValueError:  # its message would quote the text
        faults.append(_wrong(where, "is text, but not JSON", 'write it like {"context": "prod"}'))
        return None


def _text(value: Value, where: str, faults: list[KubeociError]) -> Value:
    clear = reveal(value)
    if clear is not None and clear is not UNKNOWN and not isinstance(clear, str):
        faults.append(_wrong(where, "must be text", "put it into quotes"))
    return value


def _wrong(where: str, what: str, advice: str) -> InputError:
    return InputError("input.invalid", what, where=where, advice=advice)


_OBJECTS = {"cluster": _cluster, "registries": _registries}
