"""What stand-alone training scripts are put together from: `archc build --with-train`.

A script holds the functions of this file that its recipe needs, as they stand here, and above them
the constants, with the recipe's values in place of those below. So this is code for its readers.
"""

from __future__ import annotations

import gzip
import hashlib
import math
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

DATA = Path("data")
SEED = 0
LR = 0.1
FACTOR, START, END = 0.1, 0.04, 4e-6
WARMUP = 0.0
FALLS = [1]
CLASSES = 10
SIZE = (32, 32)
IGNORED = -100
SMOOTH = 1.0
SIGMA = 1.0
EMA = 0.999
FREEZE = ["features.*"]
LAYER_LR = [("features", 0.1)]


def keyed(*key: object) -> torch.Generator:
    """Random numbers for one purpose: keyed("order", epoch). Nothing else shifts them."""
    text = "/".join(map(str, (SEED, *key))).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
    return torch.Generator().manual_seed(number)


# --------------------------------------------------------------------------- data


def read_idx(name: str) -> Tensor:
    """A file as MNIST ships, gzipped or not: a header with the shape, then bytes."""
    path = next(p for p in (DATA / name, DATA / f"{name}.gz") if p.exists())
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    axes = data[3]
    shape = np.frombuffer(data, ">u4", axes, offset=4).astype(int)
    return torch.tensor(np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape))


def load_idx(split: str) -> tuple[Tensor, Tensor]:
    """Images [N, 1, H, W] as bytes, and their classes [N]."""
    x, y = read_idx(f"{split}-images-idx3-ubyte"), read_idx(f"{split}-labels-idx1-ubyte")
    return x[:, None], y.long()


def load_npz(split: str) -> tuple[Tensor, Tensor]:
    """Samples and targets of one file of arrays."""
    with np.load(DATA) as arrays:
        x, y = torch.from_numpy(arrays[f"x_{split}"]), torch.from_numpy(arrays[f"y_{split}"])
    x = x if x.dtype == torch.uint8 else x.float()
    if y.is_floating_point():
        y = y.float() if y.ndim > 1 else y.float()[:, None]
    else:
        y = y.long().squeeze(1) if y.ndim == 2 and y.shape[1] == 1 else y.long()
    return (x[:, None] if x.ndim in (1, 3) else x), y


# --------------------------------------------------------------------------- augmentation


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
    middle = grey(x).mean((2, 3), keepdim=True)
    x = middle + (x - middle) * contrast
    if x.shape[1] == 3:
        x = grey(x) + (x - grey(x)) * saturation
    return x.clamp(0, 255) if bounded else x


def grey(x: Tensor) -> Tensor:
    """[N, 1, H, W], by ITU-R BT.601."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    weights = torch.tensor([0.299, 0.587, 0.114], device=x.device)[:, None, None]
    return (x * weights).sum(1, keepdim=True)


def cutout(x: Tensor, middles: Tensor, side: int) -> Tensor:
    """A square of each image becomes 0, partly beyond the border."""
    height, width = x.shape[2:]
    top = (middles[:, :1] * height).floor() - side // 2
    left = (middles[:, 1:] * width).floor() - side // 2
    down, across = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
    rows, columns = (down >= top) & (down < top + side), (across >= left) & (across < left + side)
    return x.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)


def scale(draws: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Enlarge by low to high, evenly in the logarithm: a map p -> A p + b from the middle."""
    times = torch.exp(math.log(low) + draws[:, 0] * (math.log(high) - math.log(low)))
    return diagonal(1 / times, 1 / times), torch.zeros_like(draws[:, :2])


