"""The operator, as a program with flags and a kubeconfig."""

import os
import re
from pathlib import Path

import requests

from harness.controlplane import OPERATOR_NAMESPACE
from harness.processes import Program, eventually, free_port


SIDECAR_IMAGE = "example.invalid/sidecar:test"


def find_operator() -> Path | None:
    """In $PILOTLIGHT_BIN, or where the dev preset builds it."""
    root = Path(__file__).resolve().parents[3]
    program = Path(os.environ.get("PILOTLIGHT_BIN", root / "build" / "dev" / "bin"), "pilotlight-operator")
    return program if os.access(program, os.X_OK) else None


def write_kubeconfig(path: Path, server: str, authority: Path, user: dict) -> Path:
    lines = ["apiVersion: v1", "kind: Config", "current-context: tests",
             f"clusters: [{{name: tests, cluster: {{server: '{server}', certificate-authority: '{authority}'}}}}]",
             "contexts: [{name: tests, context: {cluster: tests, user: tests}}]",
             "users:", "- name: tests", "  user:", *(f"    {key}: '{value}'" for key, value in user.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


def built_otherwise(folder: Path) -> Path:
    """An operator whose pods look different: in this copy of the program a path in the pod template is another one."""
    program = find_operator().read_bytes()
    before, after = b"/var/lib/pilotlight\0", b"/var/lib/pilotlighT\0"
    assert before in program, "the program no longer has the text that is changed here"
    changed = folder / "pilotlight-operator-built-otherwise"
    changed.write_bytes(program.replace(before, after))
    changed.chmod(0o755)
    return changed


class Operator:
    """One operator process; `start` may be called again after it has ended."""

    def __init__(self, folder: Path, kubeconfig: Path, admin_port: int, name: str = "operator",
                 lease_namespace: str = "", flags: tuple[str, ...] = (), image: str = SIDECAR_IMAGE) -> None:
        """lease_namespace: where to compete for the Lease. Default: no leader election."""
        self._image = image
        self._folder = folder
        self._name = name
        self._namespace = lease_namespace or OPERATOR_NAMESPACE
        self._metrics_port = free_port()
        self._health_port = free_port()
        self._command = [
            find_operator(), f"--kubeconfig={kubeconfig}",
            f"--metrics-bind-address=127.0.0.1:{self._metrics_port}",
            f"--health-probe-bind-address=127.0.0.1:{self._health_port}",
            f"--sidecar-admin-port={admin_port}", "--log-level=debug",
            "--leader-elect" if lease_namespace else "--no-leader-elect", *flags]
        self.program: Program | None = None

    def start(self, image: str = "", extra: tuple[str, ...] = (), env: dict[str, str] | None = None,
              program: Path | None = None) -> None:
        """image: of new sidecars, in place of that which the operator was made with. program: another operator."""
        assert not (self.program and self.program.running())
        self.program = Program(
            self._name, [program or self._command[0], *self._command[1:], f"--sidecar-image={image or self._image}", *extra], self._folder / f"{self._name}.log",
            {"POD_NAMESPACE": self._namespace, "POD_NAME": self._name, **(env or {})})

    def kill(self) -> None:
        self.program.kill()

    def terminate(self) -> float:
        return self.program.terminate()

    def health(self, path: str) -> int:
        """The status of /healthz or /readyz; 0 if nobody answers."""
        try:
            return requests.get(f"http://127.0.0.1:{self._health_port}{path}", timeout=2).status_code
        except requests.RequestException:
            return 0

    def await_ready(self) -> None:
        def ready() -> bool:
            if not self.program.running():
                raise AssertionError(f"the operator ended with {self.program.exit_code()}:\n{self.program.tail()}")
            return self.health("/readyz") == 200

        eventually("the operator is ready", ready)

    def metrics(self) -> dict[str, float]:
        """Each series by its name with labels, as Prometheus reads it."""
        text = requests.get(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=5).text
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def rss(self) -> int:
        """Bytes of memory resident now."""
        status = Path(f"/proc/{self.program.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024
