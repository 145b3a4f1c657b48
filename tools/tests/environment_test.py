"""Where the model came from, as the bundle records it."""

import json
import sys

import modules
import torch
import yaml


def test_conda_s_environment_comes_along_without_addresses_or_paths(write, tmp_path, monkeypatch):
    meta = tmp_path / "env" / "conda-meta"
    meta.mkdir(parents=True)
    for name, channel in (("zlib", "https://user:secret@host/conda-forge/linux-64"), ("numpy", "pytorch/noarch")):
        (meta / f"{name}.json").write_text(
            json.dumps({"name": name, "version": "1.2", "build": "h1_0", "channel": channel}))
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "env"))
    monkeypatch.setenv("CONDA_DEFAULT_ENV", "training")
    _, read = write(modules.Small(), torch.rand(2, 1, 8, 8))
    document = yaml.safe_load(read.members["environment.yml"])
    assert document["name"] == "training"
    assert document["channels"] == ["pytorch", "conda-forge"]
    assert document["dependencies"][:2] == ["numpy=1.2=h1_0", "zlib=1.2=h1_0"]
    assert b"secret" not in write.path.read_bytes() and str(tmp_path).encode() not in write.path.read_bytes()
    assert "environment.yml" in read.manifest["files"]


def test_without_conda_there_is_no_such_file(write, monkeypatch):
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    _, read = write(modules.Small(), torch.rand(2, 1, 8, 8))
    assert "environment.yml" not in read.members


def test_what_setuptools_carries_inside_itself_is_not_installed(write, tmp_path, monkeypatch):
    for folder in ("site-packages", "site-packages/setuptools/_vendor"):
        name = "carried" if folder.endswith("_vendor") else "installed"
        info = tmp_path / folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        monkeypatch.setattr(sys, "path", [str(tmp_path / folder), *sys.path])
    _, read = write(modules.Small(), torch.rand(2, 1, 8, 8))
    recorded = read.manifest["exporter"]["packages"]
    assert recorded["installed"] == "1.0" and "carried" not in recorded
