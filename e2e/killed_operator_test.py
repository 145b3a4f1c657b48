"""The operator is killed before and after every single write of a rollout, on the real cluster and under load: the same
end, and nobody notices."""

import collections
import json
import os
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bundles
import pytest
from full import FULL
from harness.background import Background
from harness.faults import Then
from harness.operator import built_otherwise
from harness.processes import eventually
from harness.scene import Stage
from kube import Kube
from load import Load
from scenes import RealCluster, RealControlPlane, settled_parts
from witness import Witness

BODY = json.dumps({"instances": [[1.0, 2.0, 4.0]]}).encode()
WRITES = {int(number) for number in os.environ.get("PILOTLIGHT_E2E_WRITES", "").split(",") if number}  # these alone
AT_ONCE = 4  # more of them want more processors: a pod that gets no time answers nobody


@pytest.fixture(scope="module")
def stage(system):
    """No operator but ours is there."""
    config = Path(os.environ["KUBECONFIG"])
    deployment = system.get("deployment", "pilotlight-operator")
    image = next(argument.partition("=")[2] for argument in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
                 if argument.startswith("--sidecar-image="))
    token = system.run("create", "token", "pilotlight-operator", "--duration=8h").strip()
    background = Background()
    system.run("scale", "deployment/pilotlight-operator", "--replicas=0")
    system.ended("app.kubernetes.io/component=operator")
    with tempfile.TemporaryDirectory(prefix="pilotlight-scenes-") as folder:
        plane = RealControlPlane(Path(folder), background, config, token)
        yield Stage(Path(folder), background, plane, RealCluster(plane.kube), sidecar_image=image,
                    prefix=f"killed-{uuid.uuid4().hex[:6]}-")
        background.run(plane.kube.close())
    background.stop()
    system.run("scale", "deployment/pilotlight-operator", f"--replicas={deployment['spec']['replicas']}")
    system.run("rollout", "status", "deployment/pilotlight-operator", "--timeout=60s")


class Play:
    """From one model to another in a scene of its own; the operator is killed `moment` the nth write, and started again."""

    def __init__(self, stage, uris, nth=0, moment="", replicas=2):
        self._stage, self._uris, self.nth, self._moment, self._replicas = stage, uris, nth, moment, replicas

    def __str__(self):
        return f"killed {self._moment} write {self.nth}" if self.nth else "undisturbed"

    def run(self):
        with self._stage.scene() as scene:
            scene.apply(uri=self._uris[0], replicas=self._replicas)
            scene.await_goal(120)
            scene.await_quiet()
            kube = Kube(scene.namespace)
            address = kube.get("service", "digits")["spec"]["clusterIP"]
            began = time.monotonic()
            rule = self._fault(scene)
            with Witness(kube, "digits") as witness, Load(address, BODY, rate=10) as self.load:
                self.load.wait_for(10)
                scene.apply(uri=self._uris[1], replicas=self._replicas)
                if rule:
                    self._come_back(scene, rule)
                scene.await_goal(180)
                scene.await_quiet()
                kube.drained("digits")
                assert len(scene.pods()) == self._replicas
                self.load.wait_for(20)
            self.calls = scene.proxy.calls(began)
            if not self.nth:
                rest = time.monotonic()
                time.sleep(10)
                self.at_rest = [str(call) for call in scene.proxy.calls(rest)]
            self.writes = [call for call in self.calls if call.is_write]
            self.end = settled_parts(scene.snapshot())
            self.pods = witness.pods_seen()
            witness.check()
        return self

    def _fault(self, scene):
        if not self.nth:
            return None
        kill = scene.operator.kill
        return scene.proxy.when(Then(before=kill) if self._moment == "before" else Then(after=kill), nth=self.nth,
                                also=lambda call: call.is_write)

    @staticmethod
    def _come_back(scene, rule):
        eventually("the operator is killed or done", lambda: rule.met or scene.at_goal(), timeout=120)
        if rule.met:
            eventually("it is dead", lambda: not scene.operator.program.running())
            scene.operator.start()


