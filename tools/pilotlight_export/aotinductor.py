"""AOTInductor: compiled by torch._inductor from the module itself, and held against it on every trial."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import hashlib
import importlib.util
import io
import json
import logging
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
import warnings
import zipfile
from pathlib import Path

import torch

from . import axes as axes_
from . import eager
from .axes import BATCH, Axis
from .contract import DATATYPES
from .convert import Exported, first_difference
from .errors import FrozenShape, InvalidArgument, NotExportable
from .source import place_of
from .trials import Trial

OLDEST = (2, 6)  # where packages are made and read as here
# What code may need beyond what every processor of its kind has; the widths are those of a vector, in bits.
INSTRUCTIONS = {"avx2": 256, "avx512": 512, "scalar": 1}
_LARGEST = {BATCH: 1 << 16}
_LARGEST_OTHER = 1 << 24
_FOLDER = "data/aotinductor/model/"


class CompiledExported(Exported):
    """`module` runs `data`, a package with machine code in it."""

    format = "AOTInductor"
    file = "model.pt2"

    def other_form(self):
        return None


class CompiledModule:
    """Runs a package as a module would: tensors in, what forward returns out. It is code, and runs unconfined."""

    def __init__(self, data: bytes):
        import torch._export  # not at the top: older releases have less of it

        _symbols_for_all()
        with tempfile.TemporaryDirectory(prefix="pilotlight-export-") as folder:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                path = archive.extract(_FOLDER + "model.so", folder)
            with _quiet():
                self._run = torch._export.aot_load(path, "cpu")

    def __call__(self, *inputs: torch.Tensor):
        return self._run(*[each.contiguous() for each in inputs])


def to_aotinductor(module, inputs, names: list[str], axes: list[Axis], trials: list[Trial],
                   instructions: str | None) -> CompiledExported:
    """The package of a module, held against all trials, and against sizes that happen to be the same."""
    _check_tools()
    wanted = _instructions(instructions)
    compiler = _compiler()
    _check_sleef(compiler, wanted)
    program, dimensions = _exported(module, inputs, axes, trials)
    with tempfile.TemporaryDirectory(prefix="pilotlight-export-") as folder:
        library, used = _compiled(program, folder, compiler, wanted)
    compiled = CompiledModule(_package(library, used))
    bad = first_difference(compiled, trials + _coinciding(module, inputs, axes))
    if bad:
        raise NotExportable(
            f"the compiled model does not answer like the module, for {bad.trial}: {bad.what}",
            "leave format out: TorchScript answers like the module")
    sizes = _sizes(program, dimensions)
    for axis in axes:
        if axis.name != BATCH and not _works_with_one(module, compiled, inputs, axis):
            index, dimension = axis.where[0]
            symbol = dimensions[index][dimension]
            sizes[symbol] = (max(sizes[symbol][0], 2), sizes[symbol][1])
    data = _package(library, used, _described(names, inputs, dimensions, sizes))
    return CompiledExported("export", data, compiled)


def _check_tools() -> None:
    version = tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])
    if version < OLDEST:
        raise NotExportable(
            f"torch {torch.__version__} writes no AOTInductor packages that could be served",
            f"use torch {OLDEST[0]}.{OLDEST[1]} or newer, the release of the server; or leave format out")
    if platform.system() != "Linux":
        raise NotExportable(f"compiled on {platform.system()}, the model could not be served", "export on Linux")
    if importlib.util.find_spec("setuptools") is None:
        raise NotExportable("torch needs the package setuptools to compile", "pip install setuptools")


def _instructions(given: str | None) -> int | None:
    if given is not None and given not in INSTRUCTIONS:
        raise InvalidArgument(f"instructions is {given!r}", f"use one of {', '.join(map(repr, INSTRUCTIONS))}")
    if platform.machine() in ("x86_64", "AMD64"):
        return INSTRUCTIONS[given or "avx2"]
    if given in (None, "scalar"):
        return INSTRUCTIONS[given] if given else None
    raise InvalidArgument(f"instructions is {given!r}, but this is {platform.machine()}", "leave it out")


def _compiler() -> str:
    wanted = os.environ.get("CXX", "g++")
    found = shutil.which(wanted)
    if not found:
        raise NotExportable(
            f"there is no C++ compiler {wanted!r}, which compiles the model",
            "install one (apt install g++), or name it in CXX; or leave format out: TorchScript needs none")
    return found


def _check_sleef(compiler: str, width: int | None) -> None:
    """torch's headers for vectors include those of SLEEF, which torch from PyPI brings along and Debian's does not."""
    if width == INSTRUCTIONS["scalar"]:
        return
    include = os.path.join(os.path.dirname(os.path.abspath(torch.__file__)), "include")
    tried = subprocess.run([compiler, "-E", "-x", "c++", "-", "-I", include], input=b"#include <sleef.h>\n",
                           capture_output=True, check=False)
    if tried.returncode:
        raise NotExportable("the header sleef.h is missing, which torch needs for vector instructions",
                            "apt install libsleef-dev; or pass instructions='scalar' (on the command line --instructions)")


# From the module to a program of operators.


def _exported(module, inputs, axes: list[Axis], trials: list[Trial]):
    """(program, for each input its dimensions: a symbol's name or a number)"""
    if isinstance(module, torch.jit.ScriptModule):
        raise InvalidArgument("the module is TorchScript, which cannot be compiled", "give the Python module it came from")
    sample = list(inputs)
    for axis in axes:
        if axis.size < 2:  # torch.export takes a size of one for ever
            size = next((t.size for t in trials if t.axis == axis and t.size > 1), None)
            sample = axes_.resized(sample, axis, size) if size else sample
    shapes: list[dict] = [{} for _ in inputs]
    for index, axis in enumerate(axes):
        name = BATCH if axis.name == BATCH else f"axis_{index}"
        dimension = torch.export.Dim(name, min=1, max=_LARGEST.get(axis.name, _LARGEST_OTHER))
        for i, d in axis.where:
            shapes[i][d] = dimension
    try:
        with eager.quiet(), torch.no_grad(), _quiet():
            program = torch.export.export(module, tuple(x.clone() for x in sample),
                                          dynamic_shapes=tuple(s or None for s in shapes), strict=False)
    except Exception as error:
        raise _explain(error) from error
    users = set(program.graph_signature.user_inputs)
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in users]
    if len(placeholders) != len(inputs):
        raise NotExportable("torch.export loses an input that forward does not use", "leave the input out of forward")
    dimensions = [[_dimension(size) for size in node.meta["val"].shape] for node in placeholders]
    for axis in axes:
        if any(isinstance(dimensions[i][d], int) for i, d in axis.where):
            raise FrozenShape(f"torch.export fixes the size of axis {axis.name!r} at the example's {axis.size}",
                              "take sizes as x.size(0) without int(); or leave the axis out of dynamic_axes")
    return program, dimensions


