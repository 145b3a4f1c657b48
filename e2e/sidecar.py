"""A sidecar on this host, without a cluster."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from pathlib import Path


class Sidecar:
    """A sidecar without a cluster, on free ports. `status` is its report once it is ready or has given up."""

    def __init__(self, program: Path, bundle: Path, arguments=(), seconds: float = 60):
        self.port, self.admin = _free_port(), _free_port()
        self._process = subprocess.Popen(
            [program, "--model", bundle, "--port", str(self.port), "--admin-port", str(self.admin), "--no-access-log",
             *map(str, arguments)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + seconds
        self.status = {}
        while self.status.get("phase") not in ("Ready", "Failed") and time.monotonic() < deadline:
            assert self._process.poll() is None, f"the sidecar ended with {self._process.returncode}"
            try:
                self.status = json.loads(self.call(self.admin, "GET", "/status"))
            except OSError:  # its first milliseconds
                time.sleep(0.02)

    def call(self, port: int, method: str, path: str, body: dict | None = None) -> bytes:
        status, data = self.ask(port, method, path, body)
        assert status == 200, f"{path}: {status} {data[:500]!r}"
        return data

    def ask(self, port: int, method: str, path: str, body: dict | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