def rotate(draws: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
    """Turn by up to so many degrees, either way: a map p -> A p + b from the middle."""
    angle = (2 * draws[:, 0] - 1) * (degrees * math.pi / 180)
    c, s = angle.cos(), angle.sin()
    rows = torch.stack([torch.stack([c, -s], 1), torch.stack([s, c], 1)], 1)
    return rows, torch.zeros_like(draws[:, :2])


def crop(draws: Tensor, area: float, ratio: float) -> tuple[Tensor, Tensor]:
    """A window with a share of the area and a ratio of its sides: a map p -> A p + b."""
    share = area + draws[:, 0] * (1 - area)
    sides = torch.exp((2 * draws[:, 1] - 1) * math.log(ratio))
    wide, high = (share * sides).sqrt().clamp_max(1), (share / sides).sqrt().clamp_max(1)
    room = torch.stack([(1 - wide) * SIZE[1], (1 - high) * SIZE[0]], 1)
    return diagonal(wide, high), (draws[:, 2:4] - 0.5) * room


def diagonal(x: Tensor, y: Tensor) -> Tensor:
    """[N, 2, 2] of two diagonals [N]."""
    return torch.diag_embed(torch.stack([x, y], 1))


def both_maps(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """One map for two, so that pixels are blurred once."""
    (a, b), (c, d) = first, second
    return (a[:, :, :, None] * c[:, None]).sum(2), b + (a * d[:, None]).sum(2)


def warp_places(matrix: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Where each pixel comes from, across and down from the middle: two of [N, H, W]."""
    height, width = SIZE
    across = torch.arange(width, device=matrix.device) - (width - 1) / 2
    down = torch.arange(height, device=matrix.device) - (height - 1) / 2
    m = matrix[:, :, :, None, None]
    x = m[:, 0, 0] * across + m[:, 0, 1] * down[:, None] + offset[:, 0, None, None]
    y = m[:, 1, 0] * across + m[:, 1, 1] * down[:, None] + offset[:, 1, None, None]
    return x, y


def warp(images: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Resample each image by its map, bilinearly; what comes in from outside is 0."""
    x, y = warp_places(matrix, offset)
    grid = torch.stack([x * (2 / SIZE[1]), y * (2 / SIZE[0])], 3)
    return F.grid_sample(images.float(), grid, align_corners=False)


def warp_mask(masks: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """Resample each mask by its map, by the nearest pixel; what comes in does not count."""
    height, width = SIZE
    x, y = warp_places(matrix, offset)
    columns = (x + (width - 1) / 2).round().long()
    rows = (y + (height - 1) / 2).round().long()
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    sample = torch.arange(len(masks), device=masks.device)[:, None, None]
    nearest = masks[sample, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
    return torch.where(inside, nearest, IGNORED)


# --------------------------------------------------------------------------- learning rates


def constant(step: int, steps: int) -> float:
    """Share of the learning rate in a step: all of it."""
    return warmed(1.0, step, WARMUP * max(steps - 1, 1))


def one_cycle(step: int, steps: int) -> float:
    """Share of the learning rate in a step: up and down, along cosines."""
    warm = WARMUP * max(steps - 1, 1)
    if step <= warm:
        return cosine(START, 1.0, step, warm)
    return cosine(1.0, END, step - warm, max(steps - 1, 1) - warm)


def half_cosine(step: int, steps: int) -> float:
    """Share of the learning rate in a step: down half a cosine."""
    warm = WARMUP * max(steps - 1, 1)
    return warmed(cosine(1.0, END, step - warm, max(steps - 1, 1) - warm), step, warm)


def stairs(step: int, steps: int, per_epoch: int) -> float:
    """Share of the learning rate in a step: times FACTOR at the epochs FALLS."""
    falls = sum(step >= epoch * per_epoch for epoch in FALLS)
    return warmed(FACTOR**falls, step, WARMUP * max(steps - 1, 1))


def cosine(start: float, end: float, done: float, whole: float) -> float:
    """From start to end along half a cosine."""
    share = min(max(done / whole, 0.0), 1.0) if whole > 0 else 1.0
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def warmed(rate: float, step: int, warm: float) -> float:
    """Linear up to the rate over the first `warm` steps."""
    return rate * (step + 1) / (warm + 1) if step < warm else rate


# --------------------------------------------------------------------------- what is trained


def matches(name: str, pattern: str) -> bool:
    """Does a pattern name a parameter, or a module around it?"""
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:n]), pattern) for n in range(1, len(parts) + 1))


def freeze(model: nn.Module) -> list[nn.Module]:
    """Take parameters out of training. Gives the normalisations that stand still with them."""
    for name, parameter in model.named_parameters():
        if any(matches(name, pattern) for pattern in FREEZE):
            parameter.requires_grad_(False)
    still = []
    for name, layer in model.named_modules():
        own = list(layer.parameters(recurse=False))
        frozen = not any(p.requires_grad for p in own)
        if not own:
            frozen = any(matches(f"{name}.running_mean", pattern) for pattern in FREEZE)
        if getattr(layer, "running_mean", None) is not None and frozen:
            still.append(layer)
    return still


def rate_of(name: str) -> float:
    """Of the learning rate of a parameter: the first pattern counts."""
    return next((f for pattern, f in LAYER_LR if matches(name, pattern)), 1.0)


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, updates: int) -> None:
    """Move the running average of the weights after an update (from 1)."""
    decay = min(EMA, (1 + updates) / (10 + updates))
    for kept, live in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(live, 1 - decay)
        else:
            kept.copy_(live)


# --------------------------------------------------------------------------- losses


def one_hot(output: Tensor, target: Tensor) -> Tensor:
    """Class numbers as rows of 0 and 1, for each channel of the output; ignored places are 0."""
    if output.shape[1] == 1:
        return target.clamp_min(0).reshape(output.shape).float()
    rows = F.one_hot(target.clamp_min(0), output.shape[1]).movedim(-1, 1)
    return rows * counted(output, target)


