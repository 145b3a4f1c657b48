"""The same attention module in three formats on the cluster: the same answers, and the proofs side by side."""

import json
from pathlib import Path

import bundles
import pytest
import torch
from endpoint import Endpoint
from kube import revision
from modules import Attention
from pilotlight_export import sign

FORMATS = {"torchscript": "TorchScript", "onnx": "ONNX", "aotinductor": "AOTInductor"}
X = torch.randn(6, 7, 16, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def key(folder):
    return bundles.key(folder, "three-formats")


def side_by_side(proofs: dict[str, dict]) -> str:
    """What is the same and what is not, a row a field."""
    fields = ["format", "level", "cases", "tolerance", "worstError", "warmup", "runtime", "graphs", "exporter", "drift", "sandbox"]
    rows = [["", *proofs]]
    for field in fields:
        rows.append([field, *(json.dumps(proof.get(field, "")) for proof in proofs.values())])
    return "\n".join("  ".join(f"{cell[:60]:<60}" if at else f"{cell:<12}" for at, cell in enumerate(row)) for row in rows)


def test_they_are_proven_by_the_same_cases_and_answer_alike(store, folder, deploy, key):
    models = {}
    for format, name in FORMATS.items():
        path = folder / f"attention-{format}.tar"
        uri = store.put(path.name, bundles.attention(folder, format))
        asked = {}
        if format == "aotinductor":
            store.put(path.name + ".sig", Path(sign(path, key).path).read_bytes())
            asked = {"format": name, "signature": {"publicKeys": [key.with_suffix(".pub").read_text()]}}
        models[format] = deploy(f"attention-{format}", uri, **asked)
    proofs = {format: revision(model)["proof"] for format, model in models.items()}
    print(side_by_side(proofs))
    assert {format: proof["format"] for format, proof in proofs.items()} == FORMATS
    for proof in proofs.values():
        assert (proof["level"], proof["cases"]) == ("Answers", proofs["torchscript"]["cases"])
        assert proof["worstError"]["error"] <= proof["worstError"]["allowed"]
        assert proof["sandbox"][0] == "seccomp"
    body = json.dumps({"instances": X.tolist()}).encode()
    answers = {}
    for format, model in models.items():
        with Endpoint.of(model) as endpoint:
            _, data = endpoint.post("/predict", body, {"Content-Type": "application/json"})
        answers[format] = torch.tensor(json.loads(data)["output"])
    with torch.inference_mode():
        expected = bundles.seeded(Attention)(X)
    for format, answer in answers.items():
        torch.testing.assert_close(answer, expected, rtol=1e-5, atol=1e-5, msg=lambda text, f=format: f"{f}: {text}")
