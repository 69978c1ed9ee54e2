# SPDX-License-Identifier: Apache-2.0
"""kubeoci.registry.cache: nothing but the right bytes, whoever damaged them."""

import os
import stat
from pathlib import Path

import pytest

from kubeoci import digest
from kubeoci.digest import Digest
from kubeoci.errors import InputError
from kubeoci.registry.cache import Cache

DATA = b"content"
HEX = digest.of(DATA).removeprefix("sha256:")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache."""
    return Cache(tmp_path)


def files(folder: Path) -> list[str]:
    """All files below a folder, but the mark of the last look."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "pruned"]
    return sorted(str(path.relative_to(folder)) for path in paths)


def test_what_was_put_is_there(cache: Cache, tmp_path: Path) -> None:
    """Under its digest, for the owner only."""
    assert digest.of(DATA) == cache.put(DATA)
    assert DATA == cache.get(digest.of(DATA))
    assert [f"sha256/{HEX[:2]}/{HEX}"] == files(tmp_path)
    assert 0o600 == stat.S_IMODE((tmp_path / files(tmp_path)[0]).stat().st_mode)


def test_what_was_not_put_is_not_there(cache: Cache) -> None:
    """No error, just nothing."""
    assert (None, None) == (cache.get(digest.of(DATA)), cache.open_blob(digest.of(DATA)))


def test_damaged_file_counts_as_absent(cache: Cache, tmp_path: Path) -> None:
    """It is removed, so that the right bytes can be fetched."""
    cache.put(DATA)
    (tmp_path / files(tmp_path)[0]).write_bytes(b"changed")
    assert cache.open_blob(digest.of(DATA)) is None
    assert [] == files(tmp_path)


def test_stream_starts_at_its_start(cache: Cache) -> None:
    """Hashing it first must not be noticed."""
    cache.put(DATA)
    stream = cache.open_blob(digest.of(DATA))
    assert stream is not None
    with stream:
        assert DATA == stream.read()


def test_stage_streams_into_the_cache(cache: Cache, tmp_path: Path) -> None:
    """Nothing is visible before it is committed."""
    with cache.stage() as stage:
        stage.file.write(DATA)
        assert cache.get(digest.of(DATA)) is None
        stage.commit(digest.of(DATA))
        again = stage.reopen()
    with again:
        assert [f"sha256/{HEX[:2]}/{HEX}"] == files(tmp_path)
    assert DATA == cache.get(digest.of(DATA))


def test_abandoned_stage_leaves_nothing(cache: Cache, tmp_path: Path) -> None:
    """Whatever goes wrong while writing."""
    with pytest.raises(TypeError), cache.stage() as stage:
        stage.file.write(DATA + 1)  # type: ignore[operator]
    assert [] == files(tmp_path)


def test_sha512_is_kept_apart(cache: Cache) -> None:
    """Any algorithm that digests have."""
    name = Digest("sha512:" + "0" * 128)
    with cache.stage() as stage:
        stage.file.write(DATA)
        stage.commit(name)
    assert cache.get(name) is None  # these bytes have another digest


def test_memos(cache: Cache) -> None:
    """The last word counts; a key may be any text."""
    cache.note("pushed", "a/../b", {"x": 1})
    cache.note("pushed", "a/../b", {"x": 2})
    assert {"x": 2} == cache.recall("pushed", "a/../b")
    assert (None, None) == (cache.recall("other", "a/../b"), cache.recall("pushed", "b"))


def test_memo_that_cannot_be_kept_is_no_failure(cache: Cache, tmp_path: Path) -> None:
    """A memo is only ever a help: a full disk stops nothing here."""
    (tmp_path / "memo").write_text("in the way")
    cache.note("kind", "k", {})
    assert cache.recall("kind", "k") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"key": "k"}', '{"key": "other", "value": {}}', '{"key": "k", "value": 1}']
)
def test_broken_memo_counts_as_absent(cache: Cache, tmp_path: Path, text: str) -> None:
    """A memo is only ever a help."""
    cache.note("kind", "k", {})
    (tmp_path / files(tmp_path)[0]).write_text(text)
    assert cache.recall("kind", "k") is None


def test_oldest_goes_first(tmp_path: Path) -> None:
    """Over its limit the cache drops what was not used for longest."""
    cache = Cache(tmp_path, max_bytes=250)
    names = [cache.put(bytes([number]) * 100) for number in range(3)]
    for age, name in enumerate(names):
        os.utime(cache._path(name), (1000 + age, 1000 + age))  # noqa: SLF001 - time is made here
    cache.get(names[0])
    cache.prune()
    assert [True, False, True] == [cache.get(name) is not None for name in names]


def test_cache_is_looked_through_seldom(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the first bytes, then after 64 MiB or an hour: the folder may hold many files."""
    looks: list[Path] = []
    monkeypatch.setattr("kubeoci.registry.cache._files", lambda folder: looks.append(folder) or [])
    counts = [bool(cache.put(data)) and len(looks) for data in (b"1", b"2", bytes(64 << 20), b"3")]
    os.utime(tmp_path / "pruned", (1000, 1000))
    cache.put(b"4")
    assert [1, 1, 2, 2, 3] == [*counts, len(looks)]


def test_old_memos_and_abandoned_files_go(cache: Cache, tmp_path: Path) -> None:
    """A killed process leaves files that nobody else will remove."""
    cache.note("kind", "k", {})
    (tmp_path / "staged" / "left").write_bytes(DATA)
    for name in files(tmp_path):
        os.utime(tmp_path / name, (1000, 1000))
    cache.prune()
    assert [] == files(tmp_path)


def test_open_prefers_its_variable(tmp_path: Path) -> None:
    """It is made, for its owner only."""
    cache = Cache.open({"KUBEOCI_CACHE": str(tmp_path / "a" / "b"), "XDG_CACHE_HOME": str(tmp_path / "x")})
    assert tmp_path / "a" / "b" == cache.folder
    assert 0o700 == stat.S_IMODE(cache.folder.stat().st_mode)


def test_open_uses_the_xdg_folder(tmp_path: Path) -> None:
    """Given by its variable, or below the home."""
    assert tmp_path / "kubeoci" == Cache.open({"XDG_CACHE_HOME": str(tmp_path), "HOME": "/none"}).folder
    assert tmp_path / ".cache" / "kubeoci" == Cache.open({"HOME": str(tmp_path)}).folder


def test_open_falls_back_to_a_private_folder(tmp_path: Path) -> None:
    """A home that cannot be written is usual in containers."""
    (tmp_path / "file").write_text("")
    folder = Cache.open({"XDG_CACHE_HOME": str(tmp_path / "file")}).folder
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)


def test_unusable_variable_is_told(tmp_path: Path) -> None:
    """Who names a folder wants that one."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="KUBEOCI_CACHE"):
        Cache.open({"KUBEOCI_CACHE": str(tmp_path / "file")})


def test_folder_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns it could change it between our looks."""
    monkeypatch.setattr(os, "getuid", lambda: -1)
    with pytest.raises(InputError, match="belongs to another user"):
        Cache.open({"KUBEOCI_CACHE": str(tmp_path)})
