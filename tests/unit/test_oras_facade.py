# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.oras: oras-py's surface on our transport, against a simulated registry and oras-py itself."""

import ast
import gzip
import inspect
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oras.defaults
import oras.layout.layout
import oras.provider
import pytest

from kubeoci import archive, artifact, digest, reference, tree
from kubeoci.errors import FilesError, InputError, KubeociError, RegistryError
from kubeoci.registry import entries, titled
from kubeoci.registry import oras as facade
from kubeoci.registry.cache import Cache
from kubeoci.registry.oras import OciRegistry
from kubeoci.registry.referrers import list_referrers
from kubeoci.registry.remote import Shared
from kubeoci.registry.transport import Settings
from simulator.client import QUICK
from simulator.registry import Fault, RegistrySimulator


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    """An empty, open registry."""
    with RegistrySimulator() as simulator:
        yield simulator


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OciRegistry:
    """A client in a working folder with `a.txt` and `dir/{run,deep/b.jpg}`, and an empty cache."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("alpha")
    (tmp_path / "dir" / "deep").mkdir(parents=True)
    (tmp_path / "dir" / "run").write_text("#!")
    (tmp_path / "dir" / "run").chmod(0o755)
    (tmp_path / "dir" / "deep" / "b.jpg").write_text("beta")
    return fresh(tmp_path)


def fresh(home: Path) -> OciRegistry:
    """A client that knows nothing."""
    folder = home / f"cache-{len(list(home.iterdir()))}"
    folder.mkdir()
    environment = {"HOME": str(home)}
    return OciRegistry(settings=Settings(limits=QUICK), cache=Cache(folder), environment=environment, shared=Shared())


def files(folder: Path) -> dict[str, str]:
    """Each file below a folder with its text."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


ALL = {"a.txt": "alpha", "dir/run": "#!", "dir/deep/b.jpg": "beta"}


def test_what_is_pushed_is_pulled(tmp_path: Path, server: RegistrySimulator, client: OciRegistry) -> None:
    """Files and folders come back under their names, execute bits as well, and the answer has the digest."""
    response = client.push(f"{server.host}/app:v1", files=["a.txt:text/plain", "dir"], quiet=True)
    assert (201, server.tags["app"]["v1"]) == (response.status_code, response.headers["Docker-Content-Digest"])
    paths = fresh(tmp_path).pull(f"{server.host}/app:v1", outdir=str(tmp_path / "out"))
    assert [str(tmp_path / "out" / name) for name in ("a.txt", "dir")] == paths
    assert files(tmp_path / "out") == ALL
    assert (tmp_path / "out" / "dir" / "run").stat().st_mode & 0o111


def test_push_moves_the_tag_last(server: RegistrySimulator, client: OciRegistry) -> None:
    """Blobs first, the manifest last; a second push sends no blob, and equal folders are equal artifacts."""
    client.push(f"{server.host}/app:v1", files=["dir"], quiet=True)
    assert "PUT /v2/app/manifests/v1" == server.requests[-1]
    before = dict(server.tags["app"])
    server.clear()
    client.push(f"{server.host}/app:v1", files=["dir"], quiet=True)
    assert ["HEAD", "HEAD", "PUT"] == [request.partition(" ")[0] for request in server.requests]
    assert before == server.tags["app"]


def test_annotations_config_and_subject(tmp_path: Path, server: RegistrySimulator, client: OciRegistry) -> None:
    """All that oras-py can say of an artifact gets into the manifest."""
    notes = {"$manifest": {"team": "shop", "tier": "1"}, "$config": {"c": "1"}, "a.txt": {"x": "y"}}
    (tmp_path / "notes.json").write_text(json.dumps(notes))
    (tmp_path / "config.json").write_text("{}")
    subject = oras.oci.Subject(artifact.MANIFEST, digest.of(b"x"), 1)
    client.push(
        f"{server.host}/app:v1",
        files=["a.txt"],
        annotation_file="notes.json",
        manifest_annotations={"tier": "2"},
        manifest_config="config.json:application/x",
        subject=subject,
    )
    found = client.get_manifest(f"{server.host}/app:v1")
    assert {"team": "shop", "tier": "2"} == found["annotations"]
    assert ("application/x", {"c": "1"}) == (found["config"]["mediaType"], found["config"]["annotations"])
    assert {titled.TITLE: "a.txt", "x": "y"} == found["layers"][0]["annotations"]
    assert {"mediaType": artifact.MANIFEST, "digest": digest.of(b"x"), "size": 1} == found["subject"]


