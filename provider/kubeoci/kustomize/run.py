# SPDX-License-Identifier: Apache-2.0
"""One build: the files that were found go in, objects as YAML come out; what went wrong is told without secrets."""

import json
import posixpath
import threading
from collections.abc import Iterator
from typing import Any

from kubeoci import yaml
from kubeoci.errors import ManifestError
from kubeoci.kustomize import jail
from kubeoci.kustomize.program import Program
from kubeoci.kustomize.search import Search

_MAX_TOLD = 1000
_SHORT = 4  # shorter texts are not taken for secrets: they stand everywhere


def run(used: Program, search: Search, file: str, *, seconds: float, stop: threading.Event) -> bytes:
    """The output of kustomize for what `file` describes. Raises `Stopped`, ManifestError (`manifest.build_failed`)."""
    # files from anywhere in the artifact are fine: only those that were found and allowed are there at all
    command = [used.path, *used.words, "--load-restrictor", "LoadRestrictionsNone", posixpath.dirname(file) or "."]
    done = jail.run(command, search.needed, seconds=seconds, stop=stop)
    if done.status:
        what = f"{used.name} failed: {_short(masked(done.told, search)) or f'exit code {done.status}'}"
        raise ManifestError("manifest.build_failed", what, where=file, advice="correct the kustomization")
    return done.output


def masked(text: str, search: Search) -> str:
    """The text without the contents of files and patches, and without values of Secrets."""
    contents = {data.decode(errors="replace") for data in search.needed.values()} | search.inline
    secrets = search.secrets | {value for each in contents for value in _values(each)}
    for word, hidden in (("…", {each.strip() for each in contents}), ("***", secrets)):
        for each in sorted((each for each in hidden if len(each) >= _SHORT), key=len, reverse=True):
            text = text.replace(each, word).replace(json.dumps(each)[1:-1], word)
    return text


def _short(text: str) -> str:
    """One line that one can read."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_TOLD else f"{line[:_MAX_TOLD]}…"


def _values(text: str) -> Iterator[str]:
    """Every value of the Secrets in a file, and each line of it."""
    if "Secret" not in text:
        return
    try:
        documents = yaml.load(text.encode(), "")
    except ManifestError:
        return  # kustomize says what is wrong with it; then its content is hidden as a whole
    for value in (value for each in documents for value in _secret(each.value)):
        yield from (value, *value.splitlines())


def _secret(value: Any) -> Iterator[str]:  # noqa: ANN401 - any YAML value
    if isinstance(value, list):
        yield from (found for each in value for found in _secret(each))
    elif isinstance(value, dict) and value.get("kind") == "Secret":
        for name in ("data", "stringData"):
            section = value.get(name)
            yield from (each for each in section.values() if isinstance(each, str)) if isinstance(section, dict) else ()
    elif isinstance(value, dict):
        yield from _secret(value.get("items"))
