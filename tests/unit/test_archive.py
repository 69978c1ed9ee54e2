# SPDX-License-Identifier: Apache-2.0
"""The writer: fixed bytes, readable by other programs, and never something that no reader would take."""

import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeoci import archive, tree, untar
from kubeoci.errors import FilesError

TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


def packed(files: dict[str, bytes], executable: tuple[str, ...] = ()) -> bytes:
    """The gzip bytes of files in memory."""
    sink = io.BytesIO()
    archive.write(tree.of(files, executable), sink)
    return sink.getvalue()


def tar_of(*paths: str) -> bytes:
    """The tar of empty files."""
    return gzip.decompress(packed(dict.fromkeys(paths, b"")))


def headers(tar: bytes) -> list[bytes]:
    """The blocks of a tar of small entries."""
    return [tar[at : at + 512] for at in range(0, len(tar), 512)]


def test_golden_bytes() -> None:
    """The tar of a small tree is the same everywhere, for ever."""
    tar = gzip.decompress(packed({"a/x.yaml": b"kind: List\n", "run": b"#!/bin/sh\n"}, ("run",)))
    assert "67b3d255ea9fb45d66ebe8c27cce9bdfde2cb8e73395d056fb4b91d94b4f5286" == hashlib.sha256(tar).hexdigest()


def test_layer_describes_both_sides() -> None:
    """Digest and size are those of the gzip bytes, the diffID that of the tar."""
    sink = io.BytesIO()
    layer = archive.write(tree.of({"a": b"1"}), sink)
    raw = sink.getvalue()
    outer, inner = (hashlib.sha256(data).hexdigest() for data in (raw, gzip.decompress(raw)))
    assert archive.Layer(f"sha256:{outer}", f"sha256:{inner}", len(raw)) == layer


def test_gzip_header_names_nobody() -> None:
    """No time, no file name and no operating system enter the bytes."""
    assert bytes.fromhex("1f8b08000000000000ff") == packed({"a": b""})[:10]


def test_fields_of_a_header() -> None:
    """Two modes, no owner, no time; directories have no slash at the end; two blocks of zeros close the archive."""
    root, folder, file, data, *end = headers(gzip.decompress(packed({"d/x": b"!"}, ("d/x",))))
    assert [(b".", b"5"), (b"d", b"5"), (b"d/x", b"0")] == [
        (block[:100].rstrip(b"\0"), block[156:157]) for block in (root, folder, file)
    ]
    assert b"0000755\x000000000\x000000000\x0000000000001\x0000000000000\0" == file[100:148]
    assert (b"!" + bytes(511), [bytes(512)] * 2) == (data, end)


@pytest.mark.parametrize(
    ("path", "prefix", "name"),
    [
        ("n" * 100, b"", b"n" * 100),
        (f"{'p' * 50}/{'n' * 50}", b"p" * 50, b"n" * 50),
        (f"{'p' * 155}/{'n' * 100}", b"p" * 155, b"n" * 100),
        (f"a/{'p' * 153}/{'n' * 100}", b"a/" + b"p" * 153, b"n" * 100),
        (f"{'p' * 60}/{'q' * 60}/n", b"p" * 60 + b"/" + b"q" * 60, b"n"),
    ],
)
def test_ustar_names(path: str, prefix: bytes, name: bytes) -> None:
    """ASCII names that fit are split at the last possible slash, and need no extended header."""
    file = headers(tar_of(path))[-3]
    assert (b"0", prefix, name) == (file[156:157], file[345:500].rstrip(b"\0"), file[:100].rstrip(b"\0"))


@pytest.mark.parametrize(
    ("path", "special", "record", "name"),
    [
        ("n" * 101, b"PaxHeaders.0/" + b"n" * 87, b"111 path=", b"n" * 100),
        ("\u00e9", b"PaxHeaders.0", b"11 path=", b""),
        ("a\u00e9/b", b"a/PaxHeaders.0/b", b"14 path=", b"a/b"),
        ("\u00e9" + "p" * 99 + "/n", b"p" * 99 + b"/", b"113 path=", b"p" * 99),
    ],
)
def test_extended_names(path: str, special: bytes, record: bytes, name: bytes) -> None:
    """Other names get a PAX header, named and cut as Go does it."""
    extended, data, file = headers(tar_of(path))[-5:-2]
    assert (b"x", special.rstrip(b"/"), bytes(16)) == (
        extended[156:157],
        extended[:100].rstrip(b"\0"),
        extended[329:345],
    )
    assert (record + path.encode() + b"\n", name) == (data.rstrip(b"\0"), file[:100].rstrip(b"\0"))


