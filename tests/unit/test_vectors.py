# SPDX-License-Identifier: Apache-2.0
"""Rows recorded from Flux's own libraries, where they lie beside the project; the other tests stand alone."""

import gzip
import io
import json
from pathlib import Path

import pytest

from kubeoci import ignore, ranges, untar
from kubeoci.errors import ArchiveError, InputError
from simulator.tar import END, entry, gzipped

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "vectors"
TYPE = "application/vnd.cncf.flux.content.v1.tar+gzip"


def rows(name: str, columns: int) -> list[object]:
    """The rows of a file, or one skipped row that says why."""
    path = FOLDER / name
    if not path.exists():
        return [pytest.param(*[""] * columns, marks=pytest.mark.skip(reason=f"{name} is not beside the project"))]
    lines = path.read_bytes().decode().split("\n")[1:]
    return [pytest.param(*line.split("\t"), id=line.replace("\t", " | ")) for line in lines if line]


@pytest.mark.parametrize(("constraint", "version", "matches"), rows("semver.tsv", 3))
def test_semver(constraint: str, version: str, matches: str) -> None:
    """Every recorded pair of range and tag is judged the same."""
    try:
        found = ranges.parse(constraint)
    except InputError:
        assert "BADC" == matches
        return
    verdict = "BADV" if ranges.parse_version(version) is None else str(found.matches(version)).lower()
    assert matches == verdict


@pytest.mark.parametrize(("patterns", "path", "ignored"), rows("sourceignore.tsv", 3))
def test_sourceignore(patterns: str, path: str, ignored: str) -> None:
    """Every recorded place where Flux and git differ is as in Flux."""
    assert ignored == str(ignore.compile_patterns(json.loads(patterns)).ignores(path, is_dir=False)).lower()


ARCHIVES = {
    **{name: gzipped(entry(name, b"1")) for name in ("../x", "a/../../x", "a..b/c", "./x", "back\\slash")},
    "symlink file": gzipped(entry("l", kind=b"2")),
    "symlink dir then file through it, links skipped": gzipped(entry("d", kind=b"2"), entry("d/x", b"1")),
    "fifo": gzipped(entry("p", kind=b"6")),
    "dir then file same name": gzipped(entry("a/", kind=b"5"), entry("a", b"1")),
    "dir mode 0": gzipped(entry("d", kind=b"5", mode=b"0000000"), entry("d/x", b"1")),
    "future mtime": gzipped(entry("a", b"1", mtime=b"77777777777")),
    "long name 200": gzipped(entry(b"n" * 100, b"1", prefix=b"p" * 99)),
    "name 255+": gzipped(entry("@LongLink", b"n" * 256 + b"\0", b"L"), entry("n", b"1")),
    "no entries": gzipped(),
    "nul": gzipped(entry("a\0b", b"1")),
    "raw tar (no gzip)": io.BytesIO(entry("a", b"1") + END),
    "no EOA blocks": gzipped(entry("a", b"1"), end=b""),
    "concat gz members": io.BytesIO(gzipped(entry("a", b"1")).getvalue() + gzip.compress(b"x")),
}
OURS = {"symlink file": "ok"}  # a link is dropped with a warning: Flux drops it too where links are skipped


@pytest.mark.parametrize(("case", "verdict"), rows("untar.tsv", 2))
def test_untar(case: str, verdict: str) -> None:
    """Every recorded archive is taken or refused as Flux does, but for the decisions that are named."""
    try:
        untar.read(ARCHIVES[case], TYPE)
        ours = "ok"
    except ArchiveError:
        ours = "error"
    assert OURS.get(case, verdict) == ours


def test_entries_of_the_archives() -> None:
    """What is taken has the content that Flux unpacks."""
    taken = {
        case: list(untar.read(ARCHIVES[case], TYPE).files) for case in ("./x", "nul", "no entries", "concat gz members")
    }
    assert {"./x": ["x"], "nul": ["a"], "no entries": [], "concat gz members": ["a"]} == taken
