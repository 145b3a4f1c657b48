"""What a hop costs: two fronts, of which one hands half of its requests to the other, by the dice. One client asks one
request after the other on one connection, and the answers tell who gave them: so both are measured in turns, in one run."""

from __future__ import annotations

import datetime
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / "tools"), str(CHECKOUT / "e2e"), str(CHECKOUT / "tools/tests")]

import bundles  # noqa: E402
from pilotlight_export.signing import envelope, private_key  # noqa: E402

PROGRAM = Path(os.environ["PILOTLIGHT_BIN"]) / "pilotlight-sidecar"
REQUESTS, WARM = 20_000, 2_000
TARGET = 2.0
TYPE = "application/vnd.pilotlight.call+json"


class Front:
    """A front on an address of its own, as in a pod."""

    def __init__(self, folder: Path, name: str, address: str, bundle: Path, keys: Path):
        self.revision, self.address, self.epoch = f"bench-{name}", address, 0
        subprocess.run(["ip", "address", "add", f"{address}/24", "dev", "lo"], check=True)
        state = folder / name
        state.mkdir()
        config = state / "config.json"
        config.write_text(json.dumps({"apiVersion": "sidecar.pilotlight.dev/v1alpha1", "name": "bench", "namespace": "default",
                                      "revision": self.revision, "model": {"uri": f"file://{bundle}"}}))
        self._process = subprocess.Popen(
            [PROGRAM, "--config", config, "--bind", address, "--state-dir", state, "--operator-keys-dir", keys,
             "--termination-log", state / "end", "--no-access-log", "--log-level", "error"],
            env={**os.environ, "POD_UID": f"uid-{name}", "POD_NAME": name, "POD_NAMESPACE": "default"})
        deadline = time.monotonic() + 60
        while True:
            try:
                self.status = json.loads(self._admin("GET", "/status"))
                if self.status["ready"]:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit(f"the front {name} does not come up")
            time.sleep(0.05)

    def _admin(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = http.client.HTTPConnection(self.address, 8081, timeout=5)
        connection.request(method, path, body)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {data.decode()}")
        return data

    def split(self, key: Path, body: dict) -> None:
        now = datetime.datetime.now(datetime.UTC)
        text = lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: E731
        self.epoch += 1
        payload = json.dumps({
            "call": "PUT /split", "podUID": self.status["podUID"], "revision": self.revision, "epoch": self.epoch,
            "issuedAt": text(now), "expiresAt": text(now + datetime.timedelta(minutes=4)),
            "body": {"salt": "bench", "stableIsFull": True, "expiresAt": text(now + datetime.timedelta(hours=1)), **body}}).encode()
        self._admin("PUT", "/split", json.dumps(envelope(private_key(key), payload, TYPE)).encode())

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(60)


def answers(address: str, rows: int):
    """(who answered, seconds), for ever."""
    body = json.dumps({"instances": [[1.0, 2.0, 4.0]] * rows}).encode()
    request = (f"POST /predict HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
               .encode() + body)
    with socket.create_connection((address, 8080)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            began = time.perf_counter()
            connection.sendall(request)
            data = connection.recv(65536)
            head, _, rest = data.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            missing = int(fields[b"content-length"]) - len(rest)
            while missing > 0:
                missing -= len(connection.recv(65536))
            took = time.perf_counter() - began
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(head.decode())
            yield fields[b"x-pilotlight-revision"].decode(), took, len(body)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        bundles.scale(folder, 2.0)
        bundle, keys = folder / "scale-2.0.tar", folder / "keys"
        keys.mkdir()
        key = bundles.key(folder, "operator")
        (keys / "operator.pem").write_text(key.with_suffix(".pub").read_text())
        stable = Front(folder, "stable", "10.99.0.1", bundle, keys)
        candidate = Front(folder, "candidate", "10.99.0.2", bundle, keys)
        try:
            candidate.split(key, {"weight": 0, "callers": [stable.status["hop"]["certificate"]]})
            stable.split(key, {"weight": 50, "peers": [{
                "podUID": candidate.status["podUID"], "ip": candidate.address, "revision": candidate.revision,
                "certificate": candidate.status["hop"]["certificate"]}]})
            print(f"{'body':>8} {'local p50':>10} {'hop p50':>10} {'ratio':>6} {'local p99':>10} {'hop p99':>10}   "
                  f"({REQUESTS} requests each, target ≤ {TARGET})")
            for rows in (1, 16, 64):
                took: dict[str, list[float]] = {stable.revision: [], candidate.revision: []}
                for number, (who, seconds, size) in enumerate(answers(stable.address, rows)):
                    if number >= WARM:
                        took[who].append(seconds * 1e6)
                    if number == REQUESTS + WARM:
                        break
                local, hop = took[stable.revision], took[candidate.revision]
                p50 = statistics.median(local), statistics.median(hop)
                p99 = tuple(statistics.quantiles(each, n=100)[98] for each in (local, hop))
                print(f"{size:>6} B {p50[0]:>7.0f} µs {p50[1]:>7.0f} µs {p50[1] / p50[0]:>6.2f} {p99[0]:>7.0f} µs {p99[1]:>7.0f} µs",
                      flush=True)
        finally:
            stable.close()
            candidate.close()


main()
