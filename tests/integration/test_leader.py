"""Several operators, one at work; and the full minute of rest."""

import signal
import time
from pathlib import Path

import pytest

from harness import story
from harness.faults import Hang, LateAnswer, Slow
from harness.processes import eventually
from harness.scene import Scene

pytestmark = pytest.mark.together(leader_election=True)

LEASE = "pilotlight-operator"


def holder(scene: Scene) -> str:
    lease = scene.kube.get("leases", scene.namespace, LEASE)
    return (lease or {}).get("spec", {}).get("holderIdentity") or ""


def two(scene: Scene, **how):
    """The first leads, the second waits; each has a proxy of its own. `how` the second is started."""
    proxy = scene.add_proxy()
    second = scene.add_operator(proxy, "second")
    eventually("the first leads", lambda: holder(scene).startswith("operator"))
    second.start(**how)
    second.await_ready()
    return second, proxy


def assert_one_after_the_other(scene: Scene, proxy) -> None:
    """As each one's own proxy saw it: the first wrote nothing any more once the second had begun."""
    first, second = scene.proxy.writes(), proxy.writes()
    assert first and second
    late = [str(call) for call in first if call.at > second[0].at]
    assert not late, f"both wrote; the second since {second[0]}, the first later:\n" + "\n".join(late)


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


@pytest.mark.parametrize("nth", range(1, 9))
def test_leader_that_sleeps_through_its_lease_writes_nothing_when_it_wakes_up(scene, nth):
    """It stands still at its nth write, which the server carries out, and would go on with the next one."""
    _, proxy = two(scene)

    def sleep(_):
        scene.operator.program.signal(signal.SIGSTOP)
        return Slow(0)

    rule = scene.proxy.when(sleep, nth=nth, also=lambda call: call.is_write and call.resource != "leases")
    scene.apply(uri=story.FIRST)
    eventually("it sleeps", lambda: rule.met)
    scene.await_goal(timeout=90)
    assert holder(scene).startswith("second")
    # Now there is work again for whoever thinks that it leads, and the other is not there to do it first.
    scene.apply(uri=story.SECOND)
    eventually("the second works", lambda: len(proxy.writes()) > nth)
    scene.operator.program.signal(signal.SIGCONT)
    eventually("the first has ended", lambda: not scene.operator.program.running(), timeout=20)
    assert scene.operator.program.exit_code() > 0
    scene.await_goal(timeout=90)
    assert_one_after_the_other(scene, proxy)


def test_leader_that_is_cut_off_from_its_lease_alone_stops_before_another_begins(scene):
    """All its other calls go through, and there is always something to write."""
    _, proxy = two(scene)
    story.first(scene)
    scene.proxy.when(Hang(), times=None, resource="leases")
    began = time.monotonic()
    replicas = 0
    while not proxy.writes() and time.monotonic() - began < 60:
        replicas += 1
        scene.apply(uri=story.FIRST, replicas=1 + replicas % 3)
        time.sleep(0.2)
    eventually("the first has ended", lambda: not scene.operator.program.running(), timeout=20)
    scene.await_goal(timeout=90)
    wrote = [call.at for call in scene.proxy.writes(began)]
    assert wrote and max(wrote) - began > 5, "it has worked on while it led"
    assert_one_after_the_other(scene, proxy)


FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


def clock(file: Path, offset: str) -> dict[str, str]:
    """What makes a process see wall clock time with that offset, which may be changed in the file."""
    file.write_text(offset)
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.skipif(not FAKETIME, reason="no libfaketime")
@pytest.mark.parametrize("whose", ["the leader's", "the other's"])
def test_clocks_that_are_an_hour_apart_and_jump_make_nobody_lead_too_early(scene, whose):
    """The lease runs from when a change of it is seen, whatever time is written in it."""
    ours, theirs = scene.folder / "first.clock", scene.folder / "second.clock"
    scene.operator.terminate()
    scene.operator.start(env=clock(ours, "+3600s" if whose == "the leader's" else "+0s"))
    scene.operator.await_ready()
    second, proxy = two(scene, env=clock(theirs, "+3600s" if whose == "the other's" else "+0s"))
    began = time.monotonic()
    story.first(scene)
    time.sleep(max(0, began + 16 - time.monotonic()))  # longer than the lease
    ours.write_text("+7200s")
    theirs.write_text("+10800s")
    time.sleep(16)
    assert holder(scene).startswith("operator") and proxy.writes() == []
    assert scene.operator.program.running() and second.program.running()
    scene.operator.kill()
    killed = time.monotonic()
    story.second(scene, timeout=90)
    assert proxy.writes()[0].at - killed < 30, "it waited by the wrong clock"
    assert_one_after_the_other(scene, proxy)


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
