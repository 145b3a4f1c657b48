"""Whatever happens to a model that serves, its callers do not notice: none of their requests fails, though they never ask
twice, and each answer is that of the revision which gave it."""

import json
import os
import signal
import time

import bundles
import pytest
from full import FULL, only_in_full
from kube import condition, in_phase, settled
from load import Load
from machines import front_of, frozen
from unnoticed import BODY, ROW, serving, unnoticed

from conftest import manifest

GOOD, BAD = (20, 10) if FULL else (1, 1)


def bad_version(folder, store, number):
    """Of every kind in turn, and each one a revision of its own."""
    kind = number % 3
    if kind == 0:
        return {"uri": store.put(f"mismatch-{number}.tar", bundles.with_wrong_answers(folder))}
    if kind == 1:
        return {"uri": store.put(f"checkpoint-{number}.tar", bundles.checkpoint())}
    return {"uri": store.put(f"digest-{number}.tar", bundles.scale(folder, 2.0)), "digest": f"sha256:{number:064x}"}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("replicas", [1, 4])
def test_good_and_bad_versions_in_a_row(kube, store, folder, deploy, figures, replicas):
    name = f"row-{replicas}"
    model = deploy(name, store.put("factor-2.tar", bundles.scale(folder, 2.0)), replicas=replicas)
    kube.until("modeldeployment", name, serving(replicas), 120)
    versions = ["good"] * GOOD + ["bad"] * BAD
    versions = [versions[(i * 7) % len(versions)] for i in range(len(versions))]  # mixed, the same way each time
    stable, factor = model["status"]["stableRevision"], 2
    with unnoticed(kube, name, figures) as (factors, load):
        factors[stable] = 2
        for number, kind in enumerate(versions):
            if kind == "bad":
                kube.apply(manifest(name, {"model": bad_version(folder, store, number), "replicas": replicas}))
                model = kube.until("modeldeployment", name, lambda m: settled(m, "Stalled"), 180)
                assert model["status"]["stableRevision"] == stable and condition(model, "UpToDate")["status"] == "False"
            else:
                factor += 1
                uri = store.put(f"factor-{factor}.tar", bundles.scale(folder, float(factor)))
                kube.apply(manifest(name, {"model": {"uri": uri}, "replicas": replicas}))
                # The next one comes while the pods of the one before are still leaving, every other time.
                done = serving(replicas) if number % 2 else (lambda m: settled(m, "UpToDate"))
                model = kube.until("modeldeployment", name, done, 180)
                stable = model["status"]["stableRevision"]
                factors[stable] = factor
        kube.apply(manifest(name, {"model": {"uri": store.uri(f"factor-{factor}.tar")}, "replicas": replicas}))
        kube.until("modeldeployment", name, serving(replicas), 180)
    assert len(load.by_revision) == GOOD + 1, "each good version has answered"


@only_in_full
def test_a_user_who_thinks_otherwise_in_the_middle(kube, store, folder, deploy, figures):
    """Paused, edited back, on to a third, and that one aborted: each while two revisions are in the Service."""
    name = "otherwise"
    uris = {factor: store.put(f"factor-{factor}.tar", bundles.scale(folder, float(factor))) for factor in (2, 3, 4)}
    model = deploy(name, uris[2], replicas=4)
    kube.until("modeldeployment", name, serving(4), 120)
    first = model["status"]["stableRevision"]

    def ask_for(factor, **rollout):
        kube.apply(manifest(name, {"model": {"uri": uris[factor]}, "replicas": 4, "rollout": rollout}))

    def await_middle():
        """The candidate that has pods in the Service beside those of the stable revision."""
        model = kube.until("modeldeployment", name, lambda m: m["status"]["rollout"]["phase"] == "Promoting", 120)
        candidate = model["status"]["candidateRevision"]
        selector = f"pilotlight.dev/revision={candidate},pilotlight.dev/traffic=service"
        deadline = time.monotonic() + 60
        while len(kube.list("pods", selector)) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        return candidate

    with unnoticed(kube, name, figures) as (factors, load):
        factors[first] = 2
        ask_for(3)
        factors[await_middle()] = 3
        ask_for(3, paused=True)
        kube.until("modeldeployment", name, in_phase("Paused"), 60)
        load.wait_for(100)
        ask_for(2)
        model = kube.until("modeldeployment", name, serving(4), 180)
        assert model["status"]["stableRevision"] == first
        ask_for(3)
        await_middle()
        ask_for(4)
        third = await_middle()
        factors[third] = 4
        ask_for(4, abort=third)
        model = kube.until("modeldeployment", name, in_phase("Aborted"), 60)
        assert condition(model, "Stalled")["status"] == "True" and condition(model, "UpToDate")["status"] == "False"
        model = kube.until("modeldeployment", name, lambda m: m["status"].get("readyReplicas") == 4, 120)
        assert model["status"]["stableRevision"] == first
        kube.drained(name)


