# SPDX-License-Identifier: Apache-2.0
"""The objects inside the arguments of both resources, each as a class and as a typed dict."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Required, TypeAlias, TypedDict

import pulumi


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsArgs:
    """User name and password of a registry. They are secrets even when they are not marked."""

    username: pulumi.Input[str]
    password: pulumi.Input[str] = dataclasses.field(repr=False)


class CredentialsArgsDict(TypedDict):
    """`CredentialsArgs` as a dict."""

    username: pulumi.Input[str]
    password: pulumi.Input[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificateArgs:
    """PEM texts of a client certificate and its key. They are secrets even when they are not marked."""

    certificate: pulumi.Input[str]
    key: pulumi.Input[str] = dataclasses.field(repr=False)


class ClientCertificateArgsDict(TypedDict):
    """`ClientCertificateArgs` as a dict."""

    certificate: pulumi.Input[str]
    key: pulumi.Input[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RegistryArgs:
    """How to reach one registry; secrets are secrets even when they are not marked."""

    credentials: "Credentials | None" = dataclasses.field(default=None, repr=False)
    insecure: pulumi.Input[bool] | None = None
    ca: pulumi.Input[str] | None = None
    client_certificate: "ClientCertificate | None" = dataclasses.field(default=None, repr=False)
    proxy: pulumi.Input[str] | None = dataclasses.field(default=None, repr=False)
    realms: "TextMap | None" = None


class RegistryArgsDict(TypedDict, total=False):
    """`RegistryArgs` as a dict."""

    credentials: "Credentials"
    insecure: pulumi.Input[bool]
    ca: pulumi.Input[str]
    client_certificate: "ClientCertificate"
    proxy: pulumi.Input[str]
    realms: "TextMap"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RefArgs:
    """Which version of an artifact: `digest` before `semver` before `tag`; the tag `latest` when nothing is given."""

    tag: pulumi.Input[str] | None = None
    semver: pulumi.Input[str] | None = None
    semver_filter: pulumi.Input[str] | None = None
    digest: pulumi.Input[str] | None = None


class RefArgsDict(TypedDict, total=False):
    """`RefArgs` as a dict."""

    tag: pulumi.Input[str]
    semver: pulumi.Input[str]
    semver_filter: pulumi.Input[str]
    digest: pulumi.Input[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LayerSelectorArgs:
    """Which layer of an artifact holds the manifests, by media type; `operation` is `extract` or `copy`."""

    media_type: pulumi.Input[str] | None = None
    operation: pulumi.Input[str] | None = None


class LayerSelectorArgsDict(TypedDict, total=False):
    """`LayerSelectorArgs` as a dict."""

    media_type: pulumi.Input[str]
    operation: pulumi.Input[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SecretRefArgs:
    """A Secret in the namespace of the resource."""

    name: pulumi.Input[str]


class SecretRefArgsDict(TypedDict):
    """`SecretRefArgs` as a dict."""

    name: pulumi.Input[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OIDCIdentityArgs:
    """Who signed, as a certificate says it: two regular expressions that must match as a whole."""

    issuer: pulumi.Input[str]
    subject: pulumi.Input[str]


class OIDCIdentityArgsDict(TypedDict):
    """`OIDCIdentityArgs` as a dict."""

    issuer: pulumi.Input[str]
    subject: pulumi.Input[str]


SecretRef: TypeAlias = pulumi.Input[SecretRefArgs | SecretRefArgsDict]
OIDCIdentities: TypeAlias = pulumi.Input[Sequence[pulumi.Input[OIDCIdentityArgs | OIDCIdentityArgsDict]]]
Texts: TypeAlias = pulumi.Input[Sequence[pulumi.Input[str]]]
TextMap: TypeAlias = pulumi.Input[Mapping[str, pulumi.Input[str]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VerifyArgs:
    """Who must have signed an artifact: `keys` or `secret_ref`, or else `match_oidc_identity`."""

    provider: pulumi.Input[str] | None = None
    keys: Texts | None = None
    secret_ref: SecretRef | None = None
    match_oidc_identity: OIDCIdentities | None = None
    trusted_root: pulumi.Input[str] | None = None
    trusted_root_secret_ref: SecretRef | None = None
    require_tlog: pulumi.Input[bool] | None = None
    predicates: Texts | None = None
    annotations: TextMap | None = None
    reference: pulumi.Input[str] | None = None
    formats: Texts | None = None


class VerifyArgsDict(TypedDict, total=False):
    """`VerifyArgs` as a dict."""

    provider: pulumi.Input[str]
    keys: Texts
    secret_ref: SecretRef
    match_oidc_identity: OIDCIdentities
    trusted_root: pulumi.Input[str]
    trusted_root_secret_ref: SecretRef
    require_tlog: pulumi.Input[bool]
    predicates: Texts
    annotations: TextMap
    reference: pulumi.Input[str]
    formats: Texts


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SignArgs:
    """How to sign: with a `key`, or `keyless` with an identity. It is a secret even when it is not marked."""

    key: pulumi.Input[str] | None = dataclasses.field(default=None, repr=False)
    password: pulumi.Input[str] | None = dataclasses.field(default=None, repr=False)
    keyless: pulumi.Input[bool] | None = None
    identity_token: pulumi.Input[str] | None = dataclasses.field(default=None, repr=False)
    trusted_root: pulumi.Input[str] | None = None
    signing_config: pulumi.Input[str] | None = None
    formats: Texts | None = None
    annotations: TextMap | None = None


class SignArgsDict(TypedDict, total=False):
    """`SignArgs` as a dict."""

    key: pulumi.Input[str]
    password: pulumi.Input[str]
    keyless: pulumi.Input[bool]
    identity_token: pulumi.Input[str]
    trusted_root: pulumi.Input[str]
    signing_config: pulumi.Input[str]
    formats: Texts
    annotations: TextMap


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImpersonateArgs:
    """Another user of a cluster to act as."""

    user: pulumi.Input[str]
    groups: Texts | None = None
    uid: pulumi.Input[str] | None = None


class ImpersonateArgsDict(TypedDict, total=False):
    """`ImpersonateArgs` as a dict; `user` is required."""

    user: Required[pulumi.Input[str]]
    groups: Texts
    uid: pulumi.Input[str]


Impersonate: TypeAlias = pulumi.Input[ImpersonateArgs | ImpersonateArgsDict]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClusterArgs:
    """A Kubernetes cluster: the text of a kubeconfig, and one of its contexts. It is a secret even when not marked."""

    kubeconfig: pulumi.Input[str] | None = dataclasses.field(default=None, repr=False)
    context: pulumi.Input[str] | None = None
    impersonate: Impersonate | None = None


class ClusterArgsDict(TypedDict, total=False):
    """`ClusterArgs` as a dict."""

    kubeconfig: pulumi.Input[str]
    context: pulumi.Input[str]
    impersonate: Impersonate


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CommonMetadataArgs:
    """Labels and annotations that every object gets."""

    labels: TextMap | None = None
    annotations: TextMap | None = None


class CommonMetadataArgsDict(TypedDict, total=False):
    """`CommonMetadataArgs` as a dict."""

    labels: TextMap
    annotations: TextMap


CommonMetadata: TypeAlias = pulumi.Input[CommonMetadataArgs | CommonMetadataArgsDict]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheckArgs:
    """An object that is awaited, whoever made it; in the namespace of the inventory when none is given."""

    api_version: pulumi.Input[str]
    kind: pulumi.Input[str]
    name: pulumi.Input[str]
    namespace: pulumi.Input[str] | None = None


class HealthCheckArgsDict(TypedDict, total=False):
    """`HealthCheckArgs` as a dict; all but `namespace` are required."""

    api_version: Required[pulumi.Input[str]]
    kind: Required[pulumi.Input[str]]
    name: Required[pulumi.Input[str]]
    namespace: pulumi.Input[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheckExprArgs:
    """When objects of a kind are ready, in the Common Expression Language: install `pulumi-kubeoci[cel]`."""

    api_version: pulumi.Input[str]
    kind: pulumi.Input[str]
    current: pulumi.Input[str]
    in_progress: pulumi.Input[str] | None = None
    failed: pulumi.Input[str] | None = None


class HealthCheckExprArgsDict(TypedDict, total=False):
    """`HealthCheckExprArgs` as a dict; `api_version`, `kind` and `current` are required."""

    api_version: Required[pulumi.Input[str]]
    kind: Required[pulumi.Input[str]]
    current: Required[pulumi.Input[str]]
    in_progress: pulumi.Input[str]
    failed: pulumi.Input[str]


Credentials: TypeAlias = pulumi.Input[CredentialsArgs | CredentialsArgsDict]
ClientCertificate: TypeAlias = pulumi.Input[ClientCertificateArgs | ClientCertificateArgsDict]
Ref: TypeAlias = pulumi.Input[RefArgs | RefArgsDict]
LayerSelector: TypeAlias = pulumi.Input[LayerSelectorArgs | LayerSelectorArgsDict]
Cluster: TypeAlias = pulumi.Input[ClusterArgs | ClusterArgsDict]
Verify: TypeAlias = pulumi.Input[VerifyArgs | VerifyArgsDict]
Sign: TypeAlias = pulumi.Input[SignArgs | SignArgsDict]
HealthChecks: TypeAlias = pulumi.Input[Sequence[pulumi.Input[HealthCheckArgs | HealthCheckArgsDict]]]
HealthCheckExprs: TypeAlias = pulumi.Input[Sequence[pulumi.Input[HealthCheckExprArgs | HealthCheckExprArgsDict]]]
Registries: TypeAlias = pulumi.Input[Mapping[str, pulumi.Input[RegistryArgs | RegistryArgsDict]]]
