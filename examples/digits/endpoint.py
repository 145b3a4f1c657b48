"""A client for a model's endpoint: /predict, and the Open Inference Protocol v2 in JSON and binary. Standard library only."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import subprocess
import time
from urllib.parse import urlsplit

import torch


class Endpoint:
    """One connection, kept open. Not thread-safe."""

    def __init__(self, host: str, port: int, name: str, shown_url: str, forward: subprocess.Popen | None = None):
        self.name, self.shown_url = name, shown_url
        self._forward = forward
        self._connection = http.client.HTTPConnection(host, port, timeout=30)

    @staticmethod
    def of(deployment: dict) -> Endpoint:
        """The Service of a ModelDeployment: straight to its cluster address, or by kubectl port-forward."""
        name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
        service = json.loads(subprocess.run(["kubectl", "get", "service", name, "-n", namespace, "-o", "json"], check=True,
                                            capture_output=True).stdout)
        address, port = service["spec"]["clusterIP"], service["spec"]["ports"][0]["port"]
        with contextlib.suppress(OSError):
            socket.create_connection((address, port), timeout=2).close()
            return Endpoint(address, port, name, f"http://{address}" + (f":{port}" if port != 80 else ""))
        command = ["kubectl", "port-forward", "-n", namespace, f"service/{name}", f":{port}"]
        forward = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        found = re.search(r"127\.0\.0\.1:(\d+)", forward.stdout.readline())
        if not found:
            forward.kill()
            raise ConnectionError(f"neither {address}:{port} nor kubectl port-forward leads to the service {name}")
        return Endpoint("127.0.0.1", int(found[1]), name, f"http://127.0.0.1:{found[1]}", forward)

    @staticmethod
    def at(url: str, name: str) -> Endpoint:
        """A known address, such as http://127.0.0.1:8080 of a sidecar without a cluster."""
        parts = urlsplit(url)
        return Endpoint(parts.hostname, parts.port or 80, name, url)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_) -> None:
        self._connection.close()
        if self._forward:
            self._forward.kill()
            self._forward.wait()

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[dict[str, str], bytes]:
        """The answer's headers and body. A 503 or a connection closed between requests is tried again for 10 s."""
        deadline = time.monotonic() + 10
        while True:
            try:
                self._connection.request("POST", path, body, headers)
                answer = self._connection.getresponse()
                data = answer.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self._connection.close()
                if time.monotonic() > deadline:
                    raise
                continue
            if answer.status == 503 and time.monotonic() < deadline:
                time.sleep(min(1.0, float(answer.headers.get("Retry-After", 1))))
                continue
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer.status} {data[:500].decode(errors='replace')}")
            return {key.lower(): value for key, value in answer.getheaders()}, data

    def predict(self, images: torch.Tensor) -> list[dict]:
        """A label and a probability for each image."""
        body = json.dumps({"instances": images.tolist()}).encode()
        _, data = self.post("/predict", body, {"Content-Type": "application/json"})
        return json.loads(data)["predictions"]

    def infer(self, images: torch.Tensor, binary: bool, batch: int) -> torch.Tensor:
        """The outputs of all images, `batch` to a request."""
        one = self._infer_binary if binary else self._infer_json
        return torch.cat([one(part) for part in images.split(batch)])

    def _infer_json(self, images: torch.Tensor) -> torch.Tensor:
        tensor = {"name": "image", "datatype": "FP32", "shape": list(images.shape), "data": images.flatten().tolist()}
        _, data = self.post(self._path, json.dumps({"inputs": [tensor]}).encode(), {"Content-Type": "application/json"})
        output = json.loads(data)["outputs"][0]
        return torch.tensor(output["data"], dtype=torch.float32).reshape(output["shape"])

    def _infer_binary(self, images: torch.Tensor) -> torch.Tensor:
        raw = images.contiguous().numpy().astype("<f4").tobytes()
        tensor = {"name": "image", "datatype": "FP32", "shape": list(images.shape),
                  "parameters": {"binary_data_size": len(raw)}}
        header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        headers, data = self.post(self._path, header + raw, {
            "Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))})
        split = int(headers["inference-header-content-length"])
        output = json.loads(data[:split])["outputs"][0]
        values = torch.frombuffer(bytearray(data[split:]), dtype=torch.float32)
        return values.reshape(output["shape"])

    @property
    def _path(self) -> str:
        return f"/v2/models/{self.name}/infer"
