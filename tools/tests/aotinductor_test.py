"""AOTInductor: the same contract and golden cases as TorchScript, and answers like the module's. Compiling takes seconds,
so that few models are."""

import io
import json
import shutil
import zipfile

import modules
import pytest
import torch
from torch import nn

from pilotlight_export import FrozenShape, InvalidArgument, NotExportable, aotinductor

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")

IDS = torch.tensor([[1, 4, 9, 10], [0, 3, 2, 1]])
MASK = torch.tensor([[True, True, True, False], [True, False, False, False]])
LENGTH = {"ids": {1: "length"}, "mask": {1: "length"}}


def package(read):
    """(metadata, what it was compiled for, names, library)"""
    with zipfile.ZipFile(io.BytesIO(read.members["model.pt2"])) as archive:
        metadata = json.loads(archive.read("data/aotinductor/model/model_metadata.json"))
        return (metadata, json.loads(metadata["PILOTLIGHT_INPUTS"]), archive.namelist(),
                archive.read("data/aotinductor/model/model.so"))


MODELS = {
    "classifier": (modules.Small, torch.linspace(0, 1, 5 * 64).reshape(5, 1, 8, 8), {}),
    "integers and booleans": (modules.Embeds, (IDS, MASK), {"dynamic_axes": LENGTH}),
    "dictionary": (modules.ReturnsDict, torch.randn(4, 3), {}),
    "no batch": (modules.MeanOverBatch, torch.randn(4, 3), {"batch": False}),
    "float16": (lambda: nn.Linear(3, 2).half(), torch.randn(4, 3).half(), {}),
    "bfloat16": (lambda: nn.Linear(3, 2).bfloat16(), torch.randn(4, 3).bfloat16(), {}),
}


@pytest.mark.parametrize("kind", MODELS)
def test_contract_and_golden_cases_are_those_of_torchscript(write, kind):
    make, inputs, options = MODELS[kind]
    module = make().eval()
    _, script = write(module, inputs, **options)
    report, read = write(module, inputs, format="aotinductor", **options)
    assert report.format == read.manifest["format"] == "AOTInductor" and report.method == "export"
    assert read.manifest["model"] == {"file": "model.pt2"} and "model.pt" not in read.members
    assert read.manifest["contract"] == script.manifest["contract"]
    assert read.cases == script.cases
    model = read.model()
    for case in read.cases:
        contract = read.manifest["contract"]
        answers = model(*[read.inputs(case)[each["name"]] for each in contract["inputs"]])
        answers = list(answers.values()) if isinstance(answers, dict) else [answers]
        for actual, output in zip(answers, contract["outputs"]):
            assert torch.equal(read.outputs(case)[output["name"]], script.outputs(case)[output["name"]])
            torch.testing.assert_close(actual, read.outputs(case)[output["name"]], rtol=3e-2, atol=3e-2)


def test_what_it_was_compiled_for_is_in_the_package_and_nothing_of_this_machine(write):
    def once():
        torch.manual_seed(7)
        return write(modules.Attention().eval(), torch.randn(4, 5, 16), format="aotinductor", dynamic_axes={"x": [1]})

    report, read = once()
    metadata, compiled_for, names, library = package(read)
    assert metadata["AOTI_DEVICE_KEY"] == "cpu"
    assert metadata["AOTI_CPU_ISA"] == ("AVX2" if aotinductor._instructions(None) else metadata["AOTI_CPU_ISA"])
    (x,) = compiled_for["inputs"]
    batch, length, last = x["shape"]
    assert (x["name"], x["datatype"], last) == ("x", "FP32", 16)
    assert compiled_for["sizes"] == {batch: [1, 1 << 16], length: [1, 1 << 24]}
    assert [name for name in names if name.endswith(".so")] == ["data/aotinductor/model/model.so"]
    for trace in (b"/tmp/", torch.__file__.rsplit("/", 2)[0].encode(), b"torchinductor", b"libtorch"):
        assert trace not in library
    assert "format: AOTInductor" in str(report) and "signature:" in str(report)
    assert once()[0].digest == report.digest, "the same module gives the same bytes"


def test_batches_and_lengths_that_coincide_or_are_one_are_answered_like_eager(write):
    module = modules.Attention().eval()
    _, read = write(module, torch.randn(4, 5, 16), format="aotinductor", dynamic_axes={"x": [1]})
    model = read.model()
    for shape in [(1, 5, 16), (3, 1, 16), (8, 8, 16), (1, 1, 16), (5, 4, 16), (16, 16, 16)]:
        x = torch.randn(shape)
        torch.testing.assert_close(model(x), module(x), rtol=1e-5, atol=1e-6)


class TwoConditions(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x * 2
        return x


class OneSizeOnly(nn.Module):
    def forward(self, x):
        return x.reshape(int(x.shape[0]), 2, 2).sum(2)


@pytest.mark.parametrize("module, inputs, options, error, says", [
    (TwoConditions(), torch.ones(4, 3), {"batch": False}, NotExportable, "torch.where"),
    (modules.Unwritable(), torch.randn(4, 4), {"batch": False}, NotExportable, "linalg"),
    (modules.Small(), torch.rand(2, 1, 8, 8), {"instructions": "sse9"}, InvalidArgument, "'avx2'"),
    (modules.Small(), torch.rand(2, 1, 8, 8), {"method": "trace"}, InvalidArgument, "leave method out"),
    (torch.jit.script(modules.ReturnsTuple()), torch.rand(2, 3), {}, InvalidArgument, "Python module"),
], ids=["condition on values", "no C interface", "unknown instructions", "method", "script"])
def test_what_cannot_be_compiled_is_told_with_what_to_do(write, module, inputs, options, error, says):
    with pytest.raises(error) as caught:
        write(module, inputs, format="aotinductor", **options)
    assert says in str(caught.value) and "what to do" in str(caught.value)
    assert not write.path.exists()


def test_a_size_that_export_fixes_is_a_frozen_shape(write, monkeypatch):
    def fixes(*_, **__):
        raise ValueError("Constraints violated (batch)! - Not all values of batch satisfy the generated guard")

    monkeypatch.setattr(torch.export, "export", fixes)
    with pytest.raises(FrozenShape, match="fixes a size"):
        write(OneSizeOnly(), torch.rand(3, 4), format="aotinductor")


def test_what_is_missing_to_compile_is_told(write, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NotExportable, match="no C\\+\\+ compiler 'no-such-compiler'"):
        write(modules.Small(), torch.rand(2, 1, 8, 8), format="aotinductor")
    monkeypatch.delenv("CXX")
    found = aotinductor.importlib.util.find_spec
    monkeypatch.setattr(aotinductor.importlib.util, "find_spec", lambda name: None if name == "setuptools" else found(name))
    with pytest.raises(NotExportable, match="setuptools"):
        write(modules.Small(), torch.rand(2, 1, 8, 8), format="aotinductor")


def test_a_compiled_model_that_answers_otherwise_is_an_error(write, monkeypatch):
    monkeypatch.setattr(aotinductor, "_compiled", lambda *_: (b"", "AVX2"))
    monkeypatch.setattr(aotinductor, "CompiledModule", lambda data: lambda x: x + 1)
    with pytest.raises(NotExportable, match="does not answer like the module"):
        write(modules.ReturnsTuple(), torch.rand(2, 3), format="aotinductor")
    assert not write.path.exists()


def test_instructions_are_for_what_is_compiled_only(write):
    with pytest.raises(InvalidArgument, match="no effect"):
        write(modules.Small(), torch.rand(2, 1, 8, 8), instructions="avx2")
