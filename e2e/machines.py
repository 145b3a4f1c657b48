"""The machines of a cluster of ours, which are processes of this host: what runs on a node can be stopped for a while."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest


def _state() -> Path:
    return Path(os.environ["KUBECONFIG"]).parent


def _read(path: str | Path) -> bytes:
    """Nothing where the process ended since it was listed."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _below(pid: int):
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(task).split():
            yield int(child)
            yield from _below(int(child))


def processes(program: str) -> list[int]:
    """The ids of that program on each node, found below the nodes' recorded inits. A cluster that is not ours has none."""
    found = []
    for record in sorted(_state().glob("node*/init")):
        init = int(record.read_text().split()[0])
        found += [pid for pid in _below(init) if _read(f"/proc/{pid}/comm").strip() == program.encode()]
    return found


def front_of(pod: str) -> int:
    """The id of the pod's first process, as this host counts."""
    for pid in processes("pilotlight-side"):  # the kernel keeps fifteen letters
        if f"POD_NAME={pod}\0".encode() in _read(f"/proc/{pid}/environ"):
            return pid
    pytest.skip("not a process of ours: this needs a cluster of ./dev")


@contextlib.contextmanager
def frozen(program: str):
    """Inside, that program stands still on all nodes."""
    if not processes(program):
        pytest.skip(f"no {program} that is ours to stop: this needs a cluster of ./dev")
    with _stopped(lambda: processes(program)):
        yield


@contextlib.contextmanager
def lost(node: str):
    """Inside, nothing on that node moves: for all others it is gone, and nobody has said so."""
    record = _state() / node / "init"
    if not record.exists():
        pytest.skip(f"{node} is no node that is ours to stop: this needs a cluster of ./dev")
    init = int(record.read_text().split()[0])
    with _stopped(lambda: _below(init)):
        yield


@contextlib.contextmanager
def _stopped(find: Callable[[], Iterable[int]]):
    """What is found is stopped until nothing new is found: between looking and stopping, some begin and some end."""
    stopped: set[int] = set()
    try:
        while moving := set(find()) - stopped:
            stopped |= moving
            for pid in moving:
                _signal(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in stopped:
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, what: signal.Signals):
    with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
        os.kill(pid, what)