@pytest.fixture(scope="module")
def four(kube, store, folder):
    """A model of four pods, for the tests that leave it as it was."""
    uri = store.put("four.tar", bundles.scale(folder, 2.0))
    kube.apply(manifest("four", {"model": {"uri": uri}, "replicas": 4}))
    model = kube.until("modeldeployment", "four", serving(4), 180)
    yield model["status"]["stableRevision"]
    kube.delete("modeldeployment", "four")


def test_the_client_would_notice(kube, four):
    """What cannot be hidden is a front that is killed: were nothing counted here, the zeros of the others meant nothing."""
    address = kube.get("service", "four")["spec"]["clusterIP"]
    with Load(address, BODY) as load:
        load.wait_for(20)
        os.kill(front_of(kube.pods("four")[0]["metadata"]["name"]), signal.SIGKILL)
        kube.until("modeldeployment", "four", lambda m: not serving(4)(m), 60)
        kube.until("modeldeployment", "four", serving(4), 120)
        load.wait_for(40)
    assert load.failures and len(load.failures) < load.sent / 2, load


def test_pods_that_somebody_deletes(kube, figures, four):
    with unnoticed(kube, "four", figures) as (factors, _):
        factors[four] = 2
        for pod in kube.pods("four")[:2]:
            kube.run("delete", "pod", pod["metadata"]["name"], "--wait=false")
            kube.until("modeldeployment", "four", lambda m: not serving(4)(m), 60)
            kube.until("modeldeployment", "four", serving(4), 120)


def test_a_node_that_is_drained(kube, system, figures, four):
    nodes = {pod["spec"]["nodeName"] for pod in kube.pods("four")}
    if len(nodes) < 2:
        pytest.skip("all pods are on one node: a drain would wait for ever; PILOTLIGHT_NODES=2 ./dev test e2e")
    node = sorted(nodes)[-1]
    with unnoticed(kube, "four", figures) as (factors, _):
        factors[four] = 2
        try:
            kube.run("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=240s",
                     "--pod-selector=app.kubernetes.io/instance=four")
            kube.until("modeldeployment", "four", serving(4), 120)
            assert node not in {pod["spec"]["nodeName"] for pod in kube.pods("four")}
        finally:
            kube.run("uncordon", node)


def test_a_kube_proxy_that_hears_of_nothing_for_ten_seconds(kube, store, folder, deploy, figures):
    """Frozen as the first old pod is about to leave: nodes then know old pods alone, and send all requests to them."""
    model = deploy("frozen", store.put("factor-2.tar", bundles.scale(folder, 2.0)), replicas=2)
    kube.until("modeldeployment", "frozen", serving(2), 120)
    with unnoticed(kube, "frozen", figures) as (factors, _):
        factors[model["status"]["stableRevision"]] = 2
        uri = store.put("factor-3.tar", bundles.scale(folder, 3.0))
        kube.apply(manifest("frozen", {"model": {"uri": uri}, "replicas": 2}))
        kube.until("modeldeployment", "frozen", lambda m: m["status"]["rollout"]["phase"] == "Promoting", 120)
        with frozen("kube-proxy"):
            time.sleep(10)
        model = kube.until("modeldeployment", "frozen", serving(2), 120)
        factors[model["status"]["stableRevision"]] = 3
        with frozen("kube-proxy"):
            kube.run("delete", "pod", kube.pods("frozen")[0]["metadata"]["name"], "--wait=false")
            time.sleep(10)
        kube.until("modeldeployment", "frozen", serving(2), 120)


def test_pods_that_take_long_to_start_and_bodies_that_are_large(kube, store, folder, deploy, figures):
    """Each pod waits five seconds for its file, and each request and its answer have a megabyte."""
    rows = 60_000
    body = json.dumps({"instances": [ROW] * rows}).encode()
    model = deploy("slow", store.put("factor-2.tar", bundles.scale(folder, 2.0)), replicas=2)
    kube.until("modeldeployment", "slow", serving(2), 120)
    with unnoticed(kube, "slow", figures, body, rate=4, rows=rows) as (factors, _):
        factors[model["status"]["stableRevision"]] = 2
        uri = store.put("slow.tar", bundles.scale(folder, 3.0), seconds=5)
        kube.apply(manifest("slow", {"model": {"uri": uri}, "replicas": 2}))
        model = kube.until("modeldeployment", "slow", serving(2), 180)
        factors[model["status"]["stableRevision"]] = 3


def test_four_pods_that_become_one(kube, figures, four):
    """Last of those with `four`."""
    with unnoticed(kube, "four", figures) as (factors, _):
        factors[four] = 2
        kube.run("scale", "modeldeployment/four", "--replicas=1")
        kube.until("modeldeployment", "four", serving(1), 120)
    assert len(kube.pods("four")) == 1
