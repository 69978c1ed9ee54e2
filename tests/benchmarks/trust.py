# SPDX-License-Identifier: Apache-2.0
"""Signing and verifying with a key: CPU time alone, then beside cosign against one registry on this machine.

Ours runs as in a provider: the process is there and has read its key, the client is new, its cache is empty. cosign is
a process that reads its key each time.
"""

# ruff: noqa: T201 - printing is what it is for

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import toolbox
from benchmarks.measure import Run, theirs
from benchmarks.proxy import Proxy, before
from kubeoci import digest as digests
from kubeoci import reference
from kubeoci.artifact import MANIFEST, Descriptor, canonical
from kubeoci.registry.cache import Cache
from kubeoci.registry.remote import Registry, Shared
from kubeoci.registry.transport import Settings
from kubeoci.trust import bundle, keys, simplesigning, statement
from kubeoci.trust.judge import judge
from kubeoci.trust.sign import sign
from kubeoci.trust.signers import KeySigner
from kubeoci.trust.verify import verify
from registries import Registries
from toolbox import ToolError

_OURS = "kubeoci"
_ROUNDS = 20
_PASSWORD = "bench"
_MAX_MS = 1.0
_MAX_REQUESTS = {("sign", "bundle"): 15, ("sign", "legacy"): 16, ("verify", "bundle"): 4, ("verify", "legacy"): 4}
_FORMATS = ("bundle", "legacy")
_EMPTY = Descriptor("application/vnd.oci.empty.v1+json", digests.of(b"{}"), 2)
_PLAIN = ("--allow-http-registry", "--tlog-upload=false", "--use-signing-config=false", "--yes", "--key=cosign.key")
_COMMANDS = {"sign": _PLAIN, "verify": ("--allow-http-registry", "--insecure-ignore-tlog", "--key=cosign.pub")}


def main() -> int:
    """Print a line per figure; 1 when one of ours is over its limit."""
    pair = keys.generate(_PASSWORD)
    started = time.perf_counter()
    signer = KeySigner(keys.private_key(pair.private, _PASSWORD))
    load = os.getloadavg()[0]
    print(f"\nTrust: medians of {_ROUNDS}, {os.cpu_count()} cores shared with the registry, load {load:.2f}")
    print(f"  reading a cosign.key, once per operation   {(time.perf_counter() - started) * 1000:7.1f} ms")
    broken = [_cpu(title, call) for title, call in _calls(signer)]
    with tempfile.TemporaryDirectory(prefix="kubeoci-bench-") as name, Registries() as registries:
        folder = Path(name)
        (folder / "cosign.key").write_text(pair.private)
        (folder / "cosign.pub").write_text(pair.public)
        try:
            upstream = registries.distribution("bench-trust")
        except ToolError as error:
            print(f"left out, the registry cannot be had: {error}")
            return int(any(broken))
        with before(upstream) as proxy:
            bench = _Bench(folder, signer, upstream, proxy, _cosign())
            broken += [bench.compare(verb, form) for form in _FORMATS for verb in ("sign", "verify")]
    return int(any(broken))


def _cosign() -> Path | None:
    try:
        return toolbox.locate(["cosign"])["cosign"]
    except ToolError as error:
        print(f"cosign is left out, it cannot be had: {error}")
        return None


def _calls(signer: KeySigner) -> Iterator[tuple[str, Callable[[], object]]]:
    """What a processor does for one signature, without any request."""
    digest = digests.of(b"subject")
    payload, legacy = statement.build(digest), simplesigning.payload(digest, "ghcr.io/org/app")
    raw, notes, policy = signer.bundle(payload), signer.legacy(legacy), signer.policy(_FORMATS, {}, None)
    yield "sign a bundle", lambda: signer.bundle(payload)
    yield "sign in the legacy format", lambda: signer.legacy(legacy)
    yield "verify a bundle", lambda: judge(bundle.read(raw), policy, digest)
    yield "verify in the legacy format", lambda: judge(simplesigning.read(legacy, notes), policy, digest)


