# SPDX-License-Identifier: Apache-2.0
"""The reader: what is taken as Flux takes it, and every archive that could mean two things refused."""

import gzip
import io
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeoci import inflate, untar
from kubeoci.errors import ArchiveError
from kubeoci.tree import Limits
from simulator.tar import END, checked, entry, gzipped, header, pax

TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


def names(blob: io.BytesIO, **limits: int) -> dict[str, bytes]:
    """Path and content of everything in the archive."""
    return {path: item.data for path, item in untar.read(blob, TYPE, Limits(**limits)).files.items()}


def refused(blob: io.BytesIO, media_type: str = TYPE, **limits: int) -> str:
    """What the error says."""
    with pytest.raises(ArchiveError) as caught:
        untar.read(blob, media_type, Limits(**limits))
    assert "archive.unsafe" == caught.value.code
    return str(caught.value)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], []),
        ([entry("..foo"), entry("a..b/c"), entry("./x"), entry(".", kind=b"5")], ["..foo", "a..b/c", "x"]),
        ([entry("a//b/./c")], ["a/b/c"]),
        ([entry("a/", kind=b"5"), entry("a/b"), entry("a", kind=b"5")], ["a/b"]),
        ([entry(b"n" * 100, prefix=b"p" * 155)], ["p" * 155 + "/" + "n" * 100]),
        ([pax(path="\u00e9/x"), entry("ignored")], ["\u00e9/x"]),
        ([entry("@LongLink", b"l" * 200 + b"\0", b"L"), entry("ignored")], ["l" * 200]),
        ([entry("@LongLink", b"target\0", b"K"), entry("a")], ["a"]),
        ([entry("a\0b")], ["a"]),
        ([entry("a", kind=b"\0"), entry("d/", kind=b"\0")], ["a"]),
        ([pax(path="a"), entry("d/", kind=b"\0"), pax(path="d/"), entry("b", kind=b"\0")], ["a"]),
        ([pax(b"g", comment="c0ffee"), entry("a")], ["a"]),
        ([pax(mtime="1.5", SCHILY_xattr_x=b"\xff"), entry("a")], ["a"]),
        ([entry("a", mode=b"0000000"), entry("b", mode=b"0006755")], ["a", "b"]),
        ([entry("a", mode=b"    644 "), entry("b", mode=b"")], ["a", "b"]),
    ],
)
def test_what_is_taken(pieces: list[bytes], expected: list[str]) -> None:
    """Odd but clear archives give the files that other readers see."""
    assert expected == list(names(gzipped(*pieces)))


