"""Losses that torch has not as they are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SIZE = (32, 32)
IGNORED = -100


def masked_cross_entropy(
    output: Tensor, target: Tensor, weight: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Cross entropy over the places that are not ignored; 0 where there are none."""
    total = F.cross_entropy(
        output, target, weight, reduction="sum", label_smoothing=label_smoothing
    )
    counts = (target != IGNORED).float()
    if weight is not None:
        counts = counts * weight[target.clamp_min(0)]
    return total / counts.sum().clamp_min(1e-12)


def valid(output: Tensor, target: Tensor) -> Tensor:
    """1 where a place counts, 0 where it is ignored: [N, 1, ...]."""
    return (target != IGNORED).reshape(len(target), 1, *output.shape[2:]).float()


def masked_mean(loss: Tensor, output: Tensor, target: Tensor) -> Tensor:
    """The mean of a loss per number over the places that are not ignored."""
    places = valid(output, target).expand_as(loss)
    return (loss * places).sum() / places.sum().clamp_min(1)


def gaussians(points: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Heatmaps [N, K, height, width] with a Gaussian of `sigma` cells at each keypoint."""
    squares = []
    for axis, cells, pixels in ((0, width, SIZE[1]), (1, height, SIZE[0])):
        centre = (points[..., axis].float() + 0.5) * (cells / pixels) - 0.5
        squares.append((torch.arange(cells, device=points.device) - centre[..., None]).square())
    distances = squares[1][..., :, None] + squares[0][..., None, :]
    return torch.exp(distances / (-2 * sigma**2))
