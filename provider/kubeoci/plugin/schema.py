# SPDX-License-Identifier: Apache-2.0
"""The package's schema: one table of what each resource takes and gives, from which schema.json is made.

Run `python -m kubeoci.plugin.schema` to write schema.json after a change of the table.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Final

import kubeoci

Table = dict[str, tuple[str, str]]
"""Property -> (type, description). Types: `string`, `boolean`, `integer`, `any`, a name of `TYPES`, `[T]` or `{T}`."""

_REGISTRY: Final[Table] = {
    "credentials": ("Credentials", "User name and password; the Docker configuration when not given."),
    "insecure": ("boolean", "Speak plain HTTP to the registry; by default only to loopback addresses."),
    "ca": ("string", "Text of PEM certificates to trust beside the system's."),
    "clientCertificate": ("ClientCertificate", "Who we are, for a registry that asks for a certificate."),
    "proxy": ("string", "URL of the proxy to the registry. Default: what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say."),
    "realms": ("{string}", "Registry -> URL of its token service: when given, credentials go to no other."),
}

TYPES: Final[dict[str, tuple[str, Table]]] = {
    "Credentials": (
        "User name and password of a registry.",
        {
            "username": ("string", "User name."),
            "password": ("string", "Password or token."),
        },
    ),
    "ClientCertificate": (
        "A client certificate and its key.",
        {
            "certificate": ("string", "PEM text of the certificate, with those between it and its root."),
            "key": ("string", "PEM text of its private key, not encrypted."),
        },
    ),
    "Registry": (
        "How to reach one registry.",
        _REGISTRY,
    ),
    "Ref": (
        "Which version of an artifact: digest before semver before tag.",
        {
            "tag": ("string", "A tag; `latest` when nothing is given."),
            "semver": ("string", "The highest tag within a range, such as `6.0.x` or `>=1.2.0 <2.0.0`."),
            "semverFilter": ("string", "Regular expression that tags must match to be considered by `semver`."),
            "digest": ("string", "Digest of the manifest, `sha256:` and 64 hexadecimal digits."),
        },
    ),
    "LayerSelector": (
        "Which layer of an artifact holds the manifests.",
        {
            "mediaType": ("string", "Media type of the layer; the first layer when not given."),
            "operation": ("string", "`extract` (default), or `copy`: the layer as it is, no file left out."),
        },
    ),
    "SecretRef": (
        "A Secret in the namespace of the resource.",
        {
            "name": ("string", "Its name."),
        },
    ),
    "OIDCIdentity": (
        "Who signed, as a certificate says it. Both patterns must match as a whole.",
        {
            "issuer": (
                "string",
                "Regular expression of the issuer, such as `^https://token.actions.githubusercontent.com$`.",
            ),
            "subject": ("string", "Regular expression of the subject: an e-mail address, or the URL of a workflow."),
        },
    ),
    "Verify": (
        "Who must have signed an artifact: keys, or identities. What is not signed so fails the preview.",
        {
            "provider": ("string", "`cosign` (default)."),
            "keys": ("[string]", "PEM texts of public keys; one of them is enough."),
            "secretRef": ("SecretRef", "A Secret whose keys that end with `.pub` are public keys."),
            "matchOIDCIdentity": ("[OIDCIdentity]", "Identities of keyless signatures; one of them is enough."),
            "trustedRoot": ("string", "Text of a trusted_root.json. Default: that of the public Sigstore."),
            "trustedRootSecretRef": ("SecretRef", "A Secret whose key `trusted_root.json` has that text."),
            "requireTlog": ("boolean", "With keys: demand an entry of a transparency log as well. Default: false."),
            "predicates": ("[string]", "Accepted predicate types. Default: that of `cosign sign`."),
            "annotations": ("{string}", "Annotations that must have been signed along."),
            "reference": ("string", "The reference that must have been signed along."),
            "formats": ("[string]", "Formats to look at: `bundle`, `legacy`. Default: both."),
        },
    ),
    "Sign": (
        "How to sign what is pushed: with a key, or keyless with an identity.",
        {
            "key": ("string", "Text of a private key: cosign.key or PKCS#8."),
            "password": ("string", "Its password. Default: COSIGN_PASSWORD."),
            "keyless": ("boolean", "Sign with an identity. Default: false."),
            "identityToken": ("string", "The token. Default: SIGSTORE_ID_TOKEN, else that of the CI system."),
            "trustedRoot": ("string", "Keyless: text of a trusted_root.json. Default: that of the public Sigstore."),
            "signingConfig": ("string", "Keyless: text of a signing_config.json, given together with `trustedRoot`."),
            "formats": ("[string]", "Formats to write: `bundle` (default), `legacy`."),
            "annotations": ("{string}", "Annotations to sign along."),
        },
    ),
    "Signature": (
        "A signature that was made.",
        {
            "format": ("string", "`bundle` or `legacy`."),
            "digest": ("string", "Digest of the manifest that was signed."),
            "manifest": ("string", "Digest of the manifest that holds the signature."),
            "signature": ("string", "SHA-256 of a legacy signature, which shares its manifest with others."),
            "policyHash": ("string", "SHA-256 of the policy that it met when it was made."),
            "keyFingerprint": ("string", "SHA-256 of the public key."),
            "identity": ("string", "Who signed, where there is no key."),
            "issuer": ("string", "Who vouches for the identity."),
        },
    ),
    "Cluster": (
        "A Kubernetes cluster.",
        {
            "kubeconfig": ("string", "Text of a kubeconfig; the usual places when not given."),
            "context": ("string", "One of its contexts; the current one when not given."),
            "impersonate": ("Impersonate", "Whom to act as, if the cluster allows it."),
        },
    ),
    "Impersonate": (
        "Another user of the cluster.",
        {
            "user": ("string", "Name of the user, such as `system:serviceaccount:shop:deployer`."),
            "groups": ("[string]", "Groups of the user."),
            "uid": ("string", "Uid of the user."),
        },
    ),
    "CommonMetadata": (
        "What every object gets on its own metadata, not in templates; it wins over the manifests.",
        {
            "labels": ("{string}", "Labels."),
            "annotations": ("{string}", "Annotations."),
        },
    ),
    "IgnoreRule": (
        "Fields of objects that are applied at creation and then left to others.",
        {
            "paths": ("[string]", "JSON pointers, such as `/spec/replicas`."),
            "target": ("Selector", "Which objects. Default: all."),
        },
    ),
    "Image": (
        "Another name, tag or digest for an image, as in a kustomization.",
        {
            "name": ("string", "Name of the image in the manifests, without tag."),
            "newName": ("string", "Its new name."),
            "newTag": ("string", "Its new tag."),
            "digest": ("string", "Its new digest."),
        },
    ),
    "Patch": (
        "A change of objects, as in a kustomization.",
        {
            "patch": ("string", "YAML of a strategic merge patch, or of the operations of a JSON 6902 patch."),
            "target": ("Selector", "Which objects; operations need it."),
        },
    ),
    "Selector": (
        "Objects that all of this fits; regular expressions must match as a whole.",
        {
            "group": ("string", "Regular expression of the group."),
            "version": ("string", "Regular expression of the version."),
            "kind": ("string", "Regular expression of the kind."),
            "name": ("string", "Regular expression of the name."),
            "namespace": ("string", "Regular expression of the namespace."),
            "labelSelector": ("string", "Label selector, such as `app=web`."),
            "annotationSelector": ("string", "The same for annotations."),
        },
    ),
    "HealthCheck": (
        "An object that is awaited, whoever made it.",
        {
            "apiVersion": ("string", "Group and version, such as `apps/v1`."),
            "kind": ("string", "Its kind."),
            "name": ("string", "Its name."),
            "namespace": ("string", "Its namespace. Default: that of the inventory."),
        },
    ),
    "HealthCheckExpr": (
        "When objects of a kind are ready, in the Common Expression Language (`pip install 'pulumi-kubeoci[cel]'`).",
        {
            "apiVersion": ("string", "Group and version, such as `example.com/v1`."),
            "kind": ("string", "The kind."),
            "current": ("string", "True when it is ready: `status.phase == 'Running'`."),
            "inProgress": ("string", "True while it is on its way."),
            "failed": ("string", "True when it has failed for good."),
        },
    ),
}

ARTIFACT_INPUTS: Final[Table] = {
    "url": ("string", "Where to push: `oci://host[:port]/repository[:tag]`, or the folder `oci-layout:PATH`."),
    "path": ("string", "Directory or file to pack, relative to the Pulumi project."),
    "tags": ("[string]", "Tags to move to the artifact, after everything else is in the registry. Default: `latest`."),
    "ignore": ("[string]", "Patterns of files to leave out, as in a .gitignore, beside the usual ones."),
    "sourceignore": ("boolean", "Whether .sourceignore files in the directory are honoured. Default: true."),
    "source": ("string", "Where the files come from. Default: the origin of the Git work tree."),
    "revision": ("string", "Which version of the source this is. Default: branch and commit of the Git work tree."),
    "annotations": ("{string}", "Annotations of the manifest."),
    "created": ("string", "Time of creation, RFC 3339 in UTC. Default: none, so that equal files make equal digests."),
    "format": ("string", "Media types: `oci` (default), read by Flux and Argo CD, or `flux`."),
    **_REGISTRY,
    "sign": ("Sign", "How to sign it, before a tag names it. Default: not at all."),
    "immutableTags": ("boolean", "Refuse to move a tag that exists with another digest. Default: false."),
    "onDelete": ("string", "`keep` (default) leaves what is published; `delete` removes it and our tags on it."),
    "timeout": ("string", "Deadline of the whole operation, such as `90s`. Default: `10m`."),
}

ARTIFACT_OUTPUTS: Final[Table] = {
    "reference": ("string", "`host/repository@sha256:…`."),
    "digest": ("string", "Digest of the manifest; known in a preview."),
    "treeDigest": ("string", "Digest of the files alone, whoever packs them."),
    "files": ("{string}", "SHA-256 of each packed file by its path; known in a preview."),
    "size": ("integer", "Bytes of the compressed layer."),
    "tags": ("[string]", "Tags that point to the artifact."),
    "annotations": ("{string}", "Annotations of the manifest."),
    "signatures": ("[Signature]", "The signatures that were made."),
    "previousDigest": ("string", "What the first tag pointed to before; empty when nothing changed."),
}

REPOSITORY_INPUTS: Final[Table] = {
    "url": ("string", "Where to pull from: `oci://host[:port]/repository`, or the folder `oci-layout:PATH`."),
    "ref": ("Ref", "Which version. Default: the tag `latest`."),
    "layerSelector": ("LayerSelector", "Which layer. Default: the first."),
    **_REGISTRY,
    "secretRef": ("SecretRef", "A Secret of type `kubernetes.io/dockerconfigjson` with the credentials."),
    "serviceAccountName": ("string", "A ServiceAccount whose `imagePullSecrets` have the credentials."),
    "certSecretRef": ("SecretRef", "A Secret with `ca.crt`, and `tls.crt` and `tls.key` of a client certificate."),
    "proxySecretRef": ("SecretRef", "A Secret with `address` of a proxy, and `username` and `password`."),
    "verify": ("Verify", "Who must have signed the artifact. Default: anybody, or nobody."),
    "path": ("string", "Folder inside the artifact. Default: all of it."),
    "ignore": ("[string]", "Patterns of files to leave out, as in a .gitignore."),
    "interval": ("string", "Recorded for a reconciler, such as `10m`; kubeoci itself acts in `up` only."),
    "timeout": ("string", "How long to apply and wait, such as `90s`. Default: `5m`."),
    "suspend": ("boolean", "Resolve and apply nothing; keep what is there. Default: false."),
    "targetNamespace": ("string", "Namespace for every namespaced object, whatever its manifest says."),
    "commonMetadata": ("CommonMetadata", "Labels and annotations for every object."),
    "build": (
        "string",
        "When `kustomize`, or the one in kubectl, builds the objects: `auto` (default), `none` or `kustomize`.",
    ),
    "patches": ("[Patch]", "Patches, after those of the kustomization."),
    "images": ("[Image]", "Images to replace."),
    "components": ("[string]", "Folders of kustomize components in the artifact, relative to `path`."),
    "namePrefix": ("string", "Text before the name of every object."),
    "nameSuffix": ("string", "Text behind the name of every object."),
    "ignoreMissingComponents": ("boolean", "Go on without components that are not in the artifact. Default: false."),
    "prune": ("boolean", "Delete objects that are no longer in the artifact. Default: true."),
    "wait": ("boolean", "Wait until all objects are ready. Default: true."),
    "force": ("boolean", "Delete and create objects whose immutable fields changed. Default: false."),
    "conflicts": ("string", "Fields that others own: `smart` (default), `force` or `fail`."),
    "adopt": ("boolean", "Take over objects that exist and belong to nobody. Default: true."),
    "overrideManagers": ("[string]", "Field managers whose fields are taken, beside kubectl, Helm and the like."),
    "ignoreFields": ("[IgnoreRule]", "Fields that are left to others once their object exists."),
    "allowEmpty": ("boolean", "Accept an artifact without objects, which prunes all. Default: false."),
    "maxPrune": ("integer", "Refuse to prune more objects than this. Default: no limit."),
    "deletionPolicy": (
        "string",
        "On destroy: `MirrorPrune` (default: as `prune`), `Delete`, `WaitForTermination` or `Orphan`.",
    ),
    "failFast": ("boolean", "Stop waiting at the first object that failed. Default: false."),
    "healthChecks": ("[HealthCheck]", "Objects to wait for beside those of the artifact; with `wait: false` alone."),
    "healthCheckExprs": ("[HealthCheckExpr]", "Rules of readiness for kinds that have none of their own."),
    "deleteUnreachable": ("boolean", "On destroy, forget the objects of a cluster that is gone. Default: false."),
    "cluster": ("Cluster", "Where to apply. Default: the provider's, else the usual kubeconfig."),
    "namespace": (
        "string",
        "Namespace of the inventory, and of objects that name none; another one moves it. Default: `default`.",
    ),
    "inventoryName": (
        "string",
        "Name of the inventory; another one moves it, with all its objects. Default: `<project>-<stack>-<name>`.",
    ),
    "driftDetection": ("boolean", "Read the live objects before every preview and update. Default: true."),
}

REPOSITORY_OUTPUTS: Final[Table] = {
    "digest": ("string", "Digest of the manifest; known in a preview."),
    "tag": ("string", "The tag that was chosen; empty when a digest was asked for."),
    "revision": ("string", "`6.0.4@sha256:…`; known in a preview."),
    "verified": ("any", "Evidence of `verify`: who signed, how and when; known in a preview."),
    "files": ("{string}", "SHA-256 of each file of the artifact by its path; known in a preview."),
    "objects": ("{string}", "Each object as masked YAML, by `Deployment.apps/namespace/name`; known in a preview."),
    "inventory": ("[any]", "What was applied, and will be pruned or deleted."),
    "inventoryId": ("string", "`namespace/inventoryName`, the Secret that holds the inventory: the id for an import."),
    "owner": ("string", "Whose inventory it is: `project/stack/name`; another resource cannot take it over."),
    "clusterUid": ("string", "Which cluster it was applied to: the uid of its namespace kube-system."),
    "ready": ("boolean", "Whether all objects were waited for and became ready."),
    "annotations": ("{string}", "Annotations of the manifest."),
}

CONFIG: Final[Table] = {
    "cluster": ("Cluster", "Default for `cluster` of every OCIRepository."),
    "namespace": ("string", "Default for `namespace` of every OCIRepository."),
    "registries": (
        "{Registry}",
        "Host, such as `ghcr.io` -> how to reach it, where a resource does not say it itself.",
    ),
}

SECRET: Final = frozenset({"credentials", "clientCertificate", "proxy", "cluster", "sign", "registries"})
"""Properties whose values are secret whether or not the program says so."""

OUTPUT_TYPES: Final = frozenset({"Signature"})
"""Types that no input has."""

_OPTIONAL: Final = frozenset({"verified"})
_REQUIRED: Final = {
    "Credentials": ["password", "username"],
    "HealthCheck": ["apiVersion", "kind", "name"],
    "HealthCheckExpr": ["apiVersion", "current", "kind"],
    "IgnoreRule": ["paths"],
    "Image": ["name"],
    "Impersonate": ["user"],
    "OIDCIdentity": ["issuer", "subject"],
    "Patch": ["patch"],
    "SecretRef": ["name"],
    "Signature": ["digest", "format", "manifest"],
}

_ABOUT: Final = {
    "OCIArtifact": "A directory of Kubernetes manifests, packed reproducibly and pushed to an OCI registry.",
    "OCIRepository": "An artifact of an OCI registry, applied to a cluster with inventory, prune and wait.",
}


def schema() -> dict[str, object]:
    """The schema as Pulumi's package schema defines it."""
    artifact = _resource("OCIArtifact", ARTIFACT_INPUTS, ["path", "url"], ARTIFACT_OUTPUTS)
    repository = _resource("OCIRepository", REPOSITORY_INPUTS, ["url"], REPOSITORY_OUTPUTS)
    return {
        "name": "kubeoci",
        "displayName": "KubeOCI",
        "version": kubeoci.__version__,
        "description": "Push, sign, preview and apply Kubernetes manifests as OCI artifacts from Pulumi.",
        "keywords": ["pulumi", "kubernetes", "oci", "flux", "gitops", "category/infrastructure", "kind/native"],
        "license": "Apache-2.0",
        "config": {"variables": _properties(CONFIG)},
        "provider": {"description": "Defaults for every resource.", "inputProperties": _properties(CONFIG)},
        "types": {
            f"kubeoci:index:{name}": {"description": about, "type": "object", "properties": _properties(table)}
            | ({"required": _REQUIRED[name]} if name in _REQUIRED else {})
            for name, (about, table) in TYPES.items()
        },
        "resources": {"kubeoci:index:OCIArtifact": artifact, "kubeoci:index:OCIRepository": repository},
    }


