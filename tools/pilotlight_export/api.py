"""export(): from a module to a bundle on disk, or to an error that says what to do."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from . import axes as axes_
from . import bundle, compare, contract, eager, environment, kernels, spread, trials
from .aotinductor import to_aotinductor
from .axes import BATCH, Axis
from .contract import Contract
from .convert import Exported, convert
from .errors import InvalidArgument, NotFinite
from .onnx_file import to_onnx
from .trials import Trial

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DONE = {"script": "scripted", "trace": "traced", "export": "compiled"}
_FORMATS = ("torchscript", "onnx", "aotinductor")


@dataclass
class Report:
    """What was written. `str(report)` is what `export` prints."""

    path: str
    digest: str
    name: str
    method: str
    contract: Contract
    cases: list[str]
    tolerance: tuple[float, float]
    spread: dict[str, float]
    warnings: list[str] = field(default_factory=list)
    format: str = "TorchScript"

    @property
    def snippet(self) -> str:
        """The `model` entry for a ModelDeployment's spec."""
        lines = [f"spec:\n  model:\n    uri: https://…/{os.path.basename(self.path)}    # where you upload it",
                 f"    digest: {self.digest}"]
        if self.format == "AOTInductor":
            lines += ["    format: AOTInductor    # machine code: it must be asked for by name, and signed:",
                      f"    signature:             # python3 -m pilotlight_export sign {self.path} --key private.pem",
                      "      publicKeys: […]"]
        return "\n".join(lines)

    def __str__(self) -> str:
        worst = max(self.spread, key=self.spread.get) if self.spread else None
        lines = [
            f"{self.path}: {_DONE[self.method]} {self.format}, golden cases {', '.join(self.cases)}",
            f"  inputs     {', '.join(map(str, self.contract.inputs))}",
            f"  outputs    {', '.join(map(str, self.contract.outputs))}",
            f"  tolerance  {self.tolerance[0]:g} absolute, {self.tolerance[1]:g} relative"
            + (f"  (spread {self.spread[worst]:.1g}, by {worst})" if worst and self.spread[worst] > 0 else ""),
            f"  digest     {self.digest}",
        ]
        lines += [f"  warning    {warning}" for warning in self.warnings]
        return "\n".join(lines) + "\n\n" + self.snippet + "\n"


