"""Samples blended out of two."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

CLASSES = 10


def draw_blends(count: int, alpha: float, generator: torch.Generator) -> Tensor:
    """[count, 3]: shares by Beta(alpha, alpha), and two even draws of a place."""
    seed = int(torch.randint(1 << 62, (1,), generator=generator))
    shares = np.random.Generator(np.random.PCG64(seed)).beta(alpha, alpha, count)
    places = torch.rand((count, 2), generator=generator)
    return torch.cat([torch.from_numpy(shares).float()[:, None], places], 1)


def blend(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """`share` of each sample of a, and the rest of b."""
    share = share.reshape(-1, *[1] * (a.ndim - 1))
    return share * a + (1 - share) * b


def boxes(draws: Tensor, height: int, width: int) -> Tensor:
    """What CutMix takes of another image, [N, H, W]: a box of 1 - share of it. Yun et al. 2019."""
    side = (1 - draws[:, :1]).sqrt()
    spans = []
    for i, length in ((1, height), (2, width)):
        centre, half = draws[:, i : i + 1] * length, side * (length / 2)
        at = torch.arange(length, device=draws.device) + 0.5
        spans.append((at > centre - half) & (at < centre + half))
    return spans[0][:, :, None] & spans[1][:, None, :]


def class_rows(target: Tensor) -> Tensor:
    """Class numbers as rows of 0 and 1: [N, CLASSES]."""
    return F.one_hot(target, CLASSES).float()