def test_the_length_of_a_record_counts_itself() -> None:
    """Where the digits of the length change its length, it is still right."""
    blocks = [headers(tar_of("\u00e9" * count))[-4].rstrip(b"\0") for count in range(42, 52)]
    assert [len(block) for block in blocks] == [int(block.split(b" ")[0]) for block in blocks]


def test_python_reads_it() -> None:
    """Python's own tar reader sees the same names, contents and modes."""
    names = ["\u00e9/x", "d/" + "n" * 120, "a", "p" * 120 + "/" + "q" * 90]
    with tarfile.open(fileobj=io.BytesIO(packed({name: name.encode() for name in names}, ("a",)))) as tar:
        files = {item.name: (tar.extractfile(item).read(), item.mode) for item in tar if item.isfile()}
    assert {name: (name.encode(), 0o755 if name == "a" else 0o644) for name in names} == files


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
def test_the_tar_command_reads_it(tmp_path: Path) -> None:
    """The tar command unpacks a layer to the tree that was packed."""
    (tmp_path / "layer.tgz").write_bytes(packed({"a/b": b"1", "c.yaml": b"2", "n" * 150: b"3"}, ("a/b",)))
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xzf", tmp_path / "layer.tgz", "-C", tmp_path / "out"], check=True)
    assert tree.of({"a/b": b"1", "c.yaml": b"2", "n" * 150: b"3"}, {"a/b"}) == tree.read(tmp_path / "out")


def test_a_folder_has_a_name() -> None:
    """All lies in it, in the order that it has without; nothing is beside it, not even the root."""
    sink = io.BytesIO()
    layer = archive.write(tree.of({"a/x": b"1", "a-1": b"2"}), sink, root="dir")
    with tarfile.open(fileobj=io.BytesIO(sink.getvalue())) as tar:
        assert ["dir", "dir/a", "dir/a/x", "dir/a-1"] == tar.getnames()
    assert hashlib.sha256(gzip.decompress(sink.getvalue())).hexdigest() == layer.diff_id[7:]


def test_an_empty_tree_is_an_archive() -> None:
    """No files at all still give a readable archive with the root in it."""
    assert {} == untar.read(io.BytesIO(packed({})), TYPE).files


def test_a_changed_file_stops_the_writing(tmp_path: Path) -> None:
    """A file that is not what was hashed never gets into a layer."""
    (tmp_path / "a").write_text("1")
    found = tree.read(tmp_path)
    (tmp_path / "a").write_text("2")
    with pytest.raises(FilesError, match="changed"):
        archive.write(found, io.BytesIO())


@pytest.mark.parametrize("limits", [tree.Limits(max_layer_bytes=10), tree.Limits(max_expanded_bytes=1024)])
def test_a_layer_that_nobody_takes_is_refused(limits: tree.Limits) -> None:
    """The writer keeps the limits of the reader."""
    with pytest.raises(FilesError, match="beyond what readers accept"):
        archive.write(tree.of({"a": b"1"}), io.BytesIO(), limits)


def test_a_layer_of_zeros_is_refused() -> None:
    """What compresses like a bomb would be taken for one."""
    with pytest.raises(FilesError, match="200:1"):
        archive.write(tree.of({"a": bytes(4 << 20)}), io.BytesIO())


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=120).filter(
    lambda name: name != "." and not name.endswith("..") and len(name.encode()) <= 255
)
FILES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=4).map("/".join), st.binary(max_size=600), max_size=6)


def is_tree(files: dict[str, bytes]) -> bool:
    """Whether no file is a folder of another one, and no two names are twins."""
    folders = {path[:at] for path in files for at, char in enumerate(path) if char == "/"}
    every = folders | set(files)
    return not folders & set(files) and len({tree.fold(path) for path in every}) == len(every)


@settings(max_examples=60, deadline=None)
@given(files=FILES.filter(is_tree), executable=st.booleans())
def test_pack_and_read_is_identity(files: dict[str, bytes], executable: bool) -> None:
    """Whatever is packed is read back, byte by byte, with its tree digest."""
    marked = tuple(files) if executable else ()
    contents = untar.read(io.BytesIO(packed(files, marked)), TYPE)
    assert (files, tree.of(files, marked)) == (
        {path: entry.data for path, entry in contents.files.items()},
        contents.tree(),
    )
