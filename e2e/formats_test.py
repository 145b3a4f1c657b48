"""Every kind of model that the exporter writes, served by a sidecar of this host: proven, and answering like the module.

No cluster is needed for this; PILOTLIGHT_BIN says where the sidecar is.
"""

import json

import pytest
import torch
from modules import (
    Argmax,
    CatchesErrors,
    Embeds,
    MeanOverBatch,
    PerPixel,
    ReturnsDict,
    ReturnsList,
    ReturnsNamedTuple,
    ReturnsTuple,
    Small,
    TwoInputs,
)
from pilotlight_export import Bundle, export
from torch import nn

IDS, MASK = torch.tensor([[1, 4, 9, 10], [0, 3, 2, 1]]), torch.tensor([[True, True, True, False], [True, False, False, False]])
LENGTH = {"ids": {1: "length"}, "mask": {1: "length"}}

MODELS = {
    "a classifier": (lambda: Small(), torch.rand(4, 1, 8, 8), {}),
    "a traced classifier": (lambda: Small(), torch.rand(4, 1, 8, 8), {"method": "trace"}),
    "what cannot be scripted": (lambda: CatchesErrors(), torch.randn(4, 3), {}),
    "two inputs": (lambda: TwoInputs(), (torch.randn(4, 4), torch.randn(4, 2)), {}),
    "integers and booleans of varying length": (lambda: Embeds(), (IDS, MASK), {"dynamic_axes": LENGTH}),
    "a dictionary": (lambda: ReturnsDict(), torch.randn(4, 3), {}),
    "a tuple": (lambda: ReturnsTuple(), torch.randn(4, 3), {}),
    "a list": (lambda: ReturnsList(), torch.randn(4, 3), {}),
    "a named tuple": (lambda: ReturnsNamedTuple(), torch.randn(4, 3), {}),
    "integers out": (lambda: Argmax(), torch.randn(4, 3), {}),
    "images of any size": (lambda: PerPixel(), torch.rand(2, 1, 8, 8), {"dynamic_axes": {"image": [2, 3]}}),
    "no batch": (lambda: MeanOverBatch(), torch.randn(4, 3), {"batch": False}),
    "bfloat16": (lambda: nn.Linear(3, 2).bfloat16(), torch.randn(4, 3).bfloat16(), {}),
    "float16": (lambda: nn.Linear(3, 2).half(), torch.randn(4, 3).half(), {}),
    "float64": (lambda: nn.Linear(3, 2).double(), torch.randn(4, 3).double(), {}),
}


# numpy, and ONNX Runtime on CPUs, do without bfloat16.
FORMATS = [(kind, "torchscript") for kind in MODELS] + [(kind, "onnx") for kind in MODELS if kind != "bfloat16"]


@pytest.mark.parametrize("kind, format", FORMATS)
def test_it_is_proven_and_answers_like_the_module(serve, tmp_path, kind, format):
    make, inputs, options = MODELS[kind]
    torch.manual_seed(0)
    path = tmp_path / "model.tar"
    export(make().eval(), inputs, path, scalar_kernels=False, quiet=True, format=format, **options)
    read = Bundle(path)
    sidecar = serve(path)
    assert sidecar.status["phase"] == "Ready", sidecar.status.get("failure")
    proof = sidecar.status["proof"]
    assert proof["level"] == "Answers" and proof["cases"] == len(read.cases)
    assert proof["digest"] == read.digest and proof["format"] == read.manifest["format"]
    contract = read.manifest["contract"]
    for case in read.cases:
        given, expected = read.inputs(case), read.outputs(case)
        tensors = [{"name": t["name"], "datatype": t["datatype"], "shape": list(given[t["name"]].shape),
                    "data": given[t["name"]].flatten().tolist()} for t in contract["inputs"]]
        answer = json.loads(sidecar.call(sidecar.port, "POST", "/v2/models/model/infer", {"inputs": tensors}))
        assert [t["name"] for t in answer["outputs"]] == [t["name"] for t in contract["outputs"]]
        for output in answer["outputs"]:
            wanted = expected[output["name"]]
            actual = torch.tensor(output["data"], dtype=wanted.dtype).reshape(output["shape"])
            torch.testing.assert_close(actual, wanted, rtol=1e-2, atol=1e-2)
