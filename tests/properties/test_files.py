# SPDX-License-Identifier: Apache-2.0
"""Whatever lies in archives, manifests and Docker configurations: our own errors only, soon, and in little memory."""

import base64
import gzip
import importlib
import io
import json
import sys
import tempfile
import tracemalloc
from pathlib import Path

from hypothesis import strategies as st

from kubeoci import artifact, reference, untar
from kubeoci.artifact import Manifest
from kubeoci.errors import KubeociError, RegistryError
from kubeoci.registry import dockerconfig
from kubeoci.registry.dockerconfig import Credentials
from kubeoci.registry.pullsecret import pull_secret
from kubeoci.registry.unpack import unpack
from kubeoci.tree import Limits
from kubeoci.untar import Contents
from properties.documents import anything, documents, types
from properties.effort import outcome, tried
from simulator.tar import END, checked, entry, pax

zstd = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
SMALL = Limits(
    max_layer_bytes=1 << 20, max_expanded_bytes=1 << 20, max_file_bytes=1 << 18, max_files=50, max_headers=200
)
SLACK_BYTES = 1 << 20
SECRET = "s3cret-of-the-user"

names = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [
            b"a",
            b"a/",
            b"a/b",
            b"../x",
            b"/x",
            b"a\0b",
            b".",
            b"",
            b"A",
            b"./a//b",
            b"\xff",
            b"d" * 100,
            b"link",
            b"link/x",
        ]
    ),
)
kinds = st.sampled_from([bytes([code]) for code in b"01234567LKxgXSDVN\0 "])
fields = st.sampled_from([b"0000644", b"", b"-1", b"+7", b"0o17", b"1_0", b"\x80\0\0\0\0\0\1", b"9999999", b"       "])
records = st.dictionaries(
    st.sampled_from(["path", "size", "linkpath", "mtime", "GNU_sparse_map", "SCHILY_xattr", "charset", "hdrcharset"]),
    st.one_of(st.text(max_size=10), st.sampled_from(["../x", "99999999999999999999", "-1", "1.5", "binary", "a/b"])),
    max_size=3,
)
pieces = st.lists(
    st.one_of(
        st.builds(
            lambda name, data, kind, mode: entry(name[:100], data, kind, mode=mode),
            names,
            st.binary(max_size=700),
            kinds,
            fields,
        ),
        st.builds(lambda kind, found: pax(kind, **found), st.sampled_from([b"x", b"g"]), records),
        st.builds(
            lambda block: checked(block[:148].ljust(148, b"\0") + block[148:500].ljust(352, b"\0")),
            st.binary(max_size=500),
        ),
        st.sampled_from([bytes(512), END, b"x" * 511, bytes(200_000)]),
        st.binary(max_size=600),
    ),
    max_size=6,
)
archives = st.builds(
    lambda found, pack, cut, at: _spoilt(pack(b"".join(found) + END), cut, at),
    pieces,
    st.sampled_from([gzip.compress, bytes, zstd.compress, lambda data: gzip.compress(data) + gzip.compress(data)]),
    st.one_of(st.none(), st.binary(max_size=3)),
    st.integers(0, 2000),
)


def _spoilt(data: bytes, patch: bytes | None, at: int) -> bytes:
    """The bytes, with some of them replaced, or cut when there is nothing to replace them with."""
    if patch is None:
        return data
    return data[:at] + patch + data[at + len(patch) :] if patch else data[:at]


layers = st.sampled_from([TYPE, "application/vnd.oci.image.layer.v1.tar", "a/b+zstd", "", "text/plain"])


@tried(st.tuples(archives, layers))
def test_archives(given: tuple[bytes, str]) -> None:
    """A layer gives files inside its limits, by paths inside its root, or an error; and never takes more memory."""
    data, media_type = given
    tracemalloc.start()
    try:
        found = outcome(untar.read, io.BytesIO(data), media_type, SMALL)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * SMALL.max_expanded_bytes + SLACK_BYTES
    if isinstance(found, Contents):
        assert sum(len(item.data) for item in found.files.values()) <= SMALL.max_expanded_bytes
        assert [] == [path for path in found.files if not path or {"", ".", ".."} & set(path.split("/"))]
        outcome(found.tree)


