# SPDX-License-Identifier: Apache-2.0
"""What a program may say about each resource: one vocabulary for both front ends.

Arguments are snake_case keywords; nested ones are argument classes, or dicts with snake_case or camelCase keys. On the
wire every name is camelCase. Keys of maps that are the user's own, such as annotations, are never touched.
"""

import dataclasses
import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Required, TypedDict, cast

import pulumi
from pulumi_kubeoci.building import IgnoreRuleArgs, IgnoreRules, ImageArgs, Images, PatchArgs, Patches, SelectorArgs
from pulumi_kubeoci.nested import (
    ClientCertificate,
    ClientCertificateArgs,
    Cluster,
    ClusterArgs,
    CommonMetadata,
    CommonMetadataArgs,
    Credentials,
    CredentialsArgs,
    HealthCheckArgs,
    HealthCheckExprArgs,
    HealthCheckExprs,
    HealthChecks,
    ImpersonateArgs,
    LayerSelector,
    LayerSelectorArgs,
    OIDCIdentityArgs,
    Ref,
    RefArgs,
    RegistryArgs,
    SecretRef,
    SecretRefArgs,
    Sign,
    SignArgs,
    TextMap,
    Texts,
    Verify,
    VerifyArgs,
)


class OCIArtifactArgs(TypedDict, total=False):
    """Arguments of `OCIArtifact`; `url` and `path` are required. None is the same as not given."""

    url: Required[pulumi.Input[str]]
    path: Required[pulumi.Input[str]]
    tags: Texts | None
    ignore: Texts | None
    sourceignore: pulumi.Input[bool] | None
    source: pulumi.Input[str] | None
    revision: pulumi.Input[str] | None
    annotations: TextMap | None
    created: pulumi.Input[str] | None
    format: pulumi.Input[str] | None
    credentials: Credentials | None
    insecure: pulumi.Input[bool] | None
    ca: pulumi.Input[str] | None
    client_certificate: ClientCertificate | None
    proxy: pulumi.Input[str] | None
    realms: TextMap | None
    sign: Sign | None
    immutable_tags: pulumi.Input[bool] | None
    on_delete: pulumi.Input[str] | None
    timeout: pulumi.Input[str] | None


class OCIRepositoryArgs(TypedDict, total=False):
    """Arguments of `OCIRepository`; `url` is required. None is the same as not given."""

    url: Required[pulumi.Input[str]]
    ref: Ref | None
    layer_selector: LayerSelector | None
    credentials: Credentials | None
    insecure: pulumi.Input[bool] | None
    ca: pulumi.Input[str] | None
    client_certificate: ClientCertificate | None
    proxy: pulumi.Input[str] | None
    realms: TextMap | None
    secret_ref: SecretRef | None
    service_account_name: pulumi.Input[str] | None
    cert_secret_ref: SecretRef | None
    proxy_secret_ref: SecretRef | None
    verify: Verify | None
    path: pulumi.Input[str] | None
    ignore: Texts | None
    interval: pulumi.Input[str] | None
    timeout: pulumi.Input[str] | None
    suspend: pulumi.Input[bool] | None
    target_namespace: pulumi.Input[str] | None
    common_metadata: CommonMetadata | None
    build: pulumi.Input[str] | None
    patches: Patches | None
    images: Images | None
    components: Texts | None
    name_prefix: pulumi.Input[str] | None
    name_suffix: pulumi.Input[str] | None
    ignore_missing_components: pulumi.Input[bool] | None
    prune: pulumi.Input[bool] | None
    wait: pulumi.Input[bool] | None
    force: pulumi.Input[bool] | None
    conflicts: pulumi.Input[str] | None
    adopt: pulumi.Input[bool] | None
    override_managers: Texts | None
    ignore_fields: IgnoreRules | None
    allow_empty: pulumi.Input[bool] | None
    max_prune: pulumi.Input[int] | None
    deletion_policy: pulumi.Input[str] | None
    fail_fast: pulumi.Input[bool] | None
    health_checks: HealthChecks | None
    health_check_exprs: HealthCheckExprs | None
    delete_unreachable: pulumi.Input[bool] | None
    cluster: Cluster | None
    namespace: pulumi.Input[str] | None
    inventory_name: pulumi.Input[str] | None
    drift_detection: pulumi.Input[bool] | None


SECRET: Final = frozenset({"credentials", "clientCertificate", "proxy", "cluster", "sign"})
"""Arguments whose values are secret whether or not the program says so."""

