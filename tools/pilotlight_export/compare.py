"""Comparing tensors: the rule of docs/bundle.md, and how far apart two results are."""

from __future__ import annotations

import math

import torch

# A float type's default tolerance, absolute and relative alike. The sidecar has the same table.
DEFAULTS = {torch.float64: 1e-4, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 3e-2}


def default_for(dtypes) -> float:
    """The default of the least precise float type among them."""
    return max((DEFAULTS[d] for d in dtypes if d in DEFAULTS), default=DEFAULTS[torch.float32])


def distance(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """The smallest t for which |a - e| <= t * max|e| + t * |e| everywhere; infinite if the shapes differ.

    NaN equals NaN and an infinity itself. Integers and booleans are 0 apart or infinitely far.
    """
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return math.inf
    if actual.numel() == 0 or torch.equal(actual, expected):
        return 0.0
    if not expected.is_floating_point():
        return math.inf
    a, e = actual.double(), expected.double()
    same = (a == e) | (a.isnan() & e.isnan())
    if bool((~same & ~(a.isfinite() & e.isfinite())).any()):
        return math.inf
    error = torch.where(same, torch.zeros_like(a), (a - e).abs())
    size = torch.where(e.isfinite(), e.abs(), torch.zeros_like(e))
    allowed = size.max() + size
    return float((error / allowed.clamp_min(torch.finfo(expected.dtype).tiny)).max())


def furthest(actual, expected) -> float:
    """The largest distance over a list of outputs."""
    if len(actual) != len(expected):
        return math.inf
    return max((distance(a, e) for a, e in zip(actual, expected)), default=0.0)


def round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten, so that noise in a measurement does not change a file."""
    if value <= 0:
        return 0.0
    power = math.floor(math.log10(value))
    for step in (1, 2, 5, 10):
        rounded = float(f"{step}e{power}")
        if rounded >= value * (1 - 1e-9):
            return rounded
    raise AssertionError(value)