def test_a_subject_finds_what_is_attached(server: RegistrySimulator, client: OciRegistry) -> None:
    """What is pushed with a subject is among its referrers, in a registry without their API as well."""
    target = f"{server.host}/app:v1"
    client.push(target, files=["a.txt"], quiet=True)
    name = digest.parse(server.tags["app"]["v1"])
    subject = oras.oci.Subject(artifact.MANIFEST, name, len(server.manifests["app"][name][1]))
    client.push(f"{server.host}/app:about", files=["a.txt"], subject=subject, quiet=True)
    found = list_referrers(client._client(), reference.parse(target).repository, name)  # noqa: SLF001 - any client will do
    assert [server.tags["app"]["about"]] == [one.digest for one in found]


def test_folders_say_that_they_are_folders(server: RegistrySimulator, client: OciRegistry) -> None:
    """To the oras program by annotations, with the digest of the tar; a file has none of them."""
    client.push(f"{server.host}/app:v1", files=["a.txt", "dir"], quiet=True)
    file, folder = client.get_manifest(f"{server.host}/app:v1")["layers"]
    inner = digest.of(gzip.decompress(server.blobs["app"][folder["digest"]]))
    notes = {titled.TITLE: "dir", titled.UNPACK: "true", titled.CONTENT_DIGEST: inner}
    assert (notes, {titled.TITLE: "a.txt"}) == (folder["annotations"], file["annotations"])


def test_folders_of_the_oras_program_are_unpacked(
    tmp_path: Path, server: RegistrySimulator, client: OciRegistry
) -> None:
    """Whatever their media type; the names in it begin with the title, which may be a path."""
    client.push(f"{server.host}/app:v1", files=["dir:application/x"], quiet=True)
    client.pull(f"{server.host}/app:v1", outdir=str(tmp_path / "one"))
    assert files(tmp_path / "one") == {name: text for name, text in ALL.items() if name.startswith("dir/")}
    stream = io.BytesIO()
    archive.write(tree.of({"x": b"1"}), stream, root="a/b")
    layer = {"mediaType": "a/b", "digest": digest.of(stream.getvalue()), "size": len(stream.getvalue())}
    server.blobs["app"][layer["digest"]] = stream.getvalue()
    manifest = client.get_manifest(f"{server.host}/app:v1")
    manifest["layers"] = [layer | {"annotations": {titled.TITLE: "a/b", titled.UNPACK: "true"}}]
    client.upload_manifest(manifest, f"{server.host}/app:v2")
    client.pull(f"{server.host}/app:v2", outdir=str(tmp_path / "two"))
    assert files(tmp_path / "two") == {"a/b/x": "1"}
    del manifest["layers"][0]["annotations"][titled.TITLE]
    client.upload_manifest(manifest, f"{server.host}/app:v3")
    paths = client.pull(f"{server.host}/app:v3", outdir=str(tmp_path / "three"))
    assert [str(tmp_path / "three" / layer["digest"])] == paths


