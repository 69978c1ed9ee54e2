# SPDX-License-Identifier: Apache-2.0
"""Whatever a kustomization says: it is refused, or every path in it leads to a file that kustomize is given."""

import json
import posixpath
from typing import Any

from hypothesis import strategies as st

from kubeoci.kustomize import fields
from kubeoci.kustomize.search import Search
from properties.effort import outcome, tried

FILES = {
    "top/a.yaml": b"a: 1",
    "top/sub/kustomization.yaml": b"resources: [b.yaml]",
    "top/sub/b.yaml": b"",
    "c.yaml": b"",
}
ENTRIES = (
    "a.yaml",
    "./a.yaml",
    "sub",
    "sub/../a.yaml",
    "../c.yaml",
    "k=a.yaml",
    "..",
    ".",
    "",
    "../../c.yaml",
    "/a.yaml",
    "~/a.yaml",
    "$HOME/a.yaml",
    "C:\\a.yaml",
    "a.yaml\x00",
    "a.yaml\n",
    "https://example.com/a.yaml",
    "github.com/org/repo?ref=v1",
    "git@example.com:a/b",
    "file:///etc/passwd",
    "{kind: A}",
    "%2e%2e/c.yaml",
    "sub//b.yaml",
)
entries = st.sampled_from(ENTRIES) | st.text(max_size=8)
names = st.sampled_from(
    [*fields.PLAIN, *fields.FOLDERS, *fields.FILES, *fields.PLUGINS, *fields.PATCHES, *fields.MAKERS]
)
names |= st.sampled_from(
    ["openapi", "patchesStrategicMerge", "replacements", "helmCharts", "Resources", "RESOURCES", "x"]
)
keys = st.sampled_from([*fields.MAKER_KEYS, *fields.PATCH_KEYS, "Path", "FILES", "paths", "apiVersion", "source"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | entries,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
wild = st.dictionaries(names, values, max_size=3)
likely = st.lists(st.sampled_from(ENTRIES[:5]) | entries, max_size=2)
pathed = st.lists(st.fixed_dictionaries({"path": st.sampled_from(ENTRIES[:5])}), max_size=2)
made = st.lists(st.fixed_dictionaries({}, optional={"files": likely, "envs": likely}), max_size=2)
tame = st.fixed_dictionaries(
    {},
    optional={"resources": likely, "crds": likely, "patches": pathed, "replacements": pathed, "secretGenerator": made},
)
kustomizations = wild | tame


def searched(kustomization: dict[str, Any]) -> Search:
    """The search that begins with it."""
    search = Search(FILES)
    search.start("top", kustomization, "top/kustomization.yaml")
    return search


def texts(value: object) -> list[str]:
    """Every text in a value, but for those of fields that are no paths."""
    if isinstance(value, dict):
        apart = {
            "patch",
            "literals",
            "target",
            "options",
            "name",
            "namespace",
            "behavior",
            "type",
            "metadata",
            "source",
        }
        return [text for key, item in value.items() if key not in apart for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else [str(value)]


@tried(kustomizations)
def test_every_path_is_one_that_was_found(kustomization: dict[str, Any]) -> None:
    """It begins with a dot, stays inside, and names a file or a searched folder; nothing else is handed over."""
    search = outcome(searched, kustomization)
    assert isinstance(search, Search)
    assert search.needed.keys() <= {*FILES, "top/kustomization.yaml"}
    if search.faults:
        return
    written = json.loads(search.needed["top/kustomization.yaml"])
    for name in written.keys() - fields.PLAIN - set(fields.PLUGINS):
        for text in texts(written[name]):
            path = text.partition("=")[2] if name in fields.MAKERS and "=" in text else text
            place = posixpath.normpath(posixpath.join("top", path))
            assert path.endswith("\n") or (path.startswith(("./", "../")) and not place.startswith(".."))
            assert path.endswith("\n") or {place, f"{place}/kustomization.yaml"} & search.needed.keys()
