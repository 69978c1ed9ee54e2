# SPDX-License-Identifier: Apache-2.0
"""Where a directory comes from, read from the files of its Git work tree; no program is run.

The revision is written as Flux RFC-0005 has it: `<branch>@sha1:<commit>`, or `sha1:<commit>` on a detached head.
"""

import configparser
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Origin:
    """`source`: URL of the remote `origin` without credentials; `revision`: branch and commit. Empty when unknown."""

    source: str = ""
    revision: str = ""


def origin(path: Path) -> Origin:
    """The origin of the work tree that holds `path`; empty outside of one, and where its files cannot be read."""
    for folder in [path, *path.parents]:
        if (folder / ".git").exists():
            try:
                return _read(_git_folder(folder / ".git"))
            except (OSError, ValueError, configparser.Error):
                return Origin()  # a broken work tree has no origin; packing does not depend on it
    return Origin()


def _git_folder(entry: Path) -> Path:
    """A directory as it is; the `gitdir:` file of a linked work tree or submodule is followed."""
    if entry.is_dir():
        return entry
    target = entry.read_text("utf-8").removeprefix("gitdir:").strip()
    return (entry.parent / target).resolve()


def _read(folder: Path) -> Origin:
    shared = folder
    if (folder / "commondir").exists():
        shared = (folder / (folder / "commondir").read_text("utf-8").strip()).resolve()
    head = (folder / "HEAD").read_text("utf-8").strip()
    name = head.removeprefix("ref: ") if head.startswith("ref: ") else ""
    commit = _commit(folder, shared, name) if name else head
    if not _COMMIT.fullmatch(commit):
        return Origin(_remote(shared), "")
    algorithm = "sha1" if len(commit) == 40 else "sha256"  # noqa: PLR2004 - hex digits of a SHA-1
    branch = f"{name.removeprefix('refs/heads/')}@" if name else ""
    return Origin(_remote(shared), f"{branch}{algorithm}:{commit}")


def _commit(folder: Path, shared: Path, name: str) -> str:
    """The commit that the reference `name` points to, loose or packed; empty before the first commit."""
    for place in (folder / name, shared / name):
        if place.is_file():
            return place.read_text("utf-8").strip()
    packed = shared / "packed-refs"
    lines = packed.read_text("utf-8").splitlines() if packed.is_file() else []
    return next((line.split(" ", 1)[0] for line in lines if line.endswith(f" {name}")), "")


def _remote(shared: Path) -> str:
    """URL of the remote `origin`; user and password never leave the work tree."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(re.sub(r"(?m)^[ \t]+", "", (shared / "config").read_text("utf-8")))
    url = parser.get('remote "origin"', "url", fallback="")
    parts = urlsplit(url)
    if parts.scheme and parts.hostname:
        port = f":{parts.port}" if parts.port else ""
        return urlunsplit((parts.scheme, parts.hostname + port, parts.path, "", ""))
    return "" if parts.scheme else url
