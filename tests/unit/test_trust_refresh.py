# SPDX-License-Identifier: Apache-2.0
"""kubeoci.trust.refresh: what is asked when, what is believed, and what serves in need."""

import json
import logging
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubeoci.errors import TrustError
from kubeoci.trust import authorities, refresh
from kubeoci.trust.refresh import SIGNING_CONFIG, TRUSTED_ROOT, Repository
from simulator.sigstore import Sigstore
from simulator.tuf import TufRepository

ROOT, OTHER = (json.dumps(Sigstore().trusted_root()) for _ in range(2))
CHAIN = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]


@pytest.fixture
def published() -> Iterator[TufRepository]:
    """A repository that publishes ROOT."""
    with TufRepository({TRUSTED_ROOT: ROOT}) as repository:
        yield repository


def known(published: TufRepository, **shipped: str) -> Repository:
    """What a client knows of it."""
    names = {name.replace("_json", ".json"): text for name, text in shipped.items()}
    return Repository(published.url, published.bootstrap, names, "a package")


def text(published: TufRepository, folder: Path | None, **shipped: str) -> str:
    """The trusted root that is had."""
    return refresh.published(known(published, **shipped), folder, seconds=60).text(TRUSTED_ROOT)


def age(folder: Path, seconds: float) -> None:
    """Make what is kept older."""
    (file,) = folder.glob("tuf-*.json")
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "checked": kept["checked"] - seconds}))


def test_first_time(published: TufRepository) -> None:
    """Metadata, then the target by the hash that they state; without a folder nothing is kept."""
    found = refresh.published(known(published), seconds=60)
    assert (published.url, ROOT) == (found.source, found.text(TRUSTED_ROOT))
    assert CHAIN == published.requests[:4]
    assert published.requests[4].endswith(f".{TRUSTED_ROOT}")
    assert 5 == len(published.requests)


def test_within_a_day_nobody_is_asked(published: TufRepository, tmp_path: Path) -> None:
    """What is kept was checked."""
    assert ROOT == text(published, tmp_path)
    published.requests.clear()
    assert ROOT == text(published, tmp_path)
    assert [] == published.requests


def test_after_a_day_it_is_asked_again(published: TufRepository, tmp_path: Path) -> None:
    """And what is new is kept."""
    text(published, tmp_path)
    published.publish({TRUSTED_ROOT: OTHER})
    age(tmp_path, 25 * 3600)
    assert [OTHER, OTHER] == [text(published, tmp_path), text(published, tmp_path)]


def test_a_check_in_the_future_is_none(published: TufRepository, tmp_path: Path) -> None:
    """A clock that was wrong must not keep a copy for ever."""
    text(published, tmp_path)
    age(tmp_path, -3600)
    published.requests.clear()
    text(published, tmp_path)
    assert CHAIN[:2] == published.requests[:2]


def test_what_is_kept_is_one_private_file(published: TufRepository, tmp_path: Path) -> None:
    """Replaced as a whole, in a folder for its owner alone."""
    folder = tmp_path / "new" / "trust"
    text(published, folder)
    (file,) = folder.iterdir()
    assert (0o700, 0o600) == (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(file.stat().st_mode))


