"""Trap 2: what TorchScript cannot hold, in plain words."""

from __future__ import annotations

import re
import warnings

import torch

from .errors import NotExportable, Place
from .source import is_users, place_of, places_in

# What torch says → (what the construct is, what to write instead). The first that fits, counts.
_MEANINGS = [
    (r"has no attribute or method '(numpy|tolist)'|numpy\.",
     "a call that leaves PyTorch (.numpy() and the like)",
     "stay in tensors: torch has the same functions (torch.where, torch.clip, x.sort(), …). Move what must be NumPy "
     "in front of the model, to the client"),
    (r"(?i)\btry\b.*(?:aren't|not) supported", "a try/except block",
     "test the condition beforehand with an if instead of catching"),
    (r"(?:GeneratorExp|Yield|YieldFrom)\b.*aren't supported|Generator", "a generator", "build a list in a for loop"),
    (r"Lambda|lambda", "a lambda", "write a named function or a method"),
    (r"SetComp|DictComp|set comprehension", "a set or dict comprehension", "use a for loop"),
    (r"(?:Comprehension ifs|comprehension).*not supported", "a comprehension with a condition", "use a for loop"),
    (r"(?:with statements?|With)\b.*(?:not supported|aren't supported|must be)", "a with block",
     "leave it out: a server runs under torch.inference_mode() already"),
    (r"Global|nonlocal|Nonlocal|python value of type '\w+' cannot be used as a value|closed over", "a global variable",
     "pass it as an argument, or keep it as an attribute of the module"),
    (r"(?:variable number of arguments|keyword-only arguments|\*args|\*\*kwargs|Starred|varargs)",
     "*args, **kwargs or keyword-only arguments", "name every argument of forward"),
    (r"Dict values must have|non-homogeneous|heterogen|must contain only a single type|All (?:keys|values|elements).*same type",
     "a list or dictionary of mixed types", "keep one type in it, or use a tuple"),
    (r"(?:Return value was annotated|previous return statement returned|different types?.*return)",
     "returns of different types", "return the same type from every branch"),
    (r"Type mismatch: \w+ is set to type|has type .* in the true branch|previously had type|Variable '\w+' .*type",
     "a variable whose type changes", "use another name for the other type, or annotate it (Optional[Tensor])"),
    (r"is not defined in the false branch|is not defined in the true branch|undefined value",
     "a variable that only one branch sets", "set it before the if"),
    (r"(?s)Expected a value of type '[^']+' for argument '\w+'.*found type '",
     "an argument that TorchScript takes for a Tensor because it has no annotation",
     "annotate the function's arguments, e.g. def forward(self, x: torch.Tensor, n: int)"),
    (r"failed to convert Python type|class attribute which currently|'__torch__[^']*' object has no attribute|Module '\w+' has no attribute '\w+'",
     "an attribute that is neither a tensor, a number, text, a list or dictionary of those, nor a module",
     "register tensors with register_buffer, keep plain values as plain attributes, and drop other objects from forward"),
    (r"Python builtin .* is currently not supported|builtin_function_or_method|Unknown builtin op|Python type .* cannot be used",
     "a Python or library function that TorchScript does not know", "use torch's own function for it"),
    (r"could not get source|Can't get source|OSError: source code not available",
     "a function whose source cannot be read (defined in a REPL, compiled, or made by exec)", "put it into a file"),
    (r"getattr|isinstance|super\(\)|hasattr|\*\*|del |inspect", "Python's dynamic features",
     "decide in __init__ and keep the result as an attribute"),
    (r"ListComp|for .* in|Iterat|cannot be used as a tuple|is not iterable|unroll", "a loop over something that is not a tensor, list or range",
     "loop over range(…), a list or an nn.ModuleList"),
]


def script(module: torch.nn.Module):
    """The scripted module, or NotExportable with the place and the remedy."""
    if isinstance(module, torch.jit.ScriptModule):
        return module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.jit.script(module)
        except Exception as error:  # torch raises a dozen kinds, RuntimeError mostly
            raise explain(error) from error


def explain(error: Exception) -> NotExportable:
    """Torch's message → the construct, the user's line and what to write instead."""
    message = str(error)
    what, remedy = _meaning(message)
    return NotExportable(
        f"torch.jit.script cannot export {what}. Torch says: {_said(message)}", remedy,
        [p for p in _blamed(message)] or place_of(error),
    )


def _meaning(message: str) -> tuple[str, str]:
    head = message.split("File \"")[0]
    marked = _marked_code(message)
    for pattern, what, remedy in _MEANINGS:
        if re.search(pattern, head):
            return what, remedy
    for pattern, what, remedy in _MEANINGS:
        if marked and re.search(pattern, marked):
            return what, remedy
    return "this", ("write it with torch's own functions and plain Python (numbers, lists, if, for, annotated functions), "
                    "move it out of forward, or try method='trace' if it does not depend on the input")


def _blamed(message: str) -> list[Place]:
    """The lines that torch points at, most exact first. Its line counts from the start of the snippet it prints."""
    places = []
    for block in re.finditer(r'File "([^"<>]+)", line (\d+)[^\n]*\n((?:.*\n)*?)(?=\s*(?:File "|\Z|\'))', message + "\n"):
        if is_users(block[1]):
            places.append(Place(block[1], int(block[2])))
    return list(dict.fromkeys(places or places_in(message)))[:3]


def _marked_code(message: str) -> str:
    """The source line above the ~~~~ <--- HERE."""
    lines = message.split("\n")
    for above, below in zip(lines, lines[1:]):
        if "<--- HERE" in below:
            return above
    return ""


def _said(message: str) -> str:
    lines = [line.strip() for line in message.strip().split("\n") if line.strip()]
    kept = []
    for line in lines:
        if line.startswith('File "') or line.startswith("The original call is") or line == ":":
            break
        kept.append(line)
    text = " ".join(kept) or (lines[0] if lines else "nothing")
    text = re.sub(r" \(of Python compilation unit at: \w+\)", "", text).replace("__torch__.", "")
    return text.rstrip(": ")[:300]
