"""What users do in most tests, up to the end that it must have."""

from concurrent.futures import Future, ThreadPoolExecutor

from harness.scene import Scene, Stage

FIRST = "https://models.invalid/digits/v1.tar"
SECOND = "https://models.invalid/digits/v2.tar"


def first(scene: Scene, timeout: float = 60) -> None:
    """A model is applied, and serves."""
    scene.apply(uri=FIRST)
    scene.await_goal(timeout)
    scene.await_quiet()
    scene.assert_sound()


def second(scene: Scene, timeout: float = 90) -> None:
    """Another model takes its place, and at no moment fewer than both pods serve."""
    scene.cluster.guard_capacity(scene.namespace, 2)
    scene.apply(uri=SECOND)
    scene.await_goal(timeout)
    scene.await_quiet()
    scene.assert_sound()


class Expected:
    """How undisturbed runs of `first`, and of `second` after it, end, and by how many writes they get there. Whoever
    asks waits until that is known. Thread-safe."""

    def __init__(self, stage: Stage, pool: ThreadPoolExecutor) -> None:
        self._ends: Future = Future()
        pool.submit(self._play, stage)

    @property
    def first(self) -> dict:
        return self._result(0)

    @property
    def first_writes(self) -> int:
        return self._result(1)

    @property
    def second(self) -> dict:
        return self._result(2)

    @property
    def second_writes(self) -> int:
        return self._result(3)

    def _result(self, number: int):
        return self._ends.result(timeout=600)[number]

    def _play(self, stage: Stage) -> None:
        try:
            with stage.scene() as scene:
                first(scene)
                end, writes = scene.snapshot(), len(scene.proxy.writes())
                second(scene)
                self._ends.set_result((end, writes, scene.snapshot(), len(scene.proxy.writes()) - writes))
        except BaseException as error:
            self._ends.set_exception(error)
