# SPDX-License-Identifier: Apache-2.0
"""Sigstore's trusted root and signing configuration from where they are published: a TUF repository.

Rules:
- a copy that was checked within a day is taken without asking; else the repository is asked, five seconds in all;
- where that fails, an older checked copy serves, else the one that sigstore's package ships, with a warning; for a
  minute the repository is then left alone, and of many resources one asks for all;
- nothing is written but in the folder that the caller names, one file, replaced as a whole: runs beside each other
  never see half of it, and no home directory is needed;
- what is kept of an earlier check keeps the repository from going back behind it.
"""

import hashlib
import json
import logging
import re
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING

from kubeoci.trust import roots, strict
from kubeoci.trust.evidence import Rejected
from kubeoci.trust.faults import trust_root
from kubeoci.trust.patience import Patience
from kubeoci.trust.roots import TrustedRoot

if TYPE_CHECKING:
    from tuf.ngclient.updater import Updater

PUBLIC = "https://tuf-repo-cdn.sigstore.dev"
"""Where the public Sigstore publishes them."""
TRUSTED_ROOT = "trusted_root.json"
SIGNING_CONFIG = "signing_config.v0.2.json"
SECONDS = 5.0
FRESH_SECONDS = 24 * 3600.0
RETRY_SECONDS = 60.0

_MAX_BYTES = 16 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_STORE = "sigstore._store"

_log = logging.getLogger(__name__)
_turn = threading.Lock()
_failures: dict[str, tuple[float, str]] = {}
"""When this process asked a repository in vain, and why that was; repositories by the names of their files."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A TUF repository, the root metadata that its trust begins with, and copies of targets in case of need."""

    url: str
    bootstrap: bytes = field(repr=False)
    shipped: Mapping[str, str] = field(default_factory=dict, repr=False)
    shipped_by: str = ""

    @property
    def file(self) -> str:
        """The name of the file that keeps what was had: another one where the trust begins with something else."""
        return f"tuf-{hashlib.sha256(self.url.encode() + self.bootstrap).hexdigest()[:16]}.json"


@dataclass(frozen=True, slots=True)
class Published:
    """Texts by the names of their targets. `checked` is when, in seconds since 1970; 0 for what a package ships."""

    source: str
    targets: Mapping[str, str] = field(repr=False)
    checked: float = 0.0

    def text(self, name: str) -> str:
        """One of them. Raises `trust.trust_root` where the repository has none of this name."""
        if name not in self.targets:
            raise trust_root(f"{self.source} publishes no {name}", "give it as text")
        return self.targets[name]

    def trusted_root(self) -> TrustedRoot:
        """The trusted root. Raises `trust.trust_root`."""
        return roots.read(self.text(TRUSTED_ROOT), source=self.source, is_users=False)


def public() -> Repository:
    """That of the public Sigstore, with the copies that sigstore's package brings along."""
    folder = resources.files(_STORE) / PUBLIC.replace(":", "%3A").replace("/", "%2F")
    shipped = {name: (folder / name).read_text("utf-8") for name in (TRUSTED_ROOT, SIGNING_CONFIG)}
    bootstrap = (folder / "root.json").read_bytes()
    return Repository(PUBLIC, bootstrap, shipped, f"sigstore-python {metadata.version('sigstore')}")