def listed(calls):
    """Which those are, and how many of each."""
    return collections.Counter(f"{call.verb} {call.resource}{'/' + call.subresource if call.subresource else ''}"
                               for call in calls if call.verb != "watch")


@pytest.fixture(scope="module")
def undisturbed(stage, store, folder):
    uris = [store.put(f"killed-{factor}.tar", bundles.scale(folder, factor)) for factor in (2.0, 3.0)]
    return Play(stage, uris).run(), uris


def most(replicas):
    """What a rollout from one revision to the next may cost: docs/metrics.md says what each call is for."""
    return {"create configmaps": 1, "create replicasets": 1, "patch replicasets": 4 + 2 * replicas, "patch pods": 1 + replicas,
            "patch modeldeployments/status": 8 + 8 * replicas, "create events": 6, "patch events": 2}


@pytest.mark.parametrize("replicas", [2, 4] if FULL else [2])
def test_a_rollout_costs_few_calls_and_rest_costs_none(stage, undisturbed, figures, replicas):
    play, uris = undisturbed
    if replicas != 2:
        play = Play(stage, uris, replicas=replicas).run()
    calls = listed(play.calls)
    figures.append(f"calls of a rollout with {replicas} replicas: {sum(calls.values())}: "
                   + ", ".join(f"{count} {call}" for call, count in sorted(calls.items())))
    # What others have changed in between is decided again from the start, as is right.
    again = sum(call.status == 409 for call in play.calls)
    over = {call: count for call, count in calls.items() if count > most(replicas).get(call, 0) + again}
    assert not over, f"more than the bounds allow: {over}"
    assert play.at_rest == [], "calls at rest"


def test_operator_of_another_release_restarts_no_pod(stage, undisturbed, tmp_path):
    """Its sidecars have another image, and its pods look different."""
    def running(scene):
        pods = scene.kube.list("pods", scene.namespace)
        return ({(pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]) for pod in pods},
                {(each["metadata"]["uid"], each["metadata"]["generation"]) for each in scene.children()["replicasets"]})

    _, uris = undisturbed
    with stage.scene() as scene:
        scene.apply(uri=uris[0])
        scene.await_goal(120)
        before = running(scene)
        scene.operator.terminate()
        scene.operator.start(image="pilotlight.dev/sidecar:of-another-release", program=built_otherwise(tmp_path))
        scene.operator.await_ready()
        scene.await_quiet(5)
        assert scene.at_goal() and running(scene) == before


@pytest.mark.timeout(3600)
def test_operator_killed_before_and_after_every_write_of_a_rollout(stage, undisturbed, figures):
    """With PILOTLIGHT_E2E_FULL=1; by default at four of these moments (tests/integration has all of them)."""
    expected, uris = undisturbed
    count = len(expected.writes)
    began = time.monotonic()
    plays = [Play(stage, uris, nth, moment) for nth in range(1, count + 1) for moment in ("before", "after")]
    if WRITES:
        plays = [each for each in plays if each.nth in WRITES]
    elif not FULL:
        plays = plays[3::15]  # an odd step, so that both sides are met

    def play(each):
        try:
            each.run()
            assert each.load.failures == [] and each.load.answers[503] == 0, f"{each.load}: {each.load.failures[:5]}"
            values = {json.loads(value)[0][0] for value in each.load.values}
            assert values == {2, 3}, f"answers of {values}"
            assert each.pods == expected.pods, f"{each.pods} pods were made, undisturbed {expected.pods}"
            assert each.end == expected.end
        except Exception as error:  # noqa: BLE001
            return f"{each}: {type(error).__name__}: {error}\n" + "\n".join(getattr(error, "__notes__", []))
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        failed = [each for each in pool.map(play, plays) if each]
    sent = sum(each.load.sent for each in plays if hasattr(each, "load"))
    figures.append(f"kill sweep: {count} writes, {len(plays)} runs in {time.monotonic() - began:.0f} s, {sent} requests, "
                   f"{len(failed)} runs that ended otherwise")
    assert not failed, f"{len(failed)} of {len(plays)} failed:\n" + "\n\n".join(failed)
