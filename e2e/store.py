"""The model store that the cluster fetches from: files in memory, over HTTP, on the host's end of the cluster's link."""

from __future__ import annotations

import collections
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Store:
    """Serves what is in `files` by name, and then what is in `folder`. `asked` counts the requests. Safe to change while it serves."""

    def __init__(self, address: str):
        self.files: dict[str, bytes] = {}
        self.folder: Path | None = None
        self.asked: collections.Counter[str] = collections.Counter()
        self._slow: dict[str, float] = {}
        self._server = ThreadingHTTPServer((address, 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def put(self, name: str, data: bytes, seconds: float = 0) -> str:
        """The file's URI. Whoever asks for it waits so long for its first byte."""
        self.files[name] = data
        self._slow[name] = seconds
        return self.uri(name)

    def uri(self, name: str) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host}:{port}/{name}"

    def _stored(self, name: str) -> bytes | None:
        file = self.folder / name if self.folder and name else None
        return file.read_bytes() if file and file.is_file() else None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self):
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                name = self.path.lstrip("/")
                store.asked[name] += 1
                time.sleep(store._slow.get(name, 0))
                data = store.files.get(name) or store._stored(name)
                body = data if data is not None else b"no such file"
                self.send_response(200 if data is not None else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
