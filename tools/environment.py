# SPDX-License-Identifier: Apache-2.0
"""Make `.venv` match pyproject.toml, then run a command inside it.

Usage: `python tools/environment.py [COMMAND...]`. The project is installed editable, with its `dev` group, when
pyproject.toml or the interpreter changed since the last time. Needs Python 3.11 and pip 23.2: older pips know no
dependency groups, so they are read here. Only the standard library is used.
"""

from __future__ import annotations  # an older Python must get as far as the message that says so

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PROGRAMS = VENV / "bin"
_STAMP = VENV / "pyproject.sha256"


def group(groups: dict[str, list[str | dict[str, str]]], name: str) -> list[str]:
    """The requirements of a dependency group, `include-group` followed, as the packaging standard for them says."""
    found: list[str] = []
    for entry in groups[name]:
        found += [entry] if isinstance(entry, str) else group(groups, entry["include-group"])
    return found


def fingerprint() -> str:
    """What the content of `.venv` depends on: pyproject.toml and the interpreter's version."""
    return hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()


def create() -> None:
    """Make an empty `.venv` unless there is one whose interpreter runs."""
    python = PROGRAMS / "python"
    if not python.exists() or subprocess.run([python, "-c", ""], check=False).returncode:
        venv.create(VENV, clear=VENV.exists(), with_pip=True, symlinks=True)


def install(requirements: list[str]) -> None:
    """Install `requirements` into `.venv`, quietly; pip's own message explains a failure.

    Raises:
        subprocess.CalledProcessError: pip failed.
    """
    pip = [str(PROGRAMS / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, *requirements], check=True, cwd=ROOT, stdout=sys.stderr)


def ensure() -> None:
    """Bring `.venv` up to date; costs one hash when it already is."""
    if _STAMP.is_file() and _STAMP.read_text() == fingerprint():
        return
    import tomllib  # noqa: PLC0415 - an older Python has none

    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    print("environment: installing the project and its tools into .venv", file=sys.stderr, flush=True)
    create()
    install(["--editable", ".", *group(groups, "dev")])
    _mark()
    _STAMP.write_text(fingerprint())


def _mark() -> None:
    """Put our pulumi-plugin.json where Pulumi's language host looks, beside the installed metadata.

    An editable install has no package there, and the host takes a `pulumi-*` package without that file for one that
    needs a plugin. A folder without `__init__.py` hides nothing from the interpreter.
    """
    (site,) = VENV.glob("lib/python*/site-packages")
    (site / "pulumi_kubeoci").mkdir(exist_ok=True)
    shutil.copy(ROOT / "sdk" / "python" / "pulumi_kubeoci" / "pulumi-plugin.json", site / "pulumi_kubeoci")


def main() -> None:
    """Bring `.venv` up to date and become the command of the command line, with `.venv` first on PATH."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whatever `python3` is, it runs this
        sys.exit(f"kubeoci needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: make PYTHON=python3.11")
    with (ROOT / "pyproject.toml").open() as file:  # two makes at once: the second one waits, then finds it done
        fcntl.flock(file, fcntl.LOCK_EX)
        ensure()
    if command := sys.argv[1:]:
        path = f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        inside = os.environ | {"PATH": path, "VIRTUAL_ENV": str(VENV)}
        os.execvpe(command[0], command, inside)  # noqa: S606 - the command is the developer's own


if __name__ == "__main__":
    main()
