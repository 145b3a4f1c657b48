"""Plays tests at the same time that mostly wait, each on a stage of its own.

A test is marked `together`, with what its scene shall be made with. The first of them that pytest comes to starts them all; pytest then takes their results
one by one. Such a test may have as arguments: stage, expected, scene, operator_program, and those it is parametrized
with.
"""

import contextlib
import inspect
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from harness.scene import Stage

_LONGEST = 900  # seconds that a test may take, waiting for the others included


class Together:
    def __init__(self, stage: Stage, fixtures: dict[str, object], items: list[pytest.Function]) -> None:
        self._stage = stage
        self._fixtures = fixtures
        # Threads only wait; how many scenes there are at once is the stage's to say.
        self._pool = ThreadPoolExecutor(64)
        self._results: dict[str, Future] = {item.nodeid: self._pool.submit(self._play, item) for item in items}

    def result(self, item: pytest.Function) -> None:
        self._results[item.nodeid].result(_LONGEST)

    def stop(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _play(self, item: pytest.Function) -> None:
        function: Callable = item.function
        parameters = getattr(item, "callspec", None)
        arguments = {**self._fixtures, **(parameters.params if parameters else {}), "stage": self._stage}
        wanted = inspect.signature(function).parameters
        with contextlib.ExitStack() as stack:
            if "scene" in wanted:
                options = item.get_closest_marker("together").kwargs
                arguments["scene"] = stack.enter_context(self._stage.scene(**options))
            function(**{name: arguments[name] for name in wanted})