@tried(archives)
def test_unpacked(data: bytes) -> None:
    """What is unpacked stays in its folder, though a link there leads out of it."""
    with tempfile.TemporaryDirectory() as name:
        root, outside = Path(name, "root"), Path(name, "outside")
        for folder in (root, outside):
            folder.mkdir()
        (root / "link").symlink_to(outside)
        outcome(unpack, root, root, io.BytesIO(data))
        assert [outside, root] == sorted(Path(name).iterdir())
        assert [] == list(outside.iterdir())
        assert [] == list(root.rglob(".kubeoci-*"))


@tried(st.tuples(documents, types))
def test_manifests(given: tuple[bytes, str]) -> None:
    """A manifest is understood or refused, and so is the layer or child that it names."""
    found = outcome(artifact.parse, *given)
    assert isinstance(found, Manifest | KubeociError)
    if isinstance(found, Manifest):
        outcome(artifact.select_layer, found)
        outcome(artifact.select_child, found)


auths = st.one_of(
    st.sampled_from([SECRET, f"user:{SECRET}", f"user:{SECRET}\0\0", ""]).map(
        lambda text: base64.b64encode(text.encode()).decode()
    ),
    st.just(SECRET),
    anything,
)
entries = (
    st.dictionaries(
        st.sampled_from(["auth", "username", "password", "identitytoken", "registrytoken", "email"]), auths, max_size=3
    )
    | anything
)
hosts = st.sampled_from(
    [
        "registry.test",
        "https://registry.test/v1/",
        "registry.test/app",
        "REGISTRY.test",
        "docker.io",
        "",
        "//",
        "/" * 3000,
    ]
)
configurations = st.fixed_dictionaries(
    {},
    optional={
        "auths": st.dictionaries(hosts, entries, max_size=4) | anything,
        "credHelpers": st.dictionaries(hosts, auths, max_size=2) | anything,
        "credsStore": auths,
    },
)


@tried(configurations | anything)
def test_docker_configurations(document: object) -> None:
    """A configuration gives credentials, none, or an error; nothing that is printed holds a password."""
    config = outcome(dockerconfig.parse, "config.json", document)
    printed = str(config)
    if not isinstance(config, KubeociError):
        repository = reference.parse("registry.test/app/web").repository
        found = [outcome(call) for call in (lambda: config.entry(repository), config.ambiguous)]
        printed = str(found)
        config.helper(repository)
    assert SECRET not in printed
    assert base64.b64encode(f"user:{SECRET}".encode()).decode() not in printed


values = st.one_of(
    (configurations | anything).map(lambda document: base64.b64encode(json.dumps(document).encode()).decode()),
    st.text(max_size=20),
    st.just(SECRET),
)
globs = st.one_of(hosts, st.text("*?[]^-\\./:ar", max_size=20), st.sampled_from(["*.test", "*" * 5000, "[" * 5000]))
secrets = st.dictionaries(st.sampled_from([".dockerconfigjson", ".dockercfg", "other"]), values, max_size=2)
kinds_of_secrets = st.sampled_from(["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg", "Opaque"])


def encoded(found: dict[str, object]) -> dict[str, str]:
    """A map of entries as the data of a Secret of either type."""
    return {
        name: base64.b64encode(json.dumps(document).encode()).decode()
        for name, document in ((".dockercfg", found), (".dockerconfigjson", {"auths": found}))
    }


@tried(st.tuples(kinds_of_secrets, secrets | st.dictionaries(globs, entries, max_size=4).map(encoded)))
def test_pull_secrets(given: tuple[str, dict[str, str]]) -> None:
    """A Secret gives credentials or an error; nothing that is printed holds a password."""
    kind, data = given
    repository = reference.parse("registry.test/app/web").repository
    found = outcome(pull_secret, "shop/pull", kind, data, repository)
    assert isinstance(found, Credentials | RegistryError)
    assert SECRET not in f"{found} {found!r}"
    assert base64.b64encode(f"user:{SECRET}".encode()).decode() not in f"{found} {found!r}"
