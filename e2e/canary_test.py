"""A new revision gets a share of the requests, is judged, and becomes the stable one or is taken back; none of the callers'
requests fails, and each step's share is what was asked for."""

import math
import os
import signal
import time

import bundles
import pytest
from full import FULL, only_in_full
from kube import condition, in_phase, settled
from load import Load
from machines import lost, processes
from recheck_test import POISON, names, predict
from unnoticed import BODY, assert_unnoticed
from witness import Follow

from conftest import manifest

STEPS = [{"weight": 20, "pause": "5s"}, {"weight": 50, "pause": "5s"}]
# Few requests are enough to be certain of few percent.
ANALYSIS = {"minRequests": 60, "maxErrorRate": 0.05, "maxSlowRate": 0.1, "maxDisagreementRate": 0.05,
            "latencyThresholdMilliseconds": 400}
# Of a share that is right, one step in 150,000 is further off than this by chance.
MOST_SIGMAS = 4.5


def spec(uri, replicas=2, steps=STEPS, analysis=ANALYSIS, node=None, capacity="Full", **rollout):
    canary = {"steps": steps, "analysis": analysis, "stableCapacity": capacity}
    pods = {"template": {"nodeSelector": {"kubernetes.io/hostname": node}}} if node else {}
    return {"model": {"uri": uri}, "replicas": replicas, "rollout": {"strategy": "Canary", "canary": canary, **rollout}, **pods}


def canary(model):
    return model["status"].get("rollout", {}).get("canary", {})


class Canaries:
    """One model under load, and everything that its status said."""

    def __init__(self, kube, name, load, events):
        self.kube, self.name, self.load, self.factors, self._events = kube, name, load, {}, events
        self._sound = set()  # revisions whose own answers reach the callers

    def ask_for(self, uri, factor, **options):
        """Applies it; returns the candidate's name."""
        before = self.kube.get("modeldeployment", self.name)["status"].get("rollout", {}).get("attempt", 0)
        self.kube.apply(manifest(self.name, spec(uri, **options)))
        model = self.until(lambda m: m["status"]["rollout"].get("attempt", 0) > before, 60)
        revision = model["status"]["rollout"]["revision"]
        self.factors[revision] = factor
        if factor is not None:
            self._sound.add(revision)
        return revision

    def until(self, fulfilled, seconds=180):
        return self.kube.until("modeldeployment", self.name, fulfilled, seconds)

    def await_step(self, step):
        return self.until(lambda m: canary(m).get("step") == step and canary(m).get("stepSince"))

    def await_promoted(self, revision):
        return self.until(lambda m: m["status"].get("stableRevision") == revision and in_phase("Complete")(m), 240)

    def await_aborted(self, revision, reasons):
        model = self.until(in_phase("Aborted"), 180)
        record = next(r for r in model["status"]["revisions"] if r["name"] == revision)
        assert record["aborted"]["reason"] in reasons, record["aborted"]
        assert condition(model, "UpToDate")["status"] == "False" and condition(model, "Ready")["status"] == "True"
        self.kube.ended(f"pilotlight.dev/revision={revision}")
        return record["aborted"]

    def shares(self):
        """(revision, weight, observed share, standard deviations apart) of each step, by what the client got."""
        spans, current = [], None
        for at, _, model in self._events():
            now = canary(model)
            key = None
            if now.get("stepSince") and not now.get("promoting"):
                weight = now["weight"]
                if weight["desired"] == weight["applied"]:
                    key = (model["status"]["rollout"]["revision"], now["step"], weight["applied"])
            if current and current[0] != key:
                spans.append((*current, at))
                current = None
            if key and not current:
                current = (key, at)
        for (revision, _, weight), begin, end in spans:
            if revision not in self._sound:
                continue
            # Whoever left just before one of these may have been answered on either side of it.
            answers = [who for when, who in self.load.log if begin + 0.2 < when < end - 2.0]
            if len(answers) < 50:
                continue
            share, p = answers.count(revision) / len(answers), weight / 100
            yield revision, weight, share, (share - p) / math.sqrt(p * (1 - p) / len(answers)) if 0 < p < 1 else 0.0


