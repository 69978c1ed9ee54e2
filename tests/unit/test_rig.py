# SPDX-License-Identifier: Apache-2.0
"""Starting and stopping processes, the folders and ports of a rig, and what the fake kubelet says."""

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509

import certificates
import kubelet
import processes
import rig
import toolbox
from api import Document, client_context
from processes import NotReadyError, Processes
from rig import Rig

TOOLS = Path(rig.__file__).parent


def is_running(pid: int) -> bool:
    """Whether a process with this id exists and is no zombie."""
    with contextlib.suppress(OSError):
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def test_processes_end_with_the_block(tmp_path: Path) -> None:
    """An exception, such as Ctrl-C raises, stops what has started."""
    pids: list[int] = []

    def interrupted() -> None:
        with Processes(tmp_path) as started:
            pids.append(started.start("sleep", ["/bin/sleep", "60"]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [False] == [is_running(pid) for pid in pids]


@pytest.mark.skipif(sys.platform != "linux", reason="only the Linux kernel ties a child to its parent")
def test_processes_end_with_a_killed_parent() -> None:
    """SIGKILL leaves no time to clean up: the kernel does it."""
    code = "from processes import Processes; from pathlib import Path; import time; import tempfile\n"
    code += "print(Processes(Path(tempfile.gettempdir())).start('tied', ['/bin/sleep', '60']), flush=True)\n"
    parent = subprocess.Popen([sys.executable, "-c", code + "time.sleep(60)"], cwd=TOOLS, stdout=subprocess.PIPE)
    with parent:
        pid = int(parent.stdout.readline())  # type: ignore[union-attr]
        assert is_running(pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)


def test_waiting_tells_why_a_process_ended(tmp_path: Path) -> None:
    """The end of its log is part of the error."""
    with Processes(tmp_path) as started:
        started.start("fails", ["/bin/sh", "-c", "echo no port; exit 3"])
        with pytest.raises(NotReadyError, match=r"(?s)fails ended with 3:.*no port"):
            started.wait("fails", lambda: False)


def test_waiting_ends(tmp_path: Path) -> None:
    """A process that never gets ready is given up."""
    with Processes(tmp_path) as started:
        started.start("sleep", ["/bin/sleep", "60"])
        with pytest.raises(NotReadyError, match="sleep is not ready after 0 s"):
            started.wait("sleep", lambda: False, seconds=0.1)


def test_a_start_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that ends at once takes the private folder with it."""
    (tmp_path / "registry").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "registry").chmod(0o755)
    monkeypatch.setattr(toolbox, "locate", lambda _: {"registry": tmp_path / "registry"})
    half = Rig(cluster=False)
    with pytest.raises(NotReadyError), half:
        pass
    assert not half.folder.exists()


def test_free_ports_differ_and_can_be_bound() -> None:
    """No port comes twice, and a server gets the one it was promised."""
    ports = processes.free_ports(5)
    assert 5 == len(set(ports))
    assert not processes.accepts(ports[0])


def test_folders_of_killed_rigs_are_swept(tmp_path: Path) -> None:
    """A folder whose lock nobody holds goes; one that is in use stays."""
    dead = tmp_path / "kubeoci-rig-dead"
    dead.mkdir()
    (dead / "lock").touch()
    processes._sweep(tmp_path)  # noqa: SLF001 - the folder for all rigs of the machine is no place for a test
    assert not dead.exists()
    with processes.private_folder() as used:
        processes._sweep(used.parent)  # noqa: SLF001 - as above
        assert used.exists()
    assert not used.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the environment of a process")
def test_what_was_started_for_a_rig_ends_with_it(tmp_path: Path) -> None:
    """A grandchild that lost its parent is found by the mark in its environment; others are let be."""
    mine, other = (
        subprocess.Popen(["/bin/sleep", "60"], env={processes.MARK: str(tmp_path / name)}) for name in ("mine", "other")
    )
    processes.end_marked(tmp_path / "mine")
    assert -signal.SIGKILL == mine.wait(timeout=5)
    assert other.poll() is None
    other.kill()
    other.wait()


def test_certificates_make_a_tls_connection(tmp_path: Path) -> None:
    """Both sides accept each other: the chain, the names and the keys fit."""
    certificates.write_all(tmp_path)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    at_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.crt"))
    at_server.verify_mode = ssl.CERT_REQUIRED
    at_server.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    client = client_context(tmp_path).wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    server = at_server.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    peer = x509.load_der_x509_certificate(server.getpeercert(binary_form=True) or b"")
    assert "O=system:masters,CN=admin" == peer.subject.rfc4514_string()


def test_the_environment_keeps_the_person_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the person who runs the tests reach no `pulumi` of ours."""
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "mine")
    monkeypatch.setattr(toolbox, "locate", lambda _: {"pulumi": tmp_path / "bin" / "pulumi"})
    with Rig(registry=False, cluster=False) as empty:
        found = empty.pulumi_environment(tmp_path / "home")
    assert "PULUMI_ACCESS_TOKEN" not in found
    assert str(tmp_path / "bin") == found["PATH"].split(os.pathsep)[1]
    assert (tmp_path / "home" / "state").as_uri() == found["PULUMI_BACKEND_URL"]


def pod(fault: str = "", owner: str = "ReplicaSet", **status: object) -> Document:
    """A pod on the fake node with the annotation `fake/fail`."""
    metadata = {"annotations": {"fake/fail": fault}, "ownerReferences": [{"kind": owner}]}
    return {"metadata": metadata, "spec": {"containers": [{"name": "web"}]}, "status": status}


@pytest.mark.parametrize(
    ("fault", "owner", "phase", "state", "ready"),
    [
        ("", "ReplicaSet", "Running", "running", "True"),
        ("", "Job", "Succeeded", "terminated", "False"),
        ("exit", "Job", "Failed", "terminated", "False"),
        ("crash", "ReplicaSet", "Running", "waiting", "False"),
        ("unready", "ReplicaSet", "Running", "running", "False"),
        ("image", "ReplicaSet", "Pending", "waiting", "False"),
    ],
)
def test_the_kubelet_says_what_a_kubelet_says(fault: str, owner: str, phase: str, state: str, ready: str) -> None:
    """Phase, container state and readiness for each kind of fate."""
    status = kubelet.next_status(pod(fault, owner)) or {}
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert [phase, [state], ready] == [status["phase"], [*status["containerStatuses"][0]["state"]], conditions["Ready"]]


def test_the_kubelet_leaves_a_stuck_pod_alone() -> None:
    """A pod that waits for a volume stays as it is; so does one whose image fault was told already."""
    assert kubelet.next_status(pod("pending")) is None
    assert kubelet.next_status(pod("image", containerStatuses=[{}])) is None
