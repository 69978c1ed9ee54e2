# SPDX-License-Identifier: Apache-2.0
"""What oras attached and cosign signed is found and verified by them where we promoted it to."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import toolbox
from kubeoci import digest, reference
from kubeoci.artifact import MANIFEST, canonical
from kubeoci.digest import Digest
from kubeoci.registry.cache import Cache
from kubeoci.registry.copy import End, promote
from kubeoci.registry.remote import Registry, Shared
from kubeoci.registry.transport import Settings
from registries import Registries
from toolbox import ToolError

Run = Callable[..., str]


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, str]]:
    """A registry without the referrers API, and one with it. Without the programs tests are skipped, but not in CI."""
    with Registries() as registries:
        try:
            toolbox.locate(["oras", "cosign"])
            yield {"tag": registries.distribution("promote"), "api": registries.referrers("promote-api")}
        except ToolError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs oras or cosign in a folder of its own."""

    def call(program: str, *arguments: str) -> str:
        path = toolbox.locate([program])[program]
        environment = os.environ | {"HOME": str(tmp_path), "COSIGN_PASSWORD": ""}
        done = subprocess.run(
            [path, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert not done.returncode, done.stderr
        return done.stdout

    return call


def end(host: str, name: str, folder: Path) -> End:
    """A repository, and a client that has learned nothing yet."""
    folder.mkdir()
    client = Registry(Settings(), Cache(folder), environment={"HOME": str(folder)}, shared=Shared())
    return End(client, reference.parse(f"{host}/{name}").repository)


def signed(run: Run, place: str, folder: Path) -> Digest:
    """An artifact with one attachment and one signature under `cosign.pub`."""
    for name in ("app.yaml", "sbom.json"):
        (folder / name).write_text(name)
    run("oras", "push", "--plain-http", f"{place}:v1", "app.yaml")
    found = digest.parse(run("oras", "resolve", "--plain-http", f"{place}:v1").strip())
    run("oras", "attach", "--plain-http", "--artifact-type", "x/sbom", f"{place}@{found}", "sbom.json")
    run("cosign", "generate-key-pair")
    quiet = ("--yes", "--tlog-upload=false", "--use-signing-config=false", "--allow-insecure-registry")
    run("cosign", "sign", "--key", "cosign.key", *quiet, f"{place}@{found}")
    return found


def discovered(run: Run, ref: str) -> int:
    """How many referrers oras finds."""
    return len(json.loads(run("oras", "discover", "--plain-http", "--format", "json", ref))["referrers"])


@pytest.mark.parametrize(("source", "target"), [("tag", "api"), ("api", "tag"), ("tag", "tag")])
def test_promoted_artifact_is_verified(
    hosts: dict[str, str], run: Run, tmp_path: Path, source: str, target: str
) -> None:
    """Whoever lists the referrers on either side; the same digest, the same files, the same signature."""
    origin, goal = f"dev-{source}-{target}", f"prod-{source}-{target}"
    found = signed(run, f"{hosts[source]}/{origin}", tmp_path)
    ends = end(hosts[source], origin, tmp_path / "a"), end(hosts[target], goal, tmp_path / "b")
    assert 3 == len(promote(ends[0], found, ends[1], ["v1"]).manifests)
    place = f"{hosts[target]}/{goal}"
    assert (found, 2) == (run("oras", "resolve", "--plain-http", f"{place}:v1").strip(), discovered(run, f"{place}:v1"))
    quiet = ("--insecure-ignore-tlog=true", "--allow-insecure-registry")
    run("cosign", "verify", "--key", "cosign.pub", *quiet, f"{place}@{found}")
    run("oras", "pull", "--plain-http", "-o", "pulled", f"{place}:v1")
    assert "app.yaml" == (tmp_path / "pulled" / "app.yaml").read_text()


@pytest.mark.parametrize("kind", ["tag", "api"])
def test_no_entry_is_lost(hosts: dict[str, str], run: Run, tmp_path: Path, kind: str) -> None:
    """Two writers that know nothing of each other attach twenty artifacts; oras finds all of them."""
    (tmp_path / "app.yaml").write_text("app")
    ref = f"{hosts[kind]}/busy:v1"
    run("oras", "push", "--plain-http", ref, "app.yaml")
    raw = run("oras", "manifest", "fetch", "--plain-http", ref).encode()
    subject = {"mediaType": MANIFEST, "digest": digest.of(raw), "size": len(raw)}
    fields = {"schemaVersion": 2, "mediaType": MANIFEST, "config": json.loads(raw)["config"], "layers": []}
    ends = [end(hosts[kind], "busy", tmp_path / name) for name in ("a", "b")]

    def write(number: int) -> None:
        mine = canonical(fields | {"subject": subject, "artifactType": "x/y", "annotations": {"n": str(number)}})
        ends[number % 2].store.attach(ends[number % 2].place, mine, MANIFEST)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(20)))
    assert 20 == discovered(run, ref)