@pytest.fixture
def canaries(kube, store, folder, deploy, figures, request):
    """Inside, the load runs; afterwards all that must be so of it."""
    name = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")[:40]
    uri = store.put("canary-2.tar", bundles.scale(folder, 2.0))
    model = deploy(name, uri, replicas=2, rollout={"strategy": "Canary"})
    model = kube.until("modeldeployment", name, lambda m: settled(m, "UpToDate") and in_phase("Complete")(m), 120)
    address = kube.get("service", name)["spec"]["clusterIP"]
    follow = Follow(kube.namespace, "modeldeployment", name)
    try:
        with Load(address, BODY, rate=60) as load:
            load.wait_for(60)
            scene = Canaries(kube, name, load, lambda: list(follow.events))
            scene.factors[model["status"]["stableRevision"]] = 2.0
            yield scene
            kube.drained(name)
            load.wait_for(60)
        time.sleep(0.5)  # the watch's last events
        shares = list(scene.shares())
    finally:
        follow.close()
    worst = max((abs(sigmas) for *_, sigmas in shares), default=0.0)
    figures.append(f"{request.node.name}: {load}; {len(shares)} steps whose share was measured, the furthest {worst:.1f} standard "
                   f"deviations off")
    assert_unnoticed(load, scene.factors)
    assert worst < MOST_SIGMAS, shares


BAD = {"fails": {"MoreErrors", "FirstRequestsFailed"}, "crashes": {"MoreErrors", "FirstRequestsFailed"}, "dawdles": {"Slower"},
       "lies": {"AnswersDiffer"}}
# Compared before any caller gets an answer of it.
SHADOW = [{"weight": 0, "mirror": 50, "pause": "5s"}, *STEPS]


@pytest.mark.timeout(3600)
def test_canaries_in_a_row(canaries, store, folder):
    # In full as many as the issue of this asks for; otherwise each kind once.
    kinds = ["good", "fails", "twin", "lies", "dawdles", "crashes"] * (4 if FULL else 1)
    factor = 2.0
    for number, kind in enumerate(kinds):
        if kind == "good":
            factor += 1
            uri = store.put(f"canary-{factor}.tar", bundles.scale(folder, factor))
            canaries.await_promoted(canaries.ask_for(uri, factor))
        elif kind == "twin":  # another model with the same answers: only such a one can be compared
            uri = store.put(f"twin-{number}.tar", bundles.trap(folder, factor, "behaves"))
            canaries.await_promoted(canaries.ask_for(uri, factor, steps=SHADOW))
        else:
            uri = store.put(f"trap-{kind}-{number}.tar", bundles.trap(folder, 2.0 + number / 100, kind))
            # Slow is what takes longer than 15 ms: it takes 40 of a processor. The engine ends what takes longer than a second.
            analysis = {**ANALYSIS, "latencyThresholdMilliseconds": 10} if kind == "dawdles" else ANALYSIS
            revision = canaries.ask_for(uri, None, steps=SHADOW if kind == "lies" else STEPS, analysis=analysis)
            why = canaries.await_aborted(revision, BAD[kind])
            assert "candidate" in why["message"], why
            canaries.load.wait_for(60)
            # What it failed was answered by the stable pods; what was wrong, nobody has ever got.
            assert (revision in canaries.load.by_revision) == (kind == "dawdles")
            canaries.factors[revision] = 2.0 + number / 100


def test_the_operator_is_killed_in_each_phase(canaries, system, store, folder):
    uri = store.put("canary-3.tar", bundles.scale(folder, 3.0))

    def kill():
        ids = processes("pilotlight-oper")
        assert ids, "no operator of ours: this needs a cluster of ./dev"
        for pid in ids:
            os.kill(pid, signal.SIGKILL)
        # Kubernetes would start it again ever more slowly; a new pod comes at once.
        for pod in system.list("pods", "app.kubernetes.io/component=operator"):
            system.run("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")

    revision = canaries.ask_for(uri, 3.0)
    for reached in (in_phase("Proving", "Canary"), lambda m: canary(m).get("step") == 1 and canary(m).get("stepSince"),
                    lambda m: canary(m).get("step") == 2 and canary(m).get("stepSince"), in_phase("Promoting", "Settling"),
                    in_phase("Retiring", "Complete")):
        canaries.until(reached)
        kill()
    canaries.await_promoted(revision)


@only_in_full
def test_a_third_one_in_the_middle(canaries, store, folder):
    second = canaries.ask_for(store.put("canary-3.tar", bundles.scale(folder, 3.0)), 3.0)
    canaries.await_step(2)
    third = canaries.ask_for(store.put("canary-4.tar", bundles.scale(folder, 4.0)), 4.0)
    canaries.await_promoted(third)
    canaries.kube.ended(f"pilotlight.dev/revision={second}")


