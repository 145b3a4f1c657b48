"""The integration tests' scenes (tests/integration/harness), played on the real cluster: an operator of this host, in
place of the one in the cluster, behind a proxy that fails as it is told to."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from pathlib import Path

import yaml
from harness.background import Background
from harness.certificates import Authority
from harness.cluster import History
from harness.kube import Kube as Client


class RealControlPlane:
    """What a Stage needs of a control plane: here the one that KUBECONFIG names."""

    def __init__(self, folder: Path, background: Background, kubeconfig: Path, operator_token: str):
        self.operator_token = operator_token  # so that its rights are those which the chart gives
        self.authority = Authority(folder / "certificates")
        self.server_files = self.authority.issue("proxy", "/CN=proxy", "IP:127.0.0.1")
        config = yaml.safe_load(kubeconfig.read_text())
        contexts, clusters, users = ({each["name"]: each for each in config[kind]} for kind in ("contexts", "clusters", "users"))
        context = contexts[config["current-context"]]["context"]
        self._cluster, self._user = clusters[context["cluster"]]["cluster"], users[context["user"]]["user"]
        self._folder = kubeconfig.parent
        self.url = self._cluster["server"]
        self.kube = Client(background, self.url, self._admin_context(), self._user.get("token", ""))

    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self._file(self._cluster, "certificate-authority"))

    def await_owners(self) -> None:
        """This server has long known its custom resources."""

    def _admin_context(self) -> ssl.SSLContext:
        context = self.ssl_context()
        if "client-certificate-data" in self._user or "client-certificate" in self._user:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(self._file(self._user, "client-certificate") + self._file(self._user, "client-key"))
                file.flush()
                context.load_cert_chain(file.name)
        return context

    def _file(self, part: dict, name: str) -> str:
        if data := part.get(f"{name}-data"):
            return base64.b64decode(data).decode()
        return (self._folder / part[name]).read_text()


class RealCluster:
    """What a Stage needs of a cluster, where the stand-ins of the integration tests are the real things."""

    admin_port = 8081

    def __init__(self, kube: Client):
        self._kube = kube

    def freeze(self, namespace: str, frozen: bool = True) -> None:
        """Nobody froze it."""

    def empty(self, namespace: str) -> None:
        self._kube.delete("namespaces", "", namespace)

    def history(self, namespace: str) -> History:
        return History()


# Beside what differs by chance in the integration tests: what was measured.
_MEASURED = {"warmup", "graphs", "graph", "worstError", "clusterIP", "clusterIPs", "creationTimestamp"}


def settled_parts(snapshot: dict) -> dict:
    """A Scene's snapshot without what was measured."""
    def without(value):
        if isinstance(value, dict):
            return {key: without(each) for key, each in value.items() if key not in _MEASURED}
        return [without(each) for each in value] if isinstance(value, list) else value

    return json.loads(json.dumps(without(snapshot)))
