"""The models that the tests deploy, made once in a run."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import torch
from modules import Attention
from pilotlight_export import Bundle, bundle, export
from safetensors.torch import save
from torch import nn


class Scale(nn.Module):
    """Multiplies by a number, so that an answer tells which version gave it."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return x * self.factor


def scale(folder: Path, factor: float) -> bytes:
    """A bundle of Scale: input x FP32[-1, 3], output y."""
    path = folder / f"scale-{factor}.tar"
    if not path.exists():
        example = torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.25]])
        export(Scale(factor), example, path, name="scale", output_names=["y"], scalar_kernels=False, quiet=True)
    return path.read_bytes()


class Trap(nn.Module):
    """As Scale; but for requests whose first row ends with 4, as no golden case does, it does as its name says."""

    def __init__(self, factor: float, how: str):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))
        self.how = how

    def forward(self, x):
        if bool(x[0, 2] == 4.0):
            if self.how == "fails":
                raise RuntimeError("an index that is out of range")
            if self.how == "crashes":
                torch.save(x, "/tmp/a-file-that-no-sandbox-lets-through")
            if self.how == "lies":
                return x * self.factor * 1.5
            if self.how == "dawdles":
                # Made of x: what is made of constants alone is worked out once, when the graph is frozen.
                slow = (torch.ones(4_000_000) * x[0, 2]).lgamma()
                return x * self.factor * (slow[0] / slow[1])
        return x * self.factor


def trap(folder: Path, factor: float, how: str) -> bytes:
    """A bundle of Trap, whose proof is good."""
    path = folder / f"trap-{how}-{factor}.tar"
    if not path.exists():
        example = torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.25]])
        export(torch.jit.script(Trap(factor, how)), example, path, name="scale", output_names=["y"], scalar_kernels=False,
               quiet=True)
    return path.read_bytes()


def with_wrong_answers(folder: Path) -> bytes:
    """A good bundle, whose golden cases expect something else: y[0, 1] of the first case is 10 % higher."""
    scale(folder, 2.0)
    good = Bundle(folder / "scale-2.0.tar")
    outputs = good.outputs("batch-1")
    outputs["y"][0, 1] *= 1.1
    members = {name: data for name, data in good.members.items() if name != "model.yaml"}
    members["golden/batch-1/outputs.safetensors"] = save(outputs)
    path = folder / "wrong-answers.tar"
    manifest = {key: value for key, value in good.manifest.items() if key != "files"}
    bundle.write(path, manifest, members)
    return path.read_bytes()


def key(folder: Path, name: str, *options: str) -> Path:
    """A private key, <name>.pem, by openssl; its public half is <name>.pub. Ed25519 if no options say otherwise."""
    private = folder / f"{name}.pem"
    subprocess.run(["openssl", "genpkey", *(options or ("-algorithm", "ed25519")), "-out", private], check=True,
                   capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", private.with_suffix(".pub")], check=True)
    return private


P256 = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def checkpoint() -> bytes:
    """What torch.save makes of a state_dict: the usual mistake. Not TorchScript."""
    raw = io.BytesIO()
    torch.save(Scale(2.0).state_dict(), raw)
    return raw.getvalue()


def resnet(folder: Path) -> Path:
    """A ResNet-18 with random weights, to be proven within the default tolerances."""
    from torchvision.models import resnet18

    path = folder / "resnet.tar"
    if not path.exists():
        torch.manual_seed(18)
        export(resnet18(weights=None), torch.rand(4, 3, 64, 64), path, name="resnet", output_names=["logits"],
               tolerance=1e-4, scalar_kernels=False, quiet=True)
    return path


def with_a_weight_changed(good: Path, name: str, share: float, path: Path) -> Path:
    """The same bundle, but one of the model's tensors has moved by this share of its norm, in a random direction."""
    opened = Bundle(good)
    file = opened.manifest["model"]["file"]
    module = torch.jit.load(io.BytesIO(opened.members[file]))
    weight = module.state_dict()[name]
    noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    weight += noise * (share * weight.norm() / noise.norm())
    changed = io.BytesIO()
    torch.jit.save(module, changed)
    members = {name: data for name, data in opened.members.items() if name != "model.yaml"}
    members[file] = changed.getvalue()
    bundle.write(path, {key: value for key, value in opened.manifest.items() if key != "files"}, members)
    return path


def seeded(make) -> nn.Module:
    """The module, with the same weights every time."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    module = make().eval()
    torch.set_rng_state(state)
    return module


def attention(folder: Path, format: str) -> bytes:
    """A bundle of Attention: input x FP32[-1, -1, 16], output y FP32[-1, 4]."""
    path = folder / f"attention-{format}.tar"
    if not path.exists():
        example = torch.randn(4, 5, 16, generator=torch.Generator().manual_seed(0))
        export(seeded(Attention), example, path, name="attention", output_names=["y"], dynamic_axes={"x": [1]},
               format=format, scalar_kernels=False, quiet=True)
    return path.read_bytes()


def attention_onnx(folder: Path) -> bytes:
    """The same model as a bare ONNX file."""
    attention(folder, "onnx")
    return Bundle(folder / "attention-onnx.tar").members["model.onnx"]


class Endless(nn.Module):
    """Never comes back from its golden case."""

    def forward(self, x):
        while bool(x[0, 0] == 1.0):
            x = x + 0.0
        return x * 2.0


class Drifting(nn.Module):
    """Doubles, until it has been given a number above 1000; from then on every answer is half too large."""

    def __init__(self):
        super().__init__()
        self.register_buffer("most", torch.zeros(()))

    def forward(self, x):
        self.most.copy_(torch.maximum(self.most, x.max()))
        return x * 2.0 + (self.most > 1000).float() * 0.5


def with_model(folder: Path, module: nn.Module) -> bytes:
    """The bundle of scale() by 2, with this module in the model's place: its golden cases ask for twice the input."""
    scale(folder, 2.0)
    good = Bundle(folder / "scale-2.0.tar")
    raw = io.BytesIO()
    torch.jit.save(torch.jit.script(module.eval()), raw)
    members = {name: data for name, data in good.members.items() if name != "model.yaml"}
    members[good.manifest["model"]["file"]] = raw.getvalue()
    path = folder / f"{type(module).__name__.lower()}.tar"
    bundle.write(path, {key: value for key, value in good.manifest.items() if key != "files"}, members)
    return path.read_bytes()
