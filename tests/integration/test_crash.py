"""The operator is killed before and after every single write, and started again: the same end, nothing made twice."""

import pytest

from harness import story
from harness.faults import Then
from harness.processes import eventually
from harness.scene import sweep

pytestmark = pytest.mark.together


def kill_at(nth: int, moment: str):
    """Sets up SIGKILL at the nth write from now on, before or after the server carries it out."""
    def prepare(scene):
        kill = scene.operator.kill
        scene.rule = scene.proxy.when(Then(before=kill) if moment == "before" else Then(after=kill), nth=nth,
                                      also=lambda call: call.is_write)
    return prepare


def come_back(scene):
    """Waits until the rule of `kill_at` has killed the operator, and starts it again. A run may be over before that,
    with fewer writes than the one that they were counted in."""
    eventually("the operator is killed or done", lambda: scene.rule.met or scene.at_goal(), timeout=60)
    if scene.rule.met:
        eventually("it is dead", lambda: not scene.operator.program.running())
        scene.operator.start()


def test_killed_at_any_write_of_the_first_start(stage, expected):
    def play(scene):
        scene.apply(uri=story.FIRST)
        come_back(scene)
        story.first(scene, timeout=60)
        assert scene.snapshot() == expected.first
        assert scene.history().pods == 2

    faults = [(f"killed {moment} write {nth}", kill_at(nth, moment))
              for nth in range(1, expected.first_writes + 1) for moment in ("before", "after")]
    sweep(stage, play, faults)


def test_killed_at_any_write_of_a_replacement(stage, expected):
    def play(scene, prepare):
        story.first(scene, timeout=60)
        prepare(scene)
        scene.cluster.guard_capacity(scene.namespace, 2)
        scene.apply(uri=story.SECOND)
        come_back(scene)
        story.second(scene, timeout=90)
        assert scene.snapshot() == expected.second
        assert scene.history().pods == 4

    # Odd ones before, even ones after: with the answer lost in test_calls.py, each write is met from both sides.
    faults = [(f"killed {moment} write {nth}", lambda scene, nth=nth, moment=moment: setattr(
                  scene, "prepare", kill_at(nth, moment)))
              for nth in range(1, expected.second_writes + 1) for moment in [("before", "after")[nth % 2]]]
    sweep(stage, lambda scene: play(scene, scene.prepare), faults)


def test_killed_while_user_changes_their_mind(scene, expected):
    """The first model is never finished: a second and a third come while no operator is there."""
    scene.apply(uri=story.FIRST)
    eventually("the first model's pod is there", scene.pods)
    scene.operator.kill()
    scene.apply(uri=story.SECOND)
    scene.apply(uri=story.FIRST, replicas=2)
    scene.operator.start()
    scene.await_goal()
    scene.await_quiet()
    scene.assert_sound()
    assert len(scene.children()["replicasets"]) == 1


@pytest.mark.parametrize("when", ["at rest", "unproven"])
def test_pods_stay_when_the_operator_comes_back(scene, when):
    if when == "at rest":
        story.first(scene)
    else:
        scene.cluster.freeze(scene.namespace)
        scene.apply()
        eventually("the ReplicaSet is there", lambda: scene.children()["replicasets"])
        scene.operator.kill()
        scene.cluster.freeze(scene.namespace, False)
        eventually("its pod is ready", lambda: any(each.ready for each in scene.cluster.sidecars(scene.namespace)))
    pods = {pod["metadata"]["uid"] for pod in scene.pods()}
    scene.operator.kill()
    scene.operator.start()
    scene.operator.await_ready()
    scene.await_goal()
    assert pods <= {pod["metadata"]["uid"] for pod in scene.pods()}
    scene.await_quiet()
