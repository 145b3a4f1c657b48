"""A real kube-apiserver over a real etcd, on free ports of 127.0.0.1, with nothing else of Kubernetes.

The programs are looked for as controller-runtime's envtest does: TEST_ASSET_KUBE_APISERVER and TEST_ASSET_ETCD name
one program each, KUBEBUILDER_ASSETS a folder with both. Without these, the folder where `./dev` keeps the Kubernetes
that it has built is used, and the system's etcd.
"""

import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import aiohttp

from harness.background import Background
from harness.certificates import Authority
from harness.kube import Kube
from harness.processes import Program, eventually, free_port

OPERATOR_NAMESPACE = "pilotlight-system"
OPERATOR_USER = f"system:serviceaccount:{OPERATOR_NAMESPACE}:pilotlight-operator"
OPERATOR_TOKEN = "token-of-the-operator"
OPERATOR_NEXT_TOKEN = "next-token-of-the-operator"
OPERATOR_GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{OPERATOR_NAMESPACE}")
ADMIN_TOKEN = "token-of-the-tests"


def find_program(name: str) -> Path | None:
    named = os.environ.get("TEST_ASSET_" + name.upper().replace("-", "_"))
    if named:
        return Path(named)
    folders = [os.environ.get("KUBEBUILDER_ASSETS", ""), "/usr/local/kubebuilder/bin"]
    built = Path(os.environ.get("PILOTLIGHT_CACHE", "/var/cache/pilotlight"), "kubernetes")
    folders += sorted((str(folder) for folder in built.glob("v*")), reverse=True)
    for folder in filter(None, folders):
        if os.access(Path(folder, name), os.X_OK):
            return Path(folder, name)
    found = shutil.which(name)
    return Path(found) if found else None


class ControlPlane:
    """Not thread-safe: for the thread that made it, save `url` and `kube`."""

    def __init__(self, folder: Path, background: Background) -> None:
        self.folder = folder
        self.apiserver_program = find_program("kube-apiserver")
        self.etcd_program = find_program("etcd")
        self.authority = Authority(folder / "certificates")
        self._background = background
        self._port = free_port()
        self._etcd_port = free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.operator_token = OPERATOR_TOKEN
        (folder / "tokens.csv").write_text(
            f"{ADMIN_TOKEN},tests,tests,\"system:masters\"\n"
            + "".join(f"{token},{OPERATOR_USER},operator,\"{','.join(OPERATOR_GROUPS)}\"\n"
                      for token in (OPERATOR_TOKEN, OPERATOR_NEXT_TOKEN)))
        self.server_files = self.authority.issue(
            "kube-apiserver", "/CN=kube-apiserver", "IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc")
        self._etcd: Program | None = None
        self._apiserver: Program | None = None
        self.kube = Kube(background, self.url, self.ssl_context(), ADMIN_TOKEN)
        self._as_operator = Kube(background, self.url, self.ssl_context(), OPERATOR_TOKEN)
        self._knows_owners = False

    def version(self) -> tuple[int, int]:
        text = subprocess.run([self.apiserver_program, "--version"], check=True, capture_output=True, text=True).stdout
        major, minor = re.search(r"v(\d+)\.(\d+)", text).groups()
        return int(major), int(minor)

    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.ca))

    def start(self) -> None:
        peer = free_port()
        self._etcd = Program("etcd", [
            self.etcd_program, "--data-dir", self.folder / "etcd", "--unsafe-no-fsync",
            "--listen-client-urls", self._etcd_url, "--advertise-client-urls", self._etcd_url,
            "--listen-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-cluster", f"default=http://127.0.0.1:{peer}"], self.folder / "etcd.log")
        self._start_apiserver()

    def restart_apiserver(self, meanwhile=lambda: None) -> None:
        """Kills the API server, calls `meanwhile`, and starts it again on the same port, with an empty watch cache."""
        self._apiserver.kill()
        self._knows_owners = False
        meanwhile()
        self._start_apiserver()

    def await_owners(self) -> None:
        """Returns once a child of a model is let in. A server that has just started learns the custom resources up to
        half a minute late, and until then refuses what they own: nothing that the operator does wrong."""
        child = {"metadata": {"name": "is-let-in", "ownerReferences": [{
            "apiVersion": "pilotlight.dev/v1alpha1", "kind": "ModelDeployment", "name": "none", "uid": "none",
            "controller": True, "blockOwnerDeletion": True}]}}

        def let_in() -> bool:
            code, text = self._background.run(self._as_operator.raw(
                "POST", "/api/v1/namespaces/default/configmaps", child, params={"dryRun": "All"}))
            if code == 403 and "cannot find RESTMapping" in text:
                return False
            assert code == 201, f"{code} {text}"
            return True

        if not self._knows_owners:
            eventually("the API server lets a model's children in", let_in, timeout=60)
            self._knows_owners = True

    def stop(self) -> None:
        for kube in (self.kube, self._as_operator):
            self._background.run(kube.close())
        for program in (self._apiserver, self._etcd):
            if program:
                program.kill()  # nothing in it is kept

    @property
    def _etcd_url(self) -> str:
        return f"http://127.0.0.1:{self._etcd_port}"

    def _start_apiserver(self) -> None:
        certificate, key = self.server_files
        accounts = self.authority.folder / "service-account.key"
        self._apiserver = Program("kube-apiserver", [
            self.apiserver_program, "--etcd-servers", self._etcd_url,
            "--bind-address", "127.0.0.1", "--secure-port", self._port,
            # Nothing but the tests uses this server; a loopback address is refused as an endpoint.
            "--endpoint-reconciler-type", "none",
            "--tls-cert-file", certificate, "--tls-private-key-file", key, "--cert-dir", self.folder,
            "--client-ca-file", self.authority.ca, "--token-auth-file", self.folder / "tokens.csv",
            "--service-account-issuer", "https://kubernetes.default.svc",
            "--service-account-key-file", accounts, "--service-account-signing-key-file", accounts,
            "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/16", "--allow-privileged=true",
            # Nobody makes the service accounts that pods would need. OpenShift has the other plugin always on.
            "--disable-admission-plugins", "ServiceAccount",
            "--enable-admission-plugins", "OwnerReferencesPermissionEnforcement",
            "--shutdown-delay-duration", "0s",
        ], self.folder / "kube-apiserver.log")
        eventually("the API server is ready", self._ready, timeout=60)

    def _ready(self) -> bool:
        for program in (self._etcd, self._apiserver):
            if not program.running():
                raise AssertionError(f"{program.name} ended with {program.exit_code()}:\n{program.tail()}")
        try:
            return self._background.run(self.kube.raw("GET", "/readyz"))[0] == 200
        except aiohttp.ClientSSLError:
            raise  # waiting mends no certificate
        except (aiohttp.ClientError, OSError):
            return False
