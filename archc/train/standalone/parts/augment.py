"""Augmentation of images and masks, a whole batch at once."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SIZE = (32, 32)
IGNORED = -100


def shift(x: Tensor, offsets: Tensor, fill: int = 0) -> Tensor:
    """Move each [C, H, W] by its (down, across); what comes in from outside is `fill`."""
    count, channels, height, width = x.shape
    rows = torch.arange(height, device=x.device) - offsets[:, :1]
    columns = torch.arange(width, device=x.device) - offsets[:, 1:]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None]
    inside = inside & ((columns >= 0) & (columns < width))[:, None, None, :]
    sample = torch.arange(count, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    down, across = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    moved = x[sample, channel, down[:, None, :, None], across[:, None, None, :]]
    return torch.where(inside, moved, fill)


def flip(x: Tensor, flags: Tensor) -> Tensor:
    """Mirror each sample whose flag is set, left to right."""
    return torch.where(flags.reshape(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)


def colour(x: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast about the mean grey, saturation about grey: a factor of each."""
    bounded = x.dtype == torch.uint8
    brightness, contrast, saturation = (factors[:, i, None, None, None] for i in range(3))
    x = x.float() * brightness
    mean = grey(x).mean((2, 3), keepdim=True)
    x = mean + (x - mean) * contrast
    x = grey(x) + (x - grey(x)) * saturation
    return x.clamp(0, 255) if bounded else x


def brightness_contrast(x: Tensor, factors: Tensor) -> Tensor:
    """Brightness, and contrast about the mean grey: a factor of each."""
    bounded = x.dtype == torch.uint8
    brightness, contrast = factors[:, 0, None, None, None], factors[:, 1, None, None, None]
    x = x.float() * brightness
    mean = x.mean(1, keepdim=True).mean((2, 3), keepdim=True)
    x = mean + (x - mean) * contrast
    return x.clamp(0, 255) if bounded else x


def grey(x: Tensor) -> Tensor:
    """Luma of RGB images [N, 3, H, W], by ITU-R BT.601: [N, 1, H, W]."""
    red, green, blue = x.unbind(1)
    return (red * 0.299 + green * 0.587 + blue * 0.114)[:, None]


def cutout(x: Tensor, centres: Tensor, side: int) -> Tensor:
    """A square of each image becomes 0, partly beyond the border. DeVries and Taylor 2017."""
    height, width = x.shape[2:]
    top = (centres[:, :1] * height).floor() - side // 2
    left = (centres[:, 1:] * width).floor() - side // 2
    down, across = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    rows, columns = (down >= top) & (down < top + side), (across >= left) & (across < left + side)
    return x.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)


def scale(draws: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Enlarge by low to high, evenly in the logarithm. A map p -> A p + b about the centre."""
    factor = torch.exp(math.log(low) + draws[:, 0] * (math.log(high) - math.log(low)))
    return diagonal(1 / factor, 1 / factor), torch.zeros_like(draws[:, :2])


def rotate(draws: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
    """Turn by up to so many degrees, either way. A map p -> A p + b about the centre."""
    angle = (2 * draws[:, 0] - 1) * (degrees * math.pi / 180)
    cos, sin = angle.cos(), angle.sin()
    rows = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    return rows, torch.zeros_like(draws[:, :2])


def crop(draws: Tensor, area: float, ratio: float) -> tuple[Tensor, Tensor]:
    """A window of a random share of the area and aspect ratio. A map p -> A p + b."""
    share = area + draws[:, 0] * (1 - area)
    aspect = torch.exp((2 * draws[:, 1] - 1) * math.log(ratio))
    wide, high = (share * aspect).sqrt().clamp_max(1), (share / aspect).sqrt().clamp_max(1)
    room = torch.stack([(1 - wide) * SIZE[1], (1 - high) * SIZE[0]], 1)
    return diagonal(wide, high), (draws[:, 2:4] - 0.5) * room


def diagonal(x: Tensor, y: Tensor) -> Tensor:
    """[N, 2, 2] of two diagonals [N]."""
    return torch.diag_embed(torch.stack([x, y], 1))


def compose(*maps: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """One map for several, so that images are resampled once."""
    (matrix, offset), *rest = maps
    for a, b in rest:
        offset = offset + (matrix * b[:, None]).sum(2)
        matrix = (matrix[:, :, :, None] * a[:, None]).sum(2)
    return matrix, offset


def warp(images: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Resample each image by its map, bilinearly; what comes in from outside is 0."""
    x, y = source_pixels(matrix, offset)
    grid = torch.stack([x * (2 / SIZE[1]), y * (2 / SIZE[0])], 3)
    return F.grid_sample(images.float(), grid, align_corners=False)


def warp_mask(masks: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Resample each mask by its map, by the nearest pixel; what comes in does not count."""
    height, width = SIZE
    x, y = source_pixels(matrix, offset)
    columns = (x + (width - 1) / 2).round().long()
    rows = (y + (height - 1) / 2).round().long()
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    sample = torch.arange(len(masks), device=masks.device)[:, None, None]
    nearest = masks[sample, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
    return torch.where(inside, nearest, IGNORED)


def source_pixels(matrix: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Where each pixel comes from, across and down from the centre: two of [N, H, W]."""
    height, width = SIZE
    across = torch.arange(width, device=matrix.device) - (width - 1) / 2
    down = torch.arange(height, device=matrix.device) - (height - 1) / 2
    m = matrix[:, :, :, None, None]
    x = m[:, 0, 0] * across + m[:, 0, 1] * down[:, None] + offset[:, 0, None, None]
    y = m[:, 1, 0] * across + m[:, 1, 1] * down[:, None] + offset[:, 1, None, None]
    return x, y
