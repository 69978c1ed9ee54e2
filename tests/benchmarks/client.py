# SPDX-License-Identifier: Apache-2.0
"""Our side of a transfer, in a process of its own: `client.py CASE REFERENCE SOURCE CACHE`.

Prints JSON: `seconds` after its imports, and `rss_mib` that it grew above the interpreter with all of them.
"""

# ruff: noqa: T201 - printing is what it is for

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import urllib3

from kubeoci import archive, artifact, reference, tree
from kubeoci.digest import Digest
from kubeoci.lifecycle.pull import pull
from kubeoci.registry.cache import Cache
from kubeoci.registry.copy import End, promote
from kubeoci.registry.layers import copy_layer
from kubeoci.registry.layout import Layouts
from kubeoci.registry.parallel import TRANSFERS, together
from kubeoci.registry.protocols import Folder
from kubeoci.registry.push import push
from kubeoci.registry.remote import Registry
from kubeoci.registry.transport import Settings


def push_files(registry: Registry, ref: reference.Reference, source: Path) -> None:
    """Pack the folder `source` and push it."""
    packed = tree.read(source)
    with registry.cache.stage() as stage:
        layer = archive.write(packed, stage.file)
        stage.commit(layer.digest)
    built = artifact.build(layer, packed.digest)
    push(registry, ref.repository, built, lambda: _cached(registry, layer.digest), [ref.tag or "latest"])


def _cached(registry: Registry, digest: Digest):  # noqa: ANN202 - a file
    blob = registry.cache.open_blob(digest)
    assert blob is not None
    return blob


def pull_files(registry: Registry, ref: reference.Reference, _source: Path) -> None:
    """Resolve, pull, verify and unpack, into memory as the provider does."""
    pull(registry, ref.repository, registry.resolve(ref))


def push_blob(registry: Registry, ref: reference.Reference, source: Path) -> None:
    """Hash one large file and push it, streamed, as the one layer of an artifact."""
    with source.open("rb") as file:
        digest = Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
    built = artifact.build(archive.Layer(digest, digest, source.stat().st_size), digest)
    push(registry, ref.repository, built, lambda: source.open("rb"), [ref.tag or "latest"])


def pull_blob(registry: Registry, ref: reference.Reference, _source: Path) -> None:
    """Copy the one layer of `latest` into a file, streamed, as `layerSelector.operation: copy` does."""
    found = registry.resolve(reference.Reference(ref.repository))
    copy_layer(registry, ref.repository, found, registry.cache.folder / "copied")


def seed(registry: Registry, ref: reference.Reference, source: Path) -> None:
    """Push the blobs of the image layout `source`, and no manifest."""
    layouts, place = Layouts(registry.cache), Folder(str(source))
    found = layouts.tag(place, "v1")
    assert found
    manifest = artifact.parse(layouts.manifest(place, found))
    blobs = [*manifest.layers, *([manifest.config] if manifest.config else [])]
    put = lambda blob: registry.put_blob(ref.repository, blob, lambda: layouts.blob(place, blob), absent=True)  # noqa: E731 - it is one argument
    together(put, blobs, TRANSFERS)


def push_known(registry: Registry, ref: reference.Reference, source: Path) -> None:
    """Copy the artifact of the image layout `source`, whose blobs are all there: each is looked for."""
    layouts, place = Layouts(registry.cache), Folder(str(source))
    found = layouts.tag(place, "v1")
    assert found
    promote(End(layouts, place), found, End(registry, ref.repository), [ref.tag or "latest"], with_referrers=False)


CASES: dict[str, Callable[[Registry, reference.Reference, Path], None]] = {
    case.__name__: case for case in (push_files, pull_files, push_blob, pull_blob, seed, push_known)
}


def peak_mib() -> float:
    """The most memory that this process ever held, in MiB; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def main(case: str, url: str, source: str, cache: str) -> None:
    """Run one case and print what it took."""
    assert urllib3.__version__  # loaded before the clock starts, as in a provider that runs
    registry = Registry(Settings(), Cache(Path(cache)), environment={})
    before, started = peak_mib(), time.perf_counter()
    CASES[case](registry, reference.parse(url), Path(source))
    print(json.dumps({"seconds": time.perf_counter() - started, "rss_mib": peak_mib() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
