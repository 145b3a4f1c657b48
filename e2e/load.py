"""A client that asks without pause and counts every answer."""

from __future__ import annotations

import collections
import contextlib
import http.client
import json
import threading
import time


class Load:
    """Threads that POST to /predict. With `keep_alive`, half of them keep their connections.

        with Load(address, body) as load:
            …
        assert load.failures == []
    """

    def __init__(self, address: str, body: bytes, threads: int = 4, keep_alive: bool = True):
        self.answers: collections.Counter[int] = collections.Counter()
        self.failures: list[str] = []  # what was neither 200 nor 503, and what broke off
        self.values: collections.Counter[str] = collections.Counter()
        self._address, self._body = address, body
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._ask, args=(keep_alive and i % 2 == 0,)) for i in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, answers: int, status: int = 200, seconds: float = 30) -> None:
        """Until so many more answers of that status have come."""
        with self._changed:
            goal = self.answers[status] + answers
            reached = self._changed.wait_for(lambda: self.answers[status] >= goal, seconds)
        assert reached, f"not {answers} more answers of {status} in {seconds} s: {dict(self.answers)}, {self.failures[:5]}"

    def _ask(self, keep: bool) -> None:
        connection = None
        while not self._stop.is_set():
            fresh = connection is None
            try:
                if fresh:
                    connection = http.client.HTTPConnection(self._address, 80, timeout=30)
                headers = {"Content-Type": "application/json", **({} if keep else {"Connection": "close"})}
                connection.request("POST", "/predict", self._body, headers)
                answer = connection.getresponse()
                data = answer.read()
            except (OSError, http.client.HTTPException) as error:
                # A server may close an idle connection just as the next request leaves: a client repeats that one
                # on a new connection. On a new connection nothing may break.
                if fresh or not isinstance(error, (http.client.RemoteDisconnected, ConnectionError)):
                    self._note(0, f"{type(error).__name__}: {error}")
                connection = None
                continue
            self._note(answer.status, None if answer.status in (200, 503) else f"{answer.status} {data[:200]!r}")
            if answer.status == 200:
                self.values[json.dumps(json.loads(data).get("output"))] += 1
            elif answer.status == 503:
                with contextlib.suppress(ValueError):
                    time.sleep(min(0.2, float(answer.headers.get("Retry-After", "0.1"))))  # as a polite client
            if not keep or answer.will_close:
                connection.close()
                connection = None
        if connection:
            connection.close()

    def _note(self, status: int, failure: str | None) -> None:
        with self._changed:
            self.answers[status] += 1
            if failure:
                self.failures.append(failure)
            self._changed.notify_all()