def counted(output: Tensor, target: Tensor) -> Tensor:
    """1 where a place counts, 0 where it is ignored: [N, 1, ...]."""
    return (target != IGNORED).reshape(len(target), 1, *output.shape[2:]).float()


def masked_cross_entropy(
    output: Tensor, target: Tensor, weight: Tensor | None, smoothing: float
) -> Tensor:
    """Cross entropy over the places that are not ignored."""
    total = F.cross_entropy(
        output, target, weight, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing
    )
    places = (target != IGNORED).float()
    if weight is not None:
        places = places * weight[target.clamp_min(0)]
    return total / places.sum().clamp_min(1e-12)


def dice(output: Tensor, target: Tensor) -> Tensor:
    """One minus the mean overlap of classes, all places of the batch together."""
    likely = output.sigmoid() if output.shape[1] == 1 else output.softmax(1)
    likely = likely * counted(output, target)
    true = one_hot(output, target)
    axes = [axis for axis in range(output.ndim) if axis != 1]
    overlap, both = (likely * true).sum(axes), likely.sum(axes) + true.sum(axes)
    return 1 - ((2 * overlap + SMOOTH) / (both + SMOOTH)).mean()


def mean_over_places(loss: Tensor, output: Tensor, target: Tensor) -> Tensor:
    """The mean of a loss per number, without ignored places."""
    places = counted(output, target).expand_as(loss)
    return (loss * places).sum() / places.sum().clamp_min(1)


def heatmaps(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error against a hill at each visible keypoint; targets are x, y, visible."""
    height, width = output.shape[-2:]
    squares = []
    for axis, cells, pixels in ((0, width, SIZE[1]), (1, height, SIZE[0])):
        at = (target[..., axis].float() + 0.5) * (cells / pixels) - 0.5
        squares.append((torch.arange(cells, device=output.device) - at[..., None]).square())
    far = squares[1][..., :, None] + squares[0][..., None, :]
    hills = torch.exp(far / (-2 * SIGMA**2))
    seen = (target[..., 2] > 0).float()[..., None, None]
    total = ((output - hills).square() * seen).sum()
    return total / (seen.sum() * height * width).clamp_min(1)


# --------------------------------------------------------------------------- metrics


def said(output: Tensor) -> Tensor:
    """The class that is said; a single channel says 1 where it is above 0."""
    return (output[:, 0] > 0).long() if output.shape[1] == 1 else output.argmax(1)


def count_right(output: Tensor, target: Tensor) -> Tensor:
    """Right classes, and all."""
    right = said(output) == target
    return torch.tensor([right.sum().item(), right.numel()], dtype=torch.float64)


def count_pairs(output: Tensor, target: Tensor) -> Tensor:
    """Places by true and by predicted class: [CLASSES, CLASSES]."""
    guess = said(output)
    true = target.reshape(guess.shape)
    cells = (true * CLASSES + guess)[true != IGNORED]
    return torch.bincount(cells.cpu(), minlength=CLASSES**2).reshape(CLASSES, CLASSES).double()


def mean_iou(pairs: Tensor) -> float:
    """Intersection over union of each class that occurs or is said, averaged."""
    both = pairs.diagonal()
    union = pairs.sum(0) + pairs.sum(1) - both
    return (both[union > 0] / union[union > 0]).mean().item()


def count_found(output: Tensor, target: Tensor) -> Tensor:
    """Visible keypoints found within a tenth of the longer side of their box, and all."""
    height, width = output.shape[-2:]
    at = output.flatten(2).argmax(2)
    x = (at % width + 0.5) * (SIZE[1] / width) - 0.5
    y = (at.div(width, rounding_mode="floor") + 0.5) * (SIZE[0] / height) - 0.5
    points, seen = target[..., :2], target[..., 2] > 0
    high = points.masked_fill(~seen[..., None], -math.inf).amax(1)
    low = points.masked_fill(~seen[..., None], math.inf).amin(1)
    side = (high - low).amax(1)
    side = torch.where(side >= 1, side, float(max(SIZE)))
    far = (torch.stack([x, y], 2) - points).square().sum(2).sqrt()
    found = (far <= 0.1 * side[:, None]) & seen
    return torch.tensor([found.sum().item(), seen.sum().item()], dtype=torch.float64)


def count_errors(output: Tensor, target: Tensor) -> Tensor:
    """Absolute errors added up, and how many they are."""
    total = (output - target).abs().sum(dtype=torch.float64)
    return torch.tensor([total.item(), target.numel()], dtype=torch.float64)


def share(counts: Tensor) -> float:
    """The first of two numbers by the second."""
    return (counts[0] / counts[1].clamp_min(1)).item()