def _dimension(size):
    return int(size) if isinstance(size, int) else size.node.expr


def _explain(error: Exception):
    message = str(error).strip()
    first = re.sub(r"\s+", " ", message.split("\n")[0])[:300]
    places = place_of(error)
    if re.search(r"data-dependent|[Dd]ynamic control flow|GuardOnDataDependent", message + type(error).__name__):
        return NotExportable(
            f"torch.export cannot follow a condition or a size that depends on the values of a tensor: {first}",
            "write the choice as tensor arithmetic (torch.where) or with torch.cond; or leave format out: TorchScript keeps "
            "if and for", places)
    if re.search(r"[Cc]onstraints violated|specialized|not all values of", message):
        return FrozenShape(
            f"torch.export fixes a size that should vary: {' '.join(message.split())[:400]}",
            "take sizes as x.size(0) without int(), and replace Python loops over a size by tensor operations; or leave the "
            "axis out of dynamic_axes", places)
    return NotExportable(f"torch.export cannot export the module: {type(error).__name__}: {first}",
                         "write the place with torch's own functions on tensors; or leave format out", places)


# From the program to a library.


def _compiled(program, folder: str, compiler: str, width: int | None) -> tuple[bytes, str]:
    """(the library, for which instructions)"""
    import torch._inductor.config

    package = os.path.join(folder, "model.pt2")
    options = {
        "cpp.cxx": (_front_of(compiler),),
        "cpp.dynamic_threads": True,  # else the number of threads is compiled in, and OpenMP ends a process that has fewer
        "cpp.simdlen": width,
        "cpp.vec_isa_ok": True,  # the processor's own word is enough
        "max_autotune": False,  # else some matrices are multiplied by units that a sandbox may not ask for
        "max_autotune_gemm": False,
    }
    try:
        with eager.quiet(), torch.no_grad(), _quiet(), torch._inductor.config.patch(options):
            used = _used_instructions(width)
            torch._inductor.aoti_compile_and_package(program, package_path=package, inductor_configs=dict(options))
    except NotExportable:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).strip().split("\n") if line.strip()]
        what = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "")[:300]
        raise NotExportable(f"torch._inductor cannot compile the module: {type(error).__name__}: {what}",
                            "leave format out: TorchScript can hold the module") from error
    with zipfile.ZipFile(package) as archive:
        names = [name for name in archive.namelist() if "data/aotinductor/" in name]
        _check_interpreted(archive, names)
        (library,) = [name for name in names if name.endswith(".so")]
        return archive.read(library), used


def _used_instructions(width: int | None) -> str:
    from torch._inductor.cpu_vec_isa import pick_vec_isa

    used = str(pick_vec_isa()).upper().removesuffix(" AMX_TILE")  # which is not made use of
    name = {256: "AVX2", 512: "AVX512", 1: "INVALID_VEC_ISA"}.get(width)
    if name and used != name:
        raise NotExportable(
            f"this machine's processor has no {name}, so code for it could not be tried here",
            "export on a machine that has it, or pass instructions='avx2' or 'scalar' (on the command line --instructions)")
    return used


