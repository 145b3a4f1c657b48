"""What can go wrong, one class per trap. Every error says what, where in the user's source, and what to do."""

from __future__ import annotations

import linecache
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A line of the user's source. `note` says what happens there, where that is not plain."""

    file: str
    line: int
    note: str = ""

    def __str__(self) -> str:
        code = linecache.getline(self.file, self.line).strip()
        text = f"{self.file}:{self.line}"
        if code:
            text += f"    {code}"
        if self.note:
            text += f"    <- {self.note}"
        return text


class ExportError(Exception):
    """Nothing was written. `problem`, `places` and `remedy` are the three parts of the text."""

    def __init__(self, problem: str, remedy: str, places: list[Place] | None = None):
        self.problem = problem
        self.remedy = remedy
        self.places = list(dict.fromkeys(places or []))
        super().__init__(problem)

    def __str__(self) -> str:
        lines = [self.problem]
        lines += [f"  where: {place}" for place in self.places]
        lines.append(f"  what to do: {self.remedy}")
        return "\n".join(lines)


class InvalidArgument(ExportError):
    """`export` was called with something that cannot be meant."""


class CannotSign(ExportError):
    """The model or the key is not one that can be signed, or signed with."""


class ControlFlowLost(ExportError):
    """Trap 1: tracing kept only the path that the example took."""


class NotExportable(ExportError):
    """Trap 2: the module uses something that TorchScript cannot hold."""


class FrozenShape(ExportError):
    """Trap 3: a size that should vary is the example's for ever."""


class StillTraining(ExportError):
    """A part of the module behaves as in training although eval() was called."""


class NotDeterministic(ExportError):
    """The same input gives different outputs."""


class RowsDependOnEachOther(ExportError):
    """A row's result changes with the other rows of its batch, so that requests must not share one."""


class NotFinite(ExportError):
    """An expected output holds NaN or infinity: it would prove nothing."""


class ModuleRaised(ExportError):
    """The module itself fails, before anything is exported."""


class UnsupportedInput(ExportError):
    """An input is not something that a request can carry."""


class UnsupportedOutput(ExportError):
    """forward returns something that an answer cannot carry."""


class WrongDevice(ExportError):
    """Parameters, buffers or inputs are not on the CPU."""