def test_the_candidates_node_is_lost(canaries, system, store, folder):
    """It hears nothing and says nothing: what was handed to it is answered by the stable pods, and no more is."""
    nodes = [node["metadata"]["name"] for node in system.list("nodes")]
    if len(nodes) < 2:
        pytest.skip("there is one node: PILOTLIGHT_NODES=2 ./dev test e2e")
    [operator] = system.list("pods", "app.kubernetes.io/component=operator")
    nodes.sort(key=lambda node: node != operator["spec"]["nodeName"])  # its own is not the one that is lost
    uris = {factor: store.put(f"canary-{factor}.tar", bundles.scale(folder, factor)) for factor in (3.0, 4.0)}
    canaries.await_promoted(canaries.ask_for(uris[3.0], 3.0, node=nodes[0]))
    second = canaries.ask_for(uris[4.0], 4.0, node=nodes[1], steps=[{"weight": 50, "pause": "15s"}])
    canaries.await_step(1)
    with lost(nodes[1]):
        canaries.until(lambda m: canary(m)["weight"]["desired"] == 0 and canary(m)["weight"]["applied"] == 0)
        canaries.load.wait_for(300)
    canaries.await_promoted(second)


@only_in_full
def test_the_user_holds_promotes_and_aborts(canaries, store, folder):
    uri = store.put("canary-3.tar", bundles.scale(folder, 3.0))
    wait = [{"weight": 30, "pause": "UntilPromoted"}]
    second = canaries.ask_for(uri, 3.0, steps=wait)
    model = canaries.until(lambda m: m["status"]["rollout"].get("reason") == "UntilPromoted")
    assert second in model["status"]["rollout"]["message"]
    canaries.kube.apply(manifest(canaries.name, spec(uri, steps=wait, promote=second)))
    canaries.await_promoted(second)
    uri = store.put("canary-4.tar", bundles.scale(folder, 4.0))
    third = canaries.ask_for(uri, 4.0, steps=wait)
    canaries.await_step(1)
    canaries.kube.apply(manifest(canaries.name, spec(uri, steps=wait, paused=True)))
    canaries.until(in_phase("Paused"))
    canaries.load.wait_for(120)
    canaries.kube.apply(manifest(canaries.name, spec(uri, steps=wait, abort=third)))
    canaries.await_aborted(third, {"AbortedByUser"})


@only_in_full
def test_the_stable_revision_makes_room(canaries, store, folder):
    """With the pods that a rolling update would have."""
    steps = [{"weight": 50, "pause": "5s"}, {"weight": 100, "pause": "5s"}]
    options = {"steps": steps, "rollingUpdate": {"maxSurge": 1}, "capacity": "Proportional"}
    follow = Follow(canaries.kube.namespace, "replicasets", "--selector", f"app.kubernetes.io/instance={canaries.name}")
    try:
        canaries.await_promoted(canaries.ask_for(store.put("canary-3.tar", bundles.scale(folder, 3.0)), 3.0, **options))
        bad = canaries.ask_for(store.put("trap-fails.tar", bundles.trap(folder, 2.5, "fails")), None, **options)
        canaries.await_aborted(bad, BAD["fails"])
        canaries.factors[bad] = 2.5
    finally:
        follow.close()
    pods, seen = {}, set()
    for _, _, rs in follow.events:
        pods[rs["metadata"]["name"]] = rs["spec"]["replicas"]
        seen.add(tuple(sorted(pods.values())))
    assert max(sum(sizes) for sizes in seen) == 3, seen
    assert (1, 2) in seen, "nobody has made room"


def test_where_nobody_asks_golden_requests_are_what_is_known(kube, store, folder, deploy):
    deploy("asked-by-nobody", store.put("canary-2.tar", bundles.scale(folder, 2.0)), rollout={"strategy": "Canary"})
    kube.until("modeldeployment", "asked-by-nobody", lambda m: settled(m, "UpToDate") and in_phase("Complete")(m), 120)
    [stable] = names(kube, "asked-by-nobody")
    uri = store.put("drifting.tar", bundles.with_model(folder, bundles.Drifting()))
    analysis = {"minRequests": 20, "maxErrorRate": 0.2}
    kube.apply(manifest("asked-by-nobody", spec(uri, replicas=1, analysis=analysis)))
    second = lambda m: canary(m).get("step") == 2 and canary(m).get("stepSince")
    model = kube.until("modeldeployment", "asked-by-nobody", second, 120)
    assert in_phase("Canary")(model), "they alone lead no further"
    [candidate] = names(kube, "asked-by-nobody") - {stable}
    predict(kube, candidate, POISON)
    model = kube.until("modeldeployment", "asked-by-nobody", in_phase("Aborted"), 120)
    revision = model["status"]["rollout"]["revision"]
    why = next(r for r in model["status"]["revisions"] if r["name"] == revision)["aborted"]
    assert why["reason"] == "GoldenRequestsFailed" and "golden requests: candidate " in why["message"], why
    steps = kube.run("get", "events", "--field-selector", "involvedObject.name=asked-by-nobody,reason=StepStarted")
    assert "before: golden requests: candidate 0 of " in steps, steps
    assert names(kube, "asked-by-nobody") == {stable} and condition(model, "Ready")["status"] == "True"
