"""What happens to running models: killed engines, changed specs."""

import json
import time

import bundles
from kube import is_true, settled
from load import Load

from conftest import manifest

BODY = json.dumps({"instances": [[1.0, 2.0, 4.0]]}).encode()

# The engine's processes in a container, ended as the kernel ends them when memory runs out.
KILL_ENGINE = ('found=1; for f in /proc/[0-9]*/comm; do read -r name <"$f" || continue; '
               'case $name in pilotlight-eng*) p=${f%/comm}; kill -9 "${p#/proc/}" && found=0;; esac; done; exit $found')


def address_of(kube, name):
    return kube.get("service", name)["spec"]["clusterIP"]


def restarted(kube, pod, times, seconds=60):
    """Returns once the pod's own report says that its engine has been restarted so often, and is ready."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status = json.loads(kube.raw(f"/api/v1/namespaces/{kube.namespace}/pods/{pod}:8081/proxy/status"))
        if status["engine"]["restarts"] >= times and status["phase"] == "Ready":
            assert status["engine"]["restarts"] == times and status["engine"]["lastExit"]
            return
    raise AssertionError(f"the engine was not back {seconds} s after it was killed: {status}")


def test_a_killed_engine_is_back_by_itself_and_nobody_gets_worse_than_a_503(kube, store, folder, deploy):
    # Two pods: while the engine is away its pod is not ready, and a Service without any ready pod refuses connections.
    deploy("killed", store.put("scale-2.tar", bundles.scale(folder, 2.0)), replicas=2)
    kube.until("modeldeployment", "killed", lambda m: m["status"].get("readyReplicas") == 2)
    pods = kube.list("pods", "app.kubernetes.io/instance=killed")
    pod = pods[0]["metadata"]["name"]
    with Load(address_of(kube, "killed"), BODY) as load:
        load.wait_for(20)
        for kills in (1, 2, 3):
            kube.run("exec", pod, "--", "sh", "-c", KILL_ENGINE)
            restarted(kube, pod, kills)
            load.wait_for(20, seconds=60)
    assert load.failures == []
    assert [json.loads(value) for value in load.values] == [[[2, 4, 8]]]
    after = kube.list("pods", "app.kubernetes.io/instance=killed")
    assert {p["metadata"]["uid"] for p in after} == {p["metadata"]["uid"] for p in pods}
    restarts = [p["status"]["containerStatuses"][0]["restartCount"] for p in after]
    assert restarts == [0, 0], "the front went down with its engine"
    kube.until("modeldeployment", "killed", lambda m: m["status"].get("readyReplicas") == 2 and is_true(m, "Ready"))


def test_a_changed_spec_replaces_the_revision_without_a_failed_request(kube, store, folder, deploy):
    old = deploy("changed", store.put("scale-2.tar", bundles.scale(folder, 2.0)))
    new_uri = store.put("scale-3.tar", bundles.scale(folder, 3.0))
    with Load(address_of(kube, "changed"), BODY) as load:
        load.wait_for(20)
        kube.apply(manifest("changed", {"model": {"uri": new_uri}}))

        def ready(model):
            assert is_true(model, "Ready")

        model = kube.until("modeldeployment", "changed", lambda m: settled(m, "UpToDate"), always=ready)
        kube.until("modeldeployment", "changed", lambda m: m["status"]["rollout"]["phase"] == "Complete", 90)
        load.wait_for(20)
    assert load.failures == [] and load.answers[503] == 0, dict(load.answers)
    assert model["status"]["stableRevision"] != old["status"]["stableRevision"]
    seen = {json.loads(v)[0][0] for v in load.values}
    assert seen == {2, 3}
    kube.ended(f"pilotlight.dev/revision={old['status']['stableRevision']}")


def test_scaling_keeps_the_pods_there_are(kube, store, folder, deploy):
    deploy("scaled", store.put("scale-2.tar", bundles.scale(folder, 2.0)))
    selector = "app.kubernetes.io/instance=scaled"
    first = kube.list("pods", selector)[0]["metadata"]["uid"]
    kube.run("scale", "modeldeployment/scaled", "--replicas=2")
    kube.until("modeldeployment", "scaled", lambda m: settled(m, "UpToDate") and m["status"].get("readyReplicas") == 2)
    assert first in {p["metadata"]["uid"] for p in kube.list("pods", selector)}
