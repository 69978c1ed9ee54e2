# SPDX-License-Identifier: Apache-2.0
"""From one file to the objects described in it: lists taken apart, each object checked on its own and normalised."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from kubeoci import yaml
from kubeoci.errors import KubeociError, ManifestError
from kubeoci.normalise import normalise

MAX_OBJECT_BYTES = 1_500_000
"""Bytes of one object as JSON: etcd takes no more."""
MAX_DATA_BYTES = 1024 * 1024
"""Bytes that all values of a ConfigMap or Secret may have together."""
NOT_BUILT = "name its file kustomization.yaml, or leave it out"
"""What to do with input of kustomize that kustomize was not asked to build."""
KUSTOMIZE_GROUP = "kustomize.config.k8s.io/"
"""How the apiVersion of kustomize's own input begins."""

_NAME = re.compile(r"(?!\.{1,2}$)[^/%\x00-\x20\x7f]{1,253}")  # what can be one segment of a URL
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"(?:[a-z0-9][-a-z0-9.]{0,252}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_TEMPLATE = re.compile(r"\{\{-?\s*(?:\.(?:Values|Release|Chart|Capabilities)\b|include\s|template\s)")
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*[:=?}]")


@dataclass(frozen=True, slots=True)
class Raw:
    """One object as its file has it, checked and normalised; `namespace` is its own, maybe empty.

    `dropped` are the fields that meant something and are not sent; `has_variable` is set where `${…}` stands in a
    text of one line.
    """

    body: dict[str, Any]
    source: str
    group: str
    version: str
    namespace: str
    dropped: tuple[str, ...] = ()
    has_variable: bool = False

    @property
    def kind(self) -> str:
        """The kind, as the manifest spells it."""
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        """The name in its metadata."""
        return str(self.body["metadata"]["name"])


def read(file: str, data: bytes, faults: list[KubeociError]) -> list[Raw]:
    """The objects of one file in their order. What is wrong goes to `faults`, and its object is left out."""
    try:
        documents = yaml.load(data, file)
    except ManifestError as error:
        faults.append(_unrendered(str(error.where)) if _TEMPLATE.search(data.decode(errors="replace")) else error)
        return []
    found = []
    for document in documents:
        for value, line in _expand(document.value, document.line, document.item_lines):
            found += take(value, f"{file}:{line}", faults)
    if b"{{" in data or b"${" in data:
        found = list(without_templates(found, faults))
    return found


def take(value: Any, source: str, faults: list[KubeociError]) -> list[Raw]:  # noqa: ANN401 - any YAML value
    """The object that `value`, found at `source`, describes; none when something is wrong with it."""
    wrong = list(_faults(value, source))
    faults += wrong
    return [] if wrong else _raw(value, source, faults)


def without_templates(raws: Iterable[Raw], faults: list[KubeociError]) -> Iterator[Raw]:
    """The objects that are no Helm templates, marked where they hold variables."""
    for raw in raws:
        texts = list(_short_texts(raw.body))
        if any(map(_TEMPLATE.search, texts)):
            faults.append(_unrendered(raw.source))
        else:
            yield replace(raw, has_variable=any(map(_VARIABLE.search, texts)))


def _expand(value: Any, line: int, lines: tuple[int, ...] = ()) -> Iterator[tuple[Any, int]]:  # noqa: ANN401 - any YAML value
    """The objects in a `List` or `…List`, at any depth, or the value itself; elements take after their list."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not (isinstance(kind, str) and kind.endswith("List") and isinstance(value.get("items", 0), list | None)):
        yield value, line
        return
    for index, item in enumerate(value["items"] or []):
        place = lines[index] if index < len(lines) else line
        if isinstance(item, dict) and kind != "List":  # a typed list may leave these to be understood
            item.setdefault("apiVersion", value.get("apiVersion"))
            item.setdefault("kind", kind.removesuffix("List"))
        yield from _expand(item, place)


def _raw(body: dict[str, Any], source: str, faults: list[KubeociError]) -> list[Raw]:
    """The one object in `body`, or none and a fault."""
    group, _, version = body["apiVersion"].rpartition("/")
    namespace = body["metadata"].get("namespace") or ""
    try:
        dropped = normalise(body, group)
        _check_size(body, group)
    except ValueError as error:
        faults.append(_fault(source, f"{_called(body)}: {error}"))
        return []
    return [Raw(body, source, group, version, namespace, tuple(dropped))]


def _faults(body: Any, source: str) -> Iterator[ManifestError]:  # noqa: ANN401 - any YAML value
    """What keeps a value from being an object. Later checks rely on earlier ones."""
    if not isinstance(body, dict):
        yield _fault(source, f"an object must be a mapping, this is a {_type(body)}")
        return
    if isinstance(body.get("sops"), dict) and "mac" in body["sops"]:
        yield unsupported(source, f"{_called(body)} is encrypted with SOPS", "decrypt it before packing")
        return
    missing = [name for name in ("apiVersion", "kind") if not (isinstance(body.get(name), str) and body[name])]
    if missing:
        yield _fault(source, f"{' and '.join(missing)} missing", "every Kubernetes object has both")
        return
    if body["apiVersion"].startswith(KUSTOMIZE_GROUP):
        yield unsupported(source, f"a {body['kind']} is input of kustomize, not an object", NOT_BUILT)
        return
    if body["apiVersion"].count("/") > 1:
        yield _fault(source, f"apiVersion {body['apiVersion']!r} is not group/version")
    yield from (_fault(source, f"{_called(body)}: {what}", advice) for what, advice in _metadata(body.get("metadata")))


def unsupported(where: str, what: str, advice: str) -> ManifestError:
    """The error for something that only another tool can turn into manifests."""
    return ManifestError("manifest.unsupported", what, where=where, advice=advice)


def _unrendered(where: str) -> ManifestError:
    return unsupported(where, "this is a Helm template, not a manifest", "pack the output of `helm template`")


def _metadata(meta: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any YAML value
    """(what, advice) for each fault of an object's metadata."""
    if meta is not None and not isinstance(meta, dict):
        yield f"metadata must be a mapping, this is a {_type(meta)}", ""
        return
    meta = meta or {}
    name, namespace = meta.get("name"), meta.get("namespace")
    if not name and meta.get("generateName"):
        yield "metadata.generateName alone names no object", "give it a metadata.name"
    elif not name:
        yield "metadata.name is missing", ""
    elif not isinstance(name, str):
        yield "metadata.name must be a string", "put it in quotes"
    elif not _NAME.fullmatch(name):
        yield f"metadata.name {name!r} is no name", "use up to 253 characters without / and %"
    if namespace and not (isinstance(namespace, str) and _DNS_LABEL.fullmatch(namespace)):
        yield f"metadata.namespace {namespace!r} is no namespace", "use up to 63 of a-z, 0-9 and -"
    yield from texts(meta.get("labels"), "metadata.labels", is_label=True)
    yield from texts(meta.get("annotations"), "metadata.annotations")


def texts(found: Any, path: str, *, is_label: bool = False) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any YAML value
    """(what, advice) for each fault of a map from text to text, called `path`; for labels of their grammar too."""
    found = found or {}
    if not isinstance(found, dict):
        yield f"{path} must be a mapping, this is a {_type(found)}", ""
        return
    for key, value in found.items():
        if not _LABEL_KEY.fullmatch(key if is_label else key.lower()):
            yield f"{path}: {key!r} is no valid key", "write name or domain/name"
        if not isinstance(value, str):
            yield f"{path}[{key!r}] must be a string, this is a {_type(value)}", "put it in quotes"
        elif is_label and not _LABEL_VALUE.fullmatch(value):
            yield f"{path}[{key!r}] is no valid label", "use up to 63 letters, digits, -, _ and ."


def _check_size(body: dict[str, Any], group: str) -> None:
    """Raises ValueError for what no API server takes."""
    size = len(json.dumps(body, separators=(",", ":"), ensure_ascii=False))
    if size > MAX_OBJECT_BYTES:
        raise ValueError(f"the object has {size} bytes, {MAX_OBJECT_BYTES} are possible")
    if group == "" and body["kind"] in {"ConfigMap", "Secret"}:
        parts = [*(body.get("data") or {}).values(), *(body.get("binaryData") or {}).values()]
        total = sum(len(part) for part in parts if isinstance(part, str))
        if body["kind"] == "Secret":
            total = total * 3 // 4  # base64
        if total > MAX_DATA_BYTES:
            raise ValueError(f"its data has {total} bytes, {MAX_DATA_BYTES} are possible")


def _short_texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - any YAML value
    """Every text of one line. Longer ones are files that somebody else reads: dashboards, scripts, templates."""
    if isinstance(value, str):
        if "{" in value and "\n" not in value:
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _short_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _short_texts(item)


def _called(body: dict[str, Any]) -> str:
    meta = body.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    kind = str(body.get("kind") or "this file")
    return f"{kind} {name}" if isinstance(name, str) and name else kind


def _fault(source: str, what: str, advice: str = "") -> ManifestError:
    return ManifestError("manifest.invalid", what, where=source, advice=advice)


def _type(value: Any) -> str:  # noqa: ANN401 - any YAML value
    names = {dict: "mapping", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