@pytest.mark.parametrize("name", ["../x", "a/../../x", "..", "a../b", "a/..", "/abs", "back\\slash", ""])
def test_paths_that_lead_out(name: str) -> None:
    """No path that any reader could follow out of the root, for any kind of entry."""
    for kind in (b"0", b"2", b"5"):
        assert "archive.unsafe" in refused(gzipped(entry(name, kind=kind)))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (b"1", "a hard link"),
        (b"3", "a device"),
        (b"4", "a device"),
        (b"6", "a named pipe"),
        (b"7", "a contiguous file"),
        (b"S", "a sparse file"),
        (b"Z", "unknown type b'Z'"),
    ],
)
def test_kinds_that_are_refused(kind: bytes, told: str) -> None:
    """Only files, directories and links that are dropped."""
    assert told in refused(gzipped(entry("a", kind=kind)))


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([pax(path="a\0b"), entry("x")], "a name holds a NUL"),
        ([pax(path=""), entry("x")], "an entry has no name"),
        ([pax(path=b"\xff"), entry("x")], "not UTF-8"),
        ([pax(size="-1"), entry("x")], "is no number"),
        ([pax(size="1_0"), entry("x")], "is no number"),
        ([pax(size="\u0661"), entry("x")], "is no number"),
        ([pax(size="9" * 30), entry("x")], "is no number"),
        ([pax(size="9999"), entry("x", b"1")], "ends inside the content"),
        ([pax(GNU_sparse_major="1"), entry("x")], "a sparse file"),
        ([pax(b"g", path="a"), entry("x")], "sets path for all entries"),
        ([pax(b"g", size="1"), entry("x")], "sets size for all entries"),
        ([pax(path="a"), pax(path="b"), entry("x")], "two headers describe one entry"),
        ([entry("@", b"l", b"L"), pax(path="b"), entry("x")], "two headers describe one entry"),
        ([pax(path="a"), pax(b"g", comment="c"), entry("x")], "a global header comes between"),
        ([pax(path="a")], "ends after a header"),
        ([entry("PaxHeaders.0/x", b"8 path=a\n", b"x"), entry("x")], "malformed"),
        ([entry("PaxHeaders.0/x", b"-9 path=a\n", b"x"), entry("x")], "malformed"),
        ([entry("PaxHeaders.0/x", b"10 path=a", b"x"), entry("x")], "malformed"),
        ([entry("PaxHeaders.0/x", b"99 path=a\n", b"x"), entry("x")], "malformed"),
        ([entry("PaxHeaders.0/x", b"5 =a\n", b"x"), entry("x")], "malformed"),
        ([entry("PaxHeaders.0/x", b"0 path=a\n", b"x"), entry("x")], "malformed"),
        ([entry(b"\xff")], "not UTF-8"),
        ([entry("a", b"1", b"5")], "with content"),
        ([entry("a", b"1", b"2")], "with content"),
        ([entry("a/")], "a file needs a name"),
        ([entry(".")], "a file needs a name"),
        ([entry("a"), entry("a")], "the same place as 'a'"),
        ([entry("a"), entry("./a")], "the same place as 'a'"),
        ([entry("a"), entry("A")], "the same place as 'a'"),
        ([entry("A/x"), entry("a/y")], "the same place as 'A'"),
        ([entry("caf\u00e9"), entry("cafe\u0301")], "the same place"),
        ([entry("a", kind=b"5"), entry("a")], "the same place as 'a'"),
        ([entry("a"), entry("a/b")], "the same place as 'a'"),
        ([entry("a/b"), entry("a")], "the same place as 'a'"),
        ([entry("a", mode=b"000064x")], "the mode in a header"),
        ([entry("a", mode=b"\x80\0\0\0\0\0\1\0")], "the mode in a header"),
    ],
)
def test_archives_with_two_meanings(pieces: list[bytes], told: str) -> None:
    """What one reader takes and another does not, or takes otherwise, is refused with the reason."""
    assert told in refused(gzipped(*pieces))


@pytest.mark.parametrize(
    "size", [b"-0000000001\0", b"+0000000001\0", b"0000000_001\0", b"0o000000001\0", b"\x80" + bytes(10) + b"\1"]
)
def test_sizes_that_are_no_octal_numbers(size: bytes) -> None:
    """Signs, underscores, prefixes and binary numbers are refused."""
    block = header(b"a", 0)
    assert "the size in a header" in refused(gzipped(checked(block[:124] + size + block[136:])))


def test_checksums() -> None:
    """A wrong checksum is refused; the sum of signed bytes, which old programs wrote, is taken."""
    block = header("\u00e9".encode(), 0)
    signed = sum(block) - sum(block[148:156]) + 8 * 32 - 2 * 256
    assert ["\u00e9"] == list(names(gzipped(block[:148] + b"%06o\0 " % signed + block[156:])))
    assert "checksum" in refused(gzipped(b"b" + block[1:]))


def dialect(magic: bytes, after_name: bytes, trailer: bytes = b"") -> bytes:
    """The header of an empty file `a` in another dialect of tar."""
    block = header(b"a", 0)[:257] + magic + bytes(80) + after_name
    return checked(block.ljust(512 - len(trailer), b"\0") + trailer)


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (dialect(b"ustar\x0000", b"p"), "p/a"),
        (dialect(b"ustar\x0000", b"p" * 131 + b"14000000000\0" * 2, b"tar\0"), "p" * 131 + "/a"),
        (dialect(b"ustar  \0", b"14000000000\0" * 2), "a"),
        (dialect(bytes(8), b"p"), "a"),
    ],
)
def test_dialects(block: bytes, expected: str) -> None:
    """Only USTAR and star have a prefix before the name: GNU keeps times there, and v7 nothing."""
    assert [expected] == list(names(gzipped(block)))


