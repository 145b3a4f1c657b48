"""A container whose main process is killed: what is left of it, and what is said."""

import json
import os
import signal
from pathlib import Path

import bundles
import pytest


def main_process(uid):
    """The host's number of the process that is the container's first, of the pod of this UID."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"POD_UID={uid}".encode() in (folder / "environ").read_bytes().split(b"\0") and \
                    (folder / "comm").read_text().startswith("pilotlight-side"):
                return int(folder.name)
        except OSError:
            continue  # it has ended, or is somebody else's
    pytest.skip("the pods of this cluster do not run on this machine")


def container(pod):
    return (pod.get("status", {}).get("containerStatuses") or [{}])[0]


def test_a_container_killed_while_checking_leaves_a_reason_in_pod_and_status(kube, store, folder, deploy):
    deploy("endless", store.put("endless.tar", bundles.with_model(folder, bundles.Endless())), wait=False)

    def checks(model):
        return model.get("status", {}).get("rollout", {}).get("reason") == "Checking"

    kube.until("modeldeployment", "endless", checks)
    [pod] = kube.list("pods", "app.kubernetes.io/instance=endless")
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    # Of the second time the kubelet makes a pause before it starts the container again.
    for restarts in (1, 2):
        os.kill(main_process(uid), signal.SIGKILL)
        ended = kube.until("pod", name, lambda p: container(p).get("restartCount") == restarts
                           or (container(p).get("state", {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff")
        last = (container(ended).get("lastState", {}).get("terminated")
                or container(ended).get("state", {}).get("terminated"))
        assert last["exitCode"] == 137
        assert last["message"].startswith("ended while Checking; if it was killed, the memory limit may be too low")
        if restarts == 1:
            report = checking_again(kube, name)
            assert report["engine"]["lastExit"] == "the container ended while Checking"
    model = kube.until("modeldeployment", "endless",
                       lambda m: m["status"].get("rollout", {}).get("reason") == "SidecarCrashed")
    assert "ended while Checking" in model["status"]["rollout"]["message"]
    event = kube.event("endless", "SidecarCrashed")
    assert event["type"] == "Warning" and "ended while Checking" in event["message"]
    assert store.asked["endless.tar"] == 1, "what was fetched is not fetched again"


def checking_again(kube, pod):
    """The report of the container that was started again, once it is at the check."""
    kube.until("pod", pod, lambda p: container(p).get("state", {}).get("running"))
    for _ in range(600):
        text = kube.run("get", "--raw", f"/api/v1/namespaces/{kube.namespace}/pods/{pod}:8081/proxy/status", check=False)
        if text.strip() and (report := json.loads(text)).get("phase") == "Checking":
            return report
    raise AssertionError("the container that was started again does not get to the check")
