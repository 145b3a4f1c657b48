"""The key that calls to sidecars are signed with: made once, by whoever is first, and then never written."""

import re

import pytest

from harness.certificates import signing_key
from harness.faults import LoseAnswer, Slow
from harness.processes import eventually

pytestmark = pytest.mark.together

SECRET = "pilotlight-operator-key"


def key_of(operator) -> str:
    """The id of the key that it signs with, by its log; empty while it has none."""
    found = re.findall(r'"keyId":"(sha256:[0-9a-f]{64})"', operator.program.tail(10_000))
    return found[-1] if found else ""


def assert_untold(*operators) -> None:
    for operator in operators:
        assert "PRIVATE" not in operator.program.tail(10_000)


def test_two_operators_that_start_at_once_have_one_key(stage, operator_program):
    """The first has seen that there is none, and then is slow to make one; meanwhile the second does."""
    with stage.scene(start=False, leader_election=True) as scene:
        proxy = scene.add_proxy()
        second = scene.add_operator(proxy, "second")
        rule = scene.proxy.when(Slow(3), verb="create", resource="secrets")
        scene.operator.start()
        eventually("the first begins to make a key", lambda: rule.met)
        second.start()
        eventually("both have a key", lambda: key_of(scene.operator) and key_of(second))
        assert key_of(scene.operator) == key_of(second)
        made = [call.status for each in (scene.proxy, proxy) for call in each.calls(verb="create", resource="secrets")]
        assert sorted(made)[0] == 201 and made.count(201) == 1, made
        assert_untold(scene.operator, second)


def test_a_key_that_was_made_although_the_answer_was_lost_is_the_key(stage, operator_program):
    with stage.scene(start=False, leader_election=True) as scene:
        scene.proxy.when(LoseAnswer(), verb="create", resource="secrets")
        scene.operator.start()
        eventually("it has a key", lambda: key_of(scene.operator))
        before = key_of(scene.operator)
        first, *again = scene.proxy.calls(verb="create", resource="secrets")
        assert first.status != 409 and [call.status for call in again] in ([], [409]), "what was tried again found its own"
        scene.operator.kill()
        scene.operator.start()
        eventually("it leads again", lambda: scene.operator.health("/readyz") == 200)
        assert key_of(scene.operator) == before


@pytest.mark.parametrize("entries", [{}, {"operator.pem": "garbage"}, {"other.pem": signing_key}])
def test_a_secret_without_a_usable_key_is_left_alone_and_the_operator_works(stage, operator_program, entries):
    entries = {name: value() if callable(value) else value for name, value in entries.items()}
    with stage.scene(start=False, leader_election=True) as scene:
        made = scene.kube.create("secrets", {"metadata": {"name": SECRET}, "stringData": entries}, scene.namespace)
        scene.operator.start()
        scene.apply()
        scene.await_goal()
        assert "no traffic can be split" in scene.operator.program.tail(10_000)
        assert_untold(scene.operator)
        found = scene.kube.get("secrets", scene.namespace, SECRET)
        assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