def _check_interpreted(archive: zipfile.ZipFile, names: list[str]) -> None:
    """Operators that are not compiled in, but looked up by LibTorch while the model runs."""
    for name in names:
        if not name.endswith(".json") or name.endswith(("metadata.json", "_flags.json")):
            continue
        nodes = json.loads(archive.read(name)).get("nodes", [])
        operators = sorted({str(node.get("node", {}).get("target", node.get("name"))) for node in nodes})
        raise NotExportable(
            f"AOTInductor cannot compile {', '.join(operators) or 'some operators'}: they would be interpreted",
            "use other operators; or leave format out: TorchScript has them all")


def _front_of(compiler: str) -> str:
    """The compiler, called so that nothing of this machine gets into the library: no paths, and no names of torch's own
    libraries, which are called otherwise elsewhere and are there anyway.

    It stays where torch keeps its own files, at the same path each time: torch names what it writes after it, and what is
    compiled again is known again (by ccache)."""
    from torch._inductor.codecache import cache_dir

    torch_folder = os.path.dirname(os.path.abspath(torch.__file__))
    script = f"""#!/bin/sh
for each do
  shift
  case $each in
    -ltorch | -ltorch_cpu | -lc10) continue ;;
    *.cpp) set -- "$@" "-ffile-prefix-map=$each=model.cpp" "$each" ;;
    *.so) set -- "$@" "$each" -Wl,--build-id=none -s ;;
    *) set -- "$@" "$each" ;;
  esac
done
exec {shlex.quote(compiler)} {shlex.quote(f"-ffile-prefix-map={torch_folder}=torch")} "$@"
"""
    folder = Path(cache_dir(), "pilotlight-" + hashlib.sha256(script.encode()).hexdigest()[:16])
    folder.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:  # another export may be calling it
        file.write(script)
    os.chmod(file.name, 0o755)
    path = folder / ("clang++" if "clang" in os.path.basename(compiler) else "g++")
    os.replace(file.name, path)
    return str(path)


# What is written.


def _sizes(program, dimensions) -> dict:
    """Symbol → (least, most)."""
    found = {}
    for shape in dimensions:
        for size in shape:
            if isinstance(size, int):
                continue
            if not size.is_Symbol:
                raise FrozenShape(f"torch.export ties a size to others: {size}",
                                  "give axes that vary together the same name in dynamic_axes")
            limits = program.range_constraints[size]
            found[size] = (max(1, int(limits.lower)), int(limits.upper))
    return found


def _described(names, inputs, dimensions, sizes) -> str:
    """What the server checks before it runs the model: compiled code looks at nothing."""
    return json.dumps({
        "inputs": [{"name": name, "datatype": DATATYPES[x.dtype], "shape": [d if isinstance(d, int) else str(d) for d in shape]}
                   for name, x, shape in zip(names, inputs, dimensions)],
        "sizes": {str(symbol): list(limits) for symbol, limits in sizes.items()},
    }, separators=(",", ":"))


def _package(library: bytes, instructions: str, inputs: str = "") -> bytes:
    """A package as torch writes it, but with nothing in it that is not needed, and always the same."""
    metadata = {"AOTI_DEVICE_KEY": "cpu", "AOTI_CPU_ISA": instructions, "PILOTLIGHT_INPUTS": inputs}
    members = {"version": b"0", "archive_format": b"pt2", _FOLDER + "model_metadata.json": json.dumps(metadata).encode(),
               _FOLDER + "model.so": library}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression=zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return out.getvalue()


# What is tried.


def _coinciding(module, inputs, axes: list[Axis]) -> list[Trial]:
    """Sizes of different axes that happen to be the same: compilers like to believe that they never are."""
    found = []
    for first in axes:
        for second in axes:
            if first.name >= second.name or first.size == second.size:
                continue
            values = axes_.resized(inputs, second, first.size)
            with contextlib.suppress(Exception):
                found.append(Trial(values, eager.run(module, values), second, first.size))
    return found


def _works_with_one(module, compiled, inputs, axis: Axis) -> bool:
    """Whether a size of one is answered as by the module, where that answers."""
    values = axes_.resized(inputs, axis, 1)
    try:
        expected = eager.run(module, values)
    except Exception:
        return False
    return first_difference(compiled, [Trial(values, expected, axis, 1)]) is None


def _symbols_for_all() -> None:
    """Packages name no library of torch's: what this process has loaded is shown to them."""
    folder = os.path.join(os.path.dirname(os.path.abspath(torch.__file__)), "lib")
    for path in glob.glob(os.path.join(folder, "libtorch_cpu.so*")):
        ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)


@contextlib.contextmanager
def _quiet():
    """Without torch's warnings of guards: what they are about is tried."""
    loggers = [logging.getLogger(name) for name in ("torch.fx.experimental.symbolic_shapes", "torch._inductor", "torch.export",
                                                       "torch._export")]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in zip(loggers, before):
            each.setLevel(level)
