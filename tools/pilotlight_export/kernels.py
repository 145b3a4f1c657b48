"""Runs a model's golden inputs with PyTorch's scalar kernels, in a process of its own.

PyTorch chooses its kernels when it is loaded, so the other choice needs another process. This file is run as a
script with a folder that holds model.pt and inputs-N.safetensors, and writes outputs-N.safetensors.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path


# Not `python kernels.py`: that would put this folder in front of the modules that torch imports.
_RUN = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"


class ScalarRun:
    """A run that has been started, and its results. Not thread-safe. Leaves nothing behind after `outputs`."""

    def __init__(self, model: bytes, cases: list[list]):
        from safetensors.torch import save

        self._folder = tempfile.TemporaryDirectory(prefix="pilotlight-export-")
        root = Path(self._folder.name)
        (root / "model.pt").write_bytes(model)
        for index, inputs in enumerate(cases):
            (root / f"inputs-{index}.safetensors").write_bytes(save({f"{i:03}": x for i, x in enumerate(inputs)}))
        self._count = len(cases)
        environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RUN, os.path.abspath(__file__), str(root)], env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def outputs(self, seconds: float) -> list[list] | None:
        """For each case its outputs, or None if the run failed or took too long."""
        from safetensors.torch import load

        try:
            if self._process.wait(timeout=seconds) != 0:
                return None
            root = Path(self._folder.name)
            results = [load((root / f"outputs-{i}.safetensors").read_bytes()) for i in range(self._count)]
            return [[tensors[key] for key in sorted(tensors)] for tensors in results]
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.close()

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


def main(root: Path) -> None:
    import torch
    from safetensors.torch import load, save

    module = torch.jit.load(str(root / "model.pt"), map_location="cpu").eval()
    for path in sorted(root.glob("inputs-*.safetensors")):
        tensors = load(path.read_bytes())
        with torch.inference_mode():
            result = module(*[tensors[key] for key in sorted(tensors)])
        if isinstance(result, torch.Tensor):
            result = [result]
        elif isinstance(result, dict):
            result = list(result.values())
        named = {f"{i:03}": x.contiguous().clone() for i, x in enumerate(result)}
        path.with_name(path.name.replace("inputs", "outputs")).write_bytes(save(named))


if __name__ == "__main__":
    main(Path(sys.argv[-1]))
