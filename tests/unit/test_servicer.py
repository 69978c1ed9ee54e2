# SPDX-License-Identifier: Apache-2.0
"""The servicer where no process is needed: URNs, unknown types, an attached engine, and its modules' imports."""

import subprocess
import sys
from typing import Any

import pytest
from google.protobuf import empty_pb2

from kubeoci import __version__
from kubeoci.lifecycle.contract import Severity
from kubeoci.plugin.engine import Engine
from kubeoci.plugin.schema import committed
from kubeoci.plugin.servicer import Servicer
from kubeoci.plugin.stubs import plugin_pb2, provider_pb2, resource_status_pb2


class Aborted(Exception):  # noqa: N818 - stands for what grpc raises
    """A call was aborted."""


class Context:
    """What grpc gives to each call."""

    def abort(self, code: Any, text: str) -> None:  # noqa: ANN401 - grpc's enum has no type
        """As grpc's."""
        raise Aborted(code.name, text)


CONTEXT: Any = Context()


@pytest.fixture
def servicer() -> Servicer:
    """A servicer without resources or engine."""
    return Servicer(dict, Engine())


def test_unknown_type_is_refused(servicer: Servicer) -> None:
    """A program of a newer version may ask for it."""
    request = provider_pb2.CheckRequest(urn="urn:pulumi:dev::shop::a:b:Parent$kubeoci:index:Other::app")
    with pytest.raises(Aborted, match=r"INVALID_ARGUMENT.*no resource type 'kubeoci:index:Other'"):
        servicer.Check(request, CONTEXT)


def test_nonsense_for_a_urn_is_refused(servicer: Servicer) -> None:
    """No exception escapes."""
    with pytest.raises(Aborted, match="INVALID_ARGUMENT"):
        servicer.Read(provider_pb2.ReadRequest(urn="nonsense"), CONTEXT)


def test_handshake_accepts_secrets_only(servicer: Servicer) -> None:
    """Everything else that may be negotiated is off."""
    response = servicer.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"), CONTEXT)
    assert provider_pb2.ProviderHandshakeResponse(accept_secrets=True) == response
    assert "127.0.0.1:1" == servicer.engine.address


def test_next_handshake_ends_the_stop_of_the_last(servicer: Servicer) -> None:
    """An attached plugin gets Cancel at the end of each run and goes on serving."""
    servicer.session.config = {"namespace": "shop"}
    servicer.Cancel(empty_pb2.Empty(), CONTEXT)
    stopped = servicer.session.stop.is_set()
    servicer.Handshake(provider_pb2.ProviderHandshakeRequest(), CONTEXT)
    assert (True, False, {"namespace": "shop"}) == (stopped, servicer.session.stop.is_set(), servicer.session.config)


def test_attach_gives_a_new_address(servicer: Servicer) -> None:
    """As PULUMI_DEBUG_PROVIDERS needs it."""
    servicer.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:2"), CONTEXT)
    assert "127.0.0.1:2" == servicer.engine.address


def test_schema_and_version(servicer: Servicer) -> None:
    """As `pulumi package get-schema` asks for them."""
    schema = servicer.GetSchema(provider_pb2.GetSchemaRequest(), CONTEXT).schema
    assert (committed(), __version__) == (schema, servicer.GetPluginInfo(empty_pb2.Empty(), CONTEXT).version)


def test_diff_of_the_configuration_is_left_to_the_engine(servicer: Servicer) -> None:
    """DIFF_NONE would make it configure us with the old one."""
    assert provider_pb2.DiffResponse() == servicer.DiffConfig(provider_pb2.DiffRequest(), CONTEXT)


def test_bad_configuration_of_a_state_is_refused(servicer: Servicer) -> None:
    """A refresh uses what the state has, without a check."""
    request = provider_pb2.ConfigureRequest()
    request.args["color"] = "red"
    with pytest.raises(Aborted, match=r"INVALID_ARGUMENT.*color: kubeoci has no such configuration"):
        servicer.Configure(request, CONTEXT)


def test_dead_engine_fails_nothing() -> None:
    """Nobody is left to be told."""
    engine = Engine("127.0.0.1:1")
    engine.log("urn:a", Severity.WARNING, "text")
    engine.publish("127.0.0.1:1", "token", [resource_status_pb2.ViewStep(name="app/web")])
    engine.close()
    engine.progress("urn:a", "text")
    engine.close()
    assert "127.0.0.1:1" == engine.address


def test_server_imports_nothing_slow() -> None:
    """The engine waits for the port of the process."""
    slow = "kubernetes oras sigstore cryptography urllib3 yaml pulumi pulumi.runtime kubeoci.lifecycle.resources"
    code = f"import kubeoci.plugin.server, sys; print([m for m in {slow.split()} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "[]\n" == shown


def test_pulumi_can_be_imported_after_the_stubs() -> None:
    """The stand-ins for its packages are gone, and the generated modules are shared."""
    code = (
        "from kubeoci.plugin.stubs import provider_pb2 as ours; import pulumi;"
        "from pulumi.runtime.proto import provider_pb2 as theirs;"
        "print(ours is theirs, hasattr(pulumi, 'CustomResource'))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "True True\n" == shown
