"""ONNX: the same contract and golden cases as TorchScript, and answers like the module's."""

import io
import sys

import modules
import pytest
import torch
from torch import nn

from pilotlight_export import NotExportable, onnx_file

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

IMAGES = torch.linspace(0, 1, 5 * 64).reshape(5, 1, 8, 8)
IDS = torch.tensor([[1, 4, 9, 10], [0, 3, 2, 1]])
MASK = torch.tensor([[True, True, True, False], [True, False, False, False]])
LENGTH = {"ids": {1: "length"}, "mask": {1: "length"}}

MODELS = {
    "classifier": (modules.Small, IMAGES, {}),
    "attention": (modules.Attention, torch.randn(2, 5, 16), {"dynamic_axes": {"x": [1]}}),
    "two inputs": (modules.TwoInputs, (torch.randn(4, 4), torch.randn(4, 2)), {}),
    "integers and booleans": (modules.Embeds, (IDS, MASK), {"dynamic_axes": LENGTH}),
    "dictionary": (modules.ReturnsDict, torch.randn(4, 3), {}),
    "tuple": (modules.ReturnsTuple, torch.randn(4, 3), {}),
    "integers out": (modules.Argmax, torch.randn(4, 3), {}),
    "any size": (modules.PerPixel, torch.rand(2, 1, 8, 8), {"dynamic_axes": {"image": [2, 3]}}),
    "no batch": (modules.MeanOverBatch, torch.randn(4, 3), {"batch": False}),
    "what cannot be scripted": (modules.CatchesErrors, torch.randn(4, 3), {}),
    "float64": (lambda: nn.Linear(3, 2).double(), torch.randn(4, 3).double(), {}),
    "float16": (lambda: nn.Linear(3, 2).half(), torch.randn(4, 3).half(), {}),
}


@pytest.mark.parametrize("kind", MODELS)
def test_contract_and_golden_cases_are_those_of_torchscript(write, kind):
    make, inputs, options = MODELS[kind]
    module = make().eval()
    _, script = write(module, inputs, **options)
    report, read = write(module, inputs, format="onnx", **options)
    assert report.format == read.manifest["format"] == "ONNX"
    assert read.manifest["model"] == {"file": "model.onnx"} and "model.pt" not in read.members
    assert read.manifest["contract"] == script.manifest["contract"]
    assert read.cases == script.cases
    for case in read.cases:
        for name, tensor in read.outputs(case).items():
            assert torch.equal(tensor, script.outputs(case)[name])
        contract = read.manifest["contract"]
        answers = read.model()(*[read.inputs(case)[each["name"]] for each in contract["inputs"]])
        for actual, output in zip(answers, contract["outputs"]):
            torch.testing.assert_close(actual, read.outputs(case)[output["name"]], rtol=1e-2, atol=1e-2)


def test_the_file_is_whole_and_names_what_the_contract_names(write):
    _, read = write(modules.Attention().eval(), torch.randn(2, 5, 16), format="onnx", dynamic_axes={"x": [1]},
                    output_names=["y"])
    model = onnx.load(io.BytesIO(read.members["model.onnx"]))
    onnx.checker.check_model(model)
    assert [i.name for i in model.graph.input] == ["x"] and [o.name for o in model.graph.output] == ["y"]
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["batch", "x_1", 16]
    assert all(not t.external_data for t in model.graph.initializer)
    assert {o.domain for o in model.opset_import} <= {"", "ai.onnx"}


def test_the_same_module_gives_the_same_bytes_without_a_path(write):
    def once():
        torch.manual_seed(7)
        return write(modules.Small(), IMAGES, format="onnx")

    first = once()[0].digest
    report, read = once()
    assert report.digest == first
    assert modules.__file__.rsplit("/", 1)[0].encode() not in read.members["model.onnx"]


def test_a_scripted_module_keeps_its_control_flow(write):
    report, read = write(modules.DoublesIfPositive(), torch.randn(4, 3), format="onnx", batch=False)
    assert report.method == "script"
    for x in (torch.ones(4, 3), -torch.ones(4, 3)):
        assert torch.equal(read.model()(x)[0], modules.DoublesIfPositive()(x))


def test_the_spread_is_measured_in_onnx_runtime(write):
    report, _ = write(modules.Small(), IMAGES, format="onnx", scalar_kernels=True)
    assert "plain graph" in report.spread and "scalar kernels" not in report.spread
    assert not any("could not be measured" in warning for warning in report.warnings)


def test_without_onnxruntime_the_report_says_that_nothing_ran_it(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    report, read = write(modules.Small(), IMAGES, format="onnx")
    assert any("onnxruntime is not installed" in warning for warning in report.warnings)
    assert read.manifest["format"] == "ONNX"


def test_a_file_that_answers_otherwise_is_an_error(write, monkeypatch):
    right = onnx_file.OnnxModule.__call__
    monkeypatch.setattr(onnx_file.OnnxModule, "__call__", lambda self, *x: [y + 1 for y in right(self, *x)])
    with pytest.raises(NotExportable, match="does not answer like the module"):
        write(modules.Small(), IMAGES, format="onnx")
    assert not write.path.exists()


def test_what_onnx_cannot_hold_is_told(write):
    with pytest.raises(NotExportable, match="torch.onnx.export cannot write"):
        write(modules.Unwritable(), torch.randn(4, 4), format="onnx", batch=False)
