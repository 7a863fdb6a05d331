"""Moving images, masks and keypoints alike: whole pixels exactly, all else by resampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log, pi

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.samples import IGNORED
from ..settings.choices import Choice, Crop, Rotate, Scale
from .batch import Batch

Size = tuple[int, int]
Map = tuple[Tensor, Tensor]
"""Pixels of the result to pixels of the source: p -> A p + b, as [N, 2, 2] and [N, 2].

Pixels are (x, y) from the middle of the image.
"""


# --------------------------------------------------------------------------- whole pixels


def shift(batch: Batch, offsets: Tensor) -> Batch:
    """Move each sample by its (dy, dx). What comes in is 0 in images, and counts in no mask."""
    made = replace(batch, x=_shifted(batch.x, offsets, 0))
    if not isinstance(batch.y, Tensor):
        return made
    if batch.pictured:
        return replace(made, y=_shifted(batch.y, offsets, 0))
    if batch.mask:
        return replace(made, y=_shifted(batch.y[:, None], offsets, IGNORED)[:, 0])
    if batch.kind == "keypoints":
        points = batch.y[..., :2] + offsets.flip(1)[:, None]
        return replace(made, y=_seen(points, batch.y[..., 2], batch.size))
    return made


def _shifted(x: Tensor, offsets: Tensor, fill: int) -> Tensor:
    count, channels, height, width = x.shape
    rows = torch.arange(height, device=x.device) - offsets[:, :1]
    columns = torch.arange(width, device=x.device) - offsets[:, 1:]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & (
        (columns >= 0) & (columns < width)
    )[:, None, None, :]
    sample = torch.arange(count, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    y = rows.clamp(0, height - 1)[:, None, :, None]
    moved = x[sample, channel, y, columns.clamp(0, width - 1)[:, None, None, :]]
    return moved * inside if fill == 0 else torch.where(inside, moved, fill)


def flip(batch: Batch, flipped: Tensor) -> Batch:
    """Mirror each sample whose flag ([N, 1]) is set, left to right."""

    def mirrored(values: Tensor) -> Tensor:
        flags = flipped.reshape(-1, *(1,) * (values.ndim - 1))
        return torch.where(flags, values.flip(-1), values)

    made = replace(batch, x=mirrored(batch.x))
    if not isinstance(batch.y, Tensor):
        return made
    if batch.pictured or batch.mask:
        return replace(made, y=mirrored(batch.y))
    if batch.kind == "keypoints":
        there = batch.y
        if batch.mirrored is not None:  # a left hand becomes a right one
            there = there.index_select(1, batch.mirrored)
        across = (batch.size[1] - 1 - there[..., 0])[..., None]
        turned = torch.cat([across, there[..., 1:]], 2)
        return replace(made, y=torch.where(flipped[:, :, None], turned, batch.y))
    return made


# --------------------------------------------------------------------------- resampling


def _scale(choice: Choice, draws: Tensor, size: Size) -> Map:
    """Evenly in the logarithm: twice as large is as likely as half as large."""
    assert isinstance(choice, Scale)
    factor = torch.exp(log(choice.low) + draws[:, 0] * (log(choice.high) - log(choice.low)))
    return _diagonal(1 / factor, 1 / factor), torch.zeros_like(draws[:, :2])


def _rotate(choice: Choice, draws: Tensor, size: Size) -> Map:
    assert isinstance(choice, Rotate)
    angle = (2 * draws[:, 0] - 1) * (choice.degrees * pi / 180)
    c, s = angle.cos(), angle.sin()
    rows = torch.stack([torch.stack([c, -s], 1), torch.stack([s, c], 1)], 1)
    return rows, torch.zeros_like(draws[:, :2])


def _crop(choice: Choice, draws: Tensor, size: Size) -> Map:
    """A window of a share of the area and a ratio of the sides, as Szegedy et al. 2014 train."""
    assert isinstance(choice, Crop)
    area = choice.area + draws[:, 0] * (1 - choice.area)
    ratio = torch.exp((2 * draws[:, 1] - 1) * log(choice.ratio))
    wide, high = (area * ratio).sqrt().clamp_max(1), (area / ratio).sqrt().clamp_max(1)
    room = torch.stack([(1 - wide) * size[1], (1 - high) * size[0]], 1)
    return _diagonal(wide, high), (draws[:, 2:4] - 0.5) * room


MATRICES: dict[type[Choice], Callable[[Choice, Tensor, Size], Map]] = {
    Scale: _scale,
    Rotate: _rotate,
    Crop: _crop,
}
"""A choice and [N, 4] even draws of 0..1 to what it does."""


def _diagonal(x: Tensor, y: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([x, y], 1))


def matrices(choices: Sequence[Choice], draws: Tensor, size: Size) -> Map:
    """What several choices do one after the other, as one map. `draws`: [N, choices, 4]."""
    matrix = torch.eye(2, device=draws.device).expand(len(draws), 2, 2)
    offset = torch.zeros(len(draws), 2, device=draws.device)
    for i, choice in enumerate(choices):
        own, by = MATRICES[type(choice)](choice, draws[:, i], size)
        offset = offset + _times(matrix, by)
        matrix = (matrix[:, :, :, None] * own[:, None]).sum(2)
    return matrix, offset


def _times(matrix: Tensor, points: Tensor) -> Tensor:
    """[N, 2, 2] by [N, 2]. Sums and products only: a matrix product may round to bf16 or TF32."""
    return (matrix * points[:, None]).sum(2)


def warp(batch: Batch, matrix: Tensor, offset: Tensor) -> Batch:
    """Resample each sample by its map: images bilinearly, masks by the nearest pixel.

    What comes in is 0 in images, counts in no mask, and makes keypoints invisible.
    """
    height, width = batch.size
    across = torch.arange(width, device=matrix.device) - (width - 1) / 2
    down = torch.arange(height, device=matrix.device) - (height - 1) / 2
    entries = matrix[:, :, :, None, None]
    x = entries[:, 0, 0] * across + entries[:, 0, 1] * down[:, None] + offset[:, 0, None, None]
    y = entries[:, 1, 0] * across + entries[:, 1, 1] * down[:, None] + offset[:, 1, None, None]
    grid = torch.stack([x * (2 / width), y * (2 / height)], 3)
    made = replace(batch, x=_sampled(batch.x.float(), grid))
    if not isinstance(batch.y, Tensor):
        return made
    if batch.pictured:
        return replace(made, y=_sampled(batch.y, grid))
    if batch.mask:
        columns, rows = (x + (width - 1) / 2).round().long(), (y + (height - 1) / 2).round().long()
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        sample = torch.arange(len(batch.y), device=matrix.device)[:, None, None]
        nearest = batch.y[sample, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
        return replace(made, y=torch.where(inside, nearest, IGNORED))
    if batch.kind == "keypoints":
        return replace(made, y=_points(batch.y, matrix, offset, batch.size))
    return made


def _sampled(x: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _points(points: Tensor, matrix: Tensor, offset: Tensor, size: Size) -> Tensor:
    """Keypoints where the map, turned around, takes them."""
    across, down = (size[1] - 1) / 2, (size[0] - 1) / 2
    a, b, c, d = (entry[:, None] for entry in matrix.flatten(1).unbind(1))
    x = points[..., 0] - across - offset[:, :1]
    y = points[..., 1] - down - offset[:, 1:]
    area = a * d - b * c
    moved = [(d * x - b * y) / area + across, (a * y - c * x) / area + down]
    return _seen(torch.stack(moved, 2), points[..., 2], size)


def _seen(points: Tensor, before: Tensor, size: Size) -> Tensor:
    """[N, K, 3]: visible as before, unless outside of the image."""
    x, y = points[..., 0], points[..., 1]
    inside = (x >= -0.5) & (x < size[1] - 0.5) & (y >= -0.5) & (y < size[0] - 0.5)
    return torch.cat([points, (before * inside)[..., None]], 2)
