"""The archive: deterministic writing, and reading back. docs/bundle.md is the format."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
import tempfile

import yaml

API_VERSION = "bundle.pilotlight.dev/v1"
_USTAR_LIMIT = 8 << 30  # a larger member needs a pax header


class Inline(dict):
    """A mapping that is written on one line."""


class InlineList(list):
    """A list that is written on one line."""


class _Dumper(yaml.SafeDumper):
    """The subset that the sidecar reads: no anchors."""

    def ignore_aliases(self, data):
        return True


def _floats(dumper: yaml.SafeDumper, value: float):
    # YAML 1.1 readers take 1e-05 for a string: the dot is needed.
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(float, _floats)
_Dumper.add_representer(
    Inline, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)
)
_Dumper.add_representer(
    InlineList, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)


def to_yaml(document: dict) -> bytes:
    """YAML that is the same for the same document, whatever wrote it before."""
    dumped = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return dumped.encode()


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def write(path: str | os.PathLike, manifest: dict, members: dict[str, bytes]) -> str:
    """Writes the bundle and returns its digest. The file appears whole or not at all."""
    manifest = {**manifest, "files": {name: sha256(members[name]) for name in sorted(members)}}
    everything = {**members, "model.yaml": to_yaml(manifest)}
    with whole_file(path) as file:
        _write_tar(file, everything)
    return digest_of(path)


@contextlib.contextmanager
def whole_file(path: str | os.PathLike):
    """A new file to write, which appears at `path` at the end of the block: whole, or not at all."""
    folder = os.path.dirname(os.path.abspath(os.fspath(path)))
    os.makedirs(folder, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=".bundle-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise


def _write_tar(file, members: dict[str, bytes]) -> None:
    large = any(len(data) >= _USTAR_LIMIT for data in members.values())
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT if large else tarfile.USTAR_FORMAT) as tar:
        for name in sorted(members):
            info = tarfile.TarInfo(name)  # mtime, owner and group are 0 and empty
            info.size = len(members[name])
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(members[name]))


def digest_of(path: str | os.PathLike) -> str:
    """The identity of a bundle, as `spec.model.digest` wants it: of a file, or of a folder in its place."""
    if os.path.isdir(path):
        return _digest_of_folder(os.fspath(path))
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return "sha256:" + found.hexdigest()


def _digest_of_folder(folder: str) -> str:
    lines = []
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(place, name)
            if os.path.islink(path) or not (os.path.isdir(path) or os.path.isfile(path)):
                raise ValueError(f"{path} is a link or a special file, which pods refuse")
        for path in (os.path.join(place, name) for name in files):
            lines.append((os.fsencode(os.path.relpath(path, folder)), digest_of(path)[7:].encode()))
    if not lines:
        raise ValueError("the folder is empty")
    return sha256(b"".join(b"%s  %s\n" % (digest, name) for name, digest in sorted(lines)))


class Bundle:
    """A bundle read back, with every member's digest checked. Small files only: it is held in memory."""

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        self.digest = digest_of(path)
        with tarfile.open(path, "r:") as tar:
            self.members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
        self.manifest = yaml.safe_load(self.members["model.yaml"])
        for name, expected in self.manifest["files"].items():
            if sha256(self.members[name]) != expected:
                raise ValueError(f"{name} in {self.path} is not the file that model.yaml lists")
        listed = set(self.manifest["files"]) | {"model.yaml"}
        if listed != set(self.members):
            raise ValueError(f"{self.path} has files that model.yaml does not list: {set(self.members) - listed}")

    @property
    def cases(self) -> list[str]:
        return list(self.manifest["golden"]["cases"])

    def inputs(self, case: str) -> dict:
        """The tensors of a golden case, by name."""
        return self._tensors(f"golden/{case}/inputs.safetensors")

    def outputs(self, case: str) -> dict:
        """What the eager module answered to them."""
        return self._tensors(f"golden/{case}/outputs.safetensors")

    def model(self):
        """The TorchScript module; of ONNX, what runs it in ONNX Runtime and answers a list; what was compiled, loaded: that
        runs code of its author's."""
        import torch

        from .aotinductor import CompiledModule
        from .eager import quiet
        from .onnx_file import OnnxModule

        data = self.members[self.manifest["model"]["file"]]
        if self.manifest["format"] == "ONNX":
            return OnnxModule(data)
        if self.manifest["format"] == "AOTInductor":
            return CompiledModule(data)
        with quiet():
            return torch.jit.load(io.BytesIO(data), map_location="cpu").eval()

    def _tensors(self, member: str) -> dict:
        from safetensors.torch import load

        return load(self.members[member])
