# SPDX-License-Identifier: Apache-2.0
"""Pushes and pulls, ours and those of crane and oras in turn, against one registry on this machine."""

# ruff: noqa: T201 - printing is what it is for

import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import toolbox
from benchmarks.measure import Run, ours, theirs
from benchmarks.proxy import Proxy, before
from registries import Registries
from toolbox import ToolError

OURS = "kubeoci"
_MIB = 1 << 20
_DELAY_SECONDS = 0.02
_MAX_STREAM_MIB = 40.0
_MAX_KNOWN_SECONDS = 1.5
_LAYER = "application/octet-stream"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Case:
    """One transfer.

    In `commands`, by client, `{ref}` and `{repo}` are the place, `{program}` the client, `{out}` a new folder; they run
    beside `source`. A pull reads `ready`, in which `{client}` stands for the client; a push goes to a new repository.
    """

    title: str
    name: str
    source: Path
    commands: Mapping[str, str]
    rounds: int
    ready: str = ""
    delay_seconds: float = 0.0
    max_rss_mib: float = 0.0
    max_seconds: float = 0.0


def main() -> int:
    """Print a table per case; 1 when one of our limits is broken."""
    programs = dict(_programs())
    print(f"\nTransfers: best of the runs, {os.cpu_count()} cores shared with the registry, clients in turn")
    with tempfile.TemporaryDirectory(prefix="kubeoci-bench-") as name, Registries() as registries:
        folder = Path(name)
        try:
            upstream = registries.distribution("bench", disk=folder / "registry")
        except ToolError as error:
            print(f"left out, the registry cannot be had: {error}")
            return 0
        with before(upstream) as proxy:
            broken = [_measure(case, upstream, proxy, programs) for case in _cases(folder, upstream)]
    return int(any(broken))


def _programs() -> Iterator[tuple[str, Path]]:
    """Other clients that can be had; says of the rest that they cannot."""
    for name in ("crane", "oras"):
        try:
            yield name, toolbox.locate([name])[name]
        except ToolError as error:
            print(f"{name} is left out, it cannot be had: {error}")
    if flux := shutil.which("flux"):
        yield "flux", Path(flux)
    else:
        print("flux is left out, it is not on PATH")


def _cases(folder: Path, upstream: str) -> Iterator[Case]:
    """The cases, each prepared right before it runs."""
    few = _yaml_files(folder / "few" / "files", 200, 2000)
    yield from _files("200 YAML files (0.4 MB)", few, upstream, 5)
    many = _yaml_files(folder / "many" / "files", 10_000, 2200)
    yield from _files("10,000 files (22 MB)", many, upstream, 2)
    yield from _stream(folder / "large", upstream)
    yield _known(folder / "known" / "layout", upstream)


def _files(what: str, source: Path, upstream: str, rounds: int) -> Iterator[Case]:
    """Push and pull of a folder."""
    push = {
        "crane": "tar -C {source} -czf {out}/t.tgz . && {program} append --oci-empty-base -f {out}/t.tgz -t {ref}",
        "oras": "{program} push --plain-http --no-tty {ref} files",
        "flux": "{program} push artifact oci://{ref} -f files --source bench --revision bench --insecure-registry",
    }
    pull = {
        "crane": "{program} export {ref} - | tar -xf - -C {out}",
        "oras": "{program} pull --plain-http --no-tty -o {out} {ref}",
        "flux": "{program} pull artifact oci://{ref} -o {out} --insecure-registry",
    }
    yield Case(f"build and push {what}", "push_files", source, push, rounds)
    # each client pulls what it pushed: oras unpacks nothing else
    ready = f"{upstream}/push-files/{source.parent.name}/{{client}}-0:v1"
    yield Case(f"pull and unpack {what}", "pull_files", source, pull, rounds, ready)


def _stream(folder: Path, upstream: str) -> Iterator[Case]:
    """One layer of 200 MiB of noise, copied as it is; crane pushes blobs only as part of an image."""
    folder.mkdir(parents=True)
    source = folder / "blob"
    with source.open("wb") as file:
        file.writelines(random.Random(block).randbytes(_MIB) for block in range(200))
    with source.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    push = {"oras": "{program} blob push --plain-http --no-tty {repo} blob"}
    pull = {
        "crane": "{program} blob {ref} > {out}/blob",
        "oras": "{program} blob fetch --plain-http --no-tty --output {out}/blob {ref}",
    }
    yield Case("push one blob of 200 MiB, from a file", "push_blob", source, push, 3, max_rss_mib=_MAX_STREAM_MIB)
    ready = f"{upstream}/ready-large"
    ours(sys.executable, "push_blob", ready, source)
    yield Case("copy it into a file", "pull_blob", source, pull, 3, f"{ready}@{digest}", max_rss_mib=_MAX_STREAM_MIB)


def _known(layout: Path, upstream: str) -> Case:
    """An image of 1,000 small layers, every one of which the registry has."""
    _write_layout(layout, 1000)
    commands = {
        "crane": "{program} push layout {ref}",
        "oras": "{program} cp --from-oci-layout --to-plain-http --no-tty layout:v1 {ref}",
    }
    _write_index(layout, "seed")
    ours(sys.executable, "seed", f"{upstream}/known", layout)
    title = f"push 1,000 blobs that exist, {_DELAY_SECONDS * 1000:.0f} ms per request"
    return Case(title, "push_known", layout, commands, 2, delay_seconds=_DELAY_SECONDS, max_seconds=_MAX_KNOWN_SECONDS)


