"""The TorchScript archive, made canonical: the same module gives the same bytes.

torch.jit.save writes the paths of the user's source files (for its own tracebacks), the example inputs' shapes,
class names numbered by how much was scripted or traced in this process before, and constants in the order of
Python's randomised hashes. None of that belongs to the model. What is left is loaded again before anything is checked, so that the bytes checked are the bytes shipped.
"""

from __future__ import annotations

import io
import pickletools
import re

import torch

from .eager import quiet

_MANGLED = re.compile(r"\.___torch_mangle_(\d+)(?=[./]|$|\b)")
_CONSTANTS = re.compile(r"(?:^  \w+ : Final\[.*\] = .*\n)+", re.MULTILINE)
_DROPPED = re.compile(r"(\.debug_pkl|^traced_inputs(\.pkl|/.*)|^version|^byteorder|^\.data/.*)$")


def to_bytes(scripted: torch.jit.ScriptModule) -> bytes:
    """The module as a TorchScript archive, without what depends on the process or the folder."""
    raw = io.BytesIO()
    with quiet():
        torch.jit.save(scripted, raw)
    records = _records(raw.getvalue())
    return _write(_renamed(records))


def _records(data: bytes) -> dict[str, bytes]:
    reader = torch._C.PyTorchFileReader(io.BytesIO(data))
    return {n: reader.get_record(n) for n in reader.get_all_records() if not _DROPPED.search(n)}


def _write(records: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(out)
    for name in sorted(records):
        writer.write_record(name, records[name], len(records[name]))
    writer.write_end_of_file()
    return out.getvalue()


def _renamed(records: dict[str, bytes]) -> dict[str, bytes]:
    """Numbers the copies of a class by their content instead of by the process's history."""
    code = {n: _sorted_constants(d.decode()) for n, d in records.items() if n.startswith("code/") and n.endswith(".py")}
    records = {**records, **{name: text.encode() for name, text in code.items()}}
    if any(not _only_in_names(data) for name, data in records.items() if name.endswith(".pkl")):
        return records  # a user's own text looks like a class name: leave the names as they are
    new = _numbering(code)

    def rename(text: str) -> str:
        return _MANGLED.sub(lambda m: new.get(int(m[1]), m[0]), text)

    result = {n: d for n, d in records.items() if n not in code and not n.endswith(".pkl")}
    merged: dict[str, list[str]] = {}
    for name in code:
        dotted = name[: -len(".py")].replace("/", ".")
        merged.setdefault(rename(dotted).replace(".", "/") + ".py", []).append(rename(code[name]))
    result.update({name: "".join(sorted(parts)).encode() for name, parts in merged.items()})
    for name, data in records.items():
        if name.endswith(".pkl"):
            result[name] = rename(data.decode("latin-1")).encode("latin-1")
    return result


def _sorted_constants(code: str) -> str:
    return _CONSTANTS.sub(lambda m: "".join(sorted(m[0].splitlines(keepends=True))), code)


def _numbering(code: dict[str, str]) -> dict[int, str]:
    """Old number → what stands in its place: nothing for the first of a name, a new number for the others."""
    copies: dict[tuple[str, str], list[tuple[str, int]]] = {}
    plain: set[tuple[str, str]] = set()
    for name, text in code.items():
        dotted = name[: -len(".py")].replace("/", ".")
        number = _MANGLED.search(dotted)
        prefix = _MANGLED.sub("", dotted)
        for defined in re.findall(r"^(?:class|def) (\w+)", text, re.MULTILINE):
            if number:
                copies.setdefault((prefix, defined), []).append((_MANGLED.sub("", text), int(number[1])))
            else:
                plain.add((prefix, defined))
    new: dict[int, str] = {}
    for key, found in copies.items():
        for index, (_, number) in enumerate(sorted(found)):
            index += key in plain
            new[number] = "" if index == 0 else f".___torch_mangle_{index - 1}"
    return new


def _only_in_names(data: bytes) -> bool:
    """True if the numbered names in this pickle are class names, which may change their length, and no strings."""
    if b"___torch_mangle_" not in data:
        return True
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name != "GLOBAL" and isinstance(argument, str) and "___torch_mangle_" in argument:
            return False
    return True
