"""A proxy in front of the API server that fails as it is told to, and notes everything that passes."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable

import aiohttp
from aiohttp import web
from yarl import URL

from harness.background import Background
from harness.calls import Call
from harness.faults import Answer, Cut, EndWatch, Fault, Hang, LateAnswer, LoseAnswer, Reset, Slow, Then
from harness.processes import free_port

_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "upgrade", "trailer"}


class Rule:
    """Meets the `nth` matching call (from 1) and, `times` in all, those that follow. Thread-safe."""

    def __init__(self, matches: Callable[[Call], bool], fault: Fault | Callable[[Call], Fault | None], nth: int,
                 times: int | None) -> None:
        self._matches = matches
        self._fault = fault
        self._nth = nth
        self._times = times
        self._lock = threading.Lock()
        self.seen = 0
        self.met = 0

    def meet(self, call: Call) -> Fault | None:
        if not self._matches(call):
            return None
        with self._lock:
            self.seen += 1
            if self.seen < self._nth or (self._times is not None and self.met >= self._times):
                return None
            fault = self._fault(call) if callable(self._fault) else self._fault
            self.met += fault is not None
            return fault


class Proxy:
    """Speaks TLS on both sides and hands on the client's own token, so that its rights are those of its account.

    Methods are for any thread but the loop's.
    """

    def __init__(self, background: Background, upstream: str, upstream_tls: ssl.SSLContext,
                 server_files: tuple, token: str) -> None:
        self._background = background
        self._upstream = upstream
        self._upstream_tls = upstream_tls
        self._token = token  # for clients that show a certificate in place of a token
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(*map(str, server_files))
        self._port = free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self._rules: list[Rule] = []
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self._transports: set[asyncio.BaseTransport] = set()
        self._runner: web.ServerRunner | None = None
        self._site: web.TCPSite | None = None
        self._session: aiohttp.ClientSession | None = None

    # What tests do with it.

    def start(self) -> None:
        self._background.run(self._start())

    def stop(self) -> None:
        self._background.run(self._stop())

    def when(self, fault: Fault | Callable[[Call], Fault | None], nth: int = 1, times: int | None = 1,
             also: Callable[[Call], bool] = lambda call: True, **where: object) -> Rule:
        """From now on `fault` happens to calls whose fields equal `where` (verb="create", resource="pods") and for
        which `also` is true. times=None: to all of them, until `heal`."""
        def matches(call: Call) -> bool:
            return all(getattr(call, key) == value for key, value in where.items()) and also(call)

        rule = Rule(matches, fault, nth, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """No more faults; connections that hang are broken, for a network that is back does not bring them back."""
        with self._lock:
            self._rules.clear()
        self.break_connections()

    def break_connections(self) -> None:
        """All of them, at once, in whatever they are."""
        self._background.run(self._break())

    def refuse(self) -> None:
        """Nothing listens any more, and what is open breaks."""
        self._background.run(self._unlisten())
        self.break_connections()

    def accept(self) -> None:
        self._background.run(self._listen())

    def calls(self, since: float = 0, also: Callable[[Call], bool] = lambda call: True, **where: object) -> list[Call]:
        with self._lock:
            return [call for call in self._calls if call.at >= since and also(call)
                    and all(getattr(call, key) == value for key, value in where.items())]

    def writes(self, since: float = 0) -> list[Call]:
        """All but those to leases."""
        return self.calls(since, lambda call: call.is_write and call.resource != "leases")

    def open_watches(self) -> list[Call]:
        return self.calls(verb="watch", open=True)

    def log(self) -> str:
        return "\n".join(map(str, self.calls()))

    # The proxy itself, in the loop.

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._upstream_tls), auto_decompress=False,
            skip_auto_headers=["Accept-Encoding"],  # the operator asked for none
            timeout=aiohttp.ClientTimeout(total=None), read_bufsize=2**20)
        server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0)
        await self._runner.setup()
        await self._listen()

    async def _stop(self) -> None:
        await self._unlisten()
        await self._break()
        await self._runner.cleanup()
        await self._session.close()

    async def _listen(self) -> None:
        if self._site is None:
            self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls, reuse_address=True)
            await self._site.start()

    async def _unlisten(self) -> None:
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def _break(self) -> None:
        for transport in list(self._transports):
            transport.abort()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._transports.add(request.transport)
        call = Call(request.method, request.path, dict(request.query), request.headers.get("User-Agent", ""),
                    await request.read(), request.headers.get("Authorization", ""))
        with self._lock:
            self._calls.append(call)
            fault = next(filter(None, (rule.meet(call) for rule in self._rules)), None)
        call.fault = "" if fault is None else str(fault)[:200]
        try:
            return await self._answer(request, call, fault)
        except (aiohttp.ClientError, ConnectionError):
            return self._abort(request)  # the server is away, or the client is
        finally:
            call.open = False
            if request.transport is None or request.transport.is_closing():
                self._transports.discard(request.transport)

    async def _answer(self, request: web.BaseRequest, call: Call, fault: Fault | None) -> web.StreamResponse:
        match fault:
            case Answer():
                call.status = fault.status
                return web.Response(status=fault.status, text=fault.text(), headers=fault.headers,
                                    content_type="application/json")
            case Reset():
                return self._abort(request)
            case Hang(after_events=0):
                await asyncio.Event().wait()
            case Slow():
                await asyncio.sleep(fault.seconds)
            case Then(before=before) if before:
                before()
                return self._abort(request)
        if call.verb == "watch":
            return await self._stream(request, call, fault)
        # Once begun, a write is carried through, whatever becomes of the client, as a real server would.
        status, headers, body = await asyncio.shield(self._forward(request, call))
        call.served = True
        match fault:
            case LoseAnswer():
                return self._abort(request)
            case LateAnswer():
                await asyncio.sleep(fault.seconds)
            case Then(after=after) if after:
                after()
                return self._abort(request)
            case Cut():
                response = web.StreamResponse(status=status, headers=headers)
                response.content_length = len(body)
                await response.prepare(request)
                await response.write(body[:fault.bytes])
                return self._abort(request)
        call.status = status
        return web.Response(status=status, headers=headers, body=body)

    def _ask(self, request: web.BaseRequest, call: Call):
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_HEADERS}
        headers.setdefault("Authorization", f"Bearer {self._token}")
        return self._session.request(call.method, URL(self._upstream + request.raw_path, encoded=True),
                                     headers=headers, data=call.body or None, allow_redirects=False)

    async def _forward(self, request: web.BaseRequest, call: Call) -> tuple[int, dict, bytes]:
        async with self._ask(request, call) as answer:
            return answer.status, _kept(answer.headers), await answer.read()

    async def _stream(self, request: web.BaseRequest, call: Call, fault: Fault | None) -> web.StreamResponse:
        async with self._ask(request, call) as answer:
            response = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
            call.status = answer.status
            call.open = True
            await response.prepare(request)
            sent = events = 0
            carry = b""
            if isinstance(fault, EndWatch) and fault.after_events == 0:
                return await _end(response, fault)
            if isinstance(fault, Cut) and not (fault.bytes or fault.events):
                return self._abort(request)
            async for piece in answer.content.iter_any():
                *lines, carry = (carry + piece).split(b"\n")
                for line in lines:
                    line += b"\n"
                    if isinstance(fault, Cut) and fault.bytes is not None and sent + len(line) > fault.bytes:
                        await response.write(line[:fault.bytes - sent])
                        return self._abort(request)
                    await response.write(line)
                    sent += len(line)
                    events += 1
                    if isinstance(fault, Cut) and fault.events is not None and events >= fault.events:
                        return self._abort(request)
                    if isinstance(fault, EndWatch) and events >= fault.after_events:
                        return await _end(response, fault)
                    if isinstance(fault, Hang) and events >= fault.after_events:
                        await asyncio.Event().wait()
            await response.write(carry)
            await response.write_eof()
            return response

    @staticmethod
    def _abort(request: web.BaseRequest) -> web.Response:
        with contextlib.suppress(AttributeError):
            request.transport.abort()
        return web.Response(status=500)  # nobody is there to read it


def _kept(headers) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in _HOP_HEADERS}


async def _end(response: web.StreamResponse, fault: EndWatch) -> web.StreamResponse:
    if fault.line is not None:
        await response.write(fault.line.encode() + b"\n")
    await response.write_eof()
    return response
