# SPDX-License-Identifier: Apache-2.0
"""A resource that gets another name in the program, on the real engine: its inventory moves, its objects stay."""

from collections.abc import Callable, Mapping

import pytest

from kubeoci.cluster.inventory import OWNER, PART_OF, ParentRef
from project import Project
from rig import Rig

NewProject = Callable[[str, Mapping[str, str]], Project]
NAMES = {"quickstart": "shop", "quickstart-plugin": "shop-plugin"}
OLD, RENAMED = (
    'OCIRepository("app", ',
    'OCIRepository("web", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias("app")]), ',
)


@pytest.mark.parametrize("example", [pytest.param("quickstart", marks=pytest.mark.long), "quickstart-plugin"])
def test_renamed_resource(new_project: NewProject, rig: Rig, example: str) -> None:
    """One update, of which the preview tells; no object is made anew, and a destroy by the new name leaves nothing."""
    name = NAMES[example]
    project = new_project(example, {f"{name}:url": f"{rig.registry}/{name}/renamed"})
    project.up("--skip-preview")
    before = deployment(rig)
    program = project.folder / "__main__.py"
    program.write_text(program.read_text().replace(OLD, RENAMED))
    told = project.preview("--diff")
    assert f'"{name}-dev-app" => "{name}-dev-web"' in told
    project.up("--skip-preview")
    after = deployment(rig)
    assert before["uid"] == after["uid"]
    assert ParentRef("default", f"{name}-dev-web").applyset == after["labels"][PART_OF]
    assert f"{name}/dev/web" == secrets(rig)[f"{name}-dev-web"]
    (program.parent / "deploy" / "flags.yaml").write_text(
        (program.parent / "deploy" / "flags.yaml").read_text() + "\n# changed\n"
    )
    project.up("--skip-preview")
    assert {f"{name}-dev-web"} == set(secrets(rig))
    project.destroy("--skip-preview")
    assert {} == secrets(rig)
    assert rig.api.get("/api/v1/namespaces/shop") is None


def deployment(rig: Rig) -> dict[str, dict[str, str]]:
    """The metadata of the object."""
    found = rig.api.get("/apis/apps/v1/namespaces/shop/deployments/web")
    assert found
    return dict(found["metadata"])


def secrets(rig: Rig) -> dict[str, str]:
    """The inventories in the cluster, and whose they are."""
    found = rig.api.get("/api/v1/namespaces/default/secrets")
    assert found
    return {item["metadata"]["name"]: item["metadata"]["annotations"][OWNER] for item in found["items"]}
