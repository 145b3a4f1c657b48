"""Several operators, one at work; and the full minute of rest."""

import time

import pytest

from harness import story
from harness.faults import Hang, LateAnswer
from harness.processes import eventually
from harness.scene import Scene

pytestmark = pytest.mark.together(leader_election=True)

LEASE = "pilotlight-operator"


def holder(scene: Scene) -> str:
    lease = scene.kube.get("leases", scene.namespace, LEASE)
    return (lease or {}).get("spec", {}).get("holderIdentity") or ""


def two(scene: Scene):
    """The first leads, the second waits; each has a proxy of its own."""
    proxy = scene.add_proxy()
    second = scene.add_operator(proxy, "second")
    eventually("the first leads", lambda: holder(scene).startswith("operator"))
    second.start()
    second.await_ready()
    return second, proxy


def test_only_one_of_two_works(scene):
    _, proxy = two(scene)
    story.first(scene)
    assert proxy.writes() == []
    assert holder(scene).startswith("operator")


def assert_quick_succession(scene: Scene, proxy) -> None:
    """The first ends at SIGTERM and releases the Lease, so that the second need not wait until it runs out."""
    assert scene.operator.terminate() < 2
    ended = time.monotonic()
    eventually("the second leads", lambda: holder(scene).startswith("second"))
    assert time.monotonic() - ended < 6, "the Lease was not released"
    story.second(scene)


def test_second_takes_over_at_once_when_the_first_is_told_to_end(scene):
    _, proxy = two(scene)
    story.first(scene)
    assert_quick_succession(scene, proxy)


def test_lease_is_released_although_a_renewal_is_on_its_way(scene):
    """SIGTERM cuts the renewal short after the server has carried it out: the Lease is newer than the first knows."""
    _, proxy = two(scene)
    story.first(scene)
    scene.proxy.when(LateAnswer(10), resource="leases", verb="update")
    eventually("a renewal is carried out whose answer is on its way", lambda: [
        call for call in scene.proxy.calls(resource="leases", served=True) if call.fault])
    assert_quick_succession(scene, proxy)


def test_second_takes_over_when_the_first_is_killed(scene):
    two(scene)
    story.first(scene)
    scene.operator.kill()
    story.second(scene, timeout=90)
    assert holder(scene).startswith("second")


def test_leader_that_cannot_renew_its_lease_stops(scene):
    second, proxy = two(scene)
    story.first(scene)
    scene.proxy.refuse()
    eventually("the first has ended", lambda: not scene.operator.program.running(), timeout=20)
    assert scene.operator.program.exit_code() not in (0, None) and scene.operator.program.exit_code() > 0
    ended = time.monotonic()
    story.second(scene, timeout=90)
    assert min(call.at for call in proxy.writes()) > ended - 0.2, "both worked at once"


def test_leader_whose_renewals_hang_stops(scene):
    scene.operator.await_ready()
    eventually("it leads", lambda: holder(scene))
    scene.proxy.when(Hang(), times=None, resource="leases")
    eventually("it has ended", lambda: not scene.operator.program.running(), timeout=25)
    assert scene.operator.program.exit_code() > 0


def test_nothing_but_the_lease_is_written_for_a_minute(scene):
    scene.apply("one", replicas=1)
    scene.apply("two", replicas=2)
    scene.await_goal(name="one")
    scene.await_goal(name="two")
    scene.await_quiet(5)
    begin, asked = time.monotonic(), scene.cluster.asked(scene.namespace)
    scene.await_quiet(60, allow=0)
    calls = scene.proxy.calls(begin)
    assert {call.resource for call in calls} <= {"leases"}, calls  # nor is anything read: watches stay open
    assert 10 <= len(calls) <= 60, f"{len(calls)} calls for the Lease"
    assert scene.cluster.asked(scene.namespace) == asked, "sidecars were asked at rest"