def published(
    repository: Repository, folder: Path | None = None, *, require_fresh: bool = False, seconds: float = SECONDS
) -> Published:
    """What the repository publishes, as fresh as can be had; kept in `folder` if there is one.

    Raises `trust.trust_root` where there is nothing at all, or, with `require_fresh`, nothing of the last day.
    """
    file = folder / repository.file if folder else None
    with _turn:
        kept = _read(file, repository) if file else None
        if kept and 0 <= time.time() - kept.checked < FRESH_SECONDS:
            return kept.published(repository)
        fresh = _refreshed(repository, kept, seconds)
        if isinstance(fresh, str):
            return _instead(repository, kept, fresh, require_fresh=require_fresh)
        if file:
            _write(file, fresh)
        return fresh.published(repository)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What one check leaves behind: when it was, the metadata, and the targets that they vouch for."""

    checked: float
    metadata: dict[str, str]
    targets: dict[str, str]

    def published(self, repository: Repository) -> Published:
        """Told without its age, which would make every run differ; that goes to the log."""
        digest = hashlib.sha256(self.targets.get(TRUSTED_ROOT, "").encode()).hexdigest()
        age = (time.time() - self.checked) / 3600
        _log.info("trusted root of %s, checked %.1f hours ago: sha256 %s", repository.url, age, digest)
        return Published(repository.url, self.targets, self.checked)


def _instead(repository: Repository, kept: _Kept | None, why: str, *, require_fresh: bool) -> Published:
    """What there is when the repository cannot be had, or fails its check."""
    what = f"the trusted root of {repository.url} could not be refreshed ({why})"
    if require_fresh or not (kept or repository.shipped):
        raise trust_root(what, "see whether the address can be reached, or give a trusted root as text")
    _log.warning("%s: an older one is used, of %s", what, repository.url if kept else repository.shipped_by)
    return kept.published(repository) if kept else Published(repository.shipped_by, repository.shipped)


def _refreshed(repository: Repository, kept: _Kept | None, seconds: float) -> _Kept | str:
    """What is published now, or why that cannot be had."""
    asked, why = _failures.get(repository.file, (0.0, ""))
    if why and time.monotonic() - asked < RETRY_SECONDS:
        return why
    patience = Patience(seconds, lambda: TimeoutError(f"no answer within {seconds:g} s"))
    try:  # the folder is made and removed here: the thread that asks may still wait when nobody does any more
        with tempfile.TemporaryDirectory(prefix="kubeoci-tuf-", ignore_cleanup_errors=True) as scratch:
            return patience.wait(lambda: _fetched(repository, kept, Path(scratch)))
    except Exception as error:  # noqa: BLE001 - a library over what others publish
        why = f"{type(error).__name__}: {error}"[:300]
        _failures[repository.file] = time.monotonic(), why
        return why


def _fetched(repository: Repository, kept: _Kept | None, scratch: Path) -> _Kept:
    """Everything anew, checked by TUF's rules against what was known. May take long."""
    from tuf.ngclient.config import UpdaterConfig  # noqa: PLC0415 - loads slowly
    from tuf.ngclient.updater import Updater  # noqa: PLC0415

    known, targets = scratch / "metadata", scratch / "targets"
    for folder in (known / "root_history", targets):
        folder.mkdir(parents=True)
    for name, before in (kept.metadata if kept else {}).items():
        (known / name).write_text(before, "utf-8")
    updater = Updater(
        str(known), repository.url, str(targets), f"{repository.url}/targets",
        config=UpdaterConfig(app_user_agent="kubeoci"), bootstrap=repository.bootstrap,
    )  # fmt: skip
    updater.refresh()
    found = {name: text for name in (TRUSTED_ROOT, SIGNING_CONFIG) if (text := _target(updater, name)) is not None}
    files = {path.relative_to(known).as_posix(): path for path in known.rglob("*.json") if not path.is_symlink()}
    return _Kept(time.time(), {name: path.read_text("utf-8") for name, path in files.items()}, found)


def _target(updater: "Updater", name: str) -> str | None:
    """The text of a target that the metadata vouch for; None where there is none."""
    found = updater.get_targetinfo(name)
    if found is None:
        return None
    if found.length > roots.MAX_BYTES:
        raise ValueError(f"{name} has {found.length} bytes, and {roots.MAX_BYTES} are read")
    return Path(updater.download_target(found)).read_text("utf-8")


def _read(file: Path, repository: Repository) -> _Kept | None:
    """What an earlier run kept; None where there is nothing that can be used."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_BYTES)  # one that is cut off there is no JSON
        found = strict.members(strict.document(raw, "it"), "it", ["checked", "metadata", "targets"])
        checked = found["checked"]
        if not isinstance(checked, int | float) or isinstance(checked, bool):
            strict.malformed("checked", "is no time")
        return _Kept(checked, _texts(found["metadata"]), _texts(found["targets"]))
    except FileNotFoundError:
        return None
    except (OSError, Rejected) as error:
        _log.warning("the kept trusted root of %s cannot be read: %s", repository.url, error)
        return None


def _texts(value: object) -> dict[str, str]:
    """Texts by names that are safe as names of files."""
    found = strict.mapping(value, "it")
    if unsafe := [name for name in found if not _NAME.fullmatch(name)]:
        strict.malformed("it", f"has the name {unsafe[0]!r:.60}")
    return {name: strict.text(text, name) for name, text in found.items()}


def _write(file: Path, kept: _Kept) -> None:
    """Keep it for the next run, as a whole or not at all."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
            part = Path(scratch, file.name)
            part.touch(mode=0o600)
            part.write_text(json.dumps(asdict(kept)), "utf-8")
            part.replace(file)
    except OSError as error:
        _log.warning("the trusted root cannot be kept for the next run: %s", error)
