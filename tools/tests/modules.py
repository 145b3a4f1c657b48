"""The modules that the tests export: one per trap, and good ones."""

from typing import Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Small(nn.Module):
    """A convolution, batch norm, dropout: an ordinary classifier."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(4 * 64, 10)

    def forward(self, image):
        x = F.relu(self.norm(self.conv(image)))
        return self.out(self.drop(x.flatten(1)))


class DataDependentIf(nn.Module):
    """Scripting keeps the branch; tracing loses it."""

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 2)
        self.b = nn.Linear(4, 2)

    def forward(self, x):
        if x.sum() > 0:
            return self.a(x)
        return self.b(x)


class RowWiseIf(nn.Module):
    """As above, but row by row, so that rows do not depend on each other; cannot be scripted (**kwargs)."""

    def forward(self, x, **options):
        rows = []
        for row in x:
            if row.sum() > 0:
                rows.append(row * 2)
            else:
                rows.append(row - 1)
        return torch.stack(rows)


class HarmlessCondition(nn.Module):
    """A condition that always goes the same way, in a module that cannot be scripted."""

    def forward(self, x, **options):
        if x.ndim != 2 or bool(x.isnan().any() & x.isfinite().all()):
            raise ValueError("two dimensions, please")
        return x * 2


class LoopOverShape(nn.Module):
    """A Python loop over a size of the input: unrolled by tracing."""

    def forward(self, x):
        total = torch.zeros_like(x[:, 0])
        for i in range(x.size(1)):
            total = total * 0.5 + x[:, i]
        return total


class LoopOverShapeTraceOnly(LoopOverShape):
    def forward(self, x, **options):
        total = torch.zeros_like(x[:, 0])
        for i in range(x.size(1)):
            total = total * 0.5 + x[:, i]
        return total


class FrozenView(nn.Module):
    """The batch of the example written as a number: the module itself refuses other batches."""

    def forward(self, x):
        return x.view(4, -1).sum(1, keepdim=True)


class SilentlyFrozenView(nn.Module):
    """Worse: other batches are accepted and answered wrongly."""

    def forward(self, x):
        return x.reshape(4, -1)


class Squeezing(nn.Module):
    """Loses the batch of one."""

    def forward(self, x):
        return x.unsqueeze(2).squeeze()


class FrozenByInt(nn.Module):
    """int() fixes the batch in a trace, while the module itself is right."""

    def forward(self, x, **options):
        return x.view(int(x.shape[0]), 2, 2).sum(2)


class CallsNumpy(nn.Module):
    def forward(self, x):
        return torch.from_numpy(np.clip(x.numpy(), 0, 1))


class CatchesErrors(nn.Module):
    def forward(self, x):
        try:
            return x * 2
        except RuntimeError:
            return x


class UsesLambda(nn.Module):
    def forward(self, x):
        double = lambda y: y * 2  # noqa: E731
        return double(x)


class WithoutAnnotation(nn.Module):
    def scaled(self, x, factor):
        return x * factor

    def forward(self, x):
        return self.scaled(x, 3)


class KeepsAnObject(nn.Module):
    class Settings:
        factor = 2.0

    def __init__(self):
        super().__init__()
        self.settings = self.Settings()

    def forward(self, x):
        return x * self.settings.factor


class DropoutAlwaysOn(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5)


class DrawsNoise(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x)


class SwitchesItselfBack(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.0)

    def forward(self, x):
        self.drop.train()
        return self.drop(x)


class NormOverBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4, track_running_stats=False)

    def forward(self, x):
        return self.norm(x)


class MeanOverBatch(nn.Module):
    def forward(self, x):
        return x - x.mean(0, keepdim=True)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(4, 3)
        self.right = nn.Linear(2, 3)

    def forward(self, left, right):
        return self.left(left) + self.right(right)


class Embeds(nn.Module):
    """Indices in, and a length that varies."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(11, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, ids, mask):
        weights = mask.unsqueeze(2).float()
        return self.out((self.table(ids) * weights).sum(1) / weights.sum(1).clamp_min(1))


class ReturnsDict(nn.Module):
    def forward(self, x) -> Dict[str, Tensor]:
        return {"double": x * 2, "half": x / 2}


class ReturnsTuple(nn.Module):
    def forward(self, x) -> Tuple[Tensor, Tensor]:
        return x * 2, x.sum(1, keepdim=True)


class ReturnsList(nn.Module):
    def forward(self, x) -> List[Tensor]:
        return [x, x + 1]


class Scores(NamedTuple):
    logits: Tensor
    features: Tensor


class ReturnsNamedTuple(nn.Module):
    def forward(self, x) -> Scores:
        return Scores(x * 2, x + 1)


class Returns(nn.Module):
    """Whatever it is told to."""

    def __init__(self, rule):
        super().__init__()
        self.rule = rule

    def forward(self, x):
        return self.rule(x)


class PerPixel(nn.Module):
    """The output's height and width follow the input's."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, image):
        return self.conv(image)


class Optionally(nn.Module):
    def forward(self, x, scale: Optional[Tensor] = None):
        if scale is not None:
            return x * scale
        return x + 1


class TensorAttribute(nn.Module):
    """A tensor that needs gradients and is neither a parameter nor a buffer; **options keep it from being scripted."""

    def __init__(self):
        super().__init__()
        self.weights = [torch.ones(4, requires_grad=True)]

    def forward(self, x, **options):
        return x * self.weights[0]


class Sigmoid(nn.Module):
    """Vector and scalar kernels round differently."""

    def forward(self, x):
        return torch.sigmoid(x)


class Wild(nn.Module):
    """Turns the last bits of a sigmoid into visible ones."""

    def forward(self, x):
        return torch.sin(torch.sigmoid(x) * 3e3)


class Argmax(nn.Module):
    def forward(self, x):
        return x.argmax(1)


class Attention(nn.Module):
    """FP32 [batch, length, 16] → [batch, 4]."""

    def __init__(self):
        super().__init__()
        self.into = nn.Linear(16, 48)
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        query, key, value = self.into(x).chunk(3, -1)
        return self.out(nn.functional.scaled_dot_product_attention(query, key, value)).mean(1)


class DoublesIfPositive(nn.Module):
    def forward(self, x):
        if bool(x.sum() > 0):
            return x * 2
        return x


class Unwritable(nn.Module):
    """An operation that ONNX has no operators for."""

    def forward(self, x):
        return torch.linalg.eigvals(x).real
