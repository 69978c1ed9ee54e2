# SPDX-License-Identifier: Apache-2.0
"""What serves the dynamic resources, in a process of its own that the engine starts.

Every state refers to these classes by module and name, so both stay for ever. They have no attributes of an instance:
those would be pickled into the state. A program only pickles them; the core is loaded when the first method is called.
"""

from typing import TYPE_CHECKING, Any

from pulumi import dynamic

if TYPE_CHECKING:
    from pulumi_kubeoci.adapter import Adapter


class _Provider(dynamic.ResourceProvider):
    """The calls of a dynamic provider, for the resource type `token`."""

    serialize_as_secret_always = False
    token = ""

    def _adapter(self) -> "Adapter":
        """What does the work; importing it loads the core."""
        from pulumi_kubeoci import adapter  # noqa: PLC0415 - a program does without the core

        return adapter.Adapter(self.token)

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        """Keep `kubeoci:cluster` and `kubeoci:namespace` of the stack's configuration."""
        self._adapter().configure(req.config)

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        """Inputs with facts, or all failures."""
        return self._adapter().check(_olds, news)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Whether anything differs; the engine finds out what."""
        return self._adapter().diff(_olds, _news)

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make the resource."""
        return self._adapter().create(props)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """The live world."""
        return self._adapter().read(id_, props)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.UpdateResult:
        """Bring the resource to its inputs."""
        return self._adapter().update(_id, _olds, _news)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove what is ours."""
        self._adapter().delete(_id, _props)


class ArtifactProvider(_Provider):
    """Serves `OCIArtifact`."""

    token = "kubeoci:index:OCIArtifact"  # noqa: S105 - a type token


class RepositoryProvider(_Provider):
    """Serves `OCIRepository`."""

    token = "kubeoci:index:OCIRepository"  # noqa: S105 - a type token