@pytest.mark.parametrize("times", [b"p/q", b"14000000000\0p"])
def test_times_that_go_reads_as_a_prefix(times: bytes) -> None:
    """What is no time in a GNU header would be another path to Flux."""
    assert "the time in a header" in refused(gzipped(dialect(b"ustar  \0", times)))


def test_links_are_dropped_with_a_warning() -> None:
    """A link becomes nothing, and a path through it is a plain one."""
    found = untar.read(gzipped(entry("d", kind=b"2"), entry("d/x", b"1")), TYPE)
    assert (["d/x"], ("d: symbolic links are not unpacked",)) == (list(found.files), found.warnings)


def test_warnings_are_few() -> None:
    """An archive of a thousand links does not flood the user."""
    assert 21 == len(untar.read(gzipped(*(entry(f"l{number}", kind=b"2") for number in range(1000))), TYPE).warnings)


def test_only_the_owner_execute_bit_is_kept() -> None:
    """Of the mode nothing counts but whether the owner may execute."""
    pieces = [entry(mode.decode(), mode=mode) for mode in (b"0000100", b"0000677", b"0004744")]
    executable = {path: item.executable for path, item in untar.read(gzipped(*pieces), TYPE).files.items()}
    assert {"0000100": True, "0000677": False, "0004744": True} == executable


@pytest.mark.parametrize("end", [b"", bytes(512), END, bytes(10240)])
def test_ends_that_are_fine(end: bytes) -> None:
    """No end blocks, one, two or many."""
    found = untar.read(gzipped(entry("a", b"1"), end=end), TYPE)
    assert ({"a"}, ()) == (set(found.files), found.warnings)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (bytes(512) + entry("b") + END, "an entry follows a block of zeros"),
        (entry("b")[:300], "ends inside a header"),
        (bytes(300), "ends inside a header"),
        (bytes(700), "an entry follows"),
        (header(b"b", 600) + bytes(512), "ends inside the content"),
        (header(b"b", 600) + bytes(600), "ends inside the content"),
    ],
)
def test_ends_that_are_cut(end: bytes, told: str) -> None:
    """An archive that stops in the middle of something is refused."""
    assert told in refused(gzipped(entry("a"), end=end))


AFTER = "the layer holds more after the end of the archive, which is not unpacked"


@pytest.mark.parametrize(
    "blob",
    [
        gzipped(entry("a"), END, entry("b")),
        io.BytesIO(gzipped(entry("a")).getvalue() + gzipped(entry("b")).getvalue()),
        io.BytesIO(gzipped(entry("a")).getvalue() + b"junk"),
        io.BytesIO(gzipped(entry("a")).getvalue() + b"\0"),
    ],
)
def test_what_follows_the_end_is_not_unpacked(blob: io.BytesIO) -> None:
    """Bytes after the end give a warning and no file."""
    found = untar.read(blob, TYPE)
    assert (["a"], (AFTER,)) == (list(found.files), found.warnings)


def test_members_are_one_stream() -> None:
    """A second gzip member goes on where the first one stopped, in the middle of an entry too."""
    tar = entry("a", b"1" * 600) + entry("b") + END
    blob = b"".join(gzip.compress(tar[at : at + 700]) for at in range(0, len(tar), 700))
    found = untar.read(io.BytesIO(blob), TYPE)
    assert (["a", "b"], ()) == (list(found.files), found.warnings)


@pytest.mark.parametrize("size", [1, 2, 7, 700])
def test_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """How the bytes arrive makes no difference, at the border of two members either."""
    monkeypatch.setattr(inflate, "_CHUNK_BYTES", size)
    blob = gzip.compress(entry("a", b"1" * 600)) + gzip.compress(entry("b")) + b"junk"
    assert "the archive has no end" in refused(io.BytesIO(blob))
    found = untar.read(io.BytesIO(blob[:-4] + gzip.compress(END) + b"j"), TYPE)
    assert (["a", "b"], (AFTER,)) == (list(found.files), found.warnings)


@pytest.mark.parametrize("end", [b"", bytes(512)])
def test_junk_instead_of_an_end(end: bytes) -> None:
    """An archive without end, or with half of one, that is followed by junk may have been cut."""
    blob = io.BytesIO(gzipped(entry("a"), end=end).getvalue() + b"junk")
    assert "the archive has no end" in refused(blob)


