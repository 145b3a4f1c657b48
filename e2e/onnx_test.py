"""An ONNX model on the cluster: a bundle and a bare file, and one that is refused."""

import json

import bundles
import torch
from endpoint import Endpoint
from kube import condition, revision, settled
from modules import Attention

X = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(2))


def answers(model):
    with Endpoint.of(model) as endpoint:
        _, data = endpoint.post("/predict", json.dumps({"instances": X.tolist()}).encode(),
                                {"Content-Type": "application/json"})
    return torch.tensor(json.loads(data)["output"])


def expected():
    with torch.inference_mode():
        return bundles.seeded(Attention)(X)


def test_a_bundle_is_proven_to_its_answers_and_serves(store, folder, deploy):
    model = deploy("onnx", store.put("attention-onnx.tar", bundles.attention(folder, "onnx")))
    proof = revision(model)["proof"]
    assert (proof["level"], proof["format"]) == ("Answers", "ONNX")
    assert proof["runtime"]["onnxruntime"] and proof["sandbox"][0] == "seccomp"
    torch.testing.assert_close(answers(model), expected(), rtol=1e-4, atol=1e-4)


def test_the_same_model_may_change_its_format(kube, store, folder, deploy):
    deploy("format", store.put("attention-torchscript.tar", bundles.attention(folder, "torchscript")))
    model = deploy("format", store.put("attention-onnx.tar", bundles.attention(folder, "onnx")))
    assert revision(model)["proof"]["format"] == "ONNX"
    torch.testing.assert_close(answers(model), expected(), rtol=1e-4, atol=1e-4)


def test_a_bare_file_is_proven_to_its_contract(store, folder, deploy):
    model = deploy("bare-onnx", store.put("model.onnx", bundles.attention_onnx(folder)))
    assert model["status"]["level"] == "Contract"
    torch.testing.assert_close(answers(model), expected(), rtol=1e-4, atol=1e-4)


def test_half_a_file_never_serves(kube, store, folder, deploy):
    whole = bundles.attention_onnx(folder)
    deploy("half-onnx", store.put("half.onnx", whole[: len(whole) // 2]), wait=False)
    model = kube.until("modeldeployment", "half-onnx", lambda m: settled(m, "Stalled"))
    assert condition(model, "Stalled")["reason"] == "UnsupportedFormat"
    assert "damaged or cut off" in model["status"]["revisions"][0]["failure"]["message"]
