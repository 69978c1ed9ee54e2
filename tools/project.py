# SPDX-License-Identifier: Apache-2.0
"""A copy of a Pulumi program with a state of its own, and the `pulumi` command on it."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig import Rig

_SECONDS = 180
_FLAGS = ("--non-interactive", "--color", "never")


class PulumiError(Exception):
    """`pulumi` ended with a failure; the text is all that it printed."""


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
        done = subprocess.run(
            ["pulumi", *arguments, *_FLAGS],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if bool(done.returncode) != is_failure:
            raise PulumiError(f"pulumi {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}")
        return done.stdout

    def document(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever that command prints
        """What `pulumi ARGUMENTS` prints as JSON: `preview --json`, `stack export`, `stack output --json`.

        Raises:
            PulumiError: it failed.
        """
        done = subprocess.run(
            ["pulumi", *arguments, *_FLAGS],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
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
        return subprocess.Popen(
            ["pulumi", *arguments, *_FLAGS],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
