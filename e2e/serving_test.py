"""From apply to predictions, and away again."""

import hashlib
import json

import bundles
import pytest
import torch
from demo import OUT, train
from endpoint import Endpoint
from kube import condition, is_true, revision
from safetensors.torch import load_file

from conftest import manifest


@pytest.fixture(scope="module")
def digits(kube, store):
    """The example's model, serving with two pods."""
    digest = train()
    uri = store.put("digits.tar", (OUT / "digits.tar").read_bytes())
    kube.apply(manifest("digits", {"model": {"uri": uri}, "validation": {"minimumLevel": "Answers"}, "replicas": 2}))
    model = kube.until("modeldeployment", "digits", lambda m: is_true(m, "UpToDate") and is_true(m, "Ready"), 90)
    yield model, digest
    kube.delete("modeldeployment", "digits")


def test_a_model_is_up_to_date_with_its_proof_and_digest_in_status(digits):
    model, digest = digits
    stable = revision(model)
    assert stable["digest"] == digest  # pinned, though the spec names none
    assert (stable["phase"], stable["level"], model["status"]["level"]) == ("Proven", "Answers", "Answers")
    proof = stable["proof"]
    assert proof["digest"] == digest and proof["cases"] == 3
    assert 0 <= proof["worstError"]["error"] <= proof["worstError"]["allowed"]
    assert condition(model, "Validated")["status"] == "True"
    assert condition(model, "Stalled")["status"] == "False"
    assert model["status"]["url"] == f"http://digits.{model['metadata']['namespace']}.svc"


def test_every_pod_is_bound_to_the_proven_bytes_and_serves(kube, digits):
    model = kube.until("modeldeployment", "digits", lambda m: m["status"].get("readyReplicas") == 2)
    _, digest = digits
    pods = kube.list("pods", "app.kubernetes.io/instance=digits,pilotlight.dev/traffic=service")
    assert len(pods) == 2
    assert {p["metadata"]["annotations"]["pilotlight.dev/digest"] for p in pods} == {digest}
    assert model["status"]["replicas"] == 2


def test_answers_equal_the_eager_modules_on_every_held_out_image(digits):
    model, _ = digits
    held_out = load_file(OUT / "held-out.safetensors")
    with Endpoint.of(model) as endpoint:
        for binary in (False, True):
            for batch in (1, 36):
                logits = endpoint.infer(held_out["images"], binary=binary, batch=batch)
                torch.testing.assert_close(logits, held_out["logits"], rtol=1e-4, atol=1e-4)
                assert torch.equal(logits.argmax(1), held_out["logits"].argmax(1))


def test_predict_names_the_digit(digits):
    model, _ = digits
    held_out = load_file(OUT / "held-out.safetensors")
    with Endpoint.of(model) as endpoint:
        answers = endpoint.predict(held_out["images"])
    expected = held_out["logits"].softmax(1).max(1)
    assert [a["label"] for a in answers] == [str(int(i)) for i in expected.indices]
    probabilities = torch.tensor([a["probability"] for a in answers])
    torch.testing.assert_close(probabilities, expected.values, rtol=1e-4, atol=1e-4)


def test_kubectl_get_shows_what_one_wants_to_know(kube, digits):
    lines = kube.run("get", "modeldeployments").splitlines()
    header = lines[0].split("  ")
    assert [h.strip() for h in header if h.strip()] == [
        "NAME", "URL", "READY", "UP TO DATE", "STABLE", "CANDIDATE", "LEVEL", "REPLICAS", "AGE"]
    row = next(line for line in lines if line.startswith("digits "))
    assert "http://digits." in row and "Answers" in row


def test_deleting_a_model_leaves_nothing(kube, store, folder, deploy):
    deploy("short-lived", store.put("scale-2.tar", bundles.scale(folder, 2.0)))
    assert kube.list("pods", "app.kubernetes.io/instance=short-lived")
    kube.delete("modeldeployment", "short-lived")
    kube.gone("app.kubernetes.io/instance=short-lived")


def test_deleting_a_model_leaves_nothing_while_no_operator_runs(kube, system, store, folder, deploy):
    deploy("orphan", store.put("scale-2.tar", bundles.scale(folder, 2.0)))
    replicas = system.get("deployment", "pilotlight-operator")["spec"]["replicas"]
    system.run("scale", "deployment/pilotlight-operator", "--replicas=0")
    try:
        system.ended("app.kubernetes.io/component=operator")
        kube.delete("modeldeployment", "orphan")
        kube.gone("app.kubernetes.io/instance=orphan")
    finally:
        system.run("scale", "deployment/pilotlight-operator", f"--replicas={replicas}")
        system.run("rollout", "status", "deployment/pilotlight-operator", "--timeout=60s")


def test_a_bare_torchscript_file_serves_with_the_least_proof(kube, store, folder, deploy):
    from pilotlight_export import Bundle

    bundles.scale(folder, 2.0)
    model_file = Bundle(folder / "scale-2.0.tar").members["model.pt"]
    model = deploy("bare", store.put("model.pt", model_file))
    assert model["status"]["level"] == "Loaded"
    assert revision(model)["digest"] == "sha256:" + hashlib.sha256(model_file).hexdigest()
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
    with Endpoint.of(model) as endpoint:
        _, data = endpoint.post("/v2/models/bare/infer", json.dumps(body).encode(), {"Content-Type": "application/json"})
    assert json.loads(data)["outputs"][0]["data"] == [2, 4, 6]
