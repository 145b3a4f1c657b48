"""Names, datatypes and shapes: what the model takes and gives."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

import torch
from torch import nn

from .bundle import Inline, InlineList
from .errors import InvalidArgument, UnsupportedInput, UnsupportedOutput

DATATYPES = {
    torch.bool: "BOOL",
    torch.uint8: "UINT8",
    torch.int8: "INT8",
    torch.int16: "INT16",
    torch.int32: "INT32",
    torch.int64: "INT64",
    torch.float16: "FP16",
    torch.bfloat16: "BF16",
    torch.float32: "FP32",
    torch.float64: "FP64",
}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}")
_MAX_RANK = 8


@dataclass
class Tensor:
    """One input or output. `shape` has -1 where it varies."""

    name: str
    datatype: str
    shape: list[int]
    labels: list[str] | None = None
    activation: str | None = None

    def to_manifest(self) -> Inline:
        entry = Inline(name=self.name, datatype=self.datatype, shape=InlineList(self.shape))
        if self.labels:
            entry["labels"] = InlineList(self.labels)
            if self.activation:
                entry["activation"] = self.activation
        return entry

    def __str__(self) -> str:
        return f"{self.name} {self.datatype}{self.shape}"


@dataclass
class Contract:
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)

    def to_manifest(self) -> dict:
        return {"inputs": [t.to_manifest() for t in self.inputs], "outputs": [t.to_manifest() for t in self.outputs]}


def arrange_inputs(module, example_inputs, names) -> tuple[list[str], list[torch.Tensor]]:
    """The example as (names, tensors) in the order of forward's arguments.

    A tensor, a tuple or list of tensors in that order, or a dictionary by argument name.
    """
    parameters = forward_parameters(module)
    if isinstance(example_inputs, torch.Tensor):
        tensors = [example_inputs]
    elif isinstance(example_inputs, dict):
        tensors, found = _by_name(parameters, example_inputs)
        names = names or found
    elif isinstance(example_inputs, (tuple, list)):
        tensors = list(example_inputs)
    else:
        tensors = [example_inputs]
    if not tensors:
        raise InvalidArgument("there are no example inputs", "pass a tensor, a tuple of tensors or a dictionary")
    names = list(names) if names else [parameters[i] if i < len(parameters) else f"input_{i}" for i in range(len(tensors))]
    _check_names("input_names", names, len(tensors))
    return names, [_checked(name, value) for name, value in zip(names, tensors)]


def forward_parameters(module) -> list[str]:
    """The names of forward's positional arguments."""
    if isinstance(module, torch.jit.ScriptModule):
        return [a.name for a in module.forward.schema.arguments][1:]
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _by_name(parameters: list[str], inputs: dict) -> tuple[list[torch.Tensor], list[str]]:
    unknown = [name for name in inputs if name not in parameters]
    if unknown:
        raise InvalidArgument(
            f"forward has no argument {unknown[0]!r}; it has {', '.join(parameters)}",
            "name the example inputs as forward names its arguments",
        )
    given = [name for name in parameters if name in inputs]
    if given != parameters[: len(given)]:
        missing = next(name for name in parameters if name not in inputs)
        raise InvalidArgument(
            f"the example inputs leave out {missing!r}, which comes before {given[-1]!r} in forward",
            "give all arguments up to the last one used: a server passes them in forward's order",
        )
    return [inputs[name] for name in given], given


def _checked(name: str, value) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise UnsupportedInput(
            f"input {name!r} is a {type(value).__name__}, not a tensor",
            "pass tensors: torch.as_tensor(…) for arrays and numbers; fix settings such as flags in a small wrapper "
            "module's __init__",
        )
    if value.dtype not in DATATYPES:
        raise UnsupportedInput(f"input {name!r} has datatype {value.dtype}", f"use one of {', '.join(DATATYPES.values())}")
    if value.layout != torch.strided or value.is_quantized:
        raise UnsupportedInput(f"input {name!r} is sparse or quantized", "pass a dense tensor")
    if value.dim() > _MAX_RANK:
        raise UnsupportedInput(f"input {name!r} has {value.dim()} dimensions", f"use at most {_MAX_RANK}")
    if value.numel() == 0:
        raise UnsupportedInput(f"input {name!r} is empty, of shape {list(value.shape)}", "give an example with values in it")
    return value.detach().cpu().contiguous().clone()


