"""A PyTorch module in, a proven Pilotlight bundle out. See docs/exporting.md."""

from .api import Report, export
from .bundle import Bundle
from .errors import (
    CannotSign,
    ControlFlowLost,
    ExportError,
    FrozenShape,
    InvalidArgument,
    ModuleRaised,
    NotDeterministic,
    NotExportable,
    NotFinite,
    RowsDependOnEachOther,
    StillTraining,
    UnsupportedInput,
    UnsupportedOutput,
    WrongDevice,
)
from .signing import Signed, sign
from .version import VERSION as __version__

__all__ = [
    "Bundle",
    "CannotSign",
    "ControlFlowLost",
    "ExportError",
    "FrozenShape",
    "InvalidArgument",
    "ModuleRaised",
    "NotDeterministic",
    "NotExportable",
    "NotFinite",
    "Report",
    "RowsDependOnEachOther",
    "Signed",
    "StillTraining",
    "UnsupportedInput",
    "UnsupportedOutput",
    "WrongDevice",
    "__version__",
    "export",
    "sign",
]
