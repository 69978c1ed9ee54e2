# SPDX-License-Identifier: Apache-2.0
"""One kustomization written anew: each part that names files with the paths that were found, all others as they are."""

import json
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from kubeoci import manifest, yaml
from kubeoci.errors import ManifestError
from kubeoci.kustomize import fields
from kubeoci.kustomize.overlay import Kustomization

if TYPE_CHECKING:
    from kubeoci.kustomize.search import Place

_FUNCTIONS = ("config.kubernetes.io/function", "config.k8s.io/function")


def rewrite(place: "Place", kustomization: Kustomization) -> Kustomization:
    """The kustomization with paths as kustomize shall read them. What is wrong goes to the search's faults."""
    made: Kustomization = {}
    for name, value in kustomization.items():
        if name in fields.PLAIN:
            made[name] = value
        elif name in _PARTS:
            made[name] = _PARTS[name](place, name, value)
        elif name in fields.HELM:
            what = f"{name} starts another program"
            place.search.faults.append(manifest.unsupported(place.file, what, "pack the output of `helm template`"))
        else:
            place.search.fault(place.file, f"kustomize has no field {name!r}", "names are case-sensitive here")
    return made


def _each(place: "Place", name: str, value: Any, kind: type) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any YAML value
    """(what, entry) for each entry of a list; a fault for what has another type."""
    if not isinstance(value, list):
        place.search.fault(place.file, f"{name} must be a list")
        return
    for index, entry in enumerate(value):
        what = f"{name}[{index}]"
        if isinstance(entry, kind):
            yield what, entry
        else:
            place.search.fault(place.file, f"{what} must be {'text' if kind is str else 'a mapping'}")


def _folders(place: "Place", name: str, value: Any) -> list[str]:  # noqa: ANN401 - any YAML value
    return [place.search.enter(place, entry, what) for what, entry in _each(place, name, value, str)]


def _files(place: "Place", name: str, value: Any) -> list[str]:  # noqa: ANN401 - any YAML value
    return [place.search.take(place, entry, what) for what, entry in _each(place, name, value, str)]


def _merges(place: "Place", name: str, value: Any) -> list[str]:  # noqa: ANN401 - any YAML value
    """Patches in files, or as YAML in place: then with a line end, so that nobody takes them for a path."""
    entries = list(_each(place, name, value, str))
    place.search.inline |= {entry for _, entry in entries if _is_inline(entry)}
    return [
        f"{entry.rstrip()}\n" if _is_inline(entry) else place.search.take(place, entry, what) for what, entry in entries
    ]


