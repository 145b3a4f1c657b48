"""ONNX: written by torch.onnx from what convert() has checked, and run by ONNX Runtime where that is installed."""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import io
import os
import re
import sys

import torch

from . import eager
from .contract import Contract
from .convert import Exported, first_difference
from .errors import NotExportable

OPSET = 17  # of 2022, and known to every runtime that is still in use


class OnnxExported(Exported):
    """`module` runs `data` in ONNX Runtime; without one installed, it is the TorchScript that `data` was made from."""

    format = "ONNX"
    file = "model.onnx"

    def other_form(self):
        return ("plain graph", OnnxModule(self.data, optimized=False)) if runtime() else super().other_form()


class OnnxModule:
    """Runs an ONNX file as a module would, with as many threads as torch has: tensors in, a list of tensors out."""

    def __init__(self, data: bytes, optimized: bool = True):
        self._data = data
        self._optimized = optimized
        self._sessions: dict = {}

    def __call__(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        session = self._session(torch.get_num_threads())
        names = [each.name for each in session.get_inputs()]
        if len(names) != len(inputs):
            raise ValueError(f"the ONNX graph takes {', '.join(names) or 'nothing'}; an input that forward does not use is lost")
        answers = session.run(None, {name: each.numpy() for name, each in zip(names, inputs)})
        return [torch.as_tensor(answer).clone() for answer in answers]

    def _session(self, threads: int):
        if threads not in self._sessions:
            ort = runtime()
            options = ort.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
            if not self._optimized:
                options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            with _silence():
                self._sessions[threads] = ort.InferenceSession(self._data, options, providers=["CPUExecutionProvider"])
        return self._sessions[threads]


def runtime():
    """The module onnxruntime, or None where it is not installed."""
    try:
        with _silence():
            import onnxruntime

        return onnxruntime
    except ImportError:
        return None


def to_onnx(checked: Exported, module, inputs, contract: Contract, trials) -> OnnxExported:
    """The ONNX file of a module whose TorchScript has passed all trials; held against them once more.

    A scripted module keeps its control flow in ONNX, too; of a traced one torch.onnx makes its own trace.
    """
    source = checked.module if checked.method == "script" else module
    data = _write(source, inputs, contract)
    exported = OnnxExported(checked.method, data, checked.module, list(checked.warnings))
    if runtime() is None:
        exported.warnings.append("onnxruntime is not installed here, so nothing ran the ONNX file yet: pip install "
                                 "onnxruntime, or let kubectl pilotlight verify do it")
        return exported
    exported.module = OnnxModule(data)
    bad = first_difference(exported.module, trials)
    if bad:
        raise NotExportable(
            f"the ONNX file does not answer like the module, for {bad.trial}: {bad.what}",
            "leave format out: TorchScript answers like the module" + (
                "; or write the choice as tensor arithmetic (torch.where)" if checked.method == "script" else ""))
    return exported


def _write(source, inputs, contract: Contract) -> bytes:
    out = io.BytesIO()
    options = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    names, outputs = [t.name for t in contract.inputs], [t.name for t in contract.outputs]
    axes = {t.name: {d: _axis(t.name, d) for d, size in enumerate(t.shape) if size == -1}
            for t in contract.inputs + contract.outputs}
    try:
        with eager.quiet(), torch.no_grad(), _silence():
            torch.onnx.export(source, tuple(x.clone() for x in inputs), out, input_names=names, output_names=outputs,
                              dynamic_axes=axes, opset_version=OPSET, **options)
    except Exception as error:
        first = re.sub(r"\s+", " ", str(error).strip().split("\n")[0])[:300]
        raise NotExportable(
            f"torch.onnx.export cannot write the module: {type(error).__name__}: {first}",
            "leave format out: TorchScript can hold the module") from error
    return out.getvalue()


def _axis(name: str, dimension: int) -> str:
    return "batch" if dimension == 0 else re.sub(r"\W", "_", f"{name}_{dimension}")


@contextlib.contextmanager
def _silence():
    """Without what C++ prints: torch.onnx the whole graph where it fails, Debian's onnxruntime a thousand operators that
    are registered twice."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    with open(os.devnull, "w") as nowhere:
        for descriptor in before:
            os.dup2(nowhere.fileno(), descriptor)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what C++ has not written yet
        for descriptor, copy in before.items():
            os.dup2(copy, descriptor)
            os.close(copy)
