"""What becomes of models, with nothing in the way. The other files play the same stories with faults."""

import asyncio
import json

import pytest

from harness import story
from harness.controlplane import OPERATOR_GROUPS, OPERATOR_USER
from harness.operator import write_kubeconfig
from harness.processes import eventually
from harness.scene import PIN, TRAFFIC
from harness.sidecar import digest_of, failing, world_failing_until

pytestmark = pytest.mark.together


def test_first_model_is_proven_pinned_and_served(scene):
    story.first(scene)
    model = scene.model()
    revision = model["status"]["stableRevision"]
    assert model["status"]["observedGeneration"] == model["metadata"]["generation"]
    assert model["status"]["url"].startswith(f"http://digits.{scene.namespace}.svc")
    entry, = [each for each in model["status"]["revisions"] if each["name"] == revision]
    assert entry["digest"] == digest_of(story.FIRST) and entry["proof"]["level"] == "Answers"
    replica_set, = scene.kube.list("replicasets", scene.namespace)
    assert replica_set["metadata"]["name"] == revision
    assert replica_set["spec"]["template"]["metadata"]["annotations"][PIN] == entry["digest"]
    config_map, = scene.kube.list("configmaps", scene.namespace, f"pilotlight.dev/revision={revision}")
    assert config_map["immutable"] and json.loads(config_map["data"]["config.json"])["model"]["uri"] == story.FIRST
    keys, = (each for each in scene.kube.list("configmaps", scene.namespace, "app.kubernetes.io/managed-by=pilotlight")
             if each["metadata"]["name"] == "digits-operator-keys")
    assert "PUBLIC KEY" in keys["data"]["operator.pem"] and "PRIVATE" not in json.dumps(keys)
    assert scene.history().pods == 2


def test_second_model_replaces_the_first_without_a_gap(expected, scene):
    story.first(scene)
    story.second(scene)
    assert scene.snapshot() == expected.second
    assert scene.history().floor >= 2


def test_going_back_to_the_first_model_uses_its_old_pin_and_children(scene):
    story.first(scene)
    first = scene.model()["status"]["stableRevision"]
    story.second(scene)
    scene.apply(uri=story.FIRST)
    scene.await_goal(60)
    assert scene.model()["status"]["stableRevision"] == first
    assert {pod["metadata"]["annotations"][PIN] for pod in scene.pods()} == {digest_of(story.FIRST)}
    scene.await_quiet()
    scene.assert_sound()


def test_replicas_go_up_and_down_without_a_new_revision(scene):
    scene.apply(replicas=1)
    scene.await_goal()
    assert scene.children()["poddisruptionbudgets"] == []
    scene.apply(replicas=3)
    scene.await_goal()
    assert len(scene.children()["poddisruptionbudgets"]) == 1
    scene.apply(replicas=1)
    scene.await_goal()
    eventually("the budget is gone", lambda: not scene.children()["poddisruptionbudgets"])
    scene.await_quiet()
    assert len(scene.children()["replicasets"]) == 1


def test_scale_subresource_works(scene):
    scene.apply(replicas=1)
    scene.await_goal()
    scene.kube.patch("modeldeployments", scene.namespace, "digits", {"spec": {"replicas": 2}}, "scale")
    scene.await_goal()


@pytest.mark.parametrize("reason, pods", [("InvalidBundle", 1), ("GoldenMismatch", 2)],
                         ids=["whatever the node", "perhaps for its node"])
def test_model_that_fails_its_proof_never_serves_and_costs_as_few_pods_as_it_must(scene, reason, pods):
    scene.cluster.script(scene.namespace, story.FIRST, failing("Revision", reason, "case one: expected 1, got 2"))
    scene.apply(uri=story.FIRST)
    eventually("the failure is told", lambda: scene.holds("Stalled"))
    condition = scene.condition("Stalled")
    assert condition["reason"] == reason and "expected 1, got 2" in condition["message"]
    assert not scene.holds("Ready") and not scene.holds("UpToDate")
    eventually("the pod is gone", lambda: not scene.pods())
    scene.await_quiet()
    events = scene.kube.list("events", scene.namespace)
    assert any("expected 1, got 2" in event["note"] for event in events), events
    assert scene.history().pods == pods and scene.pods("service") == []
    scene.assert_sound()