def _with_path(keys: Collection[str]) -> Callable[["Place", str, Any], list[dict[str, Any]]]:
    """A list of mappings, each of which may have its content in the file `path`."""

    def rewrite_all(place: "Place", name: str, value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any YAML value
        """The mappings with the paths under which the build will find their files."""
        return [_one_path(place, what, entry, keys) for what, entry in _each(place, name, value, dict)]

    return rewrite_all


def _one_path(place: "Place", what: str, entry: dict[str, Any], keys: Collection[str]) -> dict[str, Any]:
    made = _exact(place, what, entry, keys)
    if made.get("path") is not None:
        made["path"] = _file(place, f"{what}.path", made["path"])
    if isinstance(made.get("patch"), str):
        place.search.inline.add(made["patch"])
    return made


def _file(place: "Place", what: str, entry: Any, *, is_secret: bool = False) -> str:  # noqa: ANN401 - any YAML value
    if isinstance(entry, str):
        return place.search.take(place, entry, what, is_secret=is_secret)
    place.search.fault(place.file, f"{what} must be text")
    return ""


def _exact(place: "Place", what: str, entry: dict[str, Any], keys: Collection[str]) -> dict[str, Any]:
    for key in entry:
        if key not in keys:
            advice = f"there are: {', '.join(sorted(keys))}"
            place.search.fault(place.file, f"{what} has no field {key!r}", advice)
    return {key: value for key, value in entry.items() if key in keys and value is not None}


def _openapi(place: "Place", name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any YAML value
    if not isinstance(value, dict):
        place.search.fault(place.file, f"{name} must be a mapping")
        return {}
    return _one_path(place, name, value, {"path"})


def _makers(place: "Place", name: str, value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any YAML value
    is_secret = name == "secretGenerator"
    return [_maker(place, what, entry, is_secret=is_secret) for what, entry in _each(place, name, value, dict)]


def _maker(place: "Place", what: str, entry: dict[str, Any], *, is_secret: bool) -> dict[str, Any]:
    """The generator of a ConfigMap or Secret. A file keeps the key that it had."""
    made = _exact(place, what, entry, fields.MAKER_KEYS | fields.TYPE_KEYS)
    search = place.search
    for name in ("files", "envs"):
        if name in made:
            found = [(each, *_keyed(text, name)) for each, text in _each(place, f"{what}.{name}", made[name], str)]
            made[name] = [key + search.take(place, path, each, is_secret=is_secret) for each, key, path in found]
    if "env" in made:
        made["env"] = _file(place, f"{what}.env", made["env"], is_secret=is_secret)
    for text in _texts(made.get("literals")) if is_secret else ():
        search.keep_secret(text)
    return made


def _keyed(text: str, name: str) -> tuple[str, str]:
    """`key=` and the path of one entry of `files`; without a key it is the last part of the path."""
    if name != "files":
        return "", text
    key, sign, path = text.partition("=")
    return (f"{key}=", path) if sign else (f"{text.rpartition('/')[2]}=", text)


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any YAML value
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _plugins(place: "Place", name: str, value: Any) -> list[str]:  # noqa: ANN401 - any YAML value
    """Configurations of plugins, in files or in place; all of them are put in place, so that no file is read twice."""
    made = []
    for what, entry in _each(place, name, value, str):
        file = "" if _is_inline(entry) else place.search.find(place, entry, what)
        data = entry.encode() if file == "" else place.search.files.get(file or "", b"")
        found = [_plugin(place, what, each) for each in _documents(place, file or place.file, what, data)]
        made.append("".join(f"---\n{json.dumps(each, ensure_ascii=False)}\n" for each in found))
    return [text for text in made if text]


def _documents(place: "Place", file: str, what: str, data: bytes) -> list[dict[str, Any]]:
    try:
        found = [each.value for each in yaml.load(data, file)]
    except ManifestError as error:
        place.search.faults.append(error)
        return []
    if not all(isinstance(each, dict) for each in found):
        place.search.fault(place.file, f"{what} is no configuration of a plugin")
    return [each for each in found if isinstance(each, dict)]


def _plugin(place: "Place", what: str, document: dict[str, Any]) -> dict[str, Any]:
    """The configuration of one plugin, if kustomize has it built in; all others would be programs to start."""
    kind = document.get("kind")
    meta = document.get("metadata")
    notes = meta.get("annotations") if isinstance(meta, dict) else None
    starts = isinstance(notes, dict) and any(key in notes for key in _FUNCTIONS)
    if document.get("apiVersion") != "builtin" or kind not in fields.BUILTIN or starts:
        text = f"{what}: a {kind if isinstance(kind, str) else 'plugin'} starts another program"
        place.search.faults.append(manifest.unsupported(place.file, text, "pack the output of `kustomize build`"))
        return {}
    keys = fields.BUILTIN[kind]
    return document if keys is None else _BUILTIN[kind](place, what, _exact(place, what, document, keys))


def _secret_plugin(place: "Place", what: str, document: dict[str, Any]) -> dict[str, Any]:
    return _maker(place, what, document, is_secret=True)


def _config_plugin(place: "Place", what: str, document: dict[str, Any]) -> dict[str, Any]:
    return _maker(place, what, document, is_secret=False)


def _path_plugin(place: "Place", what: str, document: dict[str, Any]) -> dict[str, Any]:
    return _one_path(place, what, document, document)


def _paths_plugin(place: "Place", what: str, document: dict[str, Any]) -> dict[str, Any]:
    if "paths" in document:
        document["paths"] = _merges(place, f"{what}.paths", document["paths"])
    return document


def _replacements_plugin(place: "Place", what: str, document: dict[str, Any]) -> dict[str, Any]:
    if "replacements" in document:
        document["replacements"] = _replacements(place, f"{what}.replacements", document["replacements"])
    return document


def _is_inline(entry: str) -> bool:
    return "\n" in entry or entry.lstrip().startswith("{")


_patches = _with_path(fields.PATCH_KEYS)
_replacements = _with_path(fields.REPLACEMENT_KEYS)
_BUILTIN: dict[str, Callable[["Place", str, dict[str, Any]], dict[str, Any]]] = {
    "ConfigMapGenerator": _config_plugin,
    "PatchJson6902Transformer": _path_plugin,
    "PatchStrategicMergeTransformer": _paths_plugin,
    "PatchTransformer": _path_plugin,
    "ReplacementTransformer": _replacements_plugin,
    "SecretGenerator": _secret_plugin,
}
_PARTS: dict[str, Callable[["Place", str, Any], Any]] = {
    **dict.fromkeys(fields.FOLDERS, _folders),
    **dict.fromkeys(fields.FILES, _files),
    **dict.fromkeys(fields.PLUGINS, _plugins),
    **dict.fromkeys(fields.PATCHES, _patches),
    **dict.fromkeys(fields.MAKERS, _makers),
    "openapi": _openapi,
    "patchesStrategicMerge": _merges,
    "replacements": _replacements,
}