def _measure(case: Case, upstream: str, proxy: Proxy, programs: Mapping[str, Path]) -> bool:
    """Run every client in turn, then once more through the counting proxy; print, and tell if a limit is broken."""
    clients = [OURS, *(name for name in programs if name in case.commands)]
    runs: dict[str, list[Run]] = {client: [] for client in clients}
    counts = {}
    proxy.delay_seconds = case.delay_seconds
    host = proxy.address if case.delay_seconds else upstream
    for turn in range(case.rounds):
        for client in clients:
            runs[client].append(_run(case, client, programs, _ref(case, client, f"{turn}", host, upstream)))
    for client in clients:
        proxy.count = 0
        _run(case, client, programs, _ref(case, client, "count", proxy.address, upstream))
        counts[client] = proxy.count
    return _print(case, runs, counts)


def _ref(case: Case, client: str, turn: str, host: str, upstream: str) -> str:
    """Where this run goes: a repository of its own, or what is ready."""
    if case.ready:
        return case.ready.format(client=client).replace(upstream, host)
    if case.name == "push_known":
        return f"{host}/known:{client}-{turn}"
    return f"{host}/{case.name.replace('_', '-')}/{case.source.parent.name}/{client}-{turn}:v1"


def _run(case: Case, client: str, programs: Mapping[str, Path], ref: str) -> Run:
    """One run; a push of what exists brings a manifest that nobody has seen."""
    if case.name == "push_known":
        _write_index(case.source, ref)
    if client == OURS:
        return ours(sys.executable, case.name, ref, case.source)
    with tempfile.TemporaryDirectory(prefix="kubeoci-bench-") as out:
        repo = ref.rpartition(":")[0]
        names = {"ref": ref, "repo": repo, "out": out, "source": case.source, "program": programs[client]}
        command = case.commands[client].format(**names)
        return theirs(["/bin/sh", "-ec", command], case.source.parent, {"DOCKER_CONFIG": out})


def _print(case: Case, runs: Mapping[str, list[Run]], counts: Mapping[str, int]) -> bool:
    best = {client: min(found, key=lambda run: run.wall) for client, found in runs.items()}
    inner = min(run.inner for run in runs[OURS])
    rss = min(run.rss_mib for run in runs[OURS])
    print(f"\n{case.title} ({case.rounds} runs each, load {os.getloadavg()[0]:.2f})")
    print(f"  {OURS:8} {best[OURS].wall:7.3f} s, {best[OURS].cpu:6.2f} CPU s, {counts[OURS]:5} requests", end="")
    print(f"; after its imports {inner:.3f} s, {rss:.1f} MiB more than with its imports alone")
    for client in list(best)[1:]:
        run = best[client]
        print(f"  {client:8} {run.wall:7.3f} s, {run.cpu:6.2f} CPU s, {counts[client]:5} requests", end="")
        print(f"; ours/theirs {best[OURS].wall / run.wall:.2f}, after our imports {inner / run.wall:.2f}")
        print(f"           {case.commands[client]}")
    too_much = bool(case.max_rss_mib) and rss > case.max_rss_mib
    too_slow = bool(case.max_seconds) and inner > case.max_seconds
    if too_much or too_slow:
        print(f"  over the limit of {case.max_rss_mib:.0f} MiB" if too_much else f"  over {case.max_seconds} s")
    return too_much or too_slow


def _yaml_files(folder: Path, count: int, size: int) -> Path:
    """A folder with so many YAML files of about `size` bytes, in folders of a hundred."""
    noise = random.Random(count)
    for number in range(count):
        path = folder / f"group-{number // 100:03}" / f"object-{number:05}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: object-{number}, namespace: shop}}\ndata:\n"
        lines = [f"  key-{line:03}: {noise.randbytes(12).hex()}\n" for line in range((size - len(head)) // 36)]
        path.write_text(head + "".join(lines))
    return folder


def _write_layout(folder: Path, count: int) -> None:
    """An OCI image layout of so many layers of 100 bytes."""
    (folder / "blobs" / "sha256").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    for number in range(count):
        _blob(folder, f"{number:0100}".encode())
    _blob(folder, _config_bytes(count))


def _config_bytes(count: int) -> bytes:
    diff_ids = [f"sha256:{hashlib.sha256(f'{number:0100}'.encode()).hexdigest()}" for number in range(count)]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    return json.dumps({"architecture": "unknown", "os": "unknown", "rootfs": rootfs}).encode()


def _write_index(folder: Path, note: str) -> None:
    """Make the layout's one image a new one, by an annotation."""
    layers = [_descriptor(f"{number:0100}".encode(), _LAYER) for number in range(1000)]
    config = _descriptor(_config_bytes(1000), _CONFIG)
    document = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": layers}
    raw = json.dumps({**document, "annotations": {"note": note}}).encode()
    _blob(folder, raw)
    entry = {**_descriptor(raw, _MANIFEST), "annotations": {"org.opencontainers.image.ref.name": "v1"}}
    index = {"schemaVersion": 2, "manifests": [entry]}
    (folder / "index.json").write_text(json.dumps(index))


def _descriptor(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}


def _blob(folder: Path, data: bytes) -> None:
    (folder / "blobs" / "sha256" / hashlib.sha256(data).hexdigest()).write_bytes(data)
