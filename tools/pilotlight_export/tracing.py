"""Tracing, and what torch warns of while it does."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch

from .errors import NotExportable, Place
from .source import is_users, place_of

# A part of the warning → (kind, what happened). VALUE: other values may be answered wrongly, and no trial can rule
# that out. SHAPE: other sizes may; the contract allows only those that trials have tried. NOTE: harmless.
VALUE, SHAPE, NOTE = "value", "shape", "note"
_KINDS = [
    ("Python boolean", VALUE, "a condition on a tensor: only the branch taken now is kept"),
    ("NumPy array", VALUE, "values leave PyTorch here: what comes back is a constant"),
    ("Python list", VALUE, "values leave PyTorch here: what comes back is a constant"),
    ("Python integer", VALUE, "the number is fixed at its value for the example"),
    ("Python float", VALUE, "the number is fixed at its value for the example"),
    ("Python number", VALUE, "the number is fixed at its value for the example"),
    ("Python index", VALUE, "the index is fixed at its value for the example"),
    ("Iterating over a tensor", SHAPE, "the loop is unrolled to the example's number of turns"),
    ("Using len", SHAPE, "the length is fixed at the example's"),
    ("registered as constants", NOTE, "this tensor becomes a constant"),
]


@dataclass(frozen=True)
class TraceWarning:
    kind: str
    place: Place


@dataclass
class Trace:
    module: torch.jit.ScriptModule
    warnings: list[TraceWarning]

    def places(self, *kinds: str) -> list[Place]:
        return [w.place for w in self.warnings if w.kind in kinds]


def trace(module: torch.nn.Module, inputs) -> Trace:
    """The traced module with its warnings, or NotExportable."""
    with warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        try:
            traced = torch.jit.trace(module, tuple(x.clone() for x in inputs), check_trace=False, strict=False)
        except Exception as error:
            raise _explain(error) from error
    return Trace(traced, _read(caught))


def _read(caught) -> list[TraceWarning]:
    found = []
    for warning in caught:
        if not issubclass(warning.category, torch.jit.TracerWarning):
            continue
        text = str(warning.message)
        kind, note = next(((k, n) for part, k, n in _KINDS if part in text), (NOTE, text.split(".")[0][:120]))
        if is_users(warning.filename) or kind != NOTE:
            found.append(TraceWarning(kind, Place(warning.filename, warning.lineno, note)))
    return list(dict.fromkeys(found))


def _explain(error: Exception) -> NotExportable:
    message = str(error).strip()
    first = message.split("\n")[0][:300]
    if "requires grad as a constant" in message:
        return NotExportable(
            "tracing meets a tensor that requires gradients and is neither a parameter nor a buffer",
            "register it in __init__: self.register_buffer('name', tensor), or self.name = nn.Parameter(tensor)",
            place_of(error),
        )
    return NotExportable(
        f"torch.jit.trace cannot export the module: {type(error).__name__}: {first}",
        "write the place with torch's own functions on tensors, or make the module scriptable (method='script' says how)",
        place_of(error),
    )
