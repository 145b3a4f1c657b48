"""Where the model was made: versions, requirements and conda's environment."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

import torch

from .bundle import to_yaml
from .version import VERSION


def exporter() -> dict:
    """The `exporter` entry of the manifest."""
    return {
        "pilotlight": VERSION,
        "torch": torch.__version__.split("+")[0],
        "python": platform.python_version(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "packages": packages(),
    }


def packages() -> dict[str, str]:
    """Every installed distribution and its version, sorted by name.

    Not those that setuptools carries inside itself: once it is imported (torch's compiler does so) they are on the path,
    but nobody installed them, and the same module would give another bundle than before.
    """
    found: dict[str, str] = {}
    path = [folder for folder in sys.path if Path(folder).name != "_vendor"]
    for distribution in importlib.metadata.distributions(path=path):
        name, version = distribution.metadata["Name"], distribution.version
        if name and version:
            found.setdefault(name, version)  # the first on the path is the one that is imported
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def files() -> dict[str, bytes]:
    """Members of the bundle that say where it was made."""
    lines = [f"{name}=={version}\n" for name, version in packages().items()]
    result = {"requirements.txt": "".join(lines).encode()}
    prefix = os.environ.get("CONDA_PREFIX")
    if prefix and (Path(prefix) / "conda-meta").is_dir():
        result["environment.yml"] = conda_environment(Path(prefix))
    return result


def conda_environment(prefix: Path) -> bytes:
    """What `conda env export` prints, from conda's own records and without the path of the environment."""
    records = [json.loads(path.read_text()) for path in sorted((prefix / "conda-meta").glob("*.json"))]
    records.sort(key=lambda r: r["name"])
    channels = list(dict.fromkeys(_channel(r.get("channel", "")) for r in records))
    dependencies: list = [f"{r['name']}={r['version']}={r['build']}" for r in records]
    pip = _installed_by_pip()
    if pip:
        dependencies.append({"pip": [f"{name}=={version}" for name, version in pip.items()]})
    return to_yaml({
        "name": os.environ.get("CONDA_DEFAULT_ENV", prefix.name).rsplit("/", 1)[-1],
        "channels": [c for c in channels if c] or ["defaults"],
        "dependencies": dependencies,
    })


def _channel(url: str) -> str:
    """https://user:token@conda.anaconda.org/conda-forge/linux-64 → conda-forge. Addresses and secrets stay out."""
    parts = [p for p in url.split("/") if p]
    if len(parts) > 1 and parts[-1].split("-")[0] in ("linux", "osx", "win", "noarch"):
        parts.pop()
    return parts[-1] if parts else ""


def _installed_by_pip() -> dict[str, str]:
    found = {}
    for distribution in importlib.metadata.distributions():
        installer = (distribution.read_text("INSTALLER") or "").strip()
        if installer == "pip" and distribution.metadata["Name"]:
            found.setdefault(distribution.metadata["Name"], distribution.version)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))
