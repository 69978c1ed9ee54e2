# SPDX-License-Identifier: Apache-2.0
"""The quickstart, from the first preview to the last object gone, against a real registry and a real API server.

Usage: `make demo`, or `python tools/demo.py [EXAMPLE]` inside `.venv`. Everything runs on loopback and is gone at the
end, also after Ctrl-C. The output is in colour on a terminal.
"""

import signal
import subprocess
import sys
import time

import environment
import toolbox
from processes import NotReadyError
from project import Project, execute
from rig import Rig

_EXAMPLES = environment.ROOT / "examples"
_IS_TERMINAL = sys.stdout.isatty()
_COLOUR = ("--color", "always" if _IS_TERMINAL else "never")
_UP = ("up", "--yes", "--skip-preview", "--suppress-progress")


class Stage:
    """Tells the story: a heading, what happens, and the real output of each command."""

    def __init__(self, project: Project) -> None:
        self._project, self._chapter = project, 0

    def chapter(self, title: str) -> None:
        """Print the next numbered heading."""
        self._chapter += 1
        line = f"{self._chapter}. {title}"
        print(f"\n\033[1;36m{line}\033[0m" if _IS_TERMINAL else f"\n== {line}", flush=True)

    def pulumi(self, *arguments: str) -> None:
        """Run `pulumi ARGUMENTS` in the project, in full view.

        Raises:
            CalledProcessError: it failed.
        """
        self._run(["pulumi", *arguments], "--non-interactive", *_COLOUR)

    def kubectl(self, *arguments: str) -> None:
        """Run `kubectl ARGUMENTS` on the rig's cluster, in full view.

        Raises:
            CalledProcessError: it failed.
        """
        self._run(["kubectl", *arguments])

    def _run(self, command: list[str], *silent: str) -> None:
        print(f"$ {' '.join(command)}", flush=True)
        execute([*command, *silent], self._project.folder, self._project.environment).check_returncode()

    def edit(self, file: str, before: str, after: str) -> None:
        """Replace a piece of `file` below the project, and say so."""
        path = self._project.folder / file
        text = path.read_text()
        if before not in text:
            raise LookupError(f"{file} holds no {before!r}")
        path.write_text(text.replace(before, after))
        print(f"  edit {file}: {before} -> {after}", flush=True)

    def remove(self, file: str) -> None:
        """Delete `file` below the project, and say so."""
        (self._project.folder / file).unlink()
        print(f"  delete {file}", flush=True)


def tell(stage: Stage) -> None:
    """The story itself."""
    stage.chapter("Preview: nothing exists yet and nothing is written, still every file and every object is listed")
    stage.pulumi("preview", "--diff", "--suppress-progress")
    stage.chapter("Up: pack ./deploy, push it, pull it by digest, apply it and wait until it runs")
    stage.pulumi(*_UP)
    stage.kubectl("get", "deployments,services,configmaps", "--namespace=shop")
    stage.chapter("Edit two files and look at the plan: the changed files and the changed fields")
    stage.edit("deploy/web.yaml", "replicas: 3", "replicas: 5")
    stage.edit("deploy/flags.yaml", 'checkout: "on"', 'checkout: "off"')
    stage.pulumi("preview", "--diff", "--suppress-progress")
    stage.chapter("Up: only what changed is pushed and applied")
    stage.pulumi(*_UP)
    stage.kubectl("get", "deployments", "--namespace=shop")
    stage.chapter("Delete a file: its object is pruned from the cluster")
    stage.remove("deploy/service.yaml")
    stage.pulumi(*_UP)
    stage.kubectl("get", "deployments,services", "--namespace=shop")
    stage.chapter("Up again: nothing changed, so nothing is written")
    stage.pulumi(*_UP)
    stage.chapter("Destroy: every object is deleted; the published artifact stays in the registry")
    stage.pulumi("destroy", "--yes", "--skip-preview", "--suppress-progress")
    stage.kubectl("get", "namespaces")


def play(example: str) -> None:
    """Start the rig, play the story on a copy of `example`, and stop everything."""
    started = time.monotonic()
    print("Starting a registry and a Kubernetes control plane on loopback ...", flush=True)
    with Rig() as rig:
        print(f"  ready after {time.monotonic() - started:.1f} s: registry {rig.registry}, API server {rig.server}")
        source = _EXAMPLES / example
        name = (source / "Pulumi.yaml").read_text().split("name:", 1)[1].split()[0]
        project = Project.copy(source, rig.folder / "demo", rig, {f"{name}:url": f"{rig.registry}/shop/app"})
        tell(Stage(project))
    print(f"\nDone in {time.monotonic() - started:.0f} s; nothing is left running.", flush=True)


def main() -> int:
    """Play the demo; what goes wrong is told in one line after the output of the command that failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # like Ctrl-C: the rig is stopped on the way out
    try:
        play(*(sys.argv[1:] or ["quickstart"]))
    except KeyboardInterrupt:
        print("\nStopped; nothing is left running.", file=sys.stderr)
        return 130
    except subprocess.CalledProcessError as error:
        print(f"demo: `{' '.join(error.cmd)}` failed, see above; nothing is left running", file=sys.stderr)
        return 1
    except (toolbox.ToolError, NotReadyError, LookupError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
