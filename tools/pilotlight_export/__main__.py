"""python3 -m pilotlight_export my_module.py:make_model …"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import re
import sys
from pathlib import Path

import torch
from torch import nn

from .api import export
from .contract import DATATYPES
from .errors import ExportError, InvalidArgument
from .signing import PASSPHRASE, sign

_EXAMPLES = """\
examples:
  # make_model() returns the module, or (module, example_inputs)
  python3 -m pilotlight_export train.py:make_model -o digits.tar --input image=FP32:8,1,8,8 --outputs logits
  # real data as the example, and class names from a file with one a line
  python3 -m pilotlight_export train.py:make_model -o digits.tar --example train.py:examples --labels classes.txt
  # a signature beside it
  python3 -m pilotlight_export sign digits.tar --key private.pem
"""


def main(arguments: list[str] | None = None) -> int:
    """0: written. 1: an export error, explained on stderr. 2: wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["sign"]:
        return _sign(arguments[1:])
    options = _parser().parse_args(arguments)
    try:
        made = _call(options.model)
        module, example = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
        if not isinstance(module, nn.Module):
            raise InvalidArgument(
                f"{options.model} is a {type(module).__name__}", "it must be a module, or a function that returns one or "
                "(module, example_inputs)")
        if options.example:
            example = _call(options.example)
        if options.input:
            example = dict(_random_input(text) for text in options.input)
            names = list(example)
            example = tuple(example.values())
        else:
            names = options.inputs
        if example is None:
            raise InvalidArgument("there are no example inputs", "give --example file.py:function, or --input name=FP32:8,3")
        export(
            module, example, options.output,
            name=options.name, input_names=names, output_names=options.outputs,
            dynamic_axes=_dynamic(options.dynamic), batch=not options.no_batch,
            labels=_labels(options.labels), activation=options.activation, tolerance=options.tolerance,
            method=options.method, format=options.format, instructions=options.instructions,
            accept_tracer_warnings=options.accept_tracer_warnings, scalar_kernels=not options.no_scalar_kernels,
        )
    except ExportError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _sign(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="pilotlight_export sign", description="Signs a model, so that pods can tell that it is yours.")
    parser.add_argument("model", help="a bundle, a folder of one, or a TorchScript file")
    parser.add_argument("--key", required=True, metavar="PRIVATE.pem",
                        help=f"Ed25519 or ECDSA P-256; its passphrase, if it has one, in {PASSPHRASE}")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write the signature; default: MODEL.sig")
    options = parser.parse_args(arguments)
    try:
        signed = sign(options.model, options.key, options.output)
    except ExportError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(f"{signed.path}: signature of {options.model}\n  digest     {signed.digest}\n  key        {signed.key_id}\n")
    print("spec:\n  model:\n    signature:\n      publicKeys:\n      - |")
    print("".join(f"        {line}\n" for line in signed.public_key.splitlines()), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pilotlight_export", description="A PyTorch module in, a proven Pilotlight bundle out.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model", metavar="FILE.py:NAME", help="a module, or a function that returns one (or package.module:NAME)")
    add("-o", "--output", required=True, metavar="BUNDLE.tar", help="where to write the bundle")
    add("--example", metavar="FILE.py:NAME", help="example inputs, or a function that returns them: real data is best")
    add("--input", action="append", metavar="NAME=DATATYPE:SIZES",
        help="an input made of random numbers instead, such as image=FP32:8,1,8,8 (in forward's order)")
    add("--name", help="the model's name; default: the file's")
    add("--inputs", type=_words, metavar="A,B", help="names of the inputs; default: forward's arguments")
    add("--outputs", type=_words, metavar="A,B", help="names of the outputs")
    add("--dynamic", action="append", default=[], metavar="INPUT:DIMENSION[:AXIS]",
        help="a dimension that varies besides the batch; the same AXIS ties dimensions together")
    add("--no-batch", action="store_true", help="the first dimension is no batch")
    add("--labels", metavar="A,B | FILE", help="the classes in order, or a file with one a line")
    add("--activation", choices=["softmax", "none"], help="what turns the labelled output into probabilities")
    add("--tolerance", type=float, help="absolute and relative; default: ten times the measured spread")
    add("--method", choices=["auto", "script", "trace"], default="auto")
    add("--format", choices=["torchscript", "onnx", "aotinductor"], default="torchscript")
    add("--instructions", choices=["avx2", "avx512", "scalar"],
        help="with --format aotinductor: what the processors that run it have; default: avx2")
    add("--accept-tracer-warnings", action="store_true", help="ship a trace although torch warned")
    add("--no-scalar-kernels", action="store_true", help="do not measure the spread in a second process")
    return parser


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _call(spec: str):
    """file.py:name or package.module:name → the object, called if it is a function or class."""
    where, _, name = spec.rpartition(":")
    if not where:
        raise InvalidArgument(f"{spec!r} names no file", "write FILE.py:NAME")
    if where.endswith(".py"):
        if not os.path.isfile(where):
            raise InvalidArgument(f"there is no file {where}", "give the path of the Python file with the module")
        key = re.sub(r"\W", "_", Path(where).stem)
        if key not in sys.modules or getattr(sys.modules[key], "__file__", None) != os.path.abspath(where):
            sys.path.insert(0, os.path.dirname(os.path.abspath(where)))
            description = importlib.util.spec_from_file_location(key, os.path.abspath(where))
            loaded = importlib.util.module_from_spec(description)
            sys.modules[key] = loaded
            description.loader.exec_module(loaded)
        holder = sys.modules[key]
    else:
        holder = importlib.import_module(where)
    if not hasattr(holder, name):
        raise InvalidArgument(f"{where} has no {name}", "name a module, or a function that returns one")
    found = getattr(holder, name)
    return found() if callable(found) and not isinstance(found, nn.Module) else found


def _random_input(text: str) -> tuple[str, torch.Tensor]:
    match = re.fullmatch(r"([^=]+)=(\w+):(\d+(?:,\d+)*)", text)
    types = {name: dtype for dtype, name in DATATYPES.items()}
    if not match or match[2] not in types:
        raise InvalidArgument(
            f"--input {text} cannot be read", f"write NAME=DATATYPE:SIZES, DATATYPE one of {', '.join(types)}")
    shape, dtype = [int(n) for n in match[3].split(",")], types[match[2]]
    generator = torch.Generator().manual_seed(len(match[1]))
    if dtype.is_floating_point:
        return match[1], torch.randn(shape, generator=generator).to(dtype)
    return match[1], torch.randint(0, 2, shape, generator=generator).to(dtype)


def _dynamic(specs: list[str]) -> dict | None:
    axes: dict[str, dict[int, str]] = {}
    for spec in specs:
        match = re.fullmatch(r"([^:]+):(\d+)(?::([\w-]+))?", spec)
        if not match:
            raise InvalidArgument(f"--dynamic {spec} cannot be read", "write INPUT:DIMENSION or INPUT:DIMENSION:AXIS")
        axes.setdefault(match[1], {})[int(match[2])] = match[3] or f"{match[1]}[{match[2]}]"
    return axes or None


def _labels(text: str | None) -> list[str] | None:
    if text is None:
        return None
    if os.path.isfile(text):
        return [line.strip() for line in Path(text).read_text().splitlines() if line.strip()]
    return _words(text)


if __name__ == "__main__":
    sys.exit(main())
