"""`kubectl pilotlight status|history|wait|pause|resume|abort|retry|rollback`, on a real cluster, as they are typed."""

import json
import os
import subprocess

import bundles
import pytest

from conftest import _program


@pytest.fixture
def pilotlight(kube):
    """pilotlight(argument…) runs `kubectl pilotlight …` by way of kubectl in the tests' namespace, and returns how it ended."""
    path = f"{_program('kubectl-pilotlight').resolve().parent}:{os.environ['PATH']}"

    def run(*arguments):
        return subprocess.run(["kubectl", "pilotlight", *arguments, "--namespace", kube.namespace], capture_output=True,
                              text=True, timeout=120, env={**os.environ, "PATH": path})

    return run


def test_a_rollout_is_followed_and_steered_from_the_command_line(kube, store, folder, deploy, pilotlight):
    first = deploy("steered", store.put("scale-2.tar", bundles.scale(folder, 2.0)), replicas=2)["status"]["stableRevision"]
    waited = pilotlight("wait", "steered")
    assert (waited.returncode, waited.stderr) == (0, "") and waited.stdout.startswith("UpToDate: ")

    def ask(uri):
        change = json.dumps({"spec": {"model": {"uri": uri}}})
        kube.run("patch", "modeldeployment", "steered", "--type", "merge", "-p", change)

    # Paused before it begins.
    assert pilotlight("pause", "steered").stdout == "steered paused\n"
    good = store.put("scale-3.tar", bundles.scale(folder, 3.0))
    ask(good)
    paused = kube.until("modeldeployment", "steered", lambda m: m["status"]["rollout"].get("phase") == "Paused")
    second = paused["status"]["candidateRevision"]
    timed_out = pilotlight("wait", "steered", "--timeout", "1s")
    assert timed_out.returncode == 2 and timed_out.stdout.startswith("timed out after 1s; Paused: ")
    shown = pilotlight("status", "steered").stdout
    assert "steered  Paused  http://steered." in shown and f"{second}  candidate" in shown and f"{first}  stable" in shown
    assert pilotlight("resume", "steered").stdout == "steered resumed\n"
    assert pilotlight("wait", "steered").returncode == 0
    kube.until("modeldeployment", "steered", lambda m: m["status"]["rollout"]["phase"] == "Complete")

    # Nothing to abort, to promote or to retry.
    for verb in ("abort", "promote", "retry"):
        refused = pilotlight(verb, "steered")
        assert refused.returncode == 2 and refused.stderr.startswith("kubectl pilotlight: there is nothing to ")

    # A candidate that never comes up is taken back by name, and stays so until it is tried again.
    third = good.rsplit("/", 1)[0] + "/not-there.tar"
    ask(third)
    kube.until("modeldeployment", "steered", lambda m: m["status"]["rollout"].get("reason") == "NotFound")
    assert pilotlight("abort", "steered").returncode == 0
    rejected = pilotlight("wait", "steered")
    assert rejected.returncode == 1 and "AbortedByUser" not in rejected.stderr
    assert "was taken back" in rejected.stdout
    assert pilotlight("retry", "steered").returncode == 0
    kube.until("modeldeployment", "steered", lambda m: m["status"]["rollout"]["phase"] == "Proving")

    # Back to what served; and once more back, to the one before that.
    back = pilotlight("rollback", "steered")
    assert back.returncode == 0 and "warning" not in back.stderr
    state = kube.until("modeldeployment", "steered", lambda m: m["status"]["rollout"]["phase"] == "Complete")
    assert state["status"]["stableRevision"] == second
    listed = pilotlight("history", "steered").stdout
    assert all(revision in listed for revision in (first, second)) and good in listed and third in listed
    kube.run("annotate", "modeldeployment", "steered", "argocd.argoproj.io/tracking-id=models")
    older = pilotlight("rollback", "steered", "--to", first)
    assert older.returncode == 0 and older.stderr.startswith("warning: Argo CD manages steered")
    assert pilotlight("wait", "steered").returncode == 0
    state = kube.until("modeldeployment", "steered", lambda m: m["status"]["rollout"]["phase"] == "Complete")
    assert state["status"]["stableRevision"] == first, "its ReplicaSet and its pin are used again"
    assert len(kube.list("replicasets", "app.kubernetes.io/instance=steered")) == 3


def test_what_cannot_be_asked_is_said_in_kubectl_s_words(pilotlight):
    for verb in ("status", "wait", "history", "pause"):
        missing = pilotlight(verb, "nobody")
        assert missing.returncode == 2, verb
        assert '"nobody" not found' in missing.stderr, verb