def test_demand_for_a_signature_reaches_the_pods_and_the_signers_key_the_status(scene):
    demand = {"publicKeys": ["-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"]}
    demands = []

    async def verifies(sidecar) -> None:
        demands.append(sidecar.config["model"]["signature"])
        sidecar.prove(signature={"keyId": "sha256:aa", "subject": "digits.tar"})

    scene.cluster.script(scene.namespace, story.FIRST, verifies)
    scene.apply(model={"uri": story.FIRST, "signature": demand})
    scene.await_goal(60)
    assert demands == [{"policy": "Require", **demand}] * 2
    revision, = scene.model()["status"]["revisions"]
    assert revision["proof"]["signature"] == {"keyId": "sha256:aa", "subject": "digits.tar"}
    scene.await_quiet()
    scene.assert_sound()


def test_sidecar_that_knows_nothing_of_signatures_never_serves_where_one_is_required(scene):
    demand = {"publicKeys": ["-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"]}
    scene.apply(model={"uri": story.FIRST, "signature": demand})
    eventually("the failure is told", lambda: scene.holds("Stalled"))
    assert scene.condition("Stalled")["reason"] == "SignatureMissing"
    assert not scene.holds("Ready") and scene.pods("service") == []
    scene.await_quiet()
    scene.assert_sound()


def test_failed_second_model_leaves_the_first_serving(scene):
    story.first(scene)
    scene.cluster.guard_capacity(scene.namespace, 2)
    scene.cluster.script(scene.namespace, story.SECOND, failing("Revision", "GoldenMismatch"))
    scene.apply(uri=story.SECOND)
    eventually("the failure is told", lambda: scene.holds("Stalled"))
    assert scene.holds("Ready") and not scene.holds("UpToDate")
    eventually("only the first model's pods are left", lambda: len(scene.pods()) == 2)
    scene.await_quiet()
    scene.assert_sound()
    # A new token is a new try, and by now the model is mended.
    scene.cluster.script(scene.namespace, story.SECOND, good_again)
    scene.apply(uri=story.SECOND, rollout={"retry": "1"})
    scene.await_goal(60)
    scene.assert_sound()


async def good_again(sidecar) -> None:
    sidecar.prove()


def test_failure_of_the_world_is_waited_out(scene):
    mended = asyncio.Event()
    scene.cluster.script(scene.namespace, story.FIRST, world_failing_until(mended, "NotFound", "answered 404"))
    scene.apply(uri=story.FIRST)
    eventually("it is told what is waited for", lambda: scene.condition("Reconciling").get("reason") == "NotFound")
    assert "404" in scene.condition("Reconciling")["message"]
    assert not scene.holds("Stalled") and len(scene.pods("none")) == 1
    scene.await_quiet(allow=5)
    scene.stage.background.loop.call_soon_threadsafe(mended.set)
    scene.await_goal()
    assert scene.history().pods == 2
    scene.assert_sound()


def test_pod_that_is_replaced_after_the_source_changed_never_serves(scene):
    story.first(scene)
    scene.cluster.content(scene.namespace, story.FIRST, "other bytes")
    victim = scene.pods("service")[0]["metadata"]["name"]
    scene.kube.delete("pods", scene.namespace, victim)

    def told() -> bool:
        return any("SourceChanged" in json.dumps(event) for event in scene.kube.list("events", scene.namespace))

    eventually("an event tells of the changed source", told)
    ready = [pod for pod in scene.pods() if pod["metadata"]["name"] != victim and any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))]
    assert len(ready) == 1
    scene.assert_sound()


def test_container_that_restarts_while_it_is_on_trial_is_pinned_before_it_serves(scene):
    """The proof is that of one start of one container; a pod's label must not outlive it."""
    release = asyncio.Event()

    async def slow(sidecar) -> None:
        sidecar.set("Fetching")
        await release.wait()
        sidecar.prove()

    scene.cluster.script(scene.namespace, story.FIRST, slow)
    scene.apply(uri=story.FIRST)
    pod, = eventually("there is a pod with an address",
                      lambda: [pod for pod in scene.pods() if pod["status"].get("podIP")])
    scene.cluster.restart_container(pod)
    scene.stage.background.loop.call_soon_threadsafe(release.set)
    scene.await_goal()
    scene.assert_sound()


def test_deletion_ends_with_nothing_left_and_nothing_made_again(scene):
    story.first(scene)
    scene.kube.delete("modeldeployments", scene.namespace, "digits")
    scene.await_quiet()
    scene.cluster.collect_garbage(scene.namespace)
    eventually("all pods are gone", lambda: not scene.kube.list("pods", scene.namespace))
    scene.await_quiet()
    assert not any(scene.children().values())