@pytest.mark.filterwarnings("ignore")  # of oras-py and tarfile
def test_oras_reads_ours_and_writes_for_us(tmp_path: Path, server: RegistrySimulator, client: OciRegistry) -> None:
    """oras-py itself pulls what we push, and we pull what it pushes."""
    theirs = oras.provider.Registry(insecure=True)
    client.push(f"{server.host}/ours:v1", files=["a.txt", "dir"], quiet=True)
    theirs.pull(f"{server.host}/ours:v1", outdir=str(tmp_path / "theirs"))
    assert files(tmp_path / "theirs") == ALL
    theirs.push(f"{server.host}/theirs:v1", files=["a.txt", "dir"])
    client.pull(f"{server.host}/theirs:v1", outdir=str(tmp_path / "ours"))
    assert files(tmp_path / "ours") == ALL


def test_tags(server: RegistrySimulator, client: OciRegistry) -> None:
    """Tags are listed, cut off and deleted one by one, never through the digest."""
    for tag in ("v1", "v2", "v3"):
        client.push(f"{server.host}/app:{tag}", files=["a.txt"], quiet=True)
    assert (["v1", "v2", "v3"], ["v1"]) == (
        client.get_tags(f"{server.host}/app"),
        client.get_tags(f"{server.host}/app", 1),
    )
    server.clear()
    assert ["v1"] == client.delete_tags(f"{server.host}/app", ["v1", "v9"])
    assert "DELETE /v2/app/manifests/v1" in server.requests
    assert ["v2", "v3"] == client.get_tags(f"{server.host}/app")


def test_blobs_one_by_one(tmp_path: Path, server: RegistrySimulator, client: OciRegistry) -> None:
    """The single steps of oras-py work, and their answers can be read as usual."""
    container = client.get_container(f"{server.host}/app:v1")
    name = digest.of(b"alpha")
    layer = {"mediaType": "text/plain", "digest": name, "size": 5}
    assert 404 == client.get_blob(container, name).status_code
    assert 201 == client.upload_blob("a.txt", container, layer).status_code
    assert 200 == client.upload_blob("a.txt", container, layer).status_code
    assert (b"alpha", 200) == (
        client.get_blob(container, name).content,
        client.get_blob(container, name, head=True).status_code,
    )
    assert [b"al", b"ph", b"a"] == list(client.get_blob(container, name, stream=True).iter_content(2))
    client.download_blob(container, name, str(tmp_path / "new" / "file"))
    assert "alpha" == (tmp_path / "new" / "file").read_text()


def test_requests_of_users_are_answered(server: RegistrySimulator, client: OciRegistry) -> None:
    """`do_request` gives the status, the headers and the body, also of what is missing."""
    client.push(f"{server.host}/app:v1", files=["a.txt"], quiet=True)
    url = f"http://{server.host}/v2/app/manifests/v1"
    answer = client.do_request(url, headers={"Accept": artifact.ACCEPT})
    assert (200, "OK", artifact.MANIFEST) == (answer.status_code, answer.reason, answer.json()["mediaType"])
    assert server.tags["app"]["v1"] == answer.headers["docker-content-digest"]
    assert 404 == client.do_request(f"http://{server.host}/v2/app/manifests/v9").status_code
    assert (
        201
        == client.do_request(
            url.replace("v1", "v2"), "PUT", headers={"Content-Type": artifact.MANIFEST}, json=answer.json()
        ).status_code
    )
    assert {"v1", "v2"} == set(client.do_request(f"http://{server.host}/v2/app/tags/list?n=9").json()["tags"])


def test_wrong_bytes_are_never_given_out(tmp_path: Path, server: RegistrySimulator, client: OciRegistry) -> None:
    """Blobs and manifests are checked on each way to them, and no file is written."""
    client.push(f"{server.host}/app:v1", files=["a.txt"], quiet=True)
    url, name = f"http://{server.host}/v2/app", digest.of(b"alpha")
    server.fail("GET /v2/app/", Fault(body=b"alphx"), times=9)
    reader = fresh(tmp_path)
    for ask in (
        lambda: reader.pull(f"{server.host}/app:v1", outdir=str(tmp_path / "out")),
        lambda: reader.get_blob(f"{server.host}/app", name),
        lambda: reader.download_blob(f"{server.host}/app", name, str(tmp_path / "out")),
        lambda: reader.do_request(f"{url}/manifests/{server.tags['app']['v1']}"),
    ):
        with pytest.raises(RegistryError, match=r"registry\.digest_mismatch"):
            ask()
    assert not (tmp_path / "out").exists()


