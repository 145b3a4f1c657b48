"""Calls that fail, are slow, or are carried out while the answer is lost: no duplicates, and the same end."""

import collections
import itertools
import random
import threading
import time

import pytest

from harness import story
from harness.faults import Answer, Cut, Hang, LoseAnswer, Reset, Slow
from harness.scene import sweep

pytestmark = pytest.mark.together

BUSY = Answer(429, "TooManyRequests", headers={"Retry-After": "1"})
ERRORS = {
    "conflict": Answer(409, "Conflict"), "already exists": Answer(409, "AlreadyExists"), "busy": BUSY,
    "broken": Answer(500, "InternalError"), "away": Answer(503, "ServiceUnavailable", headers={"Retry-After": "1"}),
    "gateway": Answer(502, body="<html>Bad Gateway</html>"), "timeout": Answer(504, "Timeout"),
    "reset": Reset(), "answer lost": LoseAnswer(), "answer cut": Cut(bytes=20),
}


def work(call) -> bool:
    """Writes to the operator's children and status, not its Events, of which one may be lost."""
    return call.is_write and call.resource not in ("leases", "events")


def every_other_write(fault):
    """To each object the first fails, the next passes, and so on: turns that all took together could fall on the same one of
    two writes for ever."""
    def prepare(scene):
        turns = collections.defaultdict(itertools.count)
        lock = threading.Lock()

        def choose(call):
            with lock:
                return fault if next(turns[call.verb, call.path]) % 2 == 0 else None

        scene.proxy.when(choose, times=None, also=work)
    return prepare


def test_every_write_fails_first_at_the_first_start(stage, expected):
    def play(scene):
        story.first(scene, timeout=60)
        assert scene.snapshot() == expected.first

    sweep(stage, play, [(name, every_other_write(fault)) for name, fault in ERRORS.items()])


def test_every_write_fails_first_while_one_model_replaces_another(stage, expected):
    def play(scene):
        story.first(scene, timeout=60)
        story.second(scene, timeout=90)
        assert scene.snapshot() == expected.second

    chosen = ("answer lost", "conflict", "broken", "reset")
    sweep(stage, play, [(name, every_other_write(ERRORS[name])) for name in chosen])


def test_every_read_at_the_start_fails_first(stage, expected):
    """Discovery, lists and the start of watches."""
    def prepare(fault):
        def first_time(scene):
            seen = set()

            def choose(call):
                key = call.path, call.verb
                if key in seen:
                    return None
                seen.add(key)
                return fault

            scene.proxy.when(choose, times=None, method="GET")
        return first_time

    def play(scene):
        story.first(scene, timeout=60)
        assert scene.snapshot() == expected.first

    chosen = ("busy", "broken", "away", "gateway", "reset", "answer cut")
    sweep(stage, play, [(name, prepare(ERRORS[name])) for name in chosen])


def test_storm_of_every_kind_passes(stage, expected):
    """A third of all calls meet one fault or another, for as long as it takes to get there, or 15 s; then it clears."""
    kinds = [BUSY, ERRORS["broken"], ERRORS["conflict"], ERRORS["away"], Reset(), LoseAnswer(), Slow(0.3),
             Cut(bytes=200), Cut(events=1)]

    def prepare(seed):
        def storm(scene):
            chance = random.Random(seed)
            begin = time.monotonic()
            scene.proxy.when(lambda call: chance.choice(kinds) if chance.random() < 0.33
                             and time.monotonic() - begin < 15 else None, times=None)
        return storm

    def play(scene):
        scene.apply(uri=story.FIRST)
        scene.await_goal(90)
        scene.proxy.heal()
        story.second(scene, timeout=90)
        assert scene.snapshot() == expected.second

    sweep(stage, play, [(f"seed {seed}", prepare(seed)) for seed in range(4)])


def test_slow_server_is_waited_for(scene, expected):
    scene.proxy.when(Slow(0.5), times=None)
    story.first(scene, timeout=60)
    assert scene.snapshot() == expected.first


def test_call_that_hangs_stops_no_other_model(scene):
    """One worker waits for an answer that never comes; the others go on."""
    scene.proxy.when(Hang(), times=None, also=lambda call: work(call) and '"stuck"' in call.body.decode())
    scene.apply("stuck")
    scene.apply("digits")
    scene.await_goal()
    scene.proxy.heal()
    scene.await_goal(name="stuck")


def test_server_that_says_when_to_come_back_is_obeyed(scene):
    """Nobody asks again for the same thing before Retry-After is over."""
    rule = scene.proxy.when(Answer(429, "TooManyRequests", headers={"Retry-After": "2"}), verb="create",
                            resource="replicasets")
    story.first(scene)
    assert rule.met == 1
    refused, accepted = scene.proxy.calls(verb="create", resource="replicasets")
    assert accepted.at - refused.at >= 1.9
