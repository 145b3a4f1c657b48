"""An operator of another release takes over: nobody is restarted, and only new revisions look as it would make them."""

import copy

import pytest

from harness import story
from harness.operator import built_otherwise

CRD = "modeldeployments.pilotlight.dev"


@pytest.fixture
def a_default_more(stage):
    """The resource has one more field, with a default; what is stored without it is read with it."""
    kube = stage.control_plane.kube
    before = kube.get("customresourcedefinitions", "", CRD)["spec"]["versions"]
    after = copy.deepcopy(before)
    spec = after[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for part in ("runtime", "endpoint"):
        spec["properties"][part]["properties"]["newInThisRelease"] = {"type": "string", "default": "surprise"}
        spec["properties"][part].setdefault("default", {})

    def put(versions):
        kube.patch("customresourcedefinitions", "", CRD, {"spec": {"versions": versions}})

    yield lambda: put(after)
    put(before)


def template_paths(replica_set):
    return {mount["mountPath"] for mount in replica_set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]}


def test_operator_built_with_other_defaults_restarts_nobody(scene, tmp_path, a_default_more):
    story.first(scene)
    before, = scene.children()["replicasets"]
    pods = {pod["metadata"]["uid"] for pod in scene.pods()}
    config_maps = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in scene.children()["configmaps"]}
    stored = scene.model()
    scene.operator.terminate()
    a_default_more()
    scene.operator.start(image="example.invalid/sidecar:newer", program=built_otherwise(tmp_path))
    scene.operator.await_ready()
    scene.await_quiet(5)
    read = scene.model()
    assert read["spec"] != stored["spec"] and "surprise" in str(read["spec"]), "the new default is there"
    after, = scene.children()["replicasets"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert {pod["metadata"]["uid"] for pod in scene.pods()} == pods
    assert {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in scene.children()["configmaps"]} == config_maps
    assert scene.model()["status"]["stableRevision"] == stored["status"]["stableRevision"] and scene.at_goal()

    story.second(scene)
    newer, = [each for each in scene.children()["replicasets"] if each["metadata"]["name"] != before["metadata"]["name"]]
    assert "/var/lib/pilotlighT" in template_paths(newer), "it does render otherwise"
    assert newer["spec"]["template"]["spec"]["containers"][0]["image"] == "example.invalid/sidecar:newer"
    assert "/var/lib/pilotlight" in template_paths(before)
