"""How far a model's answers move when nothing of the model changes, and the tolerance that follows."""

from __future__ import annotations

import functools
import os

import torch

from . import compare, eager
from .axes import Axis
from .convert import Exported
from .errors import RowsDependOnEachOther
from .kernels import ScalarRun

_SCALAR_SECONDS = 120.0


def check_rows(module, inputs) -> None:
    """Every row alone gives what it gives within the batch; otherwise a server must not batch the model."""
    outputs = eager.run(module, inputs)
    norms = eager.norms_over_batch(module)
    try:
        alone = [torch.cat(parts) for parts in zip(*_rows(module, inputs))]
        distance = compare.furthest(alone, outputs)
    except Exception:
        if not norms:
            raise
        distance = float("inf")  # torch's batch norm refuses a single row
    if distance <= 10 * compare.default_for(t.dtype for t in outputs):
        return
    raise RowsDependOnEachOther(
        "a row's answer changes with the other rows of its batch" +
        (f": {', '.join(norms)} normalise(s) over the batch, as track_running_stats is off" if norms else ""),
        "a server puts rows of different callers into one batch. "
        + ("Use track_running_stats=True, or a norm over features (LayerNorm, GroupNorm)" if norms else
           "Take means, maxima and softmax over features, not over dimension 0")
        + "; or pass batch=False if the first dimension is no batch",
    )


def measure(exported: Exported, cases, batch: Axis | None,
            scalar: ScalarRun | None) -> tuple[dict[str, float], list[str]]:
    """The largest distance from the golden outputs, by what was changed; and what could not be measured."""
    module = exported.module
    plain = functools.partial(torch.jit.optimized_execution, False)
    found = {"another run": 0.0, "1 thread": 0.0, "more threads": 0.0}
    for inputs, expected in cases:
        with _threads(1), plain():
            _note(found, "1 thread", eager.run(module, inputs), expected)
        with _threads(max(2, os.cpu_count() or 1)), plain():
            _note(found, "more threads", eager.run(module, inputs), expected)
        if batch and inputs[batch.where[0][0]].shape[0] > 1:
            with plain():
                alone = [torch.cat(parts) for parts in zip(*_rows(module, inputs))]
            _note(found, "a batch of one", alone, expected)
    for _ in range(3):  # optimised after the first runs; for one size only, as each takes long in a large model
        _note(found, "another run", eager.run(module, cases[0][0]), cases[0][1])
    missing = _measure_other_form(exported, cases, found, plain)
    if scalar:
        results = scalar.outputs(_SCALAR_SECONDS)
        if results is None:
            missing.append("scalar kernels")
        else:
            for actual, (_, expected) in zip(results, cases):
                _note(found, "scalar kernels", actual, expected)
    return found, missing


def tolerance_for(spread: float, default: float) -> float:
    """Ten times the spread, rounded up; a tenth of the default at least, as other machines differ more than one does."""
    return max(compare.round_up(10 * spread), default / 10)


def _measure_other_form(exported: Exported, cases, found, plain) -> list[str]:
    """freeze() folds normalisation into convolutions, as the server may; ONNX Runtime's plain graph does not."""
    try:
        form = exported.other_form()
        if form is None:
            return []
        name, other = form
        with plain():
            for inputs, expected in cases:
                _note(found, name, eager.run(other, inputs), expected)
    except Exception:  # a model that has no other form is served as it is
        return ["the other form of the graph"]
    return []


def _rows(module, inputs):
    for row in range(inputs[0].shape[0]):
        yield eager.run(module, [x[row:row + 1] for x in inputs])


def _note(found, what, actual, expected) -> None:
    found[what] = max(found.get(what, 0.0), compare.furthest(actual, expected))


class _threads:
    def __init__(self, count: int):
        self._count = count

    def __enter__(self):
        self._before = torch.get_num_threads()
        torch.set_num_threads(self._count)

    def __exit__(self, *_):
        torch.set_num_threads(self._before)