def push_titled(client: OciRegistry, server: RegistrySimulator, title: str) -> None:
    """An artifact of one file whose title is what an attacker likes."""
    client.push(f"{server.host}/app:v1", files=["a.txt"], quiet=True)
    manifest = client.get_manifest(f"{server.host}/app:v1")
    manifest["layers"][0]["annotations"][titled.TITLE] = title
    client.upload_manifest(manifest, f"{server.host}/app:v1")


@pytest.mark.parametrize("title", ["../evil", "/abs", "a/../../evil"])
def test_titles_stay_inside(tmp_path: Path, server: RegistrySimulator, client: OciRegistry, title: str) -> None:
    """As in CVE-2021-21272: a title is no way out of the folder."""
    push_titled(client, server, title)
    with pytest.raises(KubeociError, match=r"archive\.unsafe"):
        client.pull(f"{server.host}/app:v1", outdir=str(tmp_path / "out"))
    assert not (tmp_path / "evil").exists()


def test_files_are_kept_if_asked(tmp_path: Path, server: RegistrySimulator, client: OciRegistry) -> None:
    """With `overwrite=False` what is there stays and is not listed."""
    client.push(f"{server.host}/app:v1", files=["a.txt"], quiet=True)
    (tmp_path / "a.txt").write_text("mine")
    assert [] == client.pull(f"{server.host}/app:v1", outdir=str(tmp_path), overwrite=False)
    assert "mine" == (tmp_path / "a.txt").read_text()


def test_an_index_of_one_artifact_is_that_artifact(
    tmp_path: Path, server: RegistrySimulator, client: OciRegistry
) -> None:
    """The artifact is pulled where only one can be meant, whatever attestations are beside it."""
    client.push(f"{server.host}/app:v1", files=["a.txt"], quiet=True)
    name = server.tags["app"]["v1"]
    child = {"mediaType": artifact.MANIFEST, "digest": name, "size": len(server.manifests["app"][name][1])}
    index = {"schemaVersion": 2, "mediaType": artifact.INDEX, "manifests": [child]}
    client.upload_manifest(index, f"{server.host}/app:all")
    client.pull(f"{server.host}/app:all", outdir=str(tmp_path / "out"))
    assert files(tmp_path / "out") == {"a.txt": "alpha"}


