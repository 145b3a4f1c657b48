import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch  # noqa: E402

from pilotlight_export import Bundle, export  # noqa: E402


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(0)


@pytest.fixture
def write(tmp_path):
    """export() into a temporary file; returns (report, bundle)."""

    def call(module, inputs, **options):
        options.setdefault("scalar_kernels", False)
        options.setdefault("quiet", True)
        path = tmp_path / "model.tar"
        report = export(module, inputs, path, **options)
        return report, Bundle(path)

    call.path = tmp_path / "model.tar"
    return call
