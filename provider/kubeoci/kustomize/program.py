# SPDX-License-Identifier: Apache-2.0
"""The program that builds kustomizations: `kustomize`, else the one inside kubectl; and its version, for the record."""

import json
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from kubeoci.errors import ManifestError
from kubeoci.kustomize import jail

_SECONDS = 20.0
_ADVICE = (
    "install kustomize or kubectl, name the program in the provider's `kustomize`, or pack the output of"
    " `kustomize build`"
)


@dataclass(frozen=True, slots=True)
class Program:
    """Where it is, the words that make it build, and what it calls itself: `kustomize v5.8.1`."""

    path: str
    words: tuple[str, ...]
    name: str


def find(configured: str = "", *, stop: threading.Event) -> Program:
    """The program, started once per process to ask its version.

    `configured` is a path or a name; without it `kustomize` is looked for, then `kubectl`.
    Raises ManifestError (`manifest.build_failed`) when there is none, or none that answers.
    """
    for name in [configured] if configured else ["kustomize", "kubectl"]:
        path = shutil.which(name)
        if path:
            return _ask(path, stop)
    sought = f"{configured!r} is no program" if configured else "neither kustomize nor kubectl is on PATH"
    raise ManifestError("manifest.build_failed", f"a kustomization must be built, and {sought}", advice=_ADVICE)


_known: dict[tuple[str, int, int], Program] = {}  # by path, time and size of the file


def _ask(path: str, stop: threading.Event) -> Program:
    state = Path(path).stat()
    key = path, state.st_mtime_ns, state.st_size
    if key not in _known:
        _known[key] = _started(path, stop)
    return _known[key]


def _started(path: str, stop: threading.Event) -> Program:
    is_kubectl = Path(path).name.startswith("kubectl")
    words = ("version", "--client", "-o", "json") if is_kubectl else ("version",)
    done = jail.run([path, *words], seconds=_SECONDS, stop=stop)
    version = _version(done.output, is_kubectl=is_kubectl)
    if done.status or not version:
        what = f"{path} does not tell its version: {done.told or f'exit code {done.status}'}"
        raise ManifestError("manifest.build_failed", what, advice=_ADVICE)
    return Program(path, ("kustomize",) if is_kubectl else ("build",), f"kustomize {version}")


def _version(output: bytes, *, is_kubectl: bool) -> str:
    text = output.decode(errors="replace").strip()
    if not is_kubectl:
        return text.splitlines()[-1].strip() if text else ""
    try:
        return str(json.loads(text).get("kustomizeVersion") or "")
    except (ValueError, AttributeError):
        return ""
