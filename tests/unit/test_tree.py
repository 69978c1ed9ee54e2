# SPDX-License-Identifier: Apache-2.0
"""Trees: what of a directory counts, in which order, under which digest, and what cannot be packed."""

import hashlib
import os
from pathlib import Path

import pytest

from kubeoci import tree
from kubeoci.errors import FilesError, KubeociError, flatten


def fill(root: Path, *paths: str) -> Path:
    """Write a file at each path, with its path as content."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def faults(root: Path, **settings: object) -> list[tuple[str, str, str]]:
    """Code, place and text of every fault of reading `root`."""
    with pytest.raises(ExceptionGroup) as caught:
        tree.read(root, **settings)  # type: ignore[arg-type]
    return [(fault.code, fault.where, fault.what) for fault in flatten(caught.value)]


def paths(found: tree.Tree) -> list[str]:
    """The paths of a tree in its order."""
    return [file.path for file in found.files]


def test_order_is_depth_first_by_bytes(tmp_path: Path) -> None:
    """Each directory is ordered by the bytes of its names, and comes whole."""
    fill(tmp_path, "a/x", "a-1.yaml", "a.yaml", "B", "\u00e9", "z/y/x", "z/y.x")
    assert ["B", "a/x", "a-1.yaml", "a.yaml", "z/y/x", "z/y.x", "\u00e9"] == paths(tree.read(tmp_path))


def test_digest_follows_its_definition(tmp_path: Path) -> None:
    """The digest hashes path, mode, size and content hash of each file, ordered by whole path."""
    fill(tmp_path, "a/x", "a-1").joinpath("a-1").chmod(0o755)
    one, two = (hashlib.sha256(name).hexdigest() for name in (b"a-1", b"a/x"))
    expected = hashlib.sha256(f"a-1\x000755\x003\x00{one}a/x\x000644\x003\x00{two}".encode()).hexdigest()
    assert f"sha256:{expected}" == tree.read(tmp_path).digest


def test_only_the_owner_execute_bit_counts(tmp_path: Path) -> None:
    """Times and other permission bits do not change a tree."""
    fill(tmp_path, "a").joinpath("a").chmod(0o644)
    before = tree.read(tmp_path)
    (tmp_path / "a").chmod(0o477)
    os.utime(tmp_path / "a", (1, 1))
    assert before == tree.read(tmp_path)
    (tmp_path / "a").chmod(0o744)
    assert before.digest != tree.read(tmp_path).digest


def test_listing_names_contents(tmp_path: Path) -> None:
    """The listing has the hash of each file under its path."""
    assert {"d/a": f"sha256:{hashlib.sha256(b'd/a').hexdigest()}"} == tree.read(fill(tmp_path, "d/a")).listing()


def test_a_single_file_is_a_tree_of_that_name(tmp_path: Path) -> None:
    """One file is packed under its own name, whatever the patterns say."""
    fill(tmp_path, "a.png")
    assert ["a.png"] == paths(tree.read(tmp_path / "a.png", ignore=["*"]))


def test_memory_and_disk_agree(tmp_path: Path) -> None:
    """Contents in memory make the same tree as the files on disk."""
    fill(tmp_path, "a/b", "c").joinpath("c").chmod(0o755)
    assert tree.read(tmp_path) == tree.of({"c": b"c", "a/b": b"a/b"}, {"c"})


def test_defaults_leave_out_what_flux_leaves_out(tmp_path: Path) -> None:
    """Version control files and pictures stay out; ignore files themselves are packed."""
    fill(tmp_path, ".git/config", "sub/.git/config", ".gitignore", "x.png", "a.tar.gz", "a.yaml")
    (tmp_path / ".sourceignore").write_text("# nothing")
    assert [".sourceignore", "a.yaml"] == paths(tree.read(tmp_path))


def test_patterns_come_in_order(tmp_path: Path) -> None:
    """Ignore files from the root downwards, then the caller's patterns, each able to overrule the ones before."""
    fill(tmp_path, "a.txt", "b.txt", "d/c.txt", "d/e.txt", "d/f.png")
    (tmp_path / ".sourceignore").write_text("*.txt\n!*.png\n")
    (tmp_path / "d/.sourceignore").write_text("!c.txt\n")
    found = tree.read(tmp_path, ignore=["!b.txt", ".sourceignore"])
    assert ["b.txt", "d/c.txt", "d/f.png"] == paths(found)


def test_ignore_files_can_be_switched_off(tmp_path: Path) -> None:
    """Without sourceignore the files are packed like any other."""
    fill(tmp_path, "a.txt").joinpath(".sourceignore").write_text("*.txt")
    assert [".sourceignore", "a.txt"] == paths(tree.read(tmp_path, sourceignore=False))


def test_an_ignored_folder_may_hold_patterns(tmp_path: Path) -> None:
    """An ignore file below an ignored folder is read, as Flux reads it."""
    fill(tmp_path, "d/keep", "d/drop", "e").joinpath("d/.sourceignore").write_text("!keep\n")
    (tmp_path / ".sourceignore").write_text("d/\n")
    assert [".sourceignore", "d/keep", "e"] == paths(tree.read(tmp_path))


def test_links_are_left_out_with_a_warning(tmp_path: Path) -> None:
    """A symbolic link is not followed, and the user hears of it unless it is ignored."""
    fill(tmp_path, "a")
    for name in ("link", "quiet"):
        (tmp_path / name).symlink_to("a")
    found = tree.read(tmp_path, ignore=["quiet", "["])
    warnings = ("ignore:2: the pattern '[' is malformed and matches nothing", "link: symbolic links are not packed")
    assert (["a"], warnings) == (paths(found), found.warnings)


