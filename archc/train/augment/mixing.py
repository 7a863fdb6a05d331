"""Samples blended out of two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..settings.choices import Cutmix, Mixup
from ..tasks.losses import Mixed
from .batch import Batch


def draw_mix(choice: Mixup | Cutmix, count: int, generator: torch.Generator) -> Tensor:
    """[count, 3]: the first sample's share, Beta(alpha, alpha), and two even draws of a place."""
    seed = int(torch.randint(1 << 62, (1,), generator=generator))
    shares = np.random.Generator(np.random.PCG64(seed)).beta(choice.alpha, choice.alpha, count)
    places = torch.rand((count, 2), generator=generator)
    return torch.cat([torch.from_numpy(shares).float()[:, None], places], 1)


def mixup(batch: Batch, other: Batch, drawn: Tensor) -> Batch:
    """Both samples and both targets, by a share. Zhang et al. 2017."""
    share = drawn[:, 0]

    def blended(a: Tensor, b: Tensor) -> Tensor:
        part = share.reshape(-1, *(1,) * (a.ndim - 1))
        return part * a.float() + (1 - part) * b.float()

    x = blended(batch.x, other.x)
    assert isinstance(batch.y, Tensor)
    assert isinstance(other.y, Tensor)
    if batch.kind == "values":
        return replace(batch, x=x, y=blended(batch.y, other.y))
    return replace(batch, x=x, y=Mixed(batch.y, other.y, share))


def cutmix(batch: Batch, other: Batch, drawn: Tensor) -> Batch:
    """A box of the other sample in this one; classes by area, masks pixel by pixel.

    Yun et al. 2019.
    """
    height, width = batch.size
    side = (1 - drawn[:, :1]).sqrt()
    spans = []
    for i, length in ((1, height), (2, width)):
        middle, half = drawn[:, i : i + 1] * length, side * (length / 2)
        at = torch.arange(length, device=batch.x.device) + 0.5
        spans.append((at > middle - half) & (at < middle + half))
    box = spans[0][:, :, None] & spans[1][:, None, :]
    x = torch.where(box[:, None], other.x, batch.x)
    assert isinstance(batch.y, Tensor)
    assert isinstance(other.y, Tensor)
    if batch.kind == "masks":
        return replace(batch, x=x, y=torch.where(box, other.y, batch.y))
    share = 1 - box.float().mean((1, 2))
    return replace(batch, x=x, y=Mixed(batch.y, other.y, share))
