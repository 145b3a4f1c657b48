"""Finding the user's own line among torch's."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import traceback

import torch

from .errors import Place

_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_PYTHON = os.path.abspath(sysconfig.get_path("stdlib")) + os.sep
_INSTALLED = ("site-packages", "dist-packages")  # under Python's own folder, but a user's models may be there

# How scripted and traced modules name a line: `File "x.py", line 3` and `x.py(3): forward`.
_SCRIPTED = re.compile(r'File "([^"<>]+)", line (\d+)')
_TRACED = re.compile(r"^\s*([^\s(]+\.py)\((\d+)\): ", re.MULTILINE)


def is_users(file: str) -> bool:
    """False for torch, for Python, for this package and for what has no file."""
    path = os.path.abspath(file)
    if file.startswith("<") or path.startswith((_TORCH, _OURS)):
        return False
    return not path.startswith(_PYTHON) or any(part in path for part in _INSTALLED)


def place_of(error: BaseException) -> list[Place]:
    """The innermost line of the user's own source that the exception passed through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if is_users(f.filename) and f.lineno]
    return [Place(frames[-1].filename, frames[-1].lineno)] if frames else []


def places_in(message: str) -> list[Place]:
    """The user's lines that a message of TorchScript's mentions, in its order."""
    found = [(m.start(), m[1], m[2]) for rule in (_SCRIPTED, _TRACED) for m in rule.finditer(message)]
    return [Place(file, int(line)) for _, file, line in sorted(found) if is_users(file)]


def calling_place() -> Place | None:
    """The innermost line of the user's source that is running now."""
    frame = sys._getframe(1)
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            return Place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None