def _cpu(title: str, call: Callable[[], object]) -> bool:
    """Print the CPU time of one call, and tell if it is over the limit."""
    call()
    runs = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        call()
        runs.append((time.process_time() - started) * 1000)
    median = statistics.median(runs)
    verdict = "over" if median > _MAX_MS else "within"
    print(f"  {title:42} {median:7.2f} ms CPU, {verdict} the limit of {_MAX_MS:.0f} ms")
    return median > _MAX_MS


@dataclass(frozen=True, slots=True)
class _Bench:
    """A registry, a counting proxy before it, and whoever signs there. cosign may be missing."""

    folder: Path
    signer: KeySigner
    upstream: str
    proxy: Proxy
    cosign: Path | None

    def compare(self, verb: str, form: str) -> bool:
        """Print what everybody takes, and tell if we ask too often."""
        most = _MAX_REQUESTS[verb, form]
        print(f"  {verb} in the {form} format, in a registry without referrers API")
        asked = self._measure(verb, form, _OURS, f", at most {most} allowed")
        if self.cosign:
            self._measure(verb, form, self.cosign.name)
        return asked > most

    def _measure(self, verb: str, form: str, client: str, note: str = "") -> int:
        """Print the medians of a client, which signs something new each time; how many requests one more run takes."""
        runs, path, subject = [], "", _EMPTY
        for turn in range(_ROUNDS + 1):
            if verb == "sign" or not turn:
                path = f"{verb}/{form}/{client}-{turn}"
                subject = self._made(f"{self.upstream}/{path}", form if verb == "verify" else "")
            host = self.upstream if turn < _ROUNDS else self.proxy.address
            self.proxy.count = 0
            call = self._ours if client == _OURS else self._theirs
            runs.append(call(verb, form, f"{host}/{path}", subject))
        wall, cpu = (statistics.median(getattr(run, name) for run in runs[:-1]) * 1000 for name in ("wall", "cpu"))
        print(f"    {client:8} {wall:7.1f} ms, {cpu:6.1f} ms CPU, {self.proxy.count:2} requests{note}")
        return self.proxy.count

    def _made(self, place: str, form: str) -> Descriptor:
        """A new artifact, signed if there is a format."""
        registry, repository = self._client(), reference.parse(place).repository
        fields = {"schemaVersion": 2, "mediaType": MANIFEST, "config": _EMPTY.document(), "layers": []}
        raw = canonical({**fields, "annotations": {"place": place}})
        subject = Descriptor(MANIFEST, digests.of(raw), len(raw))
        registry.put_blob(repository, _EMPTY, lambda: BytesIO(b"{}"))
        registry.put_manifest(repository, subject.digest, raw, MANIFEST)
        if form:
            sign(registry, repository, subject, self.signer, formats=(form,))
        return subject

    def _client(self) -> Registry:
        return Registry(Settings(), Cache(Path(tempfile.mkdtemp(dir=self.folder))), environment={}, shared=Shared())

    def _ours(self, verb: str, form: str, place: str, subject: Descriptor) -> Run:
        registry, repository = self._client(), reference.parse(place).repository
        wall, cpu = time.perf_counter(), time.process_time()
        if verb == "sign":
            sign(registry, repository, subject, self.signer, formats=(form,))
        else:
            verify(registry, repository, subject.digest, self.signer.policy((form,), {}, None))
        return Run(time.perf_counter() - wall, time.process_time() - cpu)

    def _theirs(self, verb: str, form: str, place: str, subject: Descriptor) -> Run:
        kind = f"--new-bundle-format={'true' if form == 'bundle' else 'false'}"
        argv = [str(self.cosign), verb, kind, *_COMMANDS[verb], f"{place}@{subject.digest}"]
        return theirs(argv, self.folder, {"HOME": str(self.folder), "COSIGN_PASSWORD": _PASSWORD})
