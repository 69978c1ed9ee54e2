# SPDX-License-Identifier: Apache-2.0
"""A real registry and a real Kubernetes control plane on loopback, for tests and the demo.

    with Rig() as rig:
        rig.registry    # "127.0.0.1:40001"
        rig.kubeconfig  # a file that every Kubernetes client reads

etcd, kube-apiserver, kube-controller-manager, kube-scheduler, the fake kubelet of kubelet.py and registries are child
processes on free ports with private folders: several rigs run at once. All of it is gone at the end of the block,
also after Ctrl-C, an exception half-way through the start, or the death of this process.
"""

import base64
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Self

import certificates
import toolbox
from api import Api, ApiError
from environment import PROGRAMS, VENV
from processes import MARK, Processes, accepts, end_marked, free_ports, private_folder
from registries import LOGIN, start_distribution

__all__ = ["LOGIN", "Rig", "kubeconfig"]

_CONTROL_PLANE = ("etcd", "kubernetes")
_LANGUAGE = ("pulumi", "pulumi-language-python")
_KUBELET = Path(__file__).with_name("kubelet.py")


class Rig:
    """The parts that were asked for; what was not asked for is an empty text.

    Args:
        registry: start a registry that anybody may use.
        private: start another one that wants `LOGIN`.
        cluster: start a control plane with one fake node.

    Attributes:
        registry: `127.0.0.1:PORT`.
        private_registry: `127.0.0.1:PORT`.
        server: `https://127.0.0.1:PORT` of the API server.
        kubeconfig: file of the administrator, certificates inside.
        certificates: folder of `certificates.write_all`.
        api: the administrator's client.
        folder: private folder, also for logs.
    """

    api: Api

    def __init__(self, *, registry: bool = True, private: bool = False, cluster: bool = True) -> None:
        self.registry = self.private_registry = self.server = ""
        self._wanted = {"registry": registry, "private": private, "cluster": cluster}
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start everything.

        Raises:
            ToolError: a program cannot be had.
            NotReadyError: a part did not start.
        """
        with self._open:  # closes what has started when a later step fails
            self._start()
            self._open = self._open.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _start(self) -> None:
        needed = [*_LANGUAGE, *(["registry"] if self._wanted["registry"] or self._wanted["private"] else [])]
        self._tools = toolbox.locate([*needed, *(_CONTROL_PLANE if self._wanted["cluster"] else ())])
        self.folder = self._open.enter_context(private_folder())
        self._open.callback(end_marked, self.folder)
        self.kubeconfig, self.certificates = self.folder / "kubeconfig", self.folder / "certificates"
        self._processes = self._open.enter_context(Processes(self.folder))
        if self._wanted["registry"]:
            self.registry = self._start_registry("registry")
        if self._wanted["private"]:
            self.private_registry = self._start_registry("private-registry", login=True)
        if self._wanted["cluster"]:
            self._start_cluster()

    def _start_registry(self, name: str, *, login: bool = False) -> str:
        return start_distribution(self._processes, self.folder, self._tools["registry"], name, login=login)

    def _start_cluster(self) -> None:
        """Start the control plane in the order of need; what does not need each other starts together."""
        etcd_port, peer_port, port, manager_port, scheduler_port = free_ports(5)
        self.certificates.mkdir(mode=0o700)
        self._processes.start("etcd", [self._tools["etcd"], *_etcd_flags(self.folder, etcd_port, peer_port)])
        certificates.write_all(self.certificates)
        self.server = f"https://127.0.0.1:{port}"
        self.api = Api(self.server, self.certificates)
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(kubeconfig(self.server, self.certificates)))
        self._processes.wait("etcd", lambda: accepts(etcd_port))
        self._kube("kube-apiserver", _apiserver_flags(self.certificates, f"http://127.0.0.1:{etcd_port}", port))
        self._processes.wait("kube-apiserver", self._is_serving)
        login = [f"--kubeconfig={self.kubeconfig}", "--bind-address=127.0.0.1", "--leader-elect=false"]
        self._kube("kube-controller-manager", [*login, *_manager_flags(self.certificates, manager_port)])
        self._kube("kube-scheduler", [*login, f"--secure-port={scheduler_port}"])
        self._processes.start("kubelet", [sys.executable, _KUBELET, self.server, self.certificates])
        self._processes.wait("kubelet", lambda: bool(self._schedulable()))
        self._processes.wait("kube-controller-manager", lambda: accepts(manager_port))
        self._processes.wait("kube-scheduler", lambda: accepts(scheduler_port))

    def _kube(self, name: str, flags: list[str]) -> None:
        """Start a Kubernetes program; what it writes by itself goes into a folder of its own."""
        self._processes.start(name, [self._tools[name], *flags, f"--cert-dir={self.folder / name}"])

    def _is_serving(self) -> bool:
        try:
            return self.api.request("GET", "/readyz") == {"text": "ok"}
        except ApiError:
            return False

    def _schedulable(self) -> bool:
        """Whether the fake node is ready for pods and the namespace `default` is there."""
        node = self.api.get("/api/v1/nodes/fake")
        is_ready = node is not None and "conditions" in node["status"] and "taints" not in node["spec"]
        return is_ready and self.api.get("/api/v1/namespaces/default") is not None

    def pulumi_environment(self, home: Path) -> dict[str, str]:
        """The environment for a `pulumi` command that keeps everything below `home` and asks nobody.

        Our programs and `.venv` come first on PATH, so Python programs run in `.venv`; settings for Pulumi, kubeoci,
        Docker and Kubernetes of the person who runs this do not get through.
        """
        for name in ("state", "pulumi", "cache", "docker"):
            (home / name).mkdir(parents=True, exist_ok=True)
        foreign = ("PULUMI_", "KUBEOCI_", "KUBECONFIG", "DOCKER_", "PYTHONPATH")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        folders = dict.fromkeys(str(folder) for folder in (PROGRAMS, *(path.parent for path in self._tools.values())))
        return kept | {
            MARK: str(self.folder),
            "PATH": os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)]),
            "VIRTUAL_ENV": str(VENV),
            "PULUMI_PYTHON_CMD": str(PROGRAMS / "python"),
            "PULUMI_BACKEND_URL": (home / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "kubeoci-rig",
            "PULUMI_HOME": str(home / "pulumi"),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "PULUMI_OPTION_NON_INTERACTIVE": "1",
            "KUBEOCI_CACHE": str(home / "cache"),
            "DOCKER_CONFIG": str(home / "docker"),
            "KUBECONFIG": str(self.kubeconfig),
        }


def kubeconfig(server: str, folder: Path | None = None) -> dict[str, object]:
    """A kubeconfig for `server`: as the administrator of `folder`, or over plain HTTP as nobody."""
    cluster, user = {"server": server}, {}
    if folder:
        cluster["certificate-authority-data"] = _base64(folder / "ca.crt")
        user["client-certificate-data"] = _base64(folder / "admin.crt")
        user["client-key-data"] = _base64(folder / "admin.key")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "rig",
        "clusters": [{"name": "rig", "cluster": cluster}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "admin"}}],
    }


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _etcd_flags(folder: Path, port: int, peer_port: int) -> list[str]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--log-level=warn",
    ]


def _apiserver_flags(folder: Path, etcd: str, port: int) -> list[str]:
    return [
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        f"--client-ca-file={folder / 'ca.crt'}",
        f"--service-account-key-file={folder / 'sa.pub'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
        f"--service-account-issuer=https://127.0.0.1:{port}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--allow-privileged=true",
        "--disable-admission-plugins=ServiceAccount",
        "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
    ]


def _manager_flags(folder: Path, port: int) -> list[str]:
    """The default request rate of 20 a second would make a test of 600 Deployments take two minutes."""
    return [
        f"--secure-port={port}",
        f"--service-account-private-key-file={folder / 'sa.key'}",
        f"--root-ca-file={folder / 'ca.crt'}",
        "--use-service-account-credentials=false",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        "--controllers=*,-nodelifecycle,-nodeipam,-ttl",
    ]
