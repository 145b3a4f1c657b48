"""The machines of a cluster of ours, which are processes of this host: what runs on a node can be stopped for a while."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest


def _state() -> Path:
    return Path(os.environ["KUBECONFIG"]).parent


def _below(pid: int):
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield int(child)
            yield from _below(int(child))


def processes(program: str) -> list[int]:
    """The ids of that program on each node, found below the nodes' recorded inits. A cluster that is not ours has none."""
    found = []
    for record in sorted(_state().glob("node*/init")):
        init = int(record.read_text().split()[0])
        found += [pid for pid in _below(init) if Path(f"/proc/{pid}/comm").read_text().strip() == program]
    return found


def front_of(pod: str) -> int:
    """The id of the pod's first process, as this host counts."""
    for pid in processes("pilotlight-side"):  # the kernel keeps fifteen letters
        if f"POD_NAME={pod}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes():
            return pid
    pytest.skip("not a process of ours: this needs a cluster of ./dev")


@contextlib.contextmanager
def frozen(program: str):
    """Inside, that program stands still on all nodes."""
    ids = processes(program)
    if not ids:
        pytest.skip(f"no {program} that is ours to stop: this needs a cluster of ./dev")
    with _stopped(ids):
        yield


@contextlib.contextmanager
def lost(node: str):
    """Inside, nothing on that node moves: for all others it is gone, and nobody has said so."""
    record = _state() / node / "init"
    if not record.exists():
        pytest.skip(f"{node} is no node that is ours to stop: this needs a cluster of ./dev")
    with _stopped(list(_below(int(record.read_text().split()[0])))):
        yield


@contextlib.contextmanager
def _stopped(ids: list[int]):
    try:
        for pid in ids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in ids:
            with contextlib.suppress(ProcessLookupError):  # it was ended meanwhile
                os.kill(pid, signal.SIGCONT)
