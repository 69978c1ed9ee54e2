# SPDX-License-Identifier: Apache-2.0
"""A copy of a Pulumi program with a state of its own, and the `pulumi` command on it."""

import contextlib
import json
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig import Rig

_SECONDS = 180
_FLAGS = ("--non-interactive", "--color", "never")


class PulumiError(Exception):
    """`pulumi` ended with a failure; the text is all that it printed."""


def execute(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    stdout: int | None = None,
    stderr: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, within three minutes; an exception here, such as Ctrl-C, ends it in its own way.

    It is killed only as a last resort: the language host of a killed `pulumi` runs on for minutes.
    """
    child = _start(command, folder, environment, stdout, stderr)
    with child:
        try:
            out, problems = child.communicate(timeout=_SECONDS)
        except BaseException:
            _interrupt(child)
            raise
    return subprocess.CompletedProcess(command, child.returncode, out, problems)


def _start(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    stdout: int | None = None,
    stderr: int | None = None,
) -> subprocess.Popen[str]:
    """Start a command in a session of its own: Ctrl-C in the terminal reaches only us, so it is told once."""
    return subprocess.Popen(
        list(command),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        stdout=stdout,
        stderr=stderr,
    )


def _interrupt(child: subprocess.Popen[str]) -> None:
    """Ask once, then firmly, then kill."""
    for seconds in (15, 5):
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=seconds)
            return
    child.kill()


@dataclass(frozen=True, slots=True)
class Project:
    """One program with one stack.

    Attributes:
        folder: the program, to edit at will.
        environment: what `pulumi` runs in; see `Rig.pulumi_environment`.
        stack: name of the stack.
    """

    folder: Path
    environment: dict[str, str]
    stack: str = "dev"

    @classmethod
    def copy(cls, example: Path, home: Path, rig: Rig, config: Mapping[str, str]) -> "Project":
        """Copy the program `example` to `home`/program and make its stack `dev`.

        Args:
            example: a folder with a Pulumi.yaml.
            home: an empty folder for the copy, the state, caches and plugins.
            rig: what the program runs against.
            config: the stack's configuration, each name as `project:key`.
        """
        folder = home / "program"
        shutil.copytree(example, folder, ignore=shutil.ignore_patterns("__pycache__", "Pulumi.*.yaml"))
        project = cls(folder, rig.pulumi_environment(home))
        # JSON is YAML; `stack init` adds the salt of the passphrase to it.
        (folder / f"Pulumi.{project.stack}.yaml").write_text(json.dumps({"config": dict(config)}))
        project.run("stack", "init", project.stack)
        return project

    def run(self, *arguments: str, is_failure: bool = False) -> str:
        """All that `pulumi ARGUMENTS` prints, standard error included.

        Raises:
            PulumiError: it failed though it should not, or the other way round.
        """
        done = self._execute(arguments, subprocess.STDOUT)
        if bool(done.returncode) != is_failure:
            raise PulumiError(f"pulumi {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def document(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever that command prints
        """What `pulumi ARGUMENTS` prints as JSON: `preview --json`, `stack export`, `stack output --json`.

        Raises:
            PulumiError: it failed.
        """
        done = self._execute(arguments, subprocess.PIPE)
        if done.returncode:
            raise PulumiError(f"pulumi {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def preview(self, *flags: str, is_failure: bool = False) -> str:
        """What `pulumi preview` prints."""
        return self.run("preview", "--suppress-progress", *flags, is_failure=is_failure)

    def up(self, *flags: str, is_failure: bool = False) -> str:
        """What `pulumi up` prints; it asks nothing."""
        return self.run("up", "--yes", "--suppress-progress", *flags, is_failure=is_failure)

    def refresh(self, *flags: str) -> str:
        """What `pulumi refresh` prints."""
        return self.run("refresh", "--yes", "--suppress-progress", *flags)

    def destroy(self, *flags: str, is_failure: bool = False) -> str:
        """What `pulumi destroy` prints."""
        return self.run("destroy", "--yes", "--suppress-progress", *flags, is_failure=is_failure)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `pulumi ARGUMENTS` and return at once: for tests that interrupt it. Its output is a pipe."""
        command = ["pulumi", *arguments, *_FLAGS]
        return _start(command, self.folder, self.environment, subprocess.PIPE, subprocess.STDOUT)

    def _execute(self, arguments: Sequence[str], stderr: int) -> subprocess.CompletedProcess[str]:
        return execute(["pulumi", *arguments, *_FLAGS], self.folder, self.environment, subprocess.PIPE, stderr)
