"""What the world refuses: a quota, nodes that take no more pods, an image that nobody has. Status and an Event say why and what
to do, callers of what serves do not notice, and the rollout goes on by itself once there is room, or back when told to."""

import contextlib
import json
import uuid

import bundles
import pytest
from kube import Kube, condition, is_true, settled
from unnoticed import serving, unnoticed

from conftest import manifest


@contextlib.contextmanager
def on_the_way_to_another(kube, store, folder, figures, name):
    """Two pods serve, and their callers are heard; yields ask(factor, …), the way to another version."""
    uris = {factor: store.put(f"factor-{factor}.tar", bundles.scale(folder, float(factor))) for factor in (2, 3)}

    def ask(factor, **more):
        kube.apply(manifest(name, {"model": {"uri": uris[factor]}, "replicas": 2, **more}))

    ask(2)
    model = kube.until("modeldeployment", name, serving(2), 120)
    try:
        with unnoticed(kube, name, figures) as (factors, _):
            factors[model["status"]["stableRevision"]] = 2
            yield ask
            model = kube.until("modeldeployment", name, serving(2), 180)
            factors.setdefault(model["status"]["stableRevision"], 3)
    finally:
        kube.delete("modeldeployment", name)


def refused(kube, name, reasons, *says):
    """Waits until status says that the new revision cannot start; what serves is ready, and an Event says the same."""

    def said(model):
        assert is_true(model, "Ready")
        return model["status"]["rollout"].get("reason") in reasons and is_true(model, "Reconciling")

    model = kube.until("modeldeployment", name, said, 120)
    rollout = model["status"]["rollout"]
    assert rollout["phase"] == "Proving" and condition(model, "UpToDate")["status"] == "False"
    assert condition(model, "Reconciling")["reason"] == rollout["reason"]
    event = kube.event(name, rollout["reason"])
    assert event["type"] == "Warning"
    for words in says:
        assert words in rollout["message"] and words in event["message"], rollout["message"]


@pytest.fixture
def bounded():
    """bounded(pods) bounds the number of pods in a namespace of its own."""
    kube = Kube(f"e2e-quota-{uuid.uuid4().hex[:8]}")
    kube.run("create", "namespace", kube.namespace)

    def bound(pods):
        kube.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few-pods"},
                    "spec": {"hard": {"pods": str(pods)}}})
        kube.until("resourcequota", "few-pods", lambda q: q.get("status", {}).get("hard") == {"pods": str(pods)})

    yield kube, bound
    kube.run("delete", "namespace", kube.namespace, "--wait=false")


def test_pods_that_a_quota_refuses_come_when_it_is_raised(bounded, store, folder, figures):
    kube, bound = bounded
    bound(2)
    with on_the_way_to_another(kube, store, folder, figures, "bounded") as ask:
        ask(3)
        refused(kube, "bounded", ["PodsRefused"], "exceeded quota: few-pods", "raise the quota")
        bound(4)


def test_pods_that_no_node_takes_come_when_one_does(kube, store, folder, figures):
    nodes = [node["metadata"]["name"] for node in kube.list("nodes")]
    with on_the_way_to_another(kube, store, folder, figures, "no-room") as ask:
        try:
            kube.run("cordon", *nodes)
            ask(3)
            refused(kube, "no-room", ["Unschedulable"], "nodes are available", "add room")
        finally:
            kube.run("uncordon", *nodes)


@contextlib.contextmanager
def operator_whose_sidecars_are(system, image):
    """In place of the one in the cluster, and back again afterwards."""
    name = "deployment/pilotlight-operator"
    arguments = system.get("deployment", "pilotlight-operator")["spec"]["template"]["spec"]["containers"][0]["args"]
    index, before = next((i, a) for i, a in enumerate(arguments) if a.startswith("--sidecar-image="))

    def put(value):
        path = f"/spec/template/spec/containers/0/args/{index}"
        system.run("patch", name, "--type=json", "-p", json.dumps([{"op": "replace", "path": path, "value": value}]))
        system.run("rollout", "status", name, "--timeout=120s")

    try:
        put(f"--sidecar-image={image}")
        yield
    finally:
        put(before)


def test_an_image_that_nobody_has_stops_what_is_new_and_nothing_else(kube, system, store, folder, figures):
    """The operator was told to use it; the version that serves keeps its own. Once that is corrected, the remedy helps."""
    with on_the_way_to_another(kube, store, folder, figures, "no-image") as ask:
        with operator_whose_sidecars_are(system, "pilotlight.dev/sidecar:of-no-release"):
            ask(3)
            refused(kube, "no-image", ["ErrImagePull", "ImagePullBackOff"], "of-no-release", "imagePullSecrets", "annotation of template")
            ask(2)
            kube.until("modeldeployment", "no-image", serving(2), 120)
        ask(3, template={"metadata": {"annotations": {"example.com/again": "1"}}})
        kube.until("modeldeployment", "no-image", lambda m: settled(m, "UpToDate"), 120)
