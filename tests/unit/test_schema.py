# SPDX-License-Identifier: Apache-2.0
"""The schema: committed as generated, and the same surface as the core and the Python SDK."""

import json
from typing import Any

import pytest

import pulumi_kubeoci.arguments as sdk
from kubeoci.lifecycle.resources import RESOURCES
from kubeoci.plugin import schema
from pulumi_kubeoci import outputs

INPUTS = {"OCIArtifact": schema.ARTIFACT_INPUTS, "OCIRepository": schema.REPOSITORY_INPUTS}
OUTPUTS = {"OCIArtifact": schema.ARTIFACT_OUTPUTS, "OCIRepository": schema.REPOSITORY_OUTPUTS}
ARGUMENTS: dict[str, Any] = {"OCIArtifact": sdk.OCIArtifactArgs, "OCIRepository": sdk.OCIRepositoryArgs}
SDK_OUTPUTS = {"OCIArtifact": outputs.ARTIFACT, "OCIRepository": outputs.REPOSITORY}
BOTH = pytest.mark.parametrize("kind", ["OCIArtifact", "OCIRepository"])


def test_committed_schema_is_the_generated_one() -> None:
    """Run `python -m kubeoci.plugin.schema` after a change of the table."""
    assert schema.rendered() == schema.committed()


@BOTH
def test_inputs_are_those_of_the_core(kind: str) -> None:
    """What the schema offers is what check accepts; the front ends alone say whose an inventory is."""
    assert RESOURCES[f"kubeoci:index:{kind}"].INPUTS - {"owner"} == INPUTS[kind].keys()


@BOTH
def test_facts_are_outputs(kind: str) -> None:
    """What check adds is an output of the same name."""
    assert set() == RESOURCES[f"kubeoci:index:{kind}"].FACTS - OUTPUTS[kind].keys()


@BOTH
def test_secrets_are_those_of_the_core(kind: str) -> None:
    """Schema, SDK and core agree on what is secret."""
    secret = RESOURCES[f"kubeoci:index:{kind}"].SECRET
    assert secret == schema.SECRET & INPUTS[kind].keys() == sdk.SECRET & INPUTS[kind].keys()


@BOTH
def test_arguments_of_the_sdk_are_the_inputs(kind: str) -> None:
    """Name for name, in the other spelling."""
    assert list(INPUTS[kind]) == [sdk.camel(name) for name in ARGUMENTS[kind].__annotations__]


@BOTH
def test_required_arguments_are_the_same(kind: str) -> None:
    """In schema and SDK."""
    resources: Any = schema.schema()["resources"]
    assert sorted(ARGUMENTS[kind].__required_keys__) == resources[f"kubeoci:index:{kind}"]["requiredInputs"]


@BOTH
def test_outputs_of_the_sdk_are_those_of_the_schema(kind: str) -> None:
    """Each also has an attribute in snake_case."""
    mixin = {"OCIArtifact": outputs.ArtifactOutputs, "OCIRepository": outputs.RepositoryOutputs}[kind]
    attributes = {value.name for value in vars(mixin).values() if isinstance(value, outputs.Property)}
    assert (set(OUTPUTS[kind]), set(OUTPUTS[kind]) | {"url"}) == (set(SDK_OUTPUTS[kind]), attributes)


def test_nested_arguments_are_the_types_of_the_schema() -> None:
    """Field for field."""
    tables = {name: list(table) for name, (_, table) in schema.TYPES.items() if name not in schema.OUTPUT_TYPES}
    fields = {name: [sdk.camel(field) for field in getattr(sdk, f"{name}Args").__dataclass_fields__] for name in tables}
    assert tables == fields


def references(value: object) -> set[str]:
    """Every `$ref` in a schema."""
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_reference_has_its_type() -> None:
    """And every type is used."""
    types = {f"#/types/kubeoci:index:{name}" for name in schema.TYPES}
    assert types | {"pulumi.json#/Any"} == references(json.loads(schema.committed()))


def test_every_property_is_described() -> None:
    """In a sentence that ends as one."""
    tables = [*INPUTS.values(), *OUTPUTS.values(), schema.CONFIG, *(table for _, table in schema.TYPES.values())]
    assert [] == [name for table in tables for name, (_, about) in table.items() if not about.endswith(".")]
