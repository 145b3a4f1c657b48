"""A model that proved itself, and then answers otherwise."""

import json
import re
import subprocess

import bundles
from endpoint import Endpoint
from kube import condition, is_true
from load import Load

BODY = json.dumps({"instances": [[1.0, 2.0, 4.0]]})
POISON = json.dumps({"instances": [[2000.0, 0.0, 0.0]]})
EVERY = {"recheckInterval": "1s"}


def predict(kube, pod, body):
    """One request to this very pod."""
    command = ["kubectl", "port-forward", "-n", kube.namespace, f"pod/{pod}", ":8080"]
    forward = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    port = int(re.search(r"127\.0\.0\.1:(\d+)", forward.stdout.readline())[1])
    with Endpoint("127.0.0.1", port, pod, "", forward) as endpoint:
        _, data = endpoint.post("/predict", body.encode(), {"Content-Type": "application/json"})
    return json.loads(data)["output"]


def names(kube, name):
    return {pod["metadata"]["name"] for pod in kube.pods(name)}


def passed(model):
    return is_true(model, "Validated") and not model["status"].get("recheckFailures")


def test_a_pod_that_drifts_is_told_of_and_replaced_without_a_failed_request(kube, store, folder, deploy):
    uri = store.put("drifting.tar", bundles.with_model(folder, bundles.Drifting()))
    deploy("drifts", uri, replicas=2, validation=EVERY)
    kube.until("modeldeployment", "drifts", lambda m: m["status"].get("readyReplicas") == 2)
    bad, good = sorted(names(kube, "drifts"))
    address = kube.get("service", "drifts")["spec"]["clusterIP"]
    with Load(address, BODY.encode()) as load:
        load.wait_for(20)
        predict(kube, bad, POISON)
        event = kube.event("drifts", "GoldenRecheckFailed")
        kube.event("drifts", "PodReplaced")
        kube.until("modeldeployment", "drifts",
                   lambda m: passed(m) and m["status"].get("readyReplicas") == 2 and bad not in names(kube, "drifts"), 120)
        load.wait_for(20)
    assert load.failures == [] and load.answers[503] == 0
    assert event["type"] == "Warning"
    node = kube.list("pods", "app.kubernetes.io/instance=drifts")[0]["spec"]["nodeName"]
    assert f"pod {bad} on node {node} " in event["message"] and "GoldenMismatch: case batch-1" in event["message"]
    assert ", output y[" in event["message"] and ", error " in event["message"]
    assert good in names(kube, "drifts"), "one that passes stays"


def test_the_only_pod_of_a_model_that_drifts_stays_and_status_says_so(kube, store, folder, deploy):
    uri = store.put("drifting.tar", bundles.with_model(folder, bundles.Drifting()))
    deploy("drifts-alone", uri, validation=EVERY)
    [pod] = names(kube, "drifts-alone")
    predict(kube, pod, POISON)
    model = kube.until("modeldeployment", "drifts-alone", lambda m: not passed(m))
    [failure] = model["status"]["recheckFailures"]
    assert failure["pod"] == pod and failure["node"] and failure["reason"] == "GoldenMismatch"
    assert condition(model, "Validated")["reason"] == "GoldenMismatch"
    assert is_true(model, "Ready"), "it serves"
    assert "it goes on serving" in kube.event("drifts-alone", "GoldenRecheckFailed")["message"]
    assert predict(kube, pod, BODY) == [[2.5, 4.5, 8.5]] and names(kube, "drifts-alone") == {pod}
