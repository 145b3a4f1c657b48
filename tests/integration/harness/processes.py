"""Programs that are started and surely ended, and ports for them to listen on."""

import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

# Above the range that the kernel gives to outgoing connections, which could take a port between our look and its use.
_ports = itertools.cycle(random.sample(range(61000, 65500), 4500))


def free_port() -> int:
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("unreachable: the ports are a cycle")


class Program:
    """A program in a process group of its own, writing to a log. It dies with the thread that started it."""

    def __init__(self, name: str, command: Iterable[object], log: Path, env: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})}, start_new_session=True)
        self.pid = self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def exit_code(self) -> int | None:
        """Negative: the number of the signal that ended it."""
        return self._process.poll()

    def kill(self) -> None:
        """SIGKILL to the whole group, as a node that loses power would."""
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def signal(self, number: int) -> None:
        if self.running():
            os.kill(self.pid, number)

    def terminate(self, patience: float = 20) -> float:
        """SIGTERM; gives back the seconds it took. After `patience` seconds SIGKILL and an error."""
        begin = time.monotonic()
        if self.running():
            os.kill(self.pid, signal.SIGTERM)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.name} did not end within {patience} s of SIGTERM:\n{self.tail()}") from None
        took = time.monotonic() - begin
        try:
            os.killpg(self.pid, signal.SIGKILL)  # what it may have left behind
        except ProcessLookupError:
            pass
        return took

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def eventually(what: str | Callable[[], str], check: Callable[[], object], timeout: float = 60, every: float = 0.05):
    """Waits until `check` gives something true, and gives it back. `what` is the sentence of the failure."""
    end = time.monotonic() + timeout
    while True:
        seen = check()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(every)
