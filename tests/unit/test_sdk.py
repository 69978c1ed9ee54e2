# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ANN401 - both front ends are modules of the same shape
"""The Python SDK: what its constructors send, on both front ends, and what the state refers to."""

import base64
import json
import subprocess
import sys
from typing import Any

import pytest
from pulumi.dynamic import ConfigureRequest
from pulumi.dynamic.config import Config
from pulumi.dynamic.dynamic import serialize_provider

import pulumi
import pulumi_kubeoci
from kubeoci.lifecycle.contract import Stored
from pulumi import runtime
from pulumi_kubeoci import adapter, plugin, providers
from pulumi_kubeoci.arguments import artifact_properties, nested, options, repository_properties

SECRET = "1b47061264138c4ac30d75fd1eb44270"


class World(runtime.Mocks):
    """Remembers what was registered; the first tag of each resource becomes its outputs."""

    def __init__(self) -> None:
        self.registered: list[runtime.MockResourceArgs] = []

    def new_resource(self, args: runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """As Pulumi calls it."""
        self.registered.append(args)
        return "id", {
            **args.inputs,
            "treeDigest": "sha256:1",
            "size": 3.0,
            "files": {"tree_digest": "a", "treeDigest": "b"},
        }

    def call(self, args: runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        """Nothing is called."""
        raise AssertionError(args.token)


@pytest.fixture
def world() -> World:
    """A Pulumi program's runtime without an engine: project `shop`, stack `dev`."""
    world = World()
    runtime.set_mocks(world, project="shop", stack="dev", preview=False)
    return world


BOTH = pytest.mark.parametrize("front", [pulumi_kubeoci, plugin])


def outputs(**named: pulumi.Output[Any]) -> dict[str, Any]:
    """What `named` resolve to."""
    found: dict[str, Any] = {}

    @runtime.test
    def resolve() -> pulumi.Output[None]:
        return pulumi.Output.all(**named).apply(found.update)

    resolve()
    return found


@BOTH
def test_arguments_are_sent_in_camel_case(world: World, front: Any) -> None:
    """Keywords and keys of nested objects are translated, keys of the user's own maps are not."""
    args = {"url": "oci://host/app", "path": "deploy", "immutable_tags": True, "annotations": {"on_delete": "x"}}
    artifact = front.OCIArtifact("app", **args)
    outputs(urn=artifact.urn)
    sent = {key: value for key, value in world.registered[-1].inputs.items() if not key.startswith("__")}
    assert {**{key: args[key] for key in ("url", "path", "annotations")}, "immutableTags": True} == sent


@BOTH
def test_outputs_are_read_in_snake_case(world: World, front: Any) -> None:
    """Whole numbers are int; keys of maps are the world's own."""
    artifact = front.OCIArtifact("app", url="oci://host/app", path="deploy")
    found = outputs(tree=artifact.tree_digest, size=artifact.size, files=artifact.files, url=artifact.url)
    files = {"tree_digest": "a", "treeDigest": "b"}
    assert {"tree": "sha256:1", "size": 3, "files": files, "url": "oci://host/app"} == found
    assert [type(found["size"])] == [int]
    assert 1 == len(world.registered)


@BOTH
def test_inventory_name_has_a_default(world: World, front: Any) -> None:
    """Project, stack and name: two stacks never share an inventory."""
    outputs(urn=front.OCIRepository("app", url="oci://host/app").urn)
    inputs = world.registered[-1].inputs
    assert ("shop-dev-app", "shop/dev/app") == (inputs["inventoryName"], inputs["owner"])


@pytest.mark.usefixtures("world")
def test_outputs_cannot_be_set() -> None:
    """They belong to the engine; the class has their descriptions."""
    artifact: Any = pulumi_kubeoci.OCIArtifact("app", url="oci://host/app", path="deploy")
    with pytest.raises(AttributeError, match="digest is an output"):
        artifact.digest = "sha256:1"
    assert "treeDigest" == pulumi_kubeoci.OCIArtifact.tree_digest.name


def test_types_of_both_front_ends(world: World) -> None:
    """The plugin's have the dynamic ones as aliases, so that resources move in place."""
    for front in (pulumi_kubeoci, plugin):
        outputs(urn=front.OCIArtifact("app", url="oci://host/app", path=".").urn)
    types = ["pulumi-python:dynamic/kubeoci:OCIArtifact", "kubeoci:index:OCIArtifact"]
    assert types == [args.typ for args in world.registered]


def test_provider_sends_its_cluster_as_secret_json(world: World) -> None:
    """Configuration travels as text."""
    provider = plugin.Provider("prod", cluster={"context": "prod"}, namespace="shop")
    outputs(urn=provider.urn)
    sent = world.registered[-1].inputs
    assert ("shop", SECRET, '{"context": "prod"}') == (sent["namespace"], *sent["cluster"].values())


def test_provider_sends_its_registries_as_secret_json(world: World) -> None:
    """Hosts are the user's own, names inside are camelCase."""
    registries = {"ghcr.io": plugin.RegistryArgs(insecure=False, client_certificate={"certificate": "c", "key": "k"})}
    outputs(urn=plugin.Provider("prod", registries=registries).urn)
    sent = json.loads(next(value for value in world.registered[-1].inputs["registries"].values() if value != SECRET))
    assert {"ghcr.io": {"insecure": False, "clientCertificate": {"certificate": "c", "key": "k"}}} == sent


NESTED: dict[str, tuple[str, Any, Any]] = {
    "class": ("ref", pulumi_kubeoci.RefArgs(semver="1.x", semver_filter="^v"), {"semver": "1.x", "semverFilter": "^v"}),
    "snake": ("ref", {"semver_filter": "^v", "tag": None}, {"semverFilter": "^v"}),
    "camel": ("layer_selector", {"mediaType": "a/b"}, {"mediaType": "a/b"}),
    "no object": ("ref", "latest", "latest"),
    "inner class": (
        "verify",
        pulumi_kubeoci.VerifyArgs(secret_ref=pulumi_kubeoci.SecretRefArgs(name="keys"), annotations={"on_call": "x"}),
        {"secretRef": {"name": "keys"}, "annotations": {"on_call": "x"}},
    ),
    "list of objects": (
        "verify",
        {
            "match_oidc_identity": [
                {"issuer": "a", "subject": "b"},
                pulumi_kubeoci.OIDCIdentityArgs(issuer="c", subject="d"),
            ]
        },
        {"matchOIDCIdentity": [{"issuer": "a", "subject": "b"}, {"issuer": "c", "subject": "d"}]},
    ),
    "camel inside": ("verify", {"secretRef": {"name": "keys"}}, {"secretRef": {"name": "keys"}}),
    "list of texts": ("verify", {"keys": ["PEM"]}, {"keys": ["PEM"]}),
}


@pytest.mark.parametrize("case", NESTED)
def test_nested_arguments(case: str) -> None:
    """Classes and dicts make the same object; what is none is left for check to refuse."""
    name, value, expected = NESTED[case]
    assert expected == nested(name, value)


@pytest.mark.usefixtures("world")
def test_nested_argument_inside_an_output() -> None:
    """Its keys are translated when it is known."""
    found = nested("ref", pulumi.Output.from_input({"semver_filter": "^v"}))
    assert {"ref": {"semverFilter": "^v"}} == outputs(ref=found)


@pytest.mark.usefixtures("world")
def test_credentials_and_cluster_are_secret() -> None:
    """Whether or not the program says so."""
    args = {"credentials": {"username": "u", "password": "p"}, "cluster": {"kubeconfig": "k"}}
    properties: Any = repository_properties("app", {"url": "oci://host/app", **args})  # type: ignore[typeddict-item,unused-ignore]
    found = outputs(**{name: pulumi.Output.from_input(properties[name].is_secret()) for name in args})
    assert dict.fromkeys(args, True) == found


WRONG: dict[str, tuple[Any, str]] = {
    "unknown": ({"url": "a", "path": "b", "tag": "x"}, "OCIArtifact has no argument 'tag'; did you mean tags?"),
    "camel": ({"url": "a", "path": "b", "onDelete": "x"}, "no argument 'onDelete'; did you mean on_delete?"),
    "of a later version": ({"url": "a", "path": "b", "postBuild": {}}, "no argument 'postBuild'"),
    "missing": ({"tags": []}, "OCIArtifact needs the arguments path, url"),
    "none": ({"url": "a", "path": None}, "OCIArtifact needs the argument path"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_type_errors(case: str) -> None:
    """Told in the program, with its line, before anything is asked."""
    args, message = WRONG[case]
    with pytest.raises(TypeError) as caught:
        artifact_properties(args)
    assert message in str(caught.value)


def test_options_are_translated_in_a_copy() -> None:
    """Property paths in snake_case, up to the first bracket; the program's own options stay."""
    given = pulumi.ResourceOptions(ignore_changes=["layer_selector.media_type", 'files["a_b"]'], protect=True)
    made = options(given)
    assert (["layerSelector.mediaType", 'files["a_b"]'], True) == (made.ignore_changes, made.protect)
    assert ["layer_selector.media_type", 'files["a_b"]'] == given.ignore_changes


PICKLES = {
    "ArtifactProvider": "gASVNAAAAAAAAACMGHB1bHVtaV9rdWJlb2NpLnByb3ZpZGVyc5SMEEFydGlmYWN0UHJvdmlkZXKUk5QpgZQu",
    "RepositoryProvider": "gASVNgAAAAAAAACMGHB1bHVtaV9rdWJlb2NpLnByb3ZpZGVyc5SMElJlcG9zaXRvcnlQcm92aWRlcpSTlCmBlC4=",
}


@pytest.mark.parametrize("name", PICKLES)
def test_pickles_stay_for_ever(name: str) -> None:
    """Every state holds one: module and class name, no attribute, no code."""
    pickled = serialize_provider(getattr(providers, name)())
    assert PICKLES[name] == pickled
    assert name.encode() in base64.b64decode(pickled)


def test_pickles_are_no_secret() -> None:
    """A secret provider would make every diff of it unreadable."""
    assert False is providers.ArtifactProvider.serialize_as_secret_always


def test_import_needs_nothing_but_pulumi() -> None:
    """The core is loaded by the provider process, not by the program."""
    code = (
        "import pulumi_kubeoci, pulumi_kubeoci.plugin, sys; print([m for m in sys.modules if m.startswith('kubeoci')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "[]\n" == shown


def test_no_component_in_the_top_module() -> None:
    """Pulumi's runner would host it in the place of the plugin."""
    from pulumi.provider.experimental.host import components_from_module  # noqa: PLC0415 - slow, and only here

    assert ([], False) == (components_from_module(pulumi_kubeoci), hasattr(pulumi_kubeoci, "ComponentResource"))


def test_wrong_configuration_is_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack's configuration is read once, by the first resource."""
    monkeypatch.setattr(adapter.Process, "session", None)
    config = Config({"kubeoci:cluster": "{hunter2", "shop:color": "red"}, "shop")
    with pytest.raises(adapter.KubeociFailure, match="cluster: is text, but not JSON") as caught:
        providers.ArtifactProvider().configure(ConfigureRequest(config))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"path": "p", "annotations": {"a": "1"}}, {"path": "p", "annotations": {"a": "1", "dev.kubeoci.x": "2"}}),
        ({"path": "p"}, {"path": "p", "annotations": {"dev.kubeoci.x": "2"}}),
        ({"path": "p", "annotations": {}}, {"path": "p", "annotations": {"dev.kubeoci.x": "2"}}),
    ],
)
def test_inputs_are_found_again_in_the_outputs(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Pulumi hands only outputs to a dynamic read; names are kept beside them, never values."""
    names = frozenset({"path", "annotations"})
    outputs = {**after, "reference": "r"}
    hidden = adapter.given(Stored("id", outputs, before), names)
    assert before == adapter.inputs_behind(outputs, names, hidden)