def test_deletion_works_without_an_operator(scene):
    story.first(scene)
    scene.operator.kill()
    scene.kube.delete("modeldeployments", scene.namespace, "digits")
    assert scene.model() is None  # no finalizer holds it
    scene.cluster.collect_garbage(scene.namespace)
    eventually("all pods are gone", lambda: not scene.kube.list("pods", scene.namespace))
    assert not any(scene.children().values())


def test_model_that_is_made_again_waits_for_the_old_ones_children_to_be_collected(scene):
    story.first(scene)
    old = {item["metadata"]["uid"] for items in scene.children().values() for item in items}
    scene.kube.delete("modeldeployments", scene.namespace, "digits")
    scene.apply(uri=story.FIRST)
    eventually("the operator has seen the new one", lambda: scene.condition("Reconciling"))
    now = {item["metadata"]["uid"] for items in scene.children().values() for item in items}
    assert old <= now  # nothing of the former owner's was seized or deleted
    scene.cluster.collect_garbage(scene.namespace)
    scene.await_goal(60)
    scene.await_quiet()
    scene.assert_sound(remade=True)


def test_somebody_elses_service_of_that_name_is_left_alone(scene):
    mine = scene.kube.create("services", {"metadata": {"name": "digits"}, "spec": {
        "selector": {"app": "mine"}, "ports": [{"port": 80}]}}, scene.namespace)
    scene.apply(uri=story.FIRST)
    condition = eventually("the conflict is told",
                           lambda: scene.holds("Stalled") and scene.condition("Stalled"))
    assert condition["reason"] == "NameConflict" and "digits" in condition["message"]
    now = scene.kube.get("services", scene.namespace, "digits")
    assert now["metadata"]["resourceVersion"] == mine["metadata"]["resourceVersion"]


@pytest.mark.parametrize("kind", ["services", "poddisruptionbudgets", "replicasets", "configmaps"])
def test_child_that_somebody_deletes_comes_back(scene, kind, expected):
    story.first(scene)
    items = scene.children()[kind]
    for item in items:
        scene.kube.delete(kind, scene.namespace, item["metadata"]["name"])
    gone = {item["metadata"]["uid"] for item in items}
    if kind == "replicasets":
        scene.cluster.collect_garbage(scene.namespace)

    def back() -> bool:
        there = scene.children()[kind]
        return len(there) == len(items) and gone.isdisjoint(each["metadata"]["uid"] for each in there)

    eventually("it is there again", back)
    scene.await_goal()
    scene.await_quiet()
    after = scene.snapshot()
    assert {each: after[each] for each in after if each != "models"} == {
        each: expected.first[each] for each in expected.first if each != "models"}
    scene.assert_sound(remade=True)


def test_edits_of_children_are_undone(scene, expected):
    story.first(scene)
    scene.kube.patch("services", scene.namespace, "digits", {"spec": {"selector": {TRAFFIC: "none"}}})
    scene.kube.patch("poddisruptionbudgets", scene.namespace, "digits", {"spec": {"maxUnavailable": 2}})
    replica_set, = scene.children()["replicasets"]
    scene.kube.patch("replicasets", scene.namespace, replica_set["metadata"]["name"], {"spec": {"replicas": 3}})
    pod = scene.pods("service")[0]["metadata"]["name"]
    scene.kube.patch("pods", scene.namespace, pod, {"metadata": {"labels": {TRAFFIC: "none"}}})
    eventually("all is as it was", lambda: scene.snapshot() == expected.first)
    scene.await_quiet()


def test_operator_with_another_sidecar_image_takes_over_without_a_restart(scene):
    story.first(scene)
    replica_set, = scene.children()["replicasets"]
    pods = {pod["metadata"]["uid"] for pod in scene.pods()}
    scene.operator.terminate()
    scene.operator.start(image="example.invalid/sidecar:newer")
    scene.operator.await_ready()
    scene.await_quiet()
    now, = scene.children()["replicasets"]
    assert now["metadata"]["generation"] == replica_set["metadata"]["generation"]
    assert {pod["metadata"]["uid"] for pod in scene.pods()} == pods
    assert scene.at_goal()


def test_client_certificate_is_as_good_as_a_token(stage, operator_program):
    organisations = "".join(f"/O={group}" for group in OPERATOR_GROUPS)
    certificate, key = stage.control_plane.authority.issue("operator", f"{organisations}/CN={OPERATOR_USER}")
    with stage.scene(start=False) as scene:
        write_kubeconfig(scene.folder / "operator.kubeconfig", stage.control_plane.url, stage.control_plane.authority.ca,
                         {"client-certificate": str(certificate), "client-key": str(key)})
        scene.operator.start()
        scene.apply()
        scene.await_goal()