def export(
    module: nn.Module,
    example_inputs,
    path: str | os.PathLike,
    *,
    name: str | None = None,
    input_names: list[str] | None = None,
    output_names: list[str] | None = None,
    dynamic_axes: dict | None = None,
    batch: bool = True,
    labels=None,
    activation: str | None = None,
    tolerance: float | tuple[float, float] | None = None,
    method: str = "auto",
    format: str = "torchscript",
    instructions: str | None = None,
    golden_inputs: list | None = None,
    accept_tracer_warnings: bool = False,
    scalar_kernels: bool = True,
    quiet: bool = False,
) -> Report:
    """Writes the bundle at `path` and returns what is in it. Raises ExportError, and then writes nothing.

    module         an nn.Module (or a ScriptModule) on the CPU. It is exported in eval mode, and left as it was.
    example_inputs a tensor, a tuple in forward's order, or a dictionary by argument name. Real data is best: the
                   golden cases are made of its values.
    name           lower-case letters, digits and '-'; the file's name if left out.
    input_names    default: forward's argument names. output_names: dictionary keys, or output_0 …
    dynamic_axes   what varies besides the batch: {"ids": [1]} or, for axes that vary together, by a common name:
                   {"ids": {1: "length"}, "mask": {1: "length"}}.
    batch          the first dimension of every input is the batch, and varies.
    labels         the classes, in order, of the one output that has that many columns; or {output: classes}.
    activation     'softmax' if that output is logits (the sidecar's default), 'none' if it is probabilities.
    tolerance      both, or (absolute, relative). Default: ten times the measured spread.
    method         'script' keeps control flow, 'trace' only what happens for the example, 'auto' tries both in turn.
    format         'torchscript', 'onnx' for ONNX Runtime, or 'aotinductor': compiled, and to be signed.
    instructions   of the processors that will run what is compiled: 'avx2' (default), 'avx512' or 'scalar'.
    golden_inputs  more inputs, like example_inputs, that become golden cases of their own.
    accept_tracer_warnings  ship a trace although torch warned that it may be wrong.
    scalar_kernels measure the spread against PyTorch's scalar kernels too: a second process, a few seconds.
    quiet          do not print the report.

    Not thread-safe: it sets PyTorch's number of threads while it measures.
    """
    name = _checked_name(name, path)
    if format not in _FORMATS:
        raise InvalidArgument(f"format is {format!r}", f"use one of {', '.join(map(repr, _FORMATS))}")
    if format == "aotinductor" and method != "auto":
        raise InvalidArgument(f"method is {method!r}, but what is compiled is neither scripted nor traced", "leave method out")
    if format != "aotinductor" and instructions is not None:
        raise InvalidArgument("instructions has no effect but with format='aotinductor'", "leave it out")
    names, inputs = contract.arrange_inputs(module, example_inputs, input_names)
    axes = axes_.find(names, inputs, dynamic_axes, batch)
    eager.check_devices(module)
    warnings: list[str] = []
    if module.training:
        warnings.append("the module was in training mode; it is exported in eval mode (no dropout, running statistics)")

    with eager.evaluating(module), _random_state_kept():
        result = eager.first_run(module, inputs)
        expected = eager.flat(result)
        outputs = contract.output_names(result, output_names)
        of_sizes = trials.of_sizes(module, names, inputs, axes)
        varying = trials.varying_outputs(outputs, expected, of_sizes)
        described = Contract(
            contract.describe(names, inputs, axes_.varying(axes, len(inputs))),
            contract.describe(outputs, expected, varying),
        )
        contract.put_labels(described.outputs, labels, activation)
        if batch:
            spread.check_rows(module, axes_.resized(inputs, axes[0], max(3, axes[0].size)))
        cases = _cases(module, names, inputs, axes, golden_inputs)
        of_values = trials.of_values(module, inputs, expected)
        compared = of_values + of_sizes + list(cases.values())
        if format == "aotinductor":
            exported = to_aotinductor(module, inputs, names, axes, compared, instructions)
        else:
            finish = {} if format == "torchscript" else {
                "finish": lambda checked: to_onnx(checked, module, inputs, described, compared)}
            exported = convert(module, inputs, compared, method, accept_tracer_warnings, **finish)

    pairs = [(case.inputs, case.outputs) for case in cases.values()]
    measured, missing = _measure(exported, pairs, axes[0] if batch else None, scalar_kernels)
    least_precise = compare.default_for(
        [t.dtype for t in expected] + [p.dtype for p in module.parameters()] + [x.dtype for x in inputs])
    both, said = _tolerance(tolerance, measured, least_precise)
    warnings += exported.warnings + said
    warnings += [f"could not be measured: {what}" for what in missing]
    if isinstance(module, torch.jit.ScriptModule):
        warnings.append("the module is TorchScript already: nothing could be held against the Python it came from")

    manifest = {
        "apiVersion": bundle.API_VERSION,
        "name": name,
        "format": exported.format,
        "model": {"file": exported.file},
        "contract": described.to_manifest(),
        "golden": {
            "absoluteTolerance": both[0],
            "relativeTolerance": both[1],
            "cases": bundle.InlineList(cases),
        },
        "exporter": {**environment.exporter(), "method": exported.method},
    }
    members = {exported.file: exported.data, **environment.files()}
    for label, case in cases.items():
        members[f"golden/{label}/inputs.safetensors"] = save(dict(zip(names, _plain(case.inputs))))
        members[f"golden/{label}/outputs.safetensors"] = save(dict(zip(outputs, _plain(case.outputs))))
    digest = bundle.write(path, manifest, members)
    report = Report(os.fspath(path), digest, name, exported.method, described, list(cases), both, measured,
                    warnings, exported.format)
    if not quiet:
        print(report)
    return report


def _checked_name(name: str | None, path) -> str:
    found = name or re.sub(r"[^a-z0-9]+", "-", Path(path).stem.lower()).strip("-")
    if not _NAME.fullmatch(found):
        raise InvalidArgument(f"{found!r} cannot be a model's name", "use lower-case letters, digits and '-', 63 at most")
    return found