def test_missing_path(tmp_path: Path) -> None:
    """A path that does not exist is named."""
    place = tmp_path / "nowhere"
    assert [("files.missing", str(place), "no such file or directory")] == faults(place)


def test_nothing_to_pack(tmp_path: Path) -> None:
    """An empty directory, and one where everything is ignored, are told apart."""
    assert [("files.empty", str(tmp_path), "nothing to pack: the directory has no files")] == faults(tmp_path)
    fill(tmp_path, "d/a.png", "b.png")
    assert [("files.empty", str(tmp_path), "nothing to pack: all 2 files are ignored")] == faults(tmp_path)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """Every name or type that cannot be packed is a fault of its own, and nothing is read."""
    fill(tmp_path, "good", "back\\slash", "up../x")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"\xff")).write_text("")
    told = {where: what for code, where, what in faults(tmp_path) if code == "files.invalid"}
    assert {
        "back\\slash": "the name holds a backslash, which is a separator on Windows",
        "pipe": "only regular files and directories can be packed",
        "up../x": "a directory's name ends in '..', which readers take for a way out",
        "\\xff": "the name is not UTF-8",
    } == told


def test_twins(tmp_path: Path) -> None:
    """Names that some file systems cannot tell apart are refused, directories included."""
    fill(tmp_path, "A/x", "a/y", "caf\u00e9", "cafe\u0301")
    told = [what for _, _, what in faults(tmp_path)]
    assert [f"the name differs from {name!r} only by case or accents" for name in ("A", "cafe\u0301")] == told


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (tree.Limits(max_file_bytes=2), "the file has 3 bytes, more than 2"),
        (tree.Limits(max_files=1), "2 files are more than 1"),
        (tree.Limits(max_expanded_bytes=4), "6 bytes in all are more than 4"),
        (tree.Limits(max_path_bytes=2), "the path is longer than 2 bytes"),
        (tree.Limits(max_component_bytes=0), "a component of the path is longer than 0 bytes"),
        (tree.Limits(max_depth=1), "the path is deeper than 1 directories"),
    ],
)
def test_limits(tmp_path: Path, limits: tree.Limits, told: str) -> None:
    """What a reader would refuse is refused before it is packed."""
    assert {told} == {what for _, _, what in faults(fill(tmp_path, "a/b", "a/c"), limits=limits)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """A file or directory without permission is a fault with its path."""
    fill(tmp_path, "a", "d/b").joinpath("a").chmod(0)
    (tmp_path / "d").chmod(0)
    told = [where for _, where, _ in faults(tmp_path)]
    (tmp_path / "d").chmod(0o755)
    assert ["d"] == told


def test_files_that_vanish_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be opened after it was listed is a fault with its path."""
    fill(tmp_path, "a")
    monkeypatch.setattr(Path, "open", lambda *_args, **_more: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    assert [("files.invalid", "a", "cannot be read: Input/output error")] == faults(tmp_path)


def test_folders_that_cannot_be_listed_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that cannot be listed is a fault, unless it is ignored."""
    fill(tmp_path, "a", "d/b")
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: real(place) if place == tmp_path else real(tmp_path / "a"))
    assert [("files.invalid", "d", "cannot be listed: Not a directory")] == faults(tmp_path)
    assert ["a"] == paths(tree.read(tmp_path, ignore=["d/"]))


def test_a_root_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the root itself cannot be listed the path of the user is named."""
    monkeypatch.setattr(os, "scandir", lambda _place: (_ for _ in ()).throw(OSError(13, "Permission denied")))
    assert [("files.invalid", str(tmp_path), "cannot be listed: Permission denied")] == faults(tmp_path)


@pytest.mark.parametrize("content", [b"", b"aa", b"b"])
def test_a_changed_file_is_noticed(tmp_path: Path, content: bytes) -> None:
    """The content is given only as it was hashed: longer, shorter or other bytes are an error."""
    found = tree.read(fill(tmp_path, "a")).files[0]
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FilesError, match="changed while it was read") as caught:
        list(found.blocks())
    assert ("files.changed", "a") == (caught.value.code, caught.value.where)


def test_bad_ignore_file_is_told(tmp_path: Path) -> None:
    """An ignore file that is not UTF-8 stops the reading, with file and line."""
    fill(tmp_path, "a").joinpath(".sourceignore").write_bytes(b"x\n\xff\n")
    assert [("files.invalid", ".sourceignore:2", "the line is not UTF-8")] == faults(tmp_path)


def test_unreadable_ignore_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns that cannot be read must not count as none: they may keep secrets out."""
    fill(tmp_path, "a", ".sourceignore")
    monkeypatch.setattr(Path, "read_bytes", lambda _path: (_ for _ in ()).throw(OSError(13, "Permission denied")))
    assert [("files.invalid", ".sourceignore", "cannot be read: Permission denied")] == faults(tmp_path)


def test_errors_are_of_one_family(tmp_path: Path) -> None:
    """A caller that catches KubeociError in groups sees every fault."""
    with pytest.raises(ExceptionGroup) as caught:
        tree.read(tmp_path)
    assert all(isinstance(fault, KubeociError) for fault in caught.value.exceptions)
