# SPDX-License-Identifier: Apache-2.0
"""What may stand in a kustomization file, and which of its parts name files.

kustomize reads field names without regard to case, so a part that names files counts only in its exact spelling, and
every other spelling is refused: what the search does not see, kustomize must not see either.
"""

from typing import Final

FOLDERS: Final = ("resources", "bases", "components")
"""Lists of files and folders; a folder has a kustomization of its own."""
FILES: Final = ("crds", "configurations")
"""Lists of files."""
PLUGINS: Final = ("generators", "transformers", "validators")
"""Lists of files, or of YAML in place, that configure kustomize's own plugins."""
PATCHES: Final = ("patches", "patchesJson6902")
"""Lists of mappings with `path` or `patch`."""
MAKERS: Final = ("configMapGenerator", "secretGenerator")
"""Lists of mappings that make a ConfigMap or a Secret from files and literals."""
HELM: Final = ("helmGlobals", "helmCharts", "helmChartInflationGenerator")
"""What would start another program."""
PLAIN: Final = frozenset(
    {
        "apiVersion",
        "buildMetadata",
        "commonAnnotations",
        "commonLabels",
        "generatorOptions",
        "imageTags",
        "images",
        "kind",
        "labels",
        "metadata",
        "namePrefix",
        "nameSuffix",
        "namespace",
        "replicas",
        "sortOptions",
        "vars",
    }
)
"""What names no file."""

PATCH_KEYS: Final = frozenset({"path", "patch", "target", "options"})
REPLACEMENT_KEYS: Final = frozenset({"path", "source", "targets"})
MAKER_KEYS: Final = frozenset(
    {"name", "namespace", "behavior", "type", "options", "files", "literals", "envs", "env", "metadata"}
)

TYPE_KEYS: Final = frozenset({"apiVersion", "kind", "metadata"})
BUILTIN: Final[dict[str, frozenset[str] | None]] = {
    "AnnotationsTransformer": None,
    "ConfigMapGenerator": MAKER_KEYS | TYPE_KEYS,
    "HashTransformer": None,
    "IAMPolicyGenerator": None,
    "ImageTagTransformer": None,
    "LabelTransformer": None,
    "LegacyOrderTransformer": None,
    "NamespaceTransformer": None,
    "PatchJson6902Transformer": TYPE_KEYS | {"path", "jsonOp", "target"},
    "PatchStrategicMergeTransformer": TYPE_KEYS | {"paths", "patches"},
    "PatchTransformer": TYPE_KEYS | PATCH_KEYS,
    "PrefixSuffixTransformer": None,
    "PrefixTransformer": None,
    "ReplacementTransformer": TYPE_KEYS | {"replacements"},
    "ReplicaCountTransformer": None,
    "SecretGenerator": MAKER_KEYS | TYPE_KEYS,
    "SortOrderTransformer": None,
    "SuffixTransformer": None,
    "ValueAddTransformer": None,
}
"""kustomize's plugins that start nothing, with the fields of those that name files."""
