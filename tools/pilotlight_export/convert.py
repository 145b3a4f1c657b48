"""Module → TorchScript, by scripting or tracing, held against the module on every trial."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from . import archive, compare, eager, scripting, tracing
from .errors import ControlFlowLost, ExportError, FrozenShape, InvalidArgument, NotExportable
from .source import places_in
from .tracing import SHAPE, VALUE
from .trials import Trial


@dataclass
class Exported:
    """`module` was loaded from `data`, the bytes that ship."""

    method: str
    data: bytes
    module: torch.jit.ScriptModule
    warnings: list[str] = field(default_factory=list)

    format = "TorchScript"
    file = "model.pt"

    def other_form(self):
        """The other form of its graph that a server may run: what it is called, and the module; None if there is none."""
        with eager.quiet():
            return "frozen graph", torch.jit.freeze(self.module)


def convert(module, inputs, trials: list[Trial], method: str, accept_tracer_warnings: bool,
            finish: Callable[[Exported], Exported] = lambda exported: exported) -> Exported:
    """Scripting keeps control flow, so `auto` tries it first and traces only what cannot be scripted.

    `finish` may make another format of it; what it cannot, counts as what cannot be scripted or traced.
    """
    if method not in ("auto", "script", "trace"):
        raise InvalidArgument(f"method is {method!r}", "use 'auto', 'script' or 'trace'")
    if method == "trace" and isinstance(module, torch.jit.ScriptModule):
        raise InvalidArgument("the module is TorchScript already", "use method='script' or leave method out")
    if method == "trace":
        return finish(_trace(module, inputs, trials, accept_tracer_warnings))
    try:
        return finish(_script(module, trials))
    except ExportError as error:
        error.places = error.places or _where_tracing_warns(module, inputs)
        if method == "script" or isinstance(module, torch.jit.ScriptModule):
            raise
        scripting_failed = error
    try:
        exported = finish(_trace(module, inputs, trials, accept_tracer_warnings))
    except ExportError as error:
        raise _neither(scripting_failed, error) from error
    exported.warnings.insert(0, f"traced, because scripting failed: {scripting_failed.problem}")
    return exported


def _script(module, trials) -> Exported:
    exported = _reloaded("script", scripting.script(module))
    bad = first_difference(exported.module, trials)
    if bad:
        raise NotExportable(
            f"the scripted module does not answer like the module, for {bad.trial}: {bad.what}",
            "some operations mean another thing in TorchScript (integer division, rounding, mutation of arguments): "
            "rewrite the place, or use method='trace'",
            places_in(bad.what),
        )
    return exported


def _trace(module, inputs, trials, accept_warnings: bool) -> Exported:
    trace = tracing.trace(module, inputs)
    exported = _reloaded("trace", trace.module)
    bad = first_difference(exported.module, [t for t in trials if t.axis is None])
    if bad:
        raise ControlFlowLost(
            "tracing lost a part of forward: it keeps only what happened for the example, and the traced module answers "
            f"{bad.trial} differently: {bad.what}",
            "use method='script', which keeps if and for; or write the choice as tensor arithmetic, e.g. "
            "torch.where(condition, a, b), without .item(), .numpy() or bool()",
            trace.places(VALUE) or trace.places(SHAPE),
        )
    bad = first_difference(exported.module, [t for t in trials if t.axis is not None])
    if bad:
        raise FrozenShape(
            f"tracing froze a size of the example: the traced module fails for {bad.trial}: {bad.what}",
            "use method='script'; or take sizes as x.size(0) without int(), write flatten(1) instead of numbers in view(), "
            "and replace Python loops over a size by tensor operations",
            trace.places(SHAPE, VALUE) + places_in(bad.full),
        )
    risky = trace.places(VALUE)
    if risky and not accept_warnings:
        raise ControlFlowLost(
            f"tracing may have lost a part of forward. {len(trials)} inputs showed no difference, but there may be others",
            "use method='script', or write the places below as tensor operations; if you know that they always go the same "
            "way (an assertion, a constant), pass accept_tracer_warnings=True (on the command line "
            "--accept-tracer-warnings)",
            risky,
        )
    exported.warnings += [f"tracing: {place}" for place in risky]
    return exported


def _where_tracing_warns(module, inputs):
    """Scripting sometimes fails without naming a line; tracing then often warns of the same one."""
    try:
        return tracing.trace(module, inputs).places(VALUE)
    except ExportError:
        return []


def _reloaded(method: str, scripted) -> Exported:
    data = archive.to_bytes(scripted)
    with eager.quiet():
        return Exported(method, data, torch.jit.load(io.BytesIO(data), map_location="cpu").eval())


@dataclass
class _Difference:
    trial: Trial
    what: str
    full: str = ""


def first_difference(exported, trials) -> _Difference | None:
    """The first trial that the exported module fails. A difference below the datatype's tolerance is none."""
    for trial in trials:
        try:
            # Optimising anew for every size takes long and shows nothing here; spread.measure runs it optimised.
            with torch.jit.optimized_execution(False):
                actual = eager.run(exported, trial.inputs)
        except Exception as error:
            return _Difference(trial, f"it raises {_last_line(error)}", str(error))
        distance = compare.furthest(actual, trial.outputs)
        if distance > compare.default_for(t.dtype for t in trial.outputs):
            return _Difference(trial, _how(actual, trial.outputs, distance))
    return None


def _how(actual, expected, distance: float) -> str:
    if len(actual) != len(expected):
        return f"{len(actual)} outputs instead of {len(expected)}"
    for a, e in zip(actual, expected):
        if a.shape != e.shape:
            return f"shape {list(a.shape)} instead of {list(e.shape)}"
        if a.dtype != e.dtype:
            return f"datatype {a.dtype} instead of {e.dtype}"
    return "other values" if distance == float("inf") else f"values off by {distance:.1g} of the largest"


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().split("\n") if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]


def _neither(script_error: ExportError, trace_error: ExportError) -> ExportError:
    """One error out of two: which trap it is, and the remedies of both."""
    if isinstance(trace_error, NotExportable):
        return NotExportable(
            f"{script_error.problem}. Tracing fails too: {trace_error.problem}",
            script_error.remedy, script_error.places + trace_error.places)
    leaves_torch = any("leave PyTorch" in p.note for p in trace_error.places)
    kind = NotExportable if leaves_torch else type(trace_error)
    return kind(
        f"{script_error.problem}. Tracing does not help: {trace_error.problem}",
        script_error.remedy + ". Then scripting works, and keeps if, for and every size",
        script_error.places + trace_error.places,
    )
