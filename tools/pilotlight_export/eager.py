"""Running the user's module, and putting it back as it was."""

from __future__ import annotations

import contextlib
import warnings

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from . import compare
from .errors import ModuleRaised, NotDeterministic, Place, StillTraining, UnsupportedOutput, WrongDevice
from .source import calling_place, place_of

_TRAINING_OPS = ("native_dropout", "alpha_dropout", "feature_dropout", "bernoulli")
_RANDOM_OPS = ("rand", "normal", "uniform", "multinomial", "poisson", "exponential", "geometric", "cauchy")


@contextlib.contextmanager
def evaluating(module: nn.Module):
    """The module in eval mode; afterwards every part is as training or not as before."""
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def check_devices(module: nn.Module) -> None:
    for kind, tensors in (("parameter", module.named_parameters()), ("buffer", module.named_buffers())):
        for name, tensor in tensors:
            if tensor.device.type != "cpu":
                raise WrongDevice(
                    f"{kind} {name} is on {tensor.device}",
                    "call module.cpu() before exporting: a trace keeps the device it ran on, and the server decides "
                    "by itself where the model runs",
                )


def check_training(module: nn.Module) -> None:
    """After eval(): a part that has switched itself back, or never listened."""
    names = [f"{name or 'the module itself'} ({type(part).__name__})" for name, part in module.named_modules()
             if part.training]
    if names:
        raise StillTraining(
            f"still in training mode after eval(): {', '.join(names)}",
            "let eval() reach every part: do not override train() or eval() without calling super()",
        )


@contextlib.contextmanager
def quiet():
    """Without warnings: newer releases of torch call each of TorchScript's functions deprecated, at each call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def norms_over_batch(module: nn.Module) -> list[str]:
    """Batch norms without running statistics: they normalise over the batch in eval mode too."""
    kind = nn.modules.batchnorm._BatchNorm
    return [name for name, part in module.named_modules() if isinstance(part, kind) and part.running_mean is None]


def run(module, inputs) -> list:
    """The module's outputs as a flat list of tensors. Exceptions are the module's own."""
    with torch.inference_mode(), quiet():
        # A module must not be able to change what the next comparison gets.
        return flat(module(*[x.clone() for x in inputs]))


def flat(result) -> list:
    """Tensor, tuple, list or dict of tensors → list of tensors."""
    if isinstance(result, torch.Tensor):
        return [result.detach()]
    if isinstance(result, dict):
        return [value.detach() for value in result.values()]
    return [value.detach() for value in result]


def first_run(module: nn.Module, inputs):
    """What forward returns for the example, checked: it runs, is reproducible and holds tensors only."""
    try:
        with torch.inference_mode():
            result = module(*[x.clone() for x in inputs])
            check_training(module)
    except StillTraining:
        raise
    except Exception as error:
        raise ModuleRaised(
            f"the module itself fails on the example inputs: {type(error).__name__}: {_short(error)}",
            "make module(*example_inputs) work in eval mode under torch.inference_mode(), as a server runs it",
            place_of(error),
        ) from error
    check_outputs(result)
    again = run(module, inputs)
    once = flat(result)
    if compare.furthest(again, once) > compare.default_for(x.dtype for x in once) / 10:
        raise _not_deterministic(module, inputs)
    return result


def check_outputs(result) -> None:
    """Refuses what an answer cannot carry, and says which part of the result it is."""
    if isinstance(result, torch.Tensor):
        _check_tensor("the result", result)
        return
    if isinstance(result, dict):
        parts = {f"[{key!r}]": value for key, value in result.items()}
        if not all(isinstance(key, str) for key in result):
            raise UnsupportedOutput(
                f"forward returns a dictionary with keys that are not text: {list(result)}",
                "use names as keys: they become the outputs' names",
            )
    elif isinstance(result, (tuple, list)):
        parts = {f"[{i}]": value for i, value in enumerate(result)}
    else:
        raise UnsupportedOutput(
            f"forward returns {_a(result)}",
            "return a tensor, a tuple or list of tensors, or a dictionary of tensors by name"
            + ("; for this class, return tuple(…) of its tensors from a small wrapper module"
               if not isinstance(result, (int, float, str, bool, type(None))) else
               "; wrap a number as torch.tensor(…), and leave text and None out"),
        )
    if not parts:
        raise UnsupportedOutput("forward returns nothing (an empty collection)", "return at least one tensor")
    for where, value in parts.items():
        if not isinstance(value, torch.Tensor):
            raise UnsupportedOutput(
                f"forward returns {_a(value)} at {where}",
                "return tensors only, one level deep: flatten nested results, and leave out what is None, text or a "
                "plain number",
            )
        _check_tensor(f"the result at {where}", value)


def _check_tensor(where: str, value: torch.Tensor) -> None:
    if value.layout != torch.strided or value.is_quantized:
        raise UnsupportedOutput(f"{where} is a sparse or quantized tensor", "return x.to_dense() or x.dequantize()")
    if value.device.type != "cpu":
        raise WrongDevice(f"{where} is on {value.device}", "compute on the device of the inputs")


def _not_deterministic(module: nn.Module, inputs) -> Exception:
    """Says which random operation it is, and where, by watching one run."""
    seen: list[tuple[str, Place | None]] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            name = func.name().split("::")[-1].split(".")[0].rstrip("_")
            if name in _TRAINING_OPS or name.startswith(_RANDOM_OPS):
                seen.append((name, calling_place()))
            return func(*args, **(kwargs or {}))

    with contextlib.suppress(Exception), torch.no_grad(), Watch():
        module(*[x.clone() for x in inputs])
    places = [Place(p.file, p.line, f"draws random numbers ({op})") for op, p in seen if p]
    if any(op in _TRAINING_OPS for op, _ in seen):
        return StillTraining(
            "dropout is active although the module is in eval mode: the same input gives different outputs",
            "use nn.Dropout, or pass F.dropout(x, p, training=self.training): its default is training=True",
            places,
        )
    return NotDeterministic(
        "the same input gives different outputs" + (", because forward draws random numbers" if seen else ""),
        "make forward depend on its inputs alone: pass the noise as an input, or draw it once in __init__ and keep it "
        "as a buffer; no answer could be proven otherwise",
        places,
    )


def _a(value) -> str:
    if value is None:
        return "None"
    return f"a {type(value).__module__}.{type(value).__qualname__}".replace("a builtins.", "a ")


def _short(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:300]
