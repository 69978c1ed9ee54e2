# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.unpack: what is written, and where it must not be."""

from io import BytesIO
from pathlib import Path

import pytest

from kubeoci import archive, tree
from kubeoci.errors import ArchiveError, FilesError
from kubeoci.registry import unpack


def packed(**files: bytes) -> BytesIO:
    """A layer of files; `__` in a name is `/`."""
    stream = BytesIO()
    archive.write(tree.of({name.replace("__", "/"): data for name, data in files.items()}, ["run"]), stream)
    return BytesIO(stream.getvalue())


@pytest.mark.parametrize("name", ["", ".", "/abs", "..", "a/../../b", "a\\b", "a\0b"])
def test_names_that_leave_are_refused(tmp_path: Path, name: str) -> None:
    """Nothing but a relative name of a file is one."""
    with pytest.raises(ArchiveError, match=r"archive\.unsafe"):
        unpack.inside(tmp_path, name)


def test_links_that_leave_are_refused(tmp_path: Path) -> None:
    """A folder that is a link to elsewhere is not written through; a link in the place of a file is replaced."""
    (root := tmp_path / "root").mkdir()
    (outside := tmp_path / "outside").mkdir()
    (root / "link").symlink_to(outside)
    with pytest.raises(ArchiveError, match="by a link"):
        unpack.inside(root, "link/deep/x")
    unpack.write(unpack.inside(root, "link"), [b"data"])
    assert ((root / "link").read_bytes(), []) == (b"data", list(outside.iterdir()))


def test_archives_are_unpacked(tmp_path: Path) -> None:
    """Files, folders and execute bits arrive, and what was there stays."""
    (tmp_path / "old").write_text("old")
    unpack.unpack(tmp_path, tmp_path / "sub", packed(run=b"#!", a__b=b"1"))
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"old", "sub/run", "sub/a/b"} == found
    assert (0o111, 0) == tuple((tmp_path / "sub" / name).stat().st_mode & 0o111 for name in ("run", "a/b"))


def test_a_half_written_file_is_never_seen(tmp_path: Path) -> None:
    """When the bytes end in an error, the old file is there and no draft."""

    def failing() -> object:
        yield b"half"
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_text("old")
    with pytest.raises(FilesError, match=r"No space left on device.*files\.invalid"):
        unpack.write(tmp_path / "a", failing())  # type: ignore[arg-type]
    assert ["old"] == [path.read_text() for path in tmp_path.iterdir()]


def test_nothing_is_unpacked_over_a_folder(tmp_path: Path) -> None:
    """A folder in the place of a file is told."""
    (tmp_path / "a").mkdir()
    with pytest.raises(FilesError, match=r"files\.invalid"):
        unpack.unpack(tmp_path, tmp_path, packed(a=b"1"))


def test_links_in_a_circle(tmp_path: Path) -> None:
    """A link to itself in the way is told, as one that leads out is."""
    (tmp_path / "a").symlink_to("a")
    with pytest.raises((ArchiveError, FilesError)):
        unpack.unpack(tmp_path, tmp_path, packed(a__b=b"1"))


def test_a_folder_keeps_to_itself(tmp_path: Path) -> None:
    """Where it has a name, all its files lie in there; what else is packed is refused as a whole."""
    unpack.unpack(tmp_path, tmp_path, packed(a__b=b"1"), below="a")
    assert b"1" == (tmp_path / "a" / "b").read_bytes()
    for name in ("b", "ab__c"):
        with pytest.raises(ArchiveError, match=r"outside of its folder 'a'.*archive\.unsafe"):
            unpack.unpack(tmp_path, tmp_path, packed(a__b=b"2", **{name: b"2"}), below="a")
    with pytest.raises(ArchiveError, match=r"'a' lies outside of its folder 'a'"):
        unpack.unpack(tmp_path, tmp_path, packed(a=b"2"), below="a")
    assert b"1" == (tmp_path / "a" / "b").read_bytes()
