"""A stand-in for the sidecar's admin port: it serves the status document of docs/sidecar.md and plays a script."""

import asyncio
import datetime
import hashlib
from collections.abc import Awaitable, Callable

from aiohttp import web


def digest_of(content: str) -> str:
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


class Sidecar:
    """One container of one pod. Only for the loop."""

    def __init__(self, pod: dict, config: dict, pin: str, content: str, changed: Callable[[], None]) -> None:
        self.pod = pod
        self.config = config
        self.pin = pin
        # What its model's URI gives at this moment, standing for the bytes.
        self.content = content
        self.ready = False
        self._changed = changed
        self.document = {
            "apiVersion": "sidecar.pilotlight.dev/v1alpha1", "podUID": pod["metadata"]["uid"],
            "revision": config["revision"], "version": "0.1.0", "phase": "Starting", "since": _now(), "ready": False,
            "final": False, "attempt": 1, "engine": {"restarts": 0, "lastExit": ""}}

    def set(self, phase: str, **fields: object) -> None:
        self.document.update(phase=phase, since=_now(), ready=phase == "Ready", **fields)
        self.ready = phase == "Ready"
        self._changed()

    def fail(self, kind: str, reason: str, message: str, phase: str = "Checking") -> None:
        """`kind` is the class: World retries, Revision and Pod are final."""
        failure = {"class": kind, "reason": reason, "phase": phase, "message": message,
                   "remedy": f"Mend what made {reason}."}
        self.set("Retrying" if kind == "World" else "Failed", failure=failure, final=kind != "World")

    def prove(self, **more: object) -> None:
        """As the real one: bytes against the pin, then the proof (with `more` in it), then ready."""
        digest = digest_of(self.content)
        wanted = self.config["model"].get("digest", "")
        if self.pin and digest != self.pin:
            self.fail("Pod", "SourceChanged", f"fetched {digest}, pinned to {self.pin}", "Fetching")
        elif wanted and digest != wanted:
            self.fail("Revision", "DigestMismatch", f"fetched {digest}, spec.model.digest is {wanted}", "Fetching")
        else:
            self.document.pop("failure", None)
            self.set("Ready", final=False, digest=digest, bytesFetched=len(self.content), bytesTotal=len(self.content),
                     proof={"level": "Answers", "format": "TorchScript", "digest": digest, "cases": 1,
                            "tolerance": {"absolute": 1e-4, "relative": 1e-4, "source": "bundle"},
                            "runtime": {"torch": "2.6.0", "device": "cpu", "threads": 1}, "warnings": [], **more},
                     contract={"inputs": [], "outputs": []}, timings={"total": 0.1})


# A script plays one container's life. It is cancelled when the container ends.
Script = Callable[[Sidecar], Awaitable[None]]


async def good(sidecar: Sidecar) -> None:
    """The default: every phase is there for a moment, and the model passes."""
    for phase in ("Fetching", "Checking", "Loading", "Warming"):
        await asyncio.sleep(0.02)
        sidecar.set(phase)
    sidecar.prove()


def failing(kind: str, reason: str, message: str = "made to fail") -> Script:
    async def script(sidecar: Sidecar) -> None:
        sidecar.set("Fetching")
        await asyncio.sleep(0.02)
        sidecar.fail(kind, reason, message)

    return script


def world_failing_until(mended: asyncio.Event, reason: str = "NotFound", message: str = "answered 404") -> Script:
    """Retries until `mended` is set (by `Background.loop.call_soon_threadsafe`), and then passes."""
    async def script(sidecar: Sidecar) -> None:
        sidecar.fail("World", reason, message, "Fetching")
        await mended.wait()
        sidecar.prove()

    return script


class AdminPort:
    """The HTTP side of a Sidecar, on an address of its own. Only for the loop."""

    def __init__(self, sidecar: Sidecar, address: str, port: int) -> None:
        self._sidecar = sidecar
        self._address = address
        self._port = port
        self._runner: web.ServerRunner | None = None
        self.asked = 0

    async def open(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._address, self._port, reuse_address=True).start()

    async def close(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        match request.path:
            case "/status":
                self.asked += 1
                return web.json_response(self._sidecar.document)
            case "/livez":
                return web.Response(text="ok")
            case "/readyz":
                document = self._sidecar.document
                body = {"phase": document["phase"], "reason": "", "message": ""}
                return web.json_response(body, status=200 if self._sidecar.ready else 503)
        return web.Response(status=404)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