@pytest.mark.parametrize("cut", [5, 15, 60, -9, -1])
def test_gzip_that_is_cut(cut: int) -> None:
    """A gzip file without its end is refused even if all files are in it."""
    assert "gzip" in refused(io.BytesIO(gzipped(entry("a", bytes(range(256)))).getvalue()[:cut]))


@pytest.mark.parametrize("at", [-1, -6, 20])
def test_gzip_that_is_damaged(at: int) -> None:
    """Size, checksum and data of gzip are checked to the end."""
    blob = bytearray(gzipped(entry("a", bytes(range(256)))).getvalue())
    blob[at] ^= 0x55
    assert "archive.unsafe" in refused(io.BytesIO(blob))


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"", "this one is empty"),
        (entry("a") + END, "must be gzip, this one is tar"),
        (b"\x28\xb5\x2f\xfd", "must be gzip, this one is zstd"),
        (b"PK\x03\x04", "this one is zip"),
        (b"hello", "this one is unknown (it starts with 68656c6c)"),
    ],
)
def test_other_formats_are_named(head: bytes, told: str) -> None:
    """What is no gzip is named by its first bytes."""
    assert told in refused(io.BytesIO(head))


def test_plain_tar_needs_its_type() -> None:
    """A tar without compression is read under a type that says so, and under no other."""
    plain = io.BytesIO(entry("a", b"1") + END)
    assert ["a"] == list(untar.read(plain, "application/vnd.oci.image.layer.v1.tar").files)
    assert "must be tar, this one is gzip" in refused(gzipped(), "application/x-tar.tar")
    assert "zstd" in refused(plain, "application/vnd.oci.image.layer.v1.tar+zstd")


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_layer_bytes": 20}, "more than 20"),
        ({"max_expanded_bytes": 1024}, "expands to more"),
        ({"max_file_bytes": 3}, "4 bytes are more than 3"),
        ({"max_files": 1}, "more than 1 files"),
        ({"max_headers": 2}, "more than 2 entries"),
        ({"max_header_bytes": 3}, "bytes are more than 3"),
        ({"max_path_bytes": 2}, "longer than 2 bytes"),
        ({"max_component_bytes": 1}, "longer than 1 bytes"),
        ({"max_depth": 1}, "deeper than 1"),
    ],
)
def test_limits(limits: dict[str, int], told: str) -> None:
    """Each limit stops the reading with its number."""
    assert told in refused(gzipped(pax(path="d/ab"), entry("x", b"1234"), entry("c")), **limits)


def test_a_bomb_is_refused() -> None:
    """What expands a thousand times has more to hide than manifests."""
    blob = io.BytesIO(gzip.compress(entry("a", bytes(60 << 20)), 9))
    assert "expands to more" in refused(blob)


def test_many_small_records_take_no_time() -> None:
    """A special header full of records is read in linear time: it would be minutes."""
    blob = gzipped(entry("PaxHeaders.0/x", b"6 a=b\n" * 170_000, b"x"), entry("a"))
    start = time.thread_time()
    assert ["a"] == list(names(blob))
    assert time.thread_time() - start < 20


def test_contents_make_a_tree() -> None:
    """The tree of a layer has names, modes and contents of its files."""
    made = untar.read(gzipped(entry("b", b"2"), entry("a", b"1", mode=b"0000755")), TYPE).tree()
    assert [("a", True, 1), ("b", False, 1)] == [(file.path, file.executable, file.size) for file in made.files]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_only_our_error_comes_out(seed: int, plain: bool) -> None:
    """Whatever bytes change, the answer is files or our error."""
    dice = random.Random(seed)
    raw = bytearray(pax(path="x/y") + entry("a", b"1234") + pax(b"g", comment="x") + entry("b/c", b"5" * 600) + END)
    for _ in range(dice.randrange(1, 6)):
        raw[dice.randrange(len(raw))] = dice.randrange(256)
    blob, kind = (io.BytesIO(raw), "x.tar") if plain else (io.BytesIO(gzip.compress(raw)), TYPE)
    try:
        untar.read(blob, kind)
    except ArchiveError as error:
        assert "archive.unsafe" == error.code  # noqa: PT017 - many of the archives are fine