NESTED: Final[dict[str, type]] = {
    "registry": RegistryArgs,
    "credentials": CredentialsArgs,
    "client_certificate": ClientCertificateArgs,
    "ref": RefArgs,
    "layer_selector": LayerSelectorArgs,
    "secret_ref": SecretRefArgs,
    "cert_secret_ref": SecretRefArgs,
    "proxy_secret_ref": SecretRefArgs,
    "trusted_root_secret_ref": SecretRefArgs,
    "verify": VerifyArgs,
    "match_oidc_identity": OIDCIdentityArgs,
    "sign": SignArgs,
    "cluster": ClusterArgs,
    "impersonate": ImpersonateArgs,
    "common_metadata": CommonMetadataArgs,
    "patches": PatchArgs,
    "target": SelectorArgs,
    "images": ImageArgs,
    "ignore_fields": IgnoreRuleArgs,
    "health_checks": HealthCheckArgs,
    "health_check_exprs": HealthCheckExprArgs,
}
"""Arguments that are objects with a fixed set of keys, or lists of such objects, at any depth."""

_TRANSLATED_OPTIONS = ("ignore_changes", "replace_on_changes", "additional_secret_outputs", "hide_diffs")
_NAME = re.compile(r"[^.\[]+")
_SPELLED = {"match_oidc_identity": "matchOIDCIdentity"}  # Flux writes the abbreviation in capitals
_SNAKE = {spelled: name for name, spelled in _SPELLED.items()}


def camel(name: str) -> str:
    """`target_namespace` -> `targetNamespace`; a camelCase name stays."""
    if name in _SPELLED:
        return _SPELLED[name]
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def snake(name: str) -> str:
    """`secretRef` -> `secret_ref`; a snake_case name stays."""
    return _SNAKE.get(name) or re.sub(r"(?<=[a-z])[A-Z]", lambda found: f"_{found.group().lower()}", name)


def artifact_properties(args: OCIArtifactArgs) -> dict[str, pulumi.Input[Any]]:
    """The properties of an OCIArtifact. Raises TypeError for an argument that does not exist or is missing."""
    return _properties("OCIArtifact", OCIArtifactArgs, args)


def repository_properties(name: str, args: OCIRepositoryArgs) -> dict[str, pulumi.Input[Any]]:
    """The properties of the OCIRepository `name`, whose inventory is `<project>-<stack>-<name>` by default."""
    properties = _properties("OCIRepository", OCIRepositoryArgs, args)
    if properties.get("inventoryName") is None:
        properties["inventoryName"] = f"{pulumi.get_project()}-{pulumi.get_stack()}-{name}"
    properties["owner"] = f"{pulumi.get_project()}/{pulumi.get_stack()}/{name}"
    return properties


def options(opts: pulumi.ResourceOptions | None, **more: Any) -> pulumi.ResourceOptions:  # noqa: ANN401 - as Pulumi has it
    """A copy of `opts` with `more`, and with the property paths in it in the wire's spelling."""
    merged = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(**more))
    for option in _TRANSLATED_OPTIONS:
        paths = getattr(merged, option, None)
        if isinstance(paths, list):
            setattr(merged, option, [_camel_path(path) for path in paths])
    return merged


def _camel_path(path: str) -> str:
    """`layer_selector.media_type` -> `layerSelector.mediaType`; nothing changes from the first bracket on."""
    names, bracket, rest = path.partition("[")
    return _NAME.sub(lambda name: camel(name.group()), names) + bracket + rest


def _properties(kind: str, declared: type, args: Mapping[str, Any]) -> dict[str, pulumi.Input[Any]]:
    names = declared.__annotations__
    for name in args:
        if name not in names:
            raise TypeError(f"{kind} has no argument {name!r}{_suggestion(name, names)}")
    missing = sorted(name for name in cast("Any", declared).__required_keys__ if args.get(name) is None)
    if missing:
        raise TypeError(f"{kind} needs the argument{'s' * (len(missing) > 1)} {', '.join(missing)}")
    return {camel(name): _property(name, value) for name, value in args.items()}


def _property(name: str, value: Any) -> pulumi.Input[Any]:  # noqa: ANN401 - any input
    if name in NESTED:
        value = nested(name, value)
    return pulumi.Output.secret(value) if camel(name) in SECRET and value is not None else value


def nested(name: str, value: Any) -> Any:  # noqa: ANN401 - any input
    """`value` as a dict with camelCase keys, also inside an output. What is no object is left for check to refuse."""
    if isinstance(value, pulumi.Output):
        return value.apply(lambda known: nested(name, known))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [nested(name, item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if not isinstance(value, Mapping):
        return value
    return {camel(key): _inner(key, item) for key, item in value.items() if item is not None}


def by_host(registries: Mapping[str, Any]) -> dict[str, Any]:
    """`registries` with each entry as `nested` gives it; hosts are the user's own."""
    return {host: nested("registry", entry) for host, entry in registries.items()}


def _inner(key: str, value: Any) -> Any:  # noqa: ANN401 - any input
    """The value of a key inside an object: an object with keys of its own, or as it is."""
    return nested(key, value) if snake(key) in NESTED else value


def _suggestion(name: str, names: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, names, 1) or difflib.get_close_matches(camel(name), map(camel, names), 1)
    return f"; did you mean {close[0]}?" if close else f"; there are: {', '.join(sorted(names))}"
