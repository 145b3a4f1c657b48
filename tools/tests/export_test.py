"""What a good module gives."""

import hashlib
import os
import subprocess
import sys
import tarfile

import modules
import pytest
import torch
from torch import nn

from pilotlight_export import Bundle, InvalidArgument, UnsupportedInput, WrongDevice, bundle, export

IMAGES = torch.linspace(0, 1, 5 * 64).reshape(5, 1, 8, 8)


def answers(module, tensors):
    with torch.inference_mode():
        return module(*tensors)


def test_the_bundle_holds_what_the_eager_module_answers(write):
    module = modules.Small().eval()
    _, read = write(module, IMAGES, output_names=["logits"])
    assert read.cases == ["batch-1", "batch-3", "batch-5"]
    for case in read.cases:
        inputs, outputs = read.inputs(case), read.outputs(case)
        assert inputs["image"].shape[0] == int(case.split("-")[1])
        expected = answers(module, [inputs["image"]])
        assert torch.equal(outputs["logits"], expected)
        torch.testing.assert_close(answers(read.model(), [inputs["image"]]), expected)


def test_the_manifest_is_as_documented(write):
    report, read = write(modules.Small(), IMAGES, name="digits", output_names=["logits"], labels=list("0123456789"))
    manifest = read.manifest
    assert list(manifest) == ["apiVersion", "name", "format", "model", "contract", "golden", "exporter", "files"]
    assert manifest["apiVersion"] == "bundle.pilotlight.dev/v1"
    assert (manifest["name"], manifest["format"], manifest["model"]) == ("digits", "TorchScript", {"file": "model.pt"})
    assert manifest["contract"]["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]
    assert manifest["contract"]["outputs"] == [
        {"name": "logits", "datatype": "FP32", "shape": [-1, 10], "labels": list("0123456789")}]
    assert manifest["exporter"]["torch"] == torch.__version__.split("+")[0]
    assert manifest["exporter"]["cpu"] == torch.backends.cpu.get_cpu_capability()
    assert "numpy" in manifest["exporter"]["packages"]
    assert b"numpy==" in read.members["requirements.txt"]
    assert set(manifest["files"]) == set(read.members) - {"model.yaml"}
    assert isinstance(manifest["golden"]["absoluteTolerance"], float)
    assert report.digest == "sha256:" + hashlib.sha256(write.path.read_bytes()).hexdigest()


def test_the_archive_is_a_plain_tar_without_time_or_owner(write):
    write(modules.Small(), IMAGES)
    with tarfile.open(write.path, "r:") as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert all(m.isreg() and m.mtime == 0 and m.uid == 0 and m.uname == "" and m.mode == 0o644 for m in members)
    assert b"ustar\x00" in write.path.read_bytes()[:512]


@pytest.mark.parametrize("method", ["script", "trace"])
def test_the_same_module_gives_the_same_bytes_whatever_was_exported_before(write, method):
    def once():
        torch.manual_seed(7)
        return write(modules.Small(), IMAGES, method=method)[0].digest

    first = once()
    torch.jit.trace(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)).eval(), IMAGES)
    assert once() == first


@pytest.mark.parametrize("method", ["script", "trace"])
def test_another_process_gives_the_same_bytes(tmp_path, write, method):
    torch.manual_seed(3)
    digest = write(modules.Small(), IMAGES, method=method)[0].digest
    script = (
        "import sys, torch; sys.path[:0] = sys.argv[3:]; import modules; from pilotlight_export import export\n"
        "torch.manual_seed(3)\n"
        "export(modules.Small(), torch.linspace(0, 1, 5 * 64).reshape(5, 1, 8, 8), sys.argv[1] + '/model.tar',"
        " method=sys.argv[2], scalar_kernels=False, quiet=True)\n")
    tests = modules.__file__.rsplit("/", 1)[0]
    for seed in ("1", "2"):  # the order of Python's sets
        subprocess.run([sys.executable, "-c", script, str(tmp_path), method, tests, tests + "/.."], check=True,
                       env={**os.environ, "PYTHONHASHSEED": seed})
        assert bundle.digest_of(tmp_path / "model.tar") == digest


def test_no_path_of_the_users_machine_is_in_the_bundle(write):
    for method in ("script", "trace"):
        write(modules.Small(), IMAGES, method=method)
        assert modules.__file__.rsplit("/", 1)[0].encode() not in write.path.read_bytes()


