# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.folder: a reader never sees half a file. Locks are tried with the layout."""

import os
from pathlib import Path

import pytest

from kubeoci import digest
from kubeoci.digest import Digest
from kubeoci.errors import KubeociError, RegistryError
from kubeoci.registry import folder
from kubeoci.registry.protocols import Folder


def test_a_digest_is_a_file() -> None:
    """Below a folder of its algorithm."""
    name = digest.of(b"x")
    assert Path("out/blobs/sha256") / name[7:] == folder.path_of(Folder("out"), name)


@pytest.mark.parametrize("name", ["sha256:../../x", "sha256:" + "A" * 64, "", "md5:00"])
def test_nothing_else_is(name: str) -> None:
    """Whatever a caller hands over."""
    with pytest.raises(KubeociError, match=r"reference\.invalid"):
        folder.path_of(Folder("out"), Digest(name))


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """The folder above it is made, and the old content is there until the new one is complete."""
    path = tmp_path / "deep" / "file"
    for text in (b"one", b"two"):
        with folder.replacing(path) as file:
            file.write(text)
            assert text == b"one" or path.read_bytes() == b"one"
        assert text == path.read_bytes()


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither half of a file nor a draft."""
    with pytest.raises(TypeError), folder.replacing(tmp_path / "file") as file:
        file.writelines([b"half", 1])  # type: ignore[list-item]  # that is the failure
    assert [] == list(tmp_path.iterdir())


def test_permissions_are_those_of_the_user(tmp_path: Path) -> None:
    """A layout is there to be handed on."""
    before = os.umask(0o027)
    try:
        with folder.replacing(tmp_path / "file"):
            pass
    finally:
        os.umask(before)
    assert 0o640 == (tmp_path / "file").stat().st_mode & 0o777


def test_only_files_are_opened(tmp_path: Path) -> None:
    """Missing ones are `registry.not_found`, a pipe or a folder is `registry.layout`; neither holds us up."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for name, code in (("none", "not_found"), ("file/x", "not_found"), ("pipe", "layout"), ("", "layout")):
        with pytest.raises(RegistryError, match=rf"here: .*registry\.{code}"):
            folder.opened(tmp_path / name, "here")


def test_the_system_is_told_in_our_words() -> None:
    """With its reason and the place."""
    with (
        pytest.raises(RegistryError, match=r"oci-layout:out: .*Permission denied.*registry\.layout"),
        folder.told(Folder("out")),
    ):
        raise PermissionError(13, "Permission denied")
