"""One model in each format: proven by `kubectl pilotlight verify`, served by a sidecar, and answering alike. No cluster."""

import json

import bundles
import pytest
import torch
from modules import Attention
from pilotlight_export import sign

X = torch.randn(4, 7, 16, generator=torch.Generator().manual_seed(1))
FORMATS = {"torchscript": "TorchScript", "onnx": "ONNX", "aotinductor": "AOTInductor"}
GRAPHS = {"torchscript": ["plain", "frozen", "optimized"], "onnx": ["plain", "optimized"], "aotinductor": ["plain"]}
PLATFORMS = {"torchscript": "pytorch_torchscript", "onnx": "onnxruntime_onnx", "aotinductor": "pytorch_aotinductor"}


@pytest.fixture(scope="module", params=FORMATS)
def attention(request, folder):
    """(format, bundle, what must be said besides for it to be run)"""
    bundles.attention(folder, request.param)
    path = folder / f"attention-{request.param}.tar"
    return request.param, path, consent(folder, path) if request.param == "aotinductor" else []


def consent(folder, path):
    """Machine code runs for those who ask for it by name, and name who signed it."""
    key = bundles.key(folder, "compiler")
    sign(path, key)
    return ["--format", "AOTInductor", "--public-key", key.with_suffix(".pub")]


def expected(x):
    with torch.inference_mode():
        return bundles.seeded(Attention)(x)


def test_it_is_proven_by_verify(verify, attention):
    format, path, consented = attention
    said = verify(path, "-o", "json", "--batch-sizes", "1,3,8", *consented)
    assert said.returncode == 0, said
    proof = json.loads(said.stdout)["proof"]
    assert (proof["level"], proof["format"]) == ("Answers", FORMATS[format])
    # Which is the fastest differs from machine to machine; all were tried, and none gave other answers.
    assert [each["graph"] for each in proof["graphs"]] == GRAPHS[format]
    assert proof["runtime"]["graph"] in GRAPHS[format] and not any("refused" in each for each in proof["graphs"]), proof
    assert ("onnxruntime" in proof["runtime"]) == (format == "onnx")


def test_it_answers_like_the_module(serve, attention):
    format, path, consented = attention
    sidecar = serve(path, *consented)
    assert sidecar.status["phase"] == "Ready", sidecar.status.get("failure")
    assert json.loads(sidecar.call(sidecar.port, "GET", f"/v2/models/{path.stem}"))["platform"] == PLATFORMS[format]
    for x in (X, X[:1], X[:3], X[:, :4], X.repeat(2, 1, 1), X[:, :1]):  # also batches and lengths that are one, or the same
        answer = sidecar.call(sidecar.port, "POST", "/predict", {"instances": x.tolist()})
        torch.testing.assert_close(torch.tensor(json.loads(answer)["output"]), expected(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_compiled_model_answers_in_any_number_of_threads(verify, folder, threads):
    bundles.attention(folder, "aotinductor")
    path = folder / "attention-aotinductor.tar"
    said = verify(path, "-o", "json", "--threads", threads, *consent(folder, path))
    assert said.returncode == 0, said
    assert json.loads(said.stdout)["proof"]["runtime"]["threads"] == threads


def test_a_compiled_model_of_nobody_is_not_run(verify, serve, folder):
    bundles.attention(folder, "aotinductor")
    path = folder / "attention-aotinductor.tar"
    said = verify(path)
    assert said.returncode == 1 and "UnsupportedFormat" in said.stdout and "--public-key" in said.stdout
    said = verify(path, "--format", "AOTInductor")
    assert said.returncode == 1 and "SignatureMissing" in said.stdout
    assert serve(path, "--format", "AOTInductor").status["failure"]["reason"] == "SignatureMissing"


def test_a_batch_beyond_what_was_compiled_is_an_error_and_no_crash(serve, folder):
    bundles.attention(folder, "aotinductor")
    path = folder / "attention-aotinductor.tar"
    sidecar = serve(path, *consent(folder, path))
    status, data = sidecar.ask(sidecar.port, "POST", "/v2/models/attention-aotinductor/infer", {"inputs": [
        {"name": "x", "datatype": "FP32", "shape": [65537, 1, 16], "data": [0] * (65537 * 16)}]})
    assert status == 500, data[:200]
    answer = sidecar.call(sidecar.port, "POST", "/predict", {"instances": X.tolist()})
    torch.testing.assert_close(torch.tensor(json.loads(answer)["output"]), expected(X), rtol=1e-5, atol=1e-5)
    assert json.loads(sidecar.call(sidecar.admin, "GET", "/status"))["engine"]["restarts"] == 0


def test_the_format_that_is_asked_for_must_be_there(verify, folder):
    bundles.attention(folder, "onnx")
    path = folder / "attention-onnx.tar"
    assert verify(path, "--format", "ONNX").returncode == 0
    said = verify(path, "--format", "TorchScript")
    assert said.returncode == 1 and "the model is ONNX, but model.format says TorchScript" in said.stdout


def test_a_bare_onnx_file_brings_its_contract(verify, serve, folder):
    path = folder / "bare.onnx"
    path.write_bytes(bundles.attention_onnx(folder))
    said = verify(path, "-o", "json", "--minimum-level", "Contract")
    assert said.returncode == 0, said
    proven = json.loads(said.stdout)
    assert proven["contract"]["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, -1, 16]}]
    assert proven["contract"]["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}]
    sidecar = serve(path)
    answer = sidecar.call(sidecar.port, "POST", "/predict", {"instances": X.tolist()})
    torch.testing.assert_close(torch.tensor(json.loads(answer)["output"]), expected(X), rtol=1e-5, atol=1e-5)


def test_weights_in_a_second_file_are_refused_with_the_remedy(verify, folder):
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model_from_string(bundles.attention_onnx(folder))
    path = folder / "two-files.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    said = verify(path)
    assert said.returncode == 1 and "UnsupportedFormat" in said.stdout
    assert '"weights.bin"' in said.stdout and "in one file" in said.stdout
