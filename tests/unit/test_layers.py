# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the dependency direction of the core, read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "provider" / "kubeoci"
LEAVES = {
    "errors",
    "digest",
    "reference",
    "expression",
    "regex",
    "ranges",
    "globs",
    "ignore",
    "yaml",
    "changes",
    "identity",
}
COMPOUND = {"tree", "archive", "artifact", "objects", "report", "manifest", "untar"}
SIDES = {"registry", "trust", "cluster", "kustomize"}
ABOVE = {"lifecycle", "plugin", "cli"}
FORBIDDEN = {side: SIDES - {side} | ABOVE for side in SIDES} | {"lifecycle": {"plugin", "cli"}, "cli": {"plugin"}}
OWNERS = {  # third-party package, or module that starts programs -> the parts of the core that may import it
    "cel_expr_python": {"cluster.expressions"},
    "cryptography": {"trust"},
    "google": {"plugin"},
    "grpc": {"plugin"},
    "kubernetes": {"cluster"},
    "nacl": {"trust"},
    "oras": {"registry.oras"},
    "pulumi": {"plugin"},
    "rfc3161_client": {"trust.keyless"},
    "rich": {"report"},
    "semver": {"ranges"},
    "sigstore": {"trust"},
    "subprocess": {"registry.keychain", "kustomize.jail"},
    "tuf": {"trust.refresh"},
    "urllib3": {"registry", "cluster.rest"},
    "yaml": {"yaml"},
}
SLOW = {"kubernetes", "oras", "sigstore", "pulumi", "rfc3161_client", "tuf"}
FACADES = {"registry.oras"}  # nothing of ours imports them: their classes extend a class of the slow package


def imported(tree: ast.AST) -> Iterator[str]:
    """The dotted name of every absolute import below `tree`; `from a import b` is both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def is_within(part: str, owners: set[str]) -> bool:
    """Whether `part` is one of `owners` or inside it."""
    return any(part == owner or part.startswith(f"{owner}.") for owner in owners)


def offences(part: str, source: str) -> set[str]:
    """What the module `part` (its name without `kubeoci.`) imports though it must not."""
    layer = part.partition(".")[0]
    above = SIDES | ABOVE | (COMPOUND if layer in LEAVES else set())
    banned = FORBIDDEN.get(layer, set() if layer in ABOVE else above)
    found = set()
    for name in imported(ast.parse(source)):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if top == "kubeoci" and target:
            found |= {f"{part} imports {top}.{target}"} if target in banned or rest in FACADES else set()
        elif not is_within(part, OWNERS.get(top, {part})):
            found.add(f"{part} imports {top}")
    return found


def slow_imports(part: str, source: str) -> set[str]:
    """The slow packages that the module loads when it is imported, and not when it needs them."""
    at_top = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    tops = {name.partition(".")[0] for node in at_top for name in imported(node)}
    adapter = part.startswith("plugin") or part in FACADES
    return {f"{part} loads {top} at import" for top in tops & SLOW if not adapter}


def modules() -> dict[str, str]:
    """Every module of the core by its name without `kubeoci.`, with its source."""
    paths = sorted(CORE.rglob("*.py"))
    return {".".join(path.relative_to(CORE).with_suffix("").parts): path.read_text() for path in paths}


def test_dependencies_point_one_way() -> None:
    """Leaves know nothing above them, the sides do not know each other, and only adapters know Pulumi."""
    assert [] == sorted(offence for part, source in modules().items() for offence in offences(part, source))


def test_slow_packages_are_loaded_on_use() -> None:
    """Importing a module of the core never loads what takes more than 50 ms to load."""
    assert [] == sorted(offence for part, source in modules().items() for offence in slow_imports(part, source))


@pytest.mark.parametrize(
    ("part", "source", "offence"),
    [
        ("registry.remote", "from kubeoci.trust import keys", "registry.remote imports kubeoci.trust"),
        ("registry.remote", "def f():\n    from kubeoci import cluster", "registry.remote imports kubeoci.cluster"),
        ("lifecycle.plan", "import kubeoci.plugin.views", "lifecycle.plan imports kubeoci.plugin"),
        ("yaml", "from kubeoci.objects import load", "yaml imports kubeoci.objects"),
        ("objects", "import yaml", "objects imports yaml"),
        ("lifecycle.plan", "import pulumi.runtime", "lifecycle.plan imports pulumi"),
        ("cluster.apply", "from urllib3 import PoolManager", "cluster.apply imports urllib3"),
    ],
)
def test_an_offence_is_seen(part: str, source: str, offence: str) -> None:
    """Each kind of wrong import is found, also inside a function."""
    assert {offence} == offences(part, source)
