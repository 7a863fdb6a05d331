"""Changing what pixels say, not where they are."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..settings.choices import Colour
from .batch import Batch

LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue in a grey value: ITU-R BT.601."""


def draw_colour(choice: Colour, count: int, generator: torch.Generator) -> Tensor:
    """[count, 3] factors of brightness, contrast and saturation, even around 1."""
    spread = torch.tensor([choice.brightness, choice.contrast, choice.saturation])
    return 1 + (2 * torch.rand((count, 3), generator=generator) - 1) * spread


def colour(batch: Batch, factors: Tensor) -> Batch:
    """Brightness times a factor; contrast about the mean grey value; saturation about grey.

    Bytes stay within 0 to 255; other numbers have no bounds.
    """
    bounded = batch.x.dtype == torch.uint8
    x = batch.x.float()
    brightness, contrast, saturation = (factors[:, i, None, None, None] for i in range(3))
    x = x * brightness
    middle = _grey(x).mean((2, 3), keepdim=True)
    x = middle + (x - middle) * contrast
    if x.shape[1] == 3:
        grey = _grey(x)
        x = grey + (x - grey) * saturation
    return replace(batch, x=x.clamp(0, 255) if bounded else x)


def _grey(x: Tensor) -> Tensor:
    """[N, 1, H, W]"""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    red, green, blue = (x[:, i : i + 1] * weight for i, weight in enumerate(LUMA))
    return red + green + blue


def draw_cutout(count: int, generator: torch.Generator) -> Tensor:
    """[count, 2] places of the middle, as shares of height and width."""
    return torch.rand((count, 2), generator=generator)


def cutout(batch: Batch, middles: Tensor, side: int) -> Batch:
    """A square of `side` pixels becomes 0, partly beyond the border. DeVries and Taylor 2017."""
    height, width = batch.size
    top = (middles[:, :1] * height).floor() - side // 2
    left = (middles[:, 1:] * width).floor() - side // 2
    down = torch.arange(height, device=batch.x.device)
    across = torch.arange(width, device=batch.x.device)
    rows = (down >= top) & (down < top + side)
    columns = (across >= left) & (across < left + side)
    hole = rows[:, None, :, None] & columns[:, None, None, :]
    return replace(batch, x=batch.x.masked_fill(hole, 0))
