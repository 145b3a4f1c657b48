"""`kubectl wait --for=condition=UpToDate` tells a good deploy from a bad one, from the very moment of the apply."""

import subprocess

import bundles
from kube import condition
from witness import Witness

from conftest import manifest


def wait(kube, name, kind, seconds):
    command = ["kubectl", "--namespace", kube.namespace, "wait", f"modeldeployment/{name}", f"--for=condition={kind}",
               f"--timeout={seconds}s"]
    return subprocess.run(command, capture_output=True, text=True).returncode == 0


def test_kubectl_wait_tells_a_good_deploy_from_a_bad_one(kube, store, folder, deploy):
    good = [store.put(f"wait-{factor}.tar", bundles.scale(folder, factor)) for factor in (2.0, 3.0)]
    bad = store.put("wait-bad.tar", bundles.with_wrong_answers(folder))
    deploy("waited", good[0], wait=False)
    with Witness(kube, "waited") as witness:
        assert wait(kube, "waited", "UpToDate", 120)
        first = kube.get("modeldeployment", "waited")["status"]["stableRevision"]

        # What was true of the spec before is not taken for the new one's.
        kube.apply(manifest("waited", {"model": {"uri": bad}}))
        assert not wait(kube, "waited", "UpToDate", 15)
        assert wait(kube, "waited", "Stalled", 60)
        model = kube.get("modeldeployment", "waited")
        assert model["status"]["stableRevision"] == first and condition(model, "Stalled")["reason"] == "GoldenMismatch"
        assert not wait(kube, "waited", "UpToDate", 3)

        kube.apply(manifest("waited", {"model": {"uri": good[1]}}))
        assert wait(kube, "waited", "UpToDate", 120)
        second = kube.get("modeldeployment", "waited")["status"]["stableRevision"]
        assert second != first

        # And back, to what was there before.
        kube.apply(manifest("waited", {"model": {"uri": good[0]}}))
        assert wait(kube, "waited", "UpToDate", 120)
        assert kube.get("modeldeployment", "waited")["status"]["stableRevision"] == first
        kube.until("modeldeployment", "waited", lambda m: m["status"]["rollout"]["phase"] == "Complete", 90)
    assert witness.check() > 10
