"""What the module answers to other values and other sizes than the example's. Exports are held against it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from . import axes as axes_
from . import eager
from .axes import BATCH, Axis
from .errors import FrozenShape, UnsupportedOutput
from .source import place_of


_ENOUGH = 3  # sizes of one axis


@dataclass
class Trial:
    """`outputs` are the module's own answer to `inputs`. `axis` is what has another size here, if anything has."""

    inputs: list[torch.Tensor]
    outputs: list[torch.Tensor]
    axis: Axis | None = None
    size: int = 0

    def __str__(self) -> str:
        if self.axis is None:
            return "other values"
        return f"{'a batch' if self.axis.name == BATCH else f'axis {self.axis.name!r}'} of {self.size}"


def of_values(module, inputs, expected) -> list[Trial]:
    """Same shapes, other values. Values that the module itself refuses are left out."""
    found = [Trial(inputs, expected)]
    for values in axes_.other_values(inputs):
        try:
            found.append(Trial(values, eager.run(module, values)))
        except Exception:  # the module may refuse what it was not made for
            continue
    return found


def of_sizes(module, names, inputs, axes: list[Axis]) -> list[Trial]:
    """Other sizes of each axis; at least one of each works, and for the batch all."""
    found = []
    for axis in axes:
        accepted, refusal = [], None
        for size in axis.sizes(inputs):
            if len(accepted) == _ENOUGH:
                break
            values = axes_.resized(inputs, axis, size)
            try:
                accepted.append(Trial(values, eager.run(module, values), axis, size))
            except Exception as error:
                if refusal is None:
                    refusal = (size, error)
        if refusal and axis.name == BATCH and eager.norms_over_batch(module):
            refusal = None  # check_rows says it better
        if refusal and (axis.name == BATCH or not accepted):
            raise _refused(names, axis, *refusal)
        found += accepted
    return found


def varying_outputs(names: list[str], expected, trials: list[Trial]) -> list[set[int]]:
    """For each output, the dimensions that some axis changes. The batch has to be the first, where there is one."""
    result: list[set[int]] = [set() for _ in expected]
    for trial in trials:
        if len(trial.outputs) != len(expected):
            raise UnsupportedOutput(
                f"forward returns {len(expected)} tensors for the example and {len(trial.outputs)} for {trial}",
                "return the same outputs for every input: stack them into one tensor of varying size",
            )
        for index, (tensor, base) in enumerate(zip(trial.outputs, expected)):
            _check_follows(names[index], trial, tensor, base)
            result[index] |= {d for d in range(base.dim()) if tensor.shape[d] != base.shape[d]}
    return result


def _check_follows(name: str, trial: Trial, tensor, base) -> None:
    is_batch = trial.axis is not None and trial.axis.name == BATCH
    if tensor.dim() == base.dim() and not (is_batch and tensor.shape[:1] != torch.Size([trial.size])):
        return
    if tensor.dim() != base.dim():
        why = ("a squeeze() without a dimension drops every dimension of size one: write squeeze(1), or flatten(1)")
    elif tensor.shape[0] == base.shape[0]:
        why = ("the size is the example's for ever: write x.view(x.size(0), -1) or x.flatten(1) instead of a number in "
               "view(), reshape() or expand(). If the output has no batch on purpose, pass batch=False")
    else:
        why = "let the first dimension of every output be the batch, or pass batch=False"
    raise FrozenShape(
        f"output {name!r} is {list(base.shape)} for the example and {list(tensor.shape)} for {trial}", why)


def _refused(names, axis: Axis, size: int, error: Exception) -> FrozenShape:
    first = str(error).strip().split("\n")[0][:300]
    where = ", ".join(f"{names[i]}[{d}]" for i, d in axis.where)
    if axis.name == BATCH:
        problem = f"the module works for the example's batch of {axis.size} only; for a batch of {size} it fails: {first}"
        remedy = ("write x.view(x.size(0), -1) or x.flatten(1) instead of a number in view(), reshape() or expand(); or "
                  "pass batch=False (on the command line --no-batch) if the first dimension is no batch")
    else:
        problem = f"{where} is declared to vary, but the module fails for {size} instead of {axis.size}: {first}"
        remedy = ("take sizes from the input (x.size(1)) instead of writing numbers; or leave the axis out of dynamic_axes; "
                  "or, if it has to vary together with another input's, give both the same name: "
                  "dynamic_axes={'a': {1: 'length'}, 'b': {1: 'length'}}")
    return FrozenShape(problem, remedy, place_of(error))