def test_a_folder_that_left_the_cache_is_told(tmp_path: Path) -> None:
    """Between packing and pushing somebody may empty the cache."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a").write_text("a")
    (tmp_path / "cache").mkdir()
    cache = Cache(tmp_path / "cache")
    descriptor, opened = titled.source(str(tmp_path / "dir"), "", {}, cache, anywhere=True)
    opened().close()
    next((tmp_path / "cache").rglob(digest.hexadecimal(descriptor.digest))).unlink()
    with pytest.raises(FilesError, match=r"files\.changed"):
        opened()


def test_types_can_be_restricted(server: RegistrySimulator, client: OciRegistry) -> None:
    """Another type than the allowed ones is told by its name."""
    client.push(f"{server.host}/app:v1", files=["a.txt"], quiet=True)
    with pytest.raises(RegistryError, match=rf"{re.escape(artifact.MANIFEST)}.*registry\.unsupported"):
        client.get_manifest(f"{server.host}/app:v1", [artifact.INDEX])


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("login", {"username": "ann", "password": "pw"}),
        ("logout", {"hostname": "ghcr.io"}),
        ("set_header", {"name": "a", "value": "b"}),
        ("chunked_upload", {}),
        ("push", {"target": "localhost/app", "config_path": "x"}),
        ("push", {"target": "localhost/app", "do_chunked": True}),
        ("push", {"target": "localhost/app", "chunk_size": 1}),
        ("pull", {"target": "localhost/app", "config_path": "x"}),
        ("get_manifest", {"container": "localhost/app", "validation_schema": {}}),
        ("do_request", {"url": "http://localhost/v2/app/tags/list", "headers": {"authorization": "x"}}),
    ],
)
def test_what_has_no_effect_is_refused(client: OciRegistry, method: str, arguments: dict[str, Any]) -> None:
    """Nothing that oras-py knows is taken and then ignored."""
    with pytest.raises(InputError, match=r"has no effect with kubeoci; .*input\.unknown"):
        getattr(client, method)(**arguments)


@pytest.mark.parametrize("target", ["app", "UPPER.io/App", "localhost/app:-x", "localhost/app@sha256:12"])
def test_containers_are_held_to_our_grammar(client: OciRegistry, target: str) -> None:
    """oras-py takes almost any text; a digest or tag of ours can be part of a URL."""
    with pytest.raises(KubeociError, match=r"reference\.invalid"):
        OciRegistry("nohost", cache=client._cache).get_container(target)  # noqa: SLF001 - any cache will do


def test_bad_pushes_are_refused(server: RegistrySimulator, client: OciRegistry) -> None:
    """A missing file, one outside of the working folder, a digest as target, and a request to no repository."""
    target = f"{server.host}/app:v1"
    for ask, code in (
        (lambda: client.push(target, files=["missing"]), "files.missing"),
        (lambda: client.push(target, files=["/etc/hosts"]), "files.invalid"),
        (lambda: client.push(f"{target}@{digest.of(b'x')}", files=["a.txt"]), "input.invalid"),
        (lambda: client.do_request(f"http://{server.host}/v2/"), "input.invalid"),
    ):
        with pytest.raises((FilesError, InputError)) as caught:
            ask()
        assert code == caught.value.code
    assert [] == server.requests


def test_the_session_of_oras_is_closed(client: OciRegistry) -> None:
    """A path past our transport ends in an error, not in a request."""
    for part in (client.session, client.auth):
        with pytest.raises(AttributeError, match="kubeoci sends the requests"):
            part.request("GET", "http://127.0.0.1:1/")


def test_oras_sends_requests_in_one_place() -> None:
    """In the installed oras-py only `__init__` and `do_request` of the provider use a session, and layouts none."""
    users = set()
    for function in ast.walk(ast.parse(inspect.getsource(oras.provider))):
        if isinstance(function, ast.FunctionDef):
            users |= {
                function.name
                for node in ast.walk(function)
                if isinstance(node, ast.Attribute) and node.attr == "session"
            }
    assert {"__init__", "do_request"} == users
    assert "session" not in inspect.getsource(oras.layout.layout)


def test_media_types_are_those_of_oras() -> None:
    """What we write by name is what oras-py means."""
    theirs = oras.defaults
    assert (theirs.default_manifest_media_type, theirs.default_index_media_type) == (artifact.MANIFEST, artifact.INDEX)
    docker = (theirs.docker_manifest_media_type, theirs.docker_manifest_list_media_type)
    assert (artifact.DOCKER_MANIFEST, artifact.DOCKER_LIST) == docker
    assert (theirs.default_blob_dir_media_type, theirs.default_blob_media_type) == (titled.DIRECTORY, titled.FILE)
    assert (theirs.annotation_title, theirs.unknown_config_media_type) == (titled.TITLE, facade.UNKNOWN_CONFIG)
    assert (theirs.oci_ref_name_annotation, theirs.oci_layout_version_pin) == (entries.REF_NAME, entries.VERSION)


def test_nothing_of_ours_loads_oras() -> None:
    """The rest of the core works without these imports."""
    program = "import sys, kubeoci.lifecycle.resources, kubeoci.registry.remote; print('oras' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "False\n" == run.stdout
