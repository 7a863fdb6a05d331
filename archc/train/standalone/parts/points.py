"""Augmentation of keypoints [N, K, (x, y, visible)]."""

from __future__ import annotations

import torch
from torch import Tensor

SIZE = (32, 32)


def shift_points(points: Tensor, offsets: Tensor) -> Tensor:
    """Move the keypoints of each sample by its (down, across)."""
    return hide_outside(points[..., :2] + offsets.flip(1)[:, None], points[..., 2])


def flip_points(points: Tensor, partners: Tensor, flags: Tensor) -> Tensor:
    """Mirror the keypoints of each sample whose flag is set: each becomes its partner."""
    across = SIZE[1] - 1 - partners[..., :1]
    mirrored = torch.cat([across, partners[..., 1:]], 2)
    return torch.where(flags[:, :, None], mirrored, points)


def warp_points(points: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Keypoints where images resampled by a map have them: its inverse."""
    across, down = (SIZE[1] - 1) / 2, (SIZE[0] - 1) / 2
    a, b, c, d = (entry[:, None] for entry in matrix.flatten(1).unbind(1))
    x = points[..., 0] - across - offset[:, :1]
    y = points[..., 1] - down - offset[:, 1:]
    det = a * d - b * c
    moved = [(d * x - b * y) / det + across, (a * y - c * x) / det + down]
    return hide_outside(torch.stack(moved, 2), points[..., 2])


def hide_outside(points: Tensor, visible: Tensor) -> Tensor:
    """Keypoints outside of the image cannot be seen."""
    x, y = points.unbind(2)
    inside = (x >= -0.5) & (x < SIZE[1] - 0.5) & (y >= -0.5) & (y < SIZE[0] - 0.5)
    return torch.cat([points, (visible * inside)[..., None]], 2)