def test_a_module_with_several_copies_of_a_class_survives(write):
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    for method in ("script", "trace"):
        _, read = write(module, torch.randn(3, 4), method=method, input_names=["x"])
        x = torch.randn(6, 4)
        torch.testing.assert_close(answers(read.model(), [x]), answers(module, [x]))


def test_the_module_is_left_as_it_was(write):
    module = modules.Small()
    module.conv.eval()
    before = {name: part.training for name, part in module.named_modules()}
    state = torch.get_rng_state()
    report, _ = write(module, IMAGES)
    assert {name: part.training for name, part in module.named_modules()} == before
    assert all(p.requires_grad for p in module.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert any("training mode" in warning for warning in report.warnings)


def test_several_inputs_stand_in_forwards_order_and_may_be_given_by_name(write):
    module = modules.TwoInputs().eval()
    left, right = torch.randn(4, 4), torch.randn(4, 2)
    _, read = write(module, {"right": right, "left": left})
    assert [t["name"] for t in read.manifest["contract"]["inputs"]] == ["left", "right"]
    case = read.inputs("batch-3")
    assert torch.equal(read.outputs("batch-3")["output_0"], answers(module, [case["left"], case["right"]]))


def test_integer_inputs_keep_to_values_that_occur(write):
    ids = torch.tensor([[1, 4, 9, 10], [0, 3, 2, 1]])
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    axes = {"ids": {1: "length"}, "mask": {1: "length"}}
    _, read = write(modules.Embeds(), (ids, mask), dynamic_axes=axes)
    inputs = read.manifest["contract"]["inputs"]
    assert inputs == [{"name": "ids", "datatype": "INT64", "shape": [-1, -1]},
                      {"name": "mask", "datatype": "BOOL", "shape": [-1, -1]}]
    assert read.cases == ["batch-1", "batch-3", "batch-2", "length-5"]
    assert read.inputs("length-5")["ids"].shape == (2, 5)
    assert set(read.inputs("batch-3")["ids"].flatten().tolist()) <= set(ids.flatten().tolist())


def test_dimensions_of_outputs_that_follow_an_axis_are_dynamic(write):
    _, read = write(modules.PerPixel(), torch.rand(2, 1, 8, 8), dynamic_axes={"image": [2, 3]})
    assert read.manifest["contract"]["inputs"][0]["shape"] == [-1, 1, -1, -1]
    assert read.manifest["contract"]["outputs"][0]["shape"] == [-1, 2, -1, -1]


@pytest.mark.parametrize("kind, names", [
    (modules.ReturnsDict, ["double", "half"]),
    (modules.ReturnsTuple, ["output_0", "output_1"]),
    (modules.ReturnsList, ["output_0", "output_1"]),
    (modules.ReturnsNamedTuple, ["logits", "features"]),
])
@pytest.mark.parametrize("method", ["script", "trace"])
def test_collections_of_tensors_are_outputs(write, kind, names, method):
    if kind is modules.ReturnsNamedTuple and method == "trace":
        pytest.skip("torch.jit.trace turns named tuples into tuples, which the script case covers")
    _, read = write(kind(), torch.randn(4, 3), method=method)
    assert [t["name"] for t in read.manifest["contract"]["outputs"]] == names
    assert list(read.outputs("batch-1")) == names or set(read.outputs("batch-1")) == set(names)


def test_an_optional_argument_may_be_left_out(write):
    _, read = write(modules.Optionally(), torch.randn(2, 3))
    assert [t["name"] for t in read.manifest["contract"]["inputs"]] == ["x"]


def test_a_model_without_a_batch_has_fixed_shapes(write):
    _, read = write(modules.MeanOverBatch(), torch.randn(4, 3), batch=False)
    assert read.manifest["contract"]["inputs"][0]["shape"] == [4, 3]
    assert read.cases == ["example", "drawn"]


def test_golden_inputs_become_cases_and_must_fit(write):
    _, read = write(modules.Small(), IMAGES, golden_inputs=[torch.ones(2, 1, 8, 8)])
    assert torch.equal(read.inputs("given-1")["image"], torch.ones(2, 1, 8, 8))
    with pytest.raises(InvalidArgument, match="golden_inputs.0. does not fit"):
        write(modules.Small(), IMAGES, golden_inputs=[torch.ones(2, 1, 9, 8)])


def test_other_precisions_have_their_own_tolerance(write):
    for dtype, name, least in ((torch.bfloat16, "BF16", 3e-3), (torch.float64, "FP64", 1e-5)):
        _, read = write(nn.Linear(3, 2).to(dtype), torch.randn(4, 3, dtype=dtype), input_names=["x"])
        assert read.manifest["contract"]["outputs"][0]["datatype"] == name
        assert read.manifest["golden"]["absoluteTolerance"] >= least
        assert read.outputs("batch-1")["output_0"].dtype == dtype


def test_integers_are_outputs(write):
    _, read = write(modules.Argmax(), torch.randn(4, 3))
    assert read.manifest["contract"]["outputs"][0] == {"name": "output_0", "datatype": "INT64", "shape": [-1]}


def test_a_script_module_goes_in_as_it_is(write):
    report, read = write(torch.jit.script(modules.Small().eval()), IMAGES)
    assert report.method == "script"
    assert read.manifest["contract"]["inputs"][0]["name"] == "image"


def test_labels_must_fit_the_output(write):
    with pytest.raises(InvalidArgument, match="3 labels fit 0 outputs"):
        write(modules.Small(), IMAGES, labels=["a", "b", "c"])
    with pytest.raises(InvalidArgument, match="stands twice"):
        write(modules.Small(), IMAGES, labels=["a"] * 10)
    _, read = write(modules.Small(), IMAGES, labels={"output_0": list("abcdefghij")}, activation="none")
    assert read.manifest["contract"]["outputs"][0]["activation"] == "none"


@pytest.mark.parametrize("inputs, text", [
    (3.0, "is a float, not a tensor"),
    (torch.ones(2, 3, dtype=torch.complex64), "datatype torch.complex64"),
    (torch.ones([1] * 9), "9 dimensions"),
    (torch.ones(0, 3), "is empty"),
])
def test_inputs_that_no_request_can_carry_are_refused(write, inputs, text):
    with pytest.raises(UnsupportedInput, match=text):
        write(modules.ReturnsTuple(), inputs)
    assert not write.path.exists()


@pytest.mark.parametrize("options, text", [
    ({"name": "Not A Name"}, "cannot be a model's name"),
    ({"input_names": ["a", "b"]}, "2 names for 1 tensors"),
    ({"input_names": ["a/b"]}, "cannot be a name"),
    ({"method": "onnx"}, "method is 'onnx'"),
    ({"format": "pt2"}, "format is 'pt2'"),
    ({"dynamic_axes": {"other": [1]}}, "names 'other'"),
    ({"dynamic_axes": {"x": [7]}}, "no dimension 7"),
    ({"tolerance": -1.0}, "tolerance is -1"),
    ({"activation": "relu"}, "activation is 'relu'"),
])
def test_arguments_that_cannot_be_meant_are_refused(write, options, text):
    with pytest.raises(InvalidArgument, match=text):
        write(modules.ReturnsTuple(), torch.randn(4, 3), **options)


def test_arguments_by_name_must_be_forwards(write):
    with pytest.raises(InvalidArgument, match="no argument 'wrong'"):
        write(modules.TwoInputs(), {"wrong": torch.ones(1, 4)})
    with pytest.raises(InvalidArgument, match="leave out 'left'"):
        write(modules.TwoInputs(), {"right": torch.ones(1, 2)})


def test_a_batch_must_be_common_to_all_inputs(write):
    with pytest.raises(InvalidArgument, match="no batch dimension in common"):
        write(modules.TwoInputs(), (torch.ones(4, 4), torch.ones(1, 2)))


def test_a_parameter_elsewhere_is_named(write):
    with pytest.raises(WrongDevice, match="parameter weight is on meta"):
        write(nn.Linear(3, 2, device="meta"), torch.randn(4, 3), input_names=["x"])


def test_nothing_is_left_when_writing_fails(tmp_path):
    target = tmp_path / "model.tar"
    target.mkdir()
    with pytest.raises(OSError):
        export(modules.Small(), IMAGES, target, scalar_kernels=False, quiet=True)
    assert [p.name for p in tmp_path.iterdir()] == ["model.tar"]


def test_reading_back_notices_a_changed_member(tmp_path):
    bundle.write(tmp_path / "a.tar", {"golden": {"cases": []}}, {"model.pt": b"abc"})
    data = (tmp_path / "a.tar").read_bytes().replace(b"abc", b"abd")
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(ValueError, match="model.pt"):
        Bundle(tmp_path / "a.tar")
