# SPDX-License-Identifier: Apache-2.0
"""Which files do not belong to an artifact: `.sourceignore` patterns as Flux reads them.

They look like `.gitignore` and differ in places that matter. The last pattern that matches decides, and every path is
asked for itself: `dir/` followed by `!dir/keep.yaml` keeps the file. A pattern without a slash looks at each component
of a path, one with a slash is anchored at its folder and does not backtrack over `**`. `[!a]` is no negation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubeoci.errors import FilesError
from kubeoci.globs import Glob, compile_glob

FILE_NAME = ".sourceignore"
"""Name of the files that hold patterns for the folder they are in."""

VCS = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
EXTENSIONS = ("*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip")
CI = (
    *(".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml"),
    *("codeship-services.yml", "codeship-steps.yml"),
)
EXTRA = ("**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml")

DEFAULTS = (*VCS, *EXTENSIONS)
"""What a push leaves out before any pattern of the user is read, as `flux push artifact` does."""

_MAX_LINE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line. `globs` are the parts between slashes; `folder` are the components of the place it applies below."""

    folder: tuple[str, ...]
    parts: tuple[str, ...]
    globs: tuple[Glob, ...]
    includes: bool
    folders_only: bool

    def matches(self, path: Sequence[str], *, is_dir: bool) -> bool:
        """Whether this pattern has an opinion on the path with these components."""
        below = path
        if depth := len(self.folder):
            if len(path) <= depth or tuple(path[:depth]) != self.folder:
                return False
            below = path[depth:]
        end = self._named(below) if len(self.parts) == 1 else self._anchored(below)
        return end > 0 and (end < len(below) or is_dir or not self.folders_only)

    def _named(self, path: Sequence[str]) -> int:
        """How many components it took to find one with the name, 0 for none."""
        glob = self.globs[0]
        for index, name in enumerate(path, 1):
            if glob(name):
                return index
        return 0

    def _anchored(self, path: Sequence[str]) -> int:
        """How many components the parts took up from the start, 0 for no match. Later components do not matter."""
        taken, hit, roams = 0, False, False
        for index, (part, glob) in enumerate(zip(self.parts, self.globs, strict=True)):
            if part == "":
                roams = False
            elif part == "**":
                if index == len(self.parts) - 1:
                    break
                roams = True
            elif "**" in part or taken == len(path):
                return 0
            elif roams:
                roams = False
                found = next((at for at, name in enumerate(path[taken:], taken + 1) if glob(name)), 0)
                taken, hit = found or len(path), bool(found)
            elif glob(path[taken]):
                taken, hit = taken + 1, True
            else:
                return 0
        return taken if hit else 0


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns in the order in which they were given: a later one overrules an earlier one."""

    rules: tuple[Pattern, ...]
    warnings: tuple[str, ...] = ()

    def __add__(self, other: "Patterns") -> "Patterns":
        return Patterns(self.rules + other.rules, self.warnings + other.warnings)

    @property
    def includes(self) -> bool:
        """Whether something below an ignored directory may be taken back in."""
        return any(rule.includes for rule in self.rules)

    def ignores(self, path: str, is_dir: bool) -> bool:
        """Whether `path`, relative to the root with `/` between components, is left out. The root never is."""
        components = path.split("/")
        for rule in reversed(self.rules):
            if rule.matches(components, is_dir=is_dir):
                return not rule.includes
        return False


def compile_patterns(lines: Iterable[str], folder: str = "", *, origin: str = "ignore") -> Patterns:
    """Patterns of one list, which see only what is strictly below `folder` (relative to the root; empty is the root).

    An element may be several lines, as the text of Flux's `ignore` is. `origin` is told in messages. A glob that cannot
    match anything is a warning. Raises an `ExceptionGroup` of `FilesError` `files.invalid` for lines over 64 KiB.
    """
    rules: list[Pattern] = []
    warnings: list[str] = []
    faults: list[FilesError] = []
    split = (line.removesuffix("\r") for text in lines for line in text.split("\n"))
    for number, line in enumerate(split, 1):
        where = f"{origin}:{number}"
        if len(line) > _MAX_LINE_BYTES:
            faults.append(FilesError("files.invalid", "the line is longer than 64 KiB", where=where))
        elif not line.startswith("#") and line.strip():
            rules.append(_pattern(line, tuple(folder.split("/")) if folder else ()))
            if _never in rules[-1].globs:
                warnings.append(f"{where}: the pattern {line[:80]!r} is malformed and matches nothing")
    if faults:
        raise ExceptionGroup("unusable ignore patterns", faults)
    return Patterns(tuple(rules), tuple(warnings))


def read_patterns(content: bytes, path: str) -> Patterns:
    """Patterns of the ignore file at `path` (relative to the root, `/` between components).

    Raises an `ExceptionGroup` of `FilesError` `files.invalid`, with file and line, when it is not UTF-8.
    """
    lines = content.split(b"\n")
    texts, faults = [], []
    for number, line in enumerate(lines, 1):
        try:
            texts.append(line.decode())
        except UnicodeDecodeError:
            faults.append(FilesError("files.invalid", "the line is not UTF-8", where=f"{path}:{number}"))
    if faults:
        raise ExceptionGroup("unusable ignore patterns", faults)
    return compile_patterns(texts, path.rpartition("/")[0], origin=path)


def collect(files: Mapping[str, bytes]) -> Patterns:
    """Patterns of every ignore file among `files` (path to content), from the root downwards, `.git` left out.

    Raises an `ExceptionGroup` of `FilesError` `files.invalid`, with file and line, for what is not UTF-8.
    """
    folders = {tuple(path.split("/")[:-1]): path for path in files if path.rpartition("/")[2] == FILE_NAME}
    patterns = Patterns(())
    for folder in sorted(folders, key=lambda parts: [part.encode(errors="surrogateescape") for part in parts]):
        if ".git" not in folder:
            patterns += read_patterns(files[folders[folder]], folders[folder])
    return patterns


def for_source(own: Patterns) -> Patterns:
    """`own` patterns with the defaults that Flux's source applies to an artifact that was pulled.

    `own` are those of `collect`, then those of the user. With patterns of one's own only version control files are
    left out as well; without any, all four default lists.
    """
    lists = VCS if own.rules else (*VCS, *EXTENSIONS, *CI, *EXTRA)
    return compile_patterns(lists) + own


def _pattern(line: str, folder: tuple[str, ...]) -> Pattern:
    text = line.removeprefix("!")
    text = text if text.endswith("\\ ") else text.rstrip(" ")
    bare = text.removesuffix("/")
    parts = tuple(bare.split("/"))
    return Pattern(
        folder, parts, tuple(compile_glob(part) or _never for part in parts), line.startswith("!"), bare != text
    )


def _never(_name: str) -> object:
    """The match of a malformed glob."""
    return False