def output_names(result, names) -> list[str]:
    """The outputs' names: the dictionary's keys, the named tuple's fields, those given, or output_0 …"""
    if isinstance(result, dict):
        keys = list(result)
        if names and sorted(names) != sorted(keys):
            raise InvalidArgument(
                f"output_names are {list(names)}, but forward returns a dictionary with {keys}",
                "leave output_names out: the dictionary's keys are the names",
            )
        _check_names("the dictionary's keys", keys, len(keys))
        return keys
    count = 1 if isinstance(result, torch.Tensor) else len(result)
    found = list(names) if names else list(getattr(result, "_fields", ())) or [f"output_{i}" for i in range(count)]
    _check_names("output_names", found, count)
    return found


def describe(names: list[str], tensors: list[torch.Tensor], varying: list[set[int]]) -> list[Tensor]:
    """Contract entries; `varying[i]` are the dimensions of tensor i that are -1."""
    entries = []
    for name, tensor, axes in zip(names, tensors, varying):
        if tensor.dtype not in DATATYPES:
            raise UnsupportedOutput(
                f"output {name!r} has datatype {tensor.dtype}", f"return one of {', '.join(DATATYPES.values())}"
            )
        if tensor.dim() > _MAX_RANK:
            raise UnsupportedOutput(f"output {name!r} has {tensor.dim()} dimensions", f"return at most {_MAX_RANK}")
        shape = [-1 if i in axes else size for i, size in enumerate(tensor.shape)]
        entries.append(Tensor(name, DATATYPES[tensor.dtype], shape))
    return entries


def put_labels(outputs: list[Tensor], labels, activation: str | None) -> None:
    """Attaches the classes to the output they belong to: a list, or {output: list}."""
    if activation not in (None, "softmax", "none"):
        raise InvalidArgument(f"activation is {activation!r}", "use 'softmax' for logits or 'none' for probabilities")
    if not labels:
        return
    if isinstance(labels, dict):
        if len(labels) != 1 or next(iter(labels)) not in [t.name for t in outputs]:
            raise InvalidArgument(
                f"labels name {list(labels)}, outputs are {[t.name for t in outputs]}", "name one output"
            )
        (name, classes), = labels.items()
        target = next(t for t in outputs if t.name == name)
    else:
        classes = labels
        fitting = [t for t in outputs if t.shape[-1:] == [len(labels)] and len(t.shape) <= 2]
        if len(fitting) != 1:
            raise InvalidArgument(
                f"{len(labels)} labels fit {len(fitting)} outputs of {', '.join(map(str, outputs))}",
                "give as many labels as the output has columns, and name the output: labels={'logits': […]}",
            )
        target = fitting[0]
    classes = [str(c) for c in classes]
    if target.shape not in ([-1, len(classes)], [len(classes)]):
        raise InvalidArgument(f"{len(classes)} labels for {target}", f"the output must be [-1, {len(classes)}]")
    if len(set(classes)) != len(classes):
        raise InvalidArgument("a label stands twice", "give every class a name of its own")
    target.labels, target.activation = classes, activation


def _check_names(what: str, names: list[str], count: int) -> None:
    if len(names) != count:
        raise InvalidArgument(f"{what} has {len(names)} names for {count} tensors", "give one name per tensor")
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidArgument(f"{what}: {name!r} cannot be a name", "use letters, digits, '_', '.' and '-'")
    if len(set(names)) != len(names):
        raise InvalidArgument(f"{what}: a name stands twice in {names}", "give every tensor a name of its own")