def _cases(module, names, inputs, axes: list[Axis], golden_inputs) -> dict[str, Trial]:
    """One row and three, the example, other sizes, and what the user gave; each with the module's own outputs."""
    made: dict[str, Trial] = {}

    def add(label: str, values, axis: Axis | None = None, size: int = 0) -> None:
        made[label] = Trial(values, _golden(module, label, values), axis, size)

    for axis in axes:
        if axis.name == BATCH:
            for size in dict.fromkeys((1, 3, axis.size)):
                add(f"batch-{size}", axes_.resized(inputs, axis, size), axis, size)
    if not made:
        add("example", inputs)
        add("drawn", [axes_.drawn(x, list(x.shape), seed=i) for i, x in enumerate(inputs)])
    for axis in axes:
        if axis.name == BATCH:
            continue
        label = re.sub(r"[^a-z0-9]+", "-", axis.name.lower()).strip("-") or "axis"
        for size in axis.sizes(inputs):
            values = axes_.resized(inputs, axis, size)
            if _accepts(module, values):
                add(f"{label}-{size}", values, axis, size)
                break
    for index, given in enumerate(golden_inputs or [], 1):
        given_names, values = contract.arrange_inputs(module, given, None if isinstance(given, dict) else names)
        _check_like(index, names, inputs, given_names, values, axes)
        resized = next((a for a in axes for i, d in a.where if values[i].shape[d] != inputs[i].shape[d]), None)
        size = values[resized.where[0][0]].shape[resized.where[0][1]] if resized else 0
        add(f"given-{index}", values, resized, size)
    return made


def _accepts(module, values) -> bool:
    try:
        eager.run(module, values)
        return True
    except Exception:
        return False


def _check_like(index, names, inputs, given_names, values, axes) -> None:
    free = axes_.varying(axes, len(inputs))
    fits = len(values) == len(inputs) and all(
        v.dtype == x.dtype and v.dim() == x.dim() and all(v.shape[d] == x.shape[d] or d in f for d in range(x.dim()))
        for v, x, f in zip(values, inputs, free))
    if not fits:
        raise InvalidArgument(
            f"golden_inputs[{index - 1}] does not fit the contract: "
            + ", ".join(f"{n} {list(v.shape)} {v.dtype}" for n, v in zip(given_names, values)),
            "use the datatypes and shapes of example_inputs, except in the dimensions that vary",
        )


def _golden(module, case: str, values) -> list[torch.Tensor]:
    outputs = eager.run(module, values)
    for index, tensor in enumerate(outputs):
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise NotFinite(
                f"output {index} of golden case {case} holds NaN or infinity",
                "a golden case has to have numbers to compare: use real data as example_inputs (values are drawn from it), "
                "or find out why the model yields them",
            )
    return outputs


def _measure(exported: Exported, pairs, batch: Axis | None, scalar_kernels: bool):
    # ONNX Runtime has no scalar kernels to choose, and what is compiled has one kind.
    wanted = scalar_kernels and exported.format == "TorchScript"
    scalar = kernels.ScalarRun(exported.data, [i for i, _ in pairs]) if wanted else None
    try:
        return spread.measure(exported, pairs, batch, scalar)
    finally:
        if scalar:
            scalar.close()


def _tolerance(given, measured: dict[str, float], default: float) -> tuple[tuple[float, float], list[str]]:
    worst = max(measured, key=measured.get)
    if given is not None:
        both = (float(given[0]), float(given[1])) if isinstance(given, (tuple, list)) else (float(given),) * 2
        if min(both) < 0 or max(both) <= 0 or max(both) == float("inf"):
            raise InvalidArgument(f"tolerance is {given}", "use positive numbers, such as 1e-4")
        if measured[worst] > max(both):
            return both, [f"the answers move by {measured[worst]:.1g} ({worst}), more than the tolerance {max(both):g}: the "
                          "proof may fail on a good machine"]
        return both, []
    value = spread.tolerance_for(measured[worst], default)
    if value > default:
        return (value, value), [f"the answers move by {measured[worst]:.1g} ({worst}), so the tolerance is {value:g}, above "
                                f"the default of {default:g}: small damage to the model would pass unseen"]
    return (value, value), []


def _plain(tensors):
    return [t.contiguous().clone() for t in tensors]


class _random_state_kept:
    """The user's random numbers go on as if nothing had been exported."""

    def __enter__(self):
        self._state = torch.get_rng_state()

    def __exit__(self, *_):
        torch.set_rng_state(self._state)