def rendered() -> str:
    """The text of schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def committed() -> str:
    """The text of the schema.json beside this module."""
    return files("kubeoci.plugin").joinpath("schema.json").read_text("utf-8")


def _resource(name: str, inputs: Table, required: list[str], outputs: Table) -> dict[str, object]:
    return {
        "description": _ABOUT[name],
        "inputProperties": _properties(inputs),
        "requiredInputs": required,
        "properties": _properties({**inputs, **outputs}),
        "required": sorted({*required, *outputs} - _OPTIONAL),
        # a resource of the Python SDK's dynamic front end moves to the plugin in place
        "aliases": [{"type": f"pulumi-python:dynamic/kubeoci:{name}"}],
    }


def _properties(table: Table) -> dict[str, dict[str, object]]:
    return {
        name: {**_type(kind), "description": about, **({"secret": True} if name in SECRET | {"password"} else {})}
        for name, (kind, about) in table.items()
    }


def _type(kind: str) -> dict[str, object]:
    if kind.startswith("["):
        return {"type": "array", "items": _type(kind[1:-1])}
    if kind.startswith("{"):
        return {"type": "object", "additionalProperties": _type(kind[1:-1])}
    if kind in TYPES:
        return {"$ref": f"#/types/kubeoci:index:{kind}"}
    return {"$ref": "pulumi.json#/Any"} if kind == "any" else {"type": kind}


if __name__ == "__main__":
    Path(__file__).with_name("schema.json").write_text(rendered(), "utf-8")
