"""A client that asks at a fixed rate, never twice, and notes what became of every request."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import threading
import time

PATIENCE = 10.0  # seconds; whoever waits longer has gone away


class Load:
    """POSTs to /predict `rate` times in a second, whether the answers before have come or not: a slow server is not
    given a rest. Every second request has a new connection, which it closes; the others keep `kept` connections between
    them, each used in turn. Nothing is ever repeated, as a caller that must not ask twice would do it; no answer within
    PATIENCE is a failure.

        with Load(address, body) as load:
            …
        assert load.failures == []
    """

    def __init__(self, address: str, body: bytes, rate: float = 40, kept: int = 8):
        self.answers: collections.Counter[int] = collections.Counter()  # by status; 0: none, or a broken one
        self.failures: list[str] = []  # what was neither 200 nor 503, and what broke off
        self.values: collections.Counter[str] = collections.Counter()
        self.by_revision: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self.log: list[tuple[float, str]] = []  # when the request left (time.monotonic()), and who answered it
        self.slowest = 0.0
        self.latest = 0.0  # seconds that a request left after its time, for which we are to blame
        self._address, self._kept = address, kept
        self._pause = 1 / rate
        self._bodies = {keep: self._request(body, keep) for keep in (False, True)}
        self._idle: collections.deque[tuple] = collections.deque()
        self._open = 0  # kept connections, idle or not
        self._read: dict[bytes, str] = {}  # answers that were parsed before; there are few that differ
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)

    def __enter__(self) -> Load:
        self._began = time.time()
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def sent(self) -> int:
        return sum(self.answers.values())

    def wait_for(self, answers: int, status: int = 200, seconds: float = 30) -> None:
        """Until so many more answers of that status have come."""
        with self._changed:
            goal = self.answers[status] + answers
            reached = self._changed.wait_for(lambda: self.answers[status] >= goal, seconds)
        assert reached, f"not {answers} more answers of {status} in {seconds} s: {dict(self.answers)}, {self.failures[:5]}"

    def __str__(self) -> str:
        return (f"{self.sent} requests, {self.sent - self.answers[200]} of them failed; the slowest took "
                f"{self.slowest:.2f} s, the latest left {self.latest:.2f} s after its time")

    def _request(self, body: bytes, keep: bool) -> bytes:
        head = (f"POST /predict HTTP/1.1\r\nHost: {self._address}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n" + ("" if keep else "Connection: close\r\n") + "\r\n")
        return head.encode() + body

    async def _run(self) -> None:
        tasks: set[asyncio.Task] = set()
        due, number = time.monotonic(), 0
        while not self._stop.is_set():
            self.latest = max(self.latest, time.monotonic() - due)
            task = asyncio.create_task(self._ask(keep=number % 2 == 1))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            due, number = due + self._pause, number + 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*tasks)
        for _, writer in self._idle:
            writer.close()

    async def _ask(self, keep: bool) -> None:
        began, how = time.monotonic(), "kept connection" if keep else "new connection"
        try:
            async with asyncio.timeout(PATIENCE):
                status, fields, data = await (self._ask_kept() if keep else self._ask_fresh())
        except (OSError, EOFError, ValueError) as error:  # TimeoutError is an OSError
            return self._note(0, f"{how}: {type(error).__name__} {error} after {time.monotonic() - began:.2f} s")
        self.slowest = max(self.slowest, time.monotonic() - began)
        if status == 200:
            if data not in self._read:
                self._read[data] = json.dumps(json.loads(data).get("output"))
            self.values[self._read[data]] += 1
            revision = fields.get("x-pilotlight-revision", "")
            self.by_revision[revision][self._read[data]] += 1
            self.log.append((began, revision))
        self._note(status, None if status in (200, 503) else f"{how}: {status} {data[:200]!r}")

    async def _ask_fresh(self):
        reader, writer = await asyncio.open_connection(self._address, 80)
        try:
            return await self._exchange(reader, writer, False)
        finally:
            writer.close()

    async def _ask_kept(self):
        while self._idle and (self._open >= self._kept):
            reader, writer = self._idle.popleft()
            if not reader.at_eof() and reader.exception() is None:
                break
            self._close(writer)  # the server has said that it is over, and we have heard it in time
        else:
            reader, writer = await asyncio.open_connection(self._address, 80)
            self._open += 1
        try:
            status, fields, data = await self._exchange(reader, writer, True)
        except BaseException:
            self._close(writer)
            raise
        if fields.get("connection", "").lower() == "close":
            self._close(writer)
        else:
            self._idle.append((reader, writer))
        return status, fields, data

    def _close(self, writer) -> None:
        self._open -= 1
        writer.close()

    async def _exchange(self, reader, writer, keep: bool):
        # What breaks off while we still write may have been answered before.
        with contextlib.suppress(ConnectionError):
            writer.write(self._bodies[keep])
            await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]), fields, await reader.readexactly(int(fields["content-length"]))

    def _note(self, status: int, failure: str | None) -> None:
        with self._changed:
            self.answers[status] += 1
            if failure:
                self.failures.append(f"at {time.time() - self._began:.2f} s, {failure}")
            self._changed.notify_all()