@pytest.mark.parametrize("status", [500, 403, 404])
def test_an_older_copy_serves(
    published: TufRepository, tmp_path: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning that says why."""
    text(published, tmp_path)
    age(tmp_path, 100 * 3600)
    published.status = status
    with caplog.at_level(logging.WARNING, logger="kubeoci"):
        assert ROOT == text(published, tmp_path, trusted_root_json=OTHER)
    assert ["could not be refreshed" in message for message in caplog.messages] == [True]


def test_a_shipped_copy_serves_at_last(published: TufRepository, caplog: pytest.LogCaptureFixture) -> None:
    """Its source is the package."""
    published.status = 500
    with caplog.at_level(logging.WARNING, logger="kubeoci"):
        found = refresh.published(known(published, trusted_root_json=OTHER), seconds=60)
    assert ("a package", OTHER) == (found.source, found.text(TRUSTED_ROOT))
    assert caplog.messages[0].endswith("an older one is used, of a package")


def fault(
    repository: Repository, folder: Path | None = None, *, require_fresh: bool = False, seconds: float = 60
) -> str:
    """The error where nothing serves."""
    with pytest.raises(TrustError) as caught:
        refresh.published(repository, folder, require_fresh=require_fresh, seconds=seconds)
    assert "trust.trust_root" == caught.value.code
    return caught.value.what


def test_nothing_serves(published: TufRepository) -> None:
    """Neither asked nor kept nor shipped."""
    published.status = 500
    assert f"the trusted root of {published.url} could not be refreshed" in fault(known(published))


def test_only_what_is_fresh_may_serve(published: TufRepository, tmp_path: Path) -> None:
    """Where the user wants it so."""
    text(published, tmp_path)
    age(tmp_path, 25 * 3600)
    published.status = 500
    assert "could not be refreshed" in fault(known(published, trusted_root_json=ROOT), tmp_path, require_fresh=True)


def test_a_silent_repository(published: TufRepository) -> None:
    """It is left alone when its seconds are over."""
    published.is_silent = True
    assert "no answer within 0.3 s" in fault(known(published), seconds=0.3)


def test_a_failure_is_remembered(published: TufRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten resources of a program do not wait ten times; after a minute it is asked again."""
    published.status = 500
    first = fault(known(published))
    published.status = 0
    published.requests.clear()
    assert (first, []) == (fault(known(published)), published.requests)
    monkeypatch.setattr(refresh, "RETRY_SECONDS", 0.0)
    assert ROOT == text(published, None)


def test_one_asks_for_all(published: TufRepository, tmp_path: Path) -> None:
    """The resources of a program are checked side by side."""
    with ThreadPoolExecutor(4) as pool:
        assert [ROOT] * 4 == list(pool.map(lambda _: text(published, tmp_path), range(4)))
    assert 5 == len(published.requests)


def test_nothing_is_left_behind(published: TufRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the thread that asks is still waiting."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    published.is_silent = True
    fault(known(published), seconds=0.3)
    assert [] == list(tmp_path.iterdir())


def test_nobody_there() -> None:
    """A refused connection is told at once."""
    with TufRepository({TRUSTED_ROOT: ROOT}) as gone:
        repository = known(gone)
    assert "could not be refreshed" in fault(repository)


def test_metadata_that_expired(published: TufRepository) -> None:
    """Somebody may hold back what is new."""
    published.publish({TRUSTED_ROOT: OTHER}, datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
    assert "ExpiredMetadataError" in fault(known(published))


def test_a_repository_that_goes_back(published: TufRepository, tmp_path: Path) -> None:
    """What is kept remembers its version: the older one is refused, and what is kept serves."""
    before = dict(published.files)
    published.publish({TRUSTED_ROOT: OTHER})
    assert OTHER == text(published, tmp_path)
    published.files = before
    age(tmp_path, 25 * 3600)
    assert OTHER == text(published, tmp_path)


def test_another_repository_at_the_address(published: TufRepository) -> None:
    """Its keys are not those that the trust begins with."""
    with TufRepository({TRUSTED_ROOT: OTHER}) as other:
        assert "could not be refreshed" in fault(Repository(other.url, published.bootstrap))


def test_a_target_that_was_exchanged(published: TufRepository) -> None:
    """The metadata vouch for every byte."""
    name = next(name for name in published.files if name.endswith(TRUSTED_ROOT))
    published.files[name] = OTHER.encode()
    assert "could not be refreshed" in fault(known(published))


def test_a_target_that_is_too_large(published: TufRepository) -> None:
    """It is not even fetched."""
    published.publish({TRUSTED_ROOT: "x" * ((1 << 20) + 1)})
    assert "has 1048577 bytes, and 1048576 are read" in fault(known(published))


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "junk",
        "[]",
        '{"checked": 1}',
        '{"checked": "now", "metadata": {}, "targets": {}}',
        '{"checked": true, "metadata": {}, "targets": {}}',
        '{"checked": 1, "metadata": {"../x": ""}, "targets": {}}',
        '{"checked": 1, "metadata": {"/x": ""}, "targets": {}}',
        '{"checked": 1, "metadata": {"x": 1}, "targets": {}}',
    ],
    ids=range(9),
)
def test_a_kept_file_that_is_damaged(
    published: TufRepository, tmp_path: Path, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and replaced."""
    text(published, tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(kept)
    with caplog.at_level(logging.WARNING, logger="kubeoci"):
        assert ROOT == text(published, tmp_path)
    assert 1 == len(caplog.messages)
    assert time.time() - json.loads(file.read_text())["checked"] < 3600


def test_a_folder_that_cannot_be_written(
    published: TufRepository, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The root serves, and is not kept."""
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING, logger="kubeoci"):
        assert ROOT == text(published, tmp_path / "file")
    assert "cannot be kept for the next run" in caplog.messages[-1]


def test_no_home_is_needed(published: TufRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers often have none that can be written."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, "/nonexistent")
    assert ROOT == text(published, tmp_path)


def test_what_is_published_is_read(published: TufRepository) -> None:
    """The source of the root is the repository; what it does not publish is an error."""
    found = refresh.published(known(published), seconds=60)
    assert published.url == found.trusted_root().source
    with pytest.raises(TrustError, match=f"publishes no {SIGNING_CONFIG}"):
        found.text(SIGNING_CONFIG)


def test_the_public_sigstore() -> None:
    """What its package ships can be read as what it would publish."""
    repository = refresh.public()
    copy = refresh.Published(repository.shipped_by, repository.shipped)
    assert "sigstore-python" in copy.trusted_root().source
    then, config = datetime(2026, 1, 1, tzinfo=UTC), copy.text(SIGNING_CONFIG)
    found = authorities.read(config, source=copy.source, is_users=False, now=then)
    assert ("https://fulcio.sigstore.dev", 1) == (found.ca, found.log_version)
