#!/usr/bin/env python3
"""Trains a small network to read handwritten digits, and exports it as a bundle.

    python3 examples/digits/train.py [FOLDER]        # build/digits if left out

writes FOLDER/digits.tar, the bundle, and FOLDER/held-out.safetensors, the images that training never saw, with
their digits and what this very module answers to them. Takes a few seconds on one core.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tools"))

from pilotlight_export import export  # noqa: E402

CLASSES = [str(digit) for digit in range(10)]
EPOCHS = 30


class Digits(nn.Module):
    """Two convolutions and a linear layer. Takes images of 8 × 8 as they are in the data set, 0 to 16."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classify = nn.Sequential(nn.Dropout(0.3), nn.Linear(32 * 4 * 4, len(CLASSES)))

    def forward(self, image):
        x = image.unsqueeze(1) / 16.0
        return self.classify(self.features(x).flatten(1))


def data():
    """(training images, their digits, held-out images, their digits); always the same split."""
    digits = load_digits()
    split = train_test_split(digits.images, digits.target, test_size=0.2, random_state=0, stratify=digits.target)
    images, held_out, targets, expected = split
    return (torch.tensor(images, dtype=torch.float32), torch.tensor(targets),
            torch.tensor(held_out, dtype=torch.float32), torch.tensor(expected))


def train(images: torch.Tensor, targets: torch.Tensor) -> Digits:
    """One thread and fixed seeds: the same model every time."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = Digits()
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=1e-2)
    batches = len(images) // 64
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=EPOCHS * batches)
    for _ in range(EPOCHS):
        order = torch.randperm(len(images))
        for batch in range(batches):
            rows = order[batch * 64:(batch + 1) * 64]
            loss = F.cross_entropy(module(images[rows]), targets[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return module.eval()


def main(folder: Path) -> None:
    images, targets, held_out, expected = data()
    start = time.monotonic()
    module = train(images, targets)
    with torch.inference_mode():
        logits = module(held_out)
    accuracy = (logits.argmax(1) == expected).float().mean().item()
    print(f"trained on {len(images)} images in {time.monotonic() - start:.1f} s; "
          f"accuracy on {len(held_out)} held-out images: {accuracy:.1%}")
    if accuracy < 0.97:
        sys.exit(f"an accuracy of {accuracy:.1%} is too low: something is wrong with this installation of PyTorch")
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"images": held_out, "digits": expected, "logits": logits.clone()}, folder / "held-out.safetensors")
    export(
        module,
        images[:32],  # real images: the golden cases are made of them
        folder / "digits.tar",
        name="digits",
        output_names=["logits"],
        labels=CLASSES,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKOUT / "build" / "digits")
