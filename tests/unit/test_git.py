# SPDX-License-Identifier: Apache-2.0
"""Source and revision from the files of a work tree."""

from pathlib import Path

from kubeoci.lifecycle.git import Origin, origin

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def work_tree(root: Path, head: str = "ref: refs/heads/main\n", url: str = "https://ann:pw@example.com/a.git") -> Path:
    """A work tree with one packed reference."""
    git = root / ".git"
    git.mkdir(parents=True)
    (git / "HEAD").write_text(head)
    (git / "config").write_text(f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {url}\n')
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{COMMIT} refs/heads/main\n")
    return root


def test_branch_and_commit(tmp_path: Path) -> None:
    """A branch gives `branch@sha1:commit`; credentials of the remote are dropped."""
    folder = work_tree(tmp_path) / "deploy"
    assert Origin("https://example.com/a.git", f"main@sha1:{COMMIT}") == origin(folder)


def test_loose_reference_wins(tmp_path: Path) -> None:
    """A loose reference is newer than a packed one."""
    loose = work_tree(tmp_path) / ".git" / "refs" / "heads" / "main"
    loose.parent.mkdir(parents=True)
    loose.write_text("f" * 40 + "\n")
    assert f"main@sha1:{'f' * 40}" == origin(tmp_path).revision


def test_detached_head(tmp_path: Path) -> None:
    """Without a branch the revision is the commit alone."""
    assert f"sha1:{COMMIT}" == origin(work_tree(tmp_path, head=COMMIT + "\n")).revision


def test_linked_work_tree(tmp_path: Path) -> None:
    """The `gitdir:` file of a linked work tree leads to the shared references."""
    main = work_tree(tmp_path / "main") / ".git"
    own = main / "worktrees" / "w"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/main\n")
    (own / "commondir").write_text("../..\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".git").write_text(f"gitdir: {own}\n")
    assert f"main@sha1:{COMMIT}" == origin(tmp_path / "w").revision


def test_ssh_remote_stays_as_written(tmp_path: Path) -> None:
    """The short form of SSH is no URL and holds no password."""
    assert "git@example.com:a.git" == origin(work_tree(tmp_path, url="git@example.com:a.git")).source


def test_no_or_broken_work_tree(tmp_path: Path) -> None:
    """Packing does not depend on Git."""
    (tmp_path / "broken" / ".git").mkdir(parents=True)
    assert [Origin(), Origin()] == [origin(Path("/")), origin(tmp_path / "broken")]
