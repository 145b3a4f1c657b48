"""Watches that break, end, lie or are refused. Each time the outcome is that of an undisturbed run."""

import json
import random

import pytest

from harness import story
from harness.faults import Answer, Cut, EndWatch, Hang
from harness.processes import eventually
from harness.scene import sweep

pytestmark = pytest.mark.together

GONE = EndWatch.with_error


def on_every_watch(fault, times=None):
    return lambda scene: scene.proxy.when(fault, times=times, verb="watch")


def cut_anywhere(seed: int):
    """Each watch breaks after another number of bytes, mostly inside an event; one in five lives."""
    def prepare(scene):
        chance = random.Random(seed)
        scene.proxy.when(lambda call: Cut(bytes=chance.randrange(1, 15000)) if chance.random() < 0.8 else None,
                         times=None, verb="watch")
    return prepare


FAULTS = [
    ("cut after each event", on_every_watch(Cut(events=1))),
    ("cut after two events", on_every_watch(Cut(events=2))),
    ("cut at once, thrice each", on_every_watch(Cut(events=0), times=21)),
    *((f"cut anywhere, seed {seed}", cut_anywhere(seed)) for seed in range(4)),
    ("ended in good order after each event", on_every_watch(EndWatch(1))),
    ("ended at once, thrice each", on_every_watch(EndWatch(0), times=21)),
    ("410 in the stream after each event", on_every_watch(GONE(1, 410, "Expired"))),
    ("410 in the stream at once", on_every_watch(GONE(0, 410, "Gone"), times=14)),
    ("500 in the stream", on_every_watch(GONE(1, 500, "InternalError"), times=10)),
    ("410 in place of a stream", on_every_watch(Answer(410, "Expired"), times=14)),
    ("500 in place of a stream", on_every_watch(Answer(500, "InternalError"), times=7)),
    ("429 in place of a stream", on_every_watch(Answer(429, "TooManyRequests", headers={"Retry-After": "1"}), times=7)),
    ("a bare Status line", on_every_watch(EndWatch(1, Answer(410, "Expired").text()), times=7)),
    ("a line that is no JSON", on_every_watch(EndWatch(1, '{"type": "ADDED", "obj'), times=7)),
    ("a line of an unknown type", on_every_watch(EndWatch(1, json.dumps({"type": "NEW", "object": {}})), times=7)),
]


def test_broken_watches_change_nothing_at_the_first_start(stage, expected):
    def play(scene):
        story.first(scene, timeout=60)
        assert scene.snapshot() == expected.first

    sweep(stage, play, FAULTS)


def test_broken_watches_change_nothing_while_one_model_replaces_another(stage, expected):
    def play(scene):
        story.first(scene, timeout=60)
        story.second(scene, timeout=90)
        assert scene.snapshot() == expected.second

    chosen = {"cut after each event", "cut anywhere, seed 1", "410 in the stream after each event"}
    sweep(stage, play, [each for each in FAULTS if each[0] in chosen])


def test_what_happens_while_nothing_is_watched_is_seen_afterwards(scene, expected):
    """Coalesced and missed events: the operator is cut off while objects come and go."""
    story.first(scene)
    scene.proxy.refuse()
    scene.kube.delete("services", scene.namespace, "digits")
    scene.kube.delete("pods", scene.namespace, scene.pods()[0]["metadata"]["name"])
    scene.apply(uri=story.SECOND)
    scene.apply(uri=story.FIRST, replicas=3)
    scene.apply(uri=story.FIRST)
    scene.proxy.accept()
    scene.await_goal(60)
    scene.await_quiet()
    assert scene.snapshot()["services"] == expected.first["services"]
    scene.assert_sound(remade=True)


def test_hanging_watch_that_the_network_breaks_is_opened_again(scene):
    scene.proxy.when(Hang(after_events=1), times=None, verb="watch")
    scene.apply()
    eventually("the watches hang", lambda: scene.proxy.calls(verb="watch"))
    scene.proxy.heal()
    scene.await_goal()
    scene.assert_sound()


def test_lists_are_not_repeated_while_watches_can_go_on(scene):
    """A watch that ends is resumed where it was; a list is for the first start and for 410."""
    story.first(scene)
    lists = len(scene.proxy.calls(verb="list"))
    resumed = len(scene.proxy.calls(verb="watch"))
    scene.proxy.break_connections()
    eventually("all watches are open again",
               lambda: len(scene.proxy.calls(verb="watch")) >= resumed * 2 and len(scene.proxy.open_watches()) == resumed)
    scene.await_quiet()
    assert len(scene.proxy.calls(verb="list")) == lists


@pytest.mark.parametrize("fault", [
    Answer(410, "Expired"), Answer(500, "InternalError"), Answer(503, "ServiceUnavailable", headers={"Retry-After": "1"}),
    Answer(429, "TooManyRequests", headers={"Retry-After": "1"}), Answer(200, body='{"kind": "List"'), Cut(bytes=40)],
    ids=str)
def test_list_that_fails_is_tried_again(stage, operator_program, expected, fault):
    with stage.scene(start=False) as scene:
        scene.proxy.when(fault, times=7, verb="list")
        scene.operator.start()
        story.first(scene, timeout=60)
        assert scene.snapshot() == expected.first
