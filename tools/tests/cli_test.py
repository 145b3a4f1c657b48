"""python3 -m pilotlight_export"""

import subprocess
import sys
from pathlib import Path

import modules
import pytest

from pilotlight_export import Bundle
from pilotlight_export.__main__ import main

FACTORY = """
import sys
sys.path.insert(0, {tests!r})
import modules, torch

def make():
    torch.manual_seed(1)
    return modules.Small()

def make_both():
    return make(), torch.rand(2, 1, 8, 8)

def examples():
    return torch.ones(4, 1, 8, 8)

def lost():
    return modules.RowWiseIf()

number = 3
"""


@pytest.fixture
def factory(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(FACTORY.format(tests=str(Path(modules.__file__).parent)))
    return path


def run(factory, name, *options):
    target = factory.parent / "out.tar"
    return main([f"{factory}:{name}", "-o", str(target), "--no-scalar-kernels", *options]), target


def test_another_format_is_written_without_a_word_too_many(factory):
    pytest.importorskip("onnxruntime")
    target = factory.parent / "out.tar"
    tools = str(Path(modules.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "pilotlight_export", f"{factory}:make_both", "-o", str(target), "--format", "onnx"],
        capture_output=True, text=True, cwd=tools)
    assert done.returncode == 0 and done.stderr == ""
    assert "scripted ONNX, golden cases" in done.stdout
    assert Bundle(target).manifest["format"] == "ONNX"


def test_a_factory_and_a_described_input_are_enough(factory, capsys):
    code, target = run(factory, "make", "--input", "image=FP32:8,1,8,8", "--outputs", "logits", "--labels",
                       "0,1,2,3,4,5,6,7,8,9", "--name", "digits")
    assert code == 0
    read = Bundle(target)
    assert read.manifest["name"] == "digits"
    printed = capsys.readouterr().out
    assert f"    digest: {read.digest}" in printed and "spec:\n  model:\n" in printed


def test_the_factory_may_give_the_example_too(factory):
    assert run(factory, "make_both")[0] == 0
    code, target = run(factory, "make", "--example", f"{factory}:examples")
    assert code == 0 and Bundle(target).cases == ["batch-1", "batch-3", "batch-4"]


def test_labels_may_stand_in_a_file(factory):
    (factory.parent / "classes.txt").write_text("\n".join("abcdefghij"))
    code, target = run(factory, "make_both", "--labels", str(factory.parent / "classes.txt"))
    assert code == 0 and Bundle(target).manifest["contract"]["outputs"][0]["labels"] == list("abcdefghij")


def test_dynamic_axes_and_no_batch(factory):
    code, target = run(factory, "make_both", "--no-batch")
    assert code == 0 and Bundle(target).manifest["contract"]["inputs"][0]["shape"] == [2, 1, 8, 8]
    assert run(factory, "make_both", "--dynamic", "image:3")[0] == 1


@pytest.mark.parametrize("name, options, says", [
    ("make", (), "no example inputs"),
    ("nothing", (), "has no nothing"),
    ("number", (), "is a int"),
    ("lost", ("--input", "x=FP32:4,4"), "ControlFlowLost"),
    ("make", ("--input", "image=FLOAT:1"), "cannot be read"),
    ("make_both", ("--dynamic", "image"), "cannot be read"),
])
def test_errors_are_a_few_plain_lines(factory, capsys, name, options, says):
    code, target = run(factory, name, *options)
    shown = capsys.readouterr().err
    assert code == 1 and says in shown and "what to do:" in shown and "Traceback" not in shown
    assert not target.exists()


def test_it_runs_as_a_module(factory):
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "pilotlight_export", f"{factory}:make_both", "-o", str(factory.parent / "m.tar")],
        cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "sha256:" in done.stdout
